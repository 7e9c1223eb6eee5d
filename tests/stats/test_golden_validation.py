"""Golden values of discrimination, calibration, reclassification and optimism, against R.

The tests walk golden.json, so a data set that is added there is tested without a change here.
"""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from golden import FOLDER, cases, close, entries, is_constant, is_separated, needs_golden, number
from scipy.special import expit

from her2 import stats
from her2.core.errors import NotEstimable
from her2.stats.discrimination.patient_bootstrap import draws, patients

pytestmark = needs_golden


def pair(dataset, scores):
    """Outcome and the two scores of a key like ``p1_vs_p2`` or ``new_p1_vs_old_p2``."""
    names = [name.removeprefix("new_").removeprefix("old_") for name in scores.split("_vs_")]
    return cases(dataset, *names)


def not_estimable(function, *arguments):
    with pytest.raises(NotEstimable):
        function(*arguments)


# discrimination


@pytest.mark.parametrize(("dataset", "score", "value"), entries("auc_formula"))
def test_auc_formula(dataset, score, value):
    y, p = cases(dataset, score)
    logit_interval = partial(stats.auc_interval, method="logit")
    if is_constant(p):
        not_estimable(logit_interval, y, p)
        not_estimable(stats.hanley_mcneil_standard_error, y, p)
        return
    result = stats.auc_interval(y, p)
    close(result.auc, value["auc"])
    close(result.variance, value["var"])
    close(result.low, max(0.0, number(value["ci95_wald_unclipped"][0])))
    close(result.high, min(1.0, number(value["ci95_wald_unclipped"][1])))
    close(stats.hanley_mcneil_standard_error(y, p), value["hanley_mcneil_se"])
    if np.isnan(number(value["ci95_logit"][0])):
        not_estimable(logit_interval, y, p)
        return
    close(logit_interval(y, p).low, value["ci95_logit"][0])
    close(logit_interval(y, p).high, value["ci95_logit"][1])


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("delong_paired"))
def test_delong_limits(dataset, scores, value):
    y, first, second = pair(dataset, scores)
    if is_constant(first) or is_constant(second):
        not_estimable(stats.delong_test, y, first, second)
        return
    result = stats.delong_test(y, first, second)
    close(result.low, value["diff_ci95"][0])
    close(result.high, value["diff_ci95"][1])


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("delong_cov"))
def test_delong_covariance(dataset, scores, value):
    y, first, second = pair(dataset, scores)
    if is_constant(first) or is_constant(second):
        not_estimable(stats.delong_covariance, y, first, second)
        return
    close(stats.delong_covariance(y, first, second), value)


@pytest.mark.parametrize(("dataset", "score", "value"), entries("roc_coords_all"))
def test_roc_coordinates(dataset, score, value):
    y, p = cases(dataset, score)
    if is_constant(p):
        not_estimable(stats.roc_coordinates, y, p, [0.5])
        return
    thresholds = [number(t) for t in value["threshold"]]
    found = stats.roc_coordinates(y, p, thresholds, along="threshold")
    np.testing.assert_allclose(found["specificity"], np.array(value["specificity"], float))
    np.testing.assert_allclose(found["sensitivity"], np.array(value["sensitivity"], float))


@pytest.mark.parametrize(("dataset", "score", "value"), entries("topleft_best"))
def test_closest_topleft_threshold(dataset, score, value):
    y, p = cases(dataset, score)
    thresholds = [number(t) for t in value["threshold"]]
    if is_constant(p):
        not_estimable(stats.closest_topleft_threshold, y, p)
        return
    if not np.isfinite(thresholds).all():
        return  # never an infinite threshold: tested in test_operating_point
    found = stats.closest_topleft_threshold(y, p)
    close(found, min(thresholds))
    point = stats.operating_point(y, p, found)
    close(point.sensitivity, value["sensitivity"][int(np.argmin(thresholds))])
    close(point.specificity, value["specificity"][int(np.argmin(thresholds))])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("classif_youden", "classif_t0"))
