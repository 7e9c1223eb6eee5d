"""Every golden quantity that `her2.stats` computes, against R.

The tests walk golden.json, so a data set that is added there is tested without a change here.
"""

import numpy as np
import pandas as pd
import pytest
from golden import (
    FOLDER,
    OUTCOMES,
    cases,
    close,
    entries,
    is_constant,
    is_separated,
    needs_golden,
    number,
)

from her2 import stats
from her2.core.errors import NotEstimable
from her2.stats.probabilities.calibration_measures import type7_quantiles

FORMS = {"1": "ICC(1,1)", "2": "ICC(2,1)", "3": "ICC(3,1)"} | {
    f"{i}k": f"ICC({i},k)" for i in range(1, 4)
}

pytestmark = needs_golden


@pytest.mark.parametrize(("dataset", "score", "value"), entries("auc", "auc_wilcox_route"))
def test_auc(dataset, score, value):
    y, p = cases(dataset, score)
    if is_constant(p):
        with pytest.raises(NotEstimable):
            stats.auc(y, p)
        return
    close(stats.auc(y, p), value)


@pytest.mark.parametrize(("dataset", "score", "value"), entries("auc_delong_var"))
def test_delong_variance(dataset, score, value):
    y, p = cases(dataset, score)
    if is_constant(p):
        with pytest.raises(NotEstimable):
            stats.auc_interval(y, p)
        return
    close(stats.auc_interval(y, p).variance, value)


@pytest.mark.parametrize(
    ("dataset", "score", "value", "level"),
    entries("auc_ci95_delong", extra=(0.95,)) + entries("auc_ci90_delong", extra=(0.9,)),
)
def test_auc_interval(dataset, score, value, level):
    y, p = cases(dataset, score)
    if is_constant(p):
        with pytest.raises(NotEstimable):
            stats.auc_interval(y, p, level=level)
        return
    result = stats.auc_interval(y, p, level=level)
    close(result.auc, value["auc"])
    if result.auc < 1:  # of which pROC warns that its interval, 1 to 1, can mislead
        close(result.low, value["lower"])
    close(result.high, value["upper"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("roc_coords_all"))
def test_roc_curve(dataset, score, value):
    y, p = cases(dataset, score)
    if is_constant(p):
        with pytest.raises(NotEstimable):
            stats.roc_curve(y, p)
        return
    curve = stats.roc_curve(y, p)
    thresholds = np.array([number(t) for t in value["threshold"]])
    finite = curve.thresholds[1:-1]
    nearest = 1 + np.abs(finite[:, None] - thresholds[None, 1:-1]).argmin(axis=0)
    at = np.concatenate([[0], nearest, [len(finite) + 1]])  # R gives at most 100 of the rows
    np.testing.assert_allclose(curve.thresholds[at], thresholds, rtol=1e-8)
    np.testing.assert_allclose(curve.sensitivity[at], value["sensitivity"], atol=1e-8)
    np.testing.assert_allclose(
        1 - curve.false_positive_rate[at], np.array(value["specificity"], float), atol=1e-8
    )


@pytest.mark.parametrize(("dataset", "score", "value"), entries("youden_best"))
def test_youden_threshold(dataset, score, value):
    y, p = cases(dataset, score)
    thresholds = [number(t) for t in value["threshold"]]
    if is_constant(p) or not np.isfinite(thresholds).all():
        return  # never an infinite threshold: tested in test_operating_point
    found = stats.youden_threshold(y, p)
    close(found, min(thresholds))
    point = stats.operating_point(y, p, found)
    best = int(np.argmin(thresholds))
    for name in ("tp", "fp", "tn", "fn", "sensitivity", "specificity", "accuracy"):
        close(getattr(point, name), value[name][best])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("classif_youden", "classif_t0"))