@pytest.mark.parametrize("name", ["sensitivity", "specificity", "ppv", "npv"])
def test_proportions(dataset, score, value, name):
    y, p = cases(dataset, score.rpartition(".")[2])  # the key of threshold 0.5 holds two points
    threshold, expected = number(value["threshold"]), value[name]
    if np.isnan(threshold):
        return
    point = stats.operating_point(y, p, threshold)
    if expected is None or expected["n"] == 0:
        assert point.interval(name, method="clopper-pearson") is None
        return
    assert point.counts(name) == (expected["x"], expected["n"])
    exact = point.interval(name, method="clopper-pearson")
    np.testing.assert_allclose(exact, expected["clopper_pearson"], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(point.interval(name), expected["wilson"], rtol=1e-8, atol=1e-8)


# calibration


@pytest.mark.parametrize(("dataset", "score", "value"), entries("cal_logistic"))
def test_calibration_line_interval(dataset, score, value):
    y, p = cases(dataset, score)
    inside = (p > 0) & (p < 1)
    if is_constant(p) or is_separated(y[inside], p[inside]):
        not_estimable(stats.calibration_line_interval, y, p)
        return
    line = stats.calibration_line_interval(y, p)
    assert line.n == value["n_used"]
    close(line.intercept, value["intercept"])
    close(line.slope, value["slope"])
    close(line.intercept_standard_error, value["se_intercept"])
    close(line.slope_standard_error, value["se_slope"])
    close(line.slope_low, value["slope_ci95_wald"][0])
    close(line.slope_high, value["slope_ci95_wald"][1])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("cal_in_the_large"))
def test_calibration_in_the_large_interval(dataset, score, value):
    result = stats.calibration_in_the_large_interval(*cases(dataset, score))
    close(result.intercept, value["intercept"])
    close(result.standard_error, value["se"])
    close(result.observed_minus_expected, value["o_minus_e"])
    close(result.observed_over_expected, value["o_over_e"])
    close((result.high - result.low) / 2, 1.959963984540054 * value["se"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("brier"))
def test_scaled_brier(dataset, score, value):
    y, p = cases(dataset, score)
    close(stats.scaled_brier(y, p), 1 - number(value["brier"]) / (y.mean() * (1 - y.mean())))


@pytest.mark.parametrize(("dataset", "score", "value"), entries("logloss"))
def test_log_loss(dataset, score, value):
    close(stats.log_loss(*cases(dataset, score)), value)


@pytest.mark.parametrize(("dataset", "score", "value"), entries("spiegelhalter"))
def test_spiegelhalter(dataset, score, value):
    y, p = cases(dataset, score)
    if np.isin(p, (0.0, 0.5, 1.0)).all():
        not_estimable(stats.spiegelhalter, y, p)
        return
    test = stats.spiegelhalter(y, p)
    close(test.z, value["Z"])
    close(test.p_value, value["p"])


@pytest.mark.parametrize(("dataset", "score", "value"), entries("ece10"))
def test_expected_calibration_error(dataset, score, value):
    y, p = cases(dataset, score)
    close(stats.expected_calibration_error(y, p), value["ece_uniform"])


@pytest.mark.parametrize(
    ("dataset", "score", "value", "surface"),
    entries("ici_loess", extra=("interpolate",)) + entries("ici_loess_direct", extra=("direct",)),
)
def test_calibration_errors(dataset, score, value, surface):
    y, p = cases(dataset, score)
    if is_constant(p):
        not_estimable(stats.calibration_errors, y, p)
        return
    errors = stats.calibration_errors(y, p, surface=surface)
    for name, expected in {"ici": "ICI", "e50": "E50", "e90": "E90", "e_max": "Emax"}.items():
        close(getattr(errors, name), value[expected], 1e-6)


@pytest.mark.parametrize(
    ("dataset", "score", "value", "delta"),
    entries("lowess_cal", extra=(None,)) + entries("lowess_cal_delta0", extra=(0.0,)),
)
def test_lowess_calibration(dataset, score, value, delta):
    y, p = cases(dataset, score)
    if is_constant(p):
        not_estimable(stats.lowess_calibration, y, p)
        return
    result = stats.lowess_calibration(y, p, delta=delta)
    close(result.errors.e_max, value["emax"])
    close(result.errors.e90, value["e90"])
    close(result.errors.ici, value["eavg"])
    if "x" in value:  # some of the points, rounded as the predictions are
        x = np.array(value["x"], float)
        at = np.abs(result.predicted[:, None] - x).argmin(axis=0)
        np.testing.assert_allclose(result.predicted[at], x, atol=1e-12)
        np.testing.assert_allclose(result.observed[at], np.array(value["y"], float), atol=1e-8)


VAL_PROB = {
    "r_squared": "R2",
    "discrimination": "D",
    "discrimination_chi2": "D:Chi-sq",
    "unreliability": "U",
    "unreliability_chi2": "U:Chi-sq",
    "unreliability_p": "U:p",
    "quality": "Q",
    "brier": "Brier",
    "e_max": "Emax",
    "e90": "E90",
    "e_average": "Eavg",
    "spiegelhalter_z": "S:z",
    "spiegelhalter_p": "S:p",
}


@pytest.mark.parametrize(("dataset", "score", "value"), entries("val_prob"))
def test_validation_measures(dataset, score, value):
    y, p = cases(dataset, score)
    inside = (p > 0) & (p < 1)
    if is_constant(p) or is_separated(y[inside], p[inside]):
        not_estimable(stats.validation_measures, y, p)
        return
    found = stats.validation_measures(y, p)
    for name, expected in VAL_PROB.items():
        # U is the deviance at R's line, which it stops short of the maximum likelihood
        tolerance = 1e-6 if name.startswith(("unreliability", "quality")) else 1e-8
        close(getattr(found, name), value[expected], tolerance)
    close(found.intercept, value["Intercept"], 1e-3)
    close(found.slope, value["Slope"], 1e-3)
    binned = np.floor(5000 * p[inside])  # R counts predictions in one bin of 0.0002 as tied
    close(stats.auc(y[inside], binned), value["C (ROC)"])
    close(found.c, value["C (ROC)"], 1e-3)
    close(found.dxy, value["Dxy"], 2e-3)


@pytest.mark.parametrize(
    ("dataset", "score", "value", "n_groups"),
    entries("hosmer_lemeshow_cut2_g10", extra=(10,))
    + entries("hosmer_lemeshow_cut2_g5", extra=(5,)),
)
def test_hosmer_lemeshow_of_equal_counts(dataset, score, value, n_groups):
    y, p = cases(dataset, score)
    test = partial(stats.hosmer_lemeshow, n_groups=n_groups, grouping="equal_count")
    if is_constant(p) or number(value["df"]) < 1:
        not_estimable(test, y, p)
        return
    result = test(y, p)
    close(result.statistic, value["chi2"])
    assert result.dof == value["df"]
    close(result.p_value, value["p"])


@pytest.mark.parametrize(
    ("dataset", "score", "value", "n_groups"),
    entries("hosmer_lemeshow_g10", extra=(10,)) + entries("hosmer_lemeshow_g5", extra=(5,)),
)
def test_hosmer_lemeshow_of_new_cases(dataset, score, value, n_groups):
    y, p = cases(dataset, score)
    test = partial(stats.hosmer_lemeshow, n_groups=n_groups, external=True)
    if is_constant(p) or number(value["df_realised"]) < 1:
        not_estimable(test, y, p)
        return
    result = test(y, p)
    assert result.dof == value["df_realised"] + 2
    if result.dof == value["df_external_g"]:
        close(result.p_value, value["p_external"])


# reclassification


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("idi_nri"))
def test_idi_and_nri(dataset, scores, value):
    y, new, old = pair(dataset, scores)
    idi, nri = stats.idi(y, new, old), stats.nri(y, new, old)
    close(idi.idi, value["idi"])
    close(idi.events, value["improveSens"])
    close(idi.non_events, value["improveSpec"])
    close(idi.standard_error, value["se.idi"])
    close(nri.nri, value["nri"])
    close(nri.events, value["nri.ev"])
    close(nri.non_events, value["nri.ne"])
    close(nri.standard_error, value["se.nri"])
    if number(value["se.idi"]) == 0.0:  # R has NaN where the scores are the same
        assert (idi.z, idi.p_value, nri.z, nri.p_value) == (0.0, 1.0, 0.0, 1.0)
        return
    close(idi.z, value["z.idi"])
    close(idi.p_value, value["p.idi"])
    close(nri.z, value["z.nri"])
    close(nri.p_value, value["p.nri"])