def test_operating_point(dataset, score, value):
    y, p = cases(dataset, score.rpartition(".")[2])  # the key of threshold 0.5 holds two points
    threshold = number(value["threshold"])
    if np.isnan(threshold):
        return
    point = stats.operating_point(y, p, threshold)
    for name in ("tp", "fp", "tn", "fn"):
        assert getattr(point, name) == value[name]
    close(point.accuracy, value["accuracy"])
    if value["f1"] is not None and not np.isnan(number(value["f1"])):
        close(point.f1, value["f1"])
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        proportion(point, name, value[name])


def proportion(point, name, expected):
    if expected is None or expected["n"] == 0:
        assert getattr(point, name) is None
        assert point.interval(name) is None
        return
    close(getattr(point, name), expected["est"])
    close(point.interval(name)[0], expected["wilson"][0])
    close(point.interval(name)[1], expected["wilson"][1])


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("delong_paired"))
def test_delong_paired(dataset, scores, value):
    y, first, second = cases(dataset, *scores.split("_vs_"))
    if is_constant(first) or is_constant(second):
        with pytest.raises(NotEstimable):
            stats.delong_test(y, first, second)
        return
    result = stats.delong_test(y, first, second)
    close(result.z, value["Z"])
    close(result.p_value, value["p"])
    close(result.auc_first, value["auc1"])
    close(result.auc_second, value["auc2"])
    close(result.difference, number(value["auc1"]) - number(value["auc2"]))


def unpaired(first, second, value):
    samples = (*first, *second)
    if is_constant(first[1]) or is_constant(second[1]):
        with pytest.raises(NotEstimable):
            stats.delong_test_unpaired(*samples)
        return
    result = stats.delong_test_unpaired(*samples)
    if np.isnan(number(value["D"])):  # two perfect scores
        assert (result.t, result.p_value) == (0.0, 1.0)
        return
    close(result.t, value["D"])
    close(result.dof, value["df"])
    close(result.p_value, value["p"])


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("delong_unpaired"))
def test_delong_unpaired(dataset, scores, value):
    first, second = scores.split("_vs_")
    unpaired(cases(dataset, first), cases(dataset, second), value)


@pytest.mark.parametrize(("dataset", "score", "value"), entries("delong_unpaired_oddeven"))
def test_delong_unpaired_halves(dataset, score, value):
    y, p = cases(dataset, score)
    unpaired((y[::2], p[::2]), (y[1::2], p[1::2]), value)