@pytest.mark.parametrize(("dataset", "key", "value"), entries("nri_categorical_"))
def test_nri_categorical(dataset, key, value):
    cuts, _, scores = key.rpartition(".new_")  # the key spells [.2, .5] as "2_.5"
    y, new, old = pair(dataset, scores)
    result = stats.nri_categorical(
        y, new, old, cut_offs=[float(f".{c.strip('.')}") for c in cuts.split("_")]
    )
    close(result.nri, value["nri"])
    close(result.events, value["nri_ev"])
    close(result.non_events, value["nri_ne"])
    close(result.standard_error, value["se_multinomial"])
    close(result.standard_error_null, value["se_pencina2008_null"])
    if np.isnan(number(value["z"])):
        assert (result.z, result.p_value_null) == (0.0, 1.0)
        return
    close(result.z, value["z"])
    close(result.z_null, value["z_pencina2008"])
    close(result.p_value_null, value["p_pencina2008"])


# optimism


def logistic_fit(X, y):
    """Logistic regression by Newton's method: the pipeline that R validated."""
    design = np.column_stack([np.ones(len(X)), X])
    b = np.zeros(design.shape[1])
    for _ in range(12):
        p = expit(design @ b)
        information = (design * (p * (1 - p))[:, None]).T @ design
        b = b + np.linalg.solve(information, design.T @ (y - p))
    return lambda X: expit(np.column_stack([np.ones(len(X)), X]) @ b)


def her2_rows(dataset):
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    table = table[table["cohort"] == "train"]
    return table[["ER", "PR", "dl_prob", "rad_prob"]].to_numpy(float), table["HER2"].to_numpy()


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("validate_harrell_formula"))
def test_optimism(dataset, _name, value):
    X, y = her2_rows(dataset)
    n_resamples = 250
    result = stats.optimism_corrected(logistic_fit, X, y, n_resamples=n_resamples, seed=1)
    for row in result.itertuples():
        name = {"auc": "AUC", "brier": "Brier", "slope": "Slope"}[row.measure]
        close(row.apparent, value["apparent"][name], 1e-7)
        # R's error of 1,000 resamples, added to ours of a quarter as many
        error = value["mc_se"][name] * np.sqrt(1 + 1000 / n_resamples)
        assert row.optimism == pytest.approx(value["optimism"][name], abs=4 * error)
        assert row.corrected == pytest.approx(row.apparent - row.optimism)
        assert row.n_resamples == n_resamples


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("validate_bootstrap"))
def test_optimism_of_all_measures_of_rms(dataset, _name, value):
    X, y = her2_rows(dataset)
    measures = {
        "AUC": stats.auc,
        "Brier": stats.brier_score,
        "Slope": stats.calibration_slope,
        "R2": lambda y, p: stats.validation_measures(y, p).r_squared,
    }
    result = stats.optimism_corrected(
        logistic_fit, X, y, n_resamples=150, seed=2, measures=measures
    ).set_index("measure")
    close(result.loc["R2", "apparent"], value["apparent"]["R2"], 1e-6)
    between = value["corrected_sd_between_seeds"]
    for name in ("AUC", "Brier", "Slope"):
        error = between[name] * np.sqrt(value["B"] / 150) + between[name]
        expected = value["corrected_mean"][name]
        assert result.loc[name, "corrected"] == pytest.approx(expected, abs=4 * error)


def test_resamples_are_drawn_as_r_draws_them():
    y = np.repeat([True, False], [30, 70])
    times = np.concatenate(list(draws(patients(y, None), 400, 0, stratified=False)))
    assert (times.sum(axis=1) == 100).all()
    assert np.mean(times == 0) == pytest.approx((1 - 1 / 100) ** 100, abs=0.01)