@pytest.mark.parametrize(
    ("dataset", "score", "value", "n_groups"),
    entries("hosmer_lemeshow_g10", extra=(10,)) + entries("hosmer_lemeshow_g5", extra=(5,)),
)
def test_hosmer_lemeshow(dataset, score, value, n_groups):
    y, p = cases(dataset, score)
    if is_constant(p) or number(value["df_realised"]) < 1:
        with pytest.raises(NotEstimable):
            stats.hosmer_lemeshow(y, p, n_groups=n_groups)
        return
    breaks = np.unique(type7_quantiles(p, n_groups))
    assert breaks.tolist() == [number(b) for b in value["breaks"]]  # to the last bit
    result = stats.hosmer_lemeshow(y, p, n_groups=n_groups)
    close(result.statistic, value["chi2"])
    assert result.dof == value["df_realised"]
    close(result.p_value, value["p_df_realised"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("cal_logistic"))
def test_calibration_line(dataset, score, value):
    y, p = cases(dataset, score)
    inside = (p > 0) & (p < 1)
    if is_constant(p) or is_separated(y[inside], p[inside]):
        with pytest.raises(NotEstimable):
            stats.calibration_line(y, p)
        return
    intercept, slope = stats.calibration_line(y, p)
    close(intercept, value["intercept"])
    close(slope, value["slope"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("cal_in_the_large"))
def test_calibration_in_the_large(dataset, score, value):
    close(stats.calibration_in_the_large(*cases(dataset, score)), value["intercept"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("brier"))
def test_brier(dataset, score, value):
    close(stats.brier_score(*cases(dataset, score)), value["brier"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("dca"))
def test_net_benefit(dataset, score, value):
    thresholds = np.array(value["threshold"], dtype=float)
    names = [key.removeprefix("nb_") for key in value if key.startswith("nb_")]
    for name in (n for n in names if not n.startswith("strict_")):
        y, p = cases(dataset, name)
        found = stats.net_benefit(y, p, thresholds)
        np.testing.assert_allclose(found, np.array(value[f"nb_{name}"], float), atol=1e-8)
        treat_all = stats.net_benefit_treat_all(y, thresholds)
        np.testing.assert_allclose(treat_all, np.array(value["treat_all"], float), atol=1e-8)


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("icc_psych_aov"))
@pytest.mark.parametrize("short", FORMS)
def test_icc(dataset, _name, value, short):
    if f"ICC{short}" not in value:
        pytest.skip("several features in one table: another layout")
    ratings = pd.read_csv(FOLDER / f"{dataset}.csv").to_numpy(dtype=float)
    result = stats.icc(ratings, form=FORMS[short])
    expected = value[f"ICC{short}"]
    close(result.value, expected["est"])
    close(result.low, expected["ci"][0], 1e-6)
    close(result.high, expected["ci"][1], 1e-6)


def odds_ratio(row, expected):
    assert row["note"] == ""
    close(row["odds_ratio"], expected["OR"])
    close(row["low"], expected["OR_lo_wald"])
    close(row["high"], expected["OR_hi_wald"])
    close(row["p_value"], expected["p"])


def training_rows(dataset: str) -> tuple[pd.DataFrame, str]:
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    if "cohort" in table:
        table = table[table["cohort"] == "train"]
    return table, next(name for name in OUTCOMES if name in table)


@pytest.mark.parametrize(("dataset", "variable", "value"), entries("logit_univariable"))
def test_univariable_logistic(dataset, variable, value):
    table, outcome = training_rows(dataset)
    result = stats.univariable_logistic(table, outcome, [variable])
    odds_ratio(result.iloc[0], value[variable])


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("logit_multivariable_train"))
def test_multivariable_logistic(dataset, _name, value):
    table, outcome = training_rows(dataset)
    variables = [name for name in value if name != "(Intercept)"]
    result = stats.multivariable_logistic(table, outcome, variables)
    assert result["variable"].tolist() == variables
    for _, row in result.iterrows():
        odds_ratio(row, value[row["variable"]])


@pytest.mark.parametrize(("dataset", "name", "value"), entries("glm_separation"))
def test_separation_is_reported(dataset, name, value):
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    variables = [name] if name else [c for c in table.columns if c != "y"]
    result = stats.multivariable_logistic(table, "y", variables)
    assert (result["method"] == "Firth").all()
    assert result["note"].str.contains("separate").all()
    refused = stats.multivariable_logistic(table, "y", variables, separation="not estimable")
    assert refused["note"].str.startswith("not estimable: ").all()
    assert refused["odds_ratio"].isna().all()


def by_group(dataset: str, is_cohort: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """Table and its two groups: R's train against test, or HER2 positive against negative."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    if is_cohort:
        return table, table["cohort"].to_numpy()
    return table, np.where(table["HER2"] == 1, "train", "test")


COHORT = ("table1_continuous_train_vs_test", "table1_categorical_train_vs_test")
OUTCOME = ("table1_continuous_her2_1_vs_0", "table1_categorical_her2")


@pytest.mark.parametrize(
    ("dataset", "variable", "value", "is_cohort"),
    entries(*COHORT, extra=(True,)) + entries(*OUTCOME, extra=(False,)),
)
def test_baseline_p_values(dataset, variable, value, is_cohort):
    table, groups = by_group(dataset, is_cohort)
    result = stats.baseline_table(table[[variable]], groups)
    row = result[result["variable"] == variable].iloc[0]
    if "welch" in value:
        assert row["test_name"] == "Welch t"
        close(row["p_value"], value["welch"]["p"])
    elif value["min_expected"] < 5:
        assert row["test_name"] == "Fisher exact"
        close(row["p_value"], value["fisher_p"])
    else:
        assert row["test_name"] == "chi-square (Yates)"
        close(row["p_value"], value["p_yates"])
