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
from her2.stats.probabilities.loess import loess_curve

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
    if is_constant(p):
        not_estimable(stats.auc_interval, y, p)
        return
    result = stats.auc_interval(y, p)
    close(result.auc, value["auc"])
    close(result.variance, value["var"])
    if result.auc < 1:  # else the formula has no width, and the product Newcombe's limit
        close(result.low, max(0.0, number(value["ci95_wald_unclipped"][0])))
    close(result.high, min(1.0, number(value["ci95_wald_unclipped"][1])))


@pytest.mark.parametrize(("dataset", "scores", "value"), entries("delong_paired"))
def test_delong_limits(dataset, scores, value):
    y, first, second = pair(dataset, scores)
    if is_constant(first) or is_constant(second):
        not_estimable(stats.delong_test, y, first, second)
        return
    result = stats.delong_test(y, first, second)
    close(result.low, value["diff_ci95"][0])
    close(result.high, value["diff_ci95"][1])


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


@pytest.mark.parametrize(("dataset", "score", "value"), entries("ici_loess"))
def test_calibration_errors(dataset, score, value):
    y, p = cases(dataset, score)
    if is_constant(p):
        not_estimable(stats.calibration_errors, y, p)
        return
    smooth = loess_curve(p, y)
    distance = np.abs(smooth - p)
    quantiles = dict(
        zip(("E50", "E90", "Emax"), np.quantile(distance, [0.5, 0.9, 1.0]), strict=True)
    )
    for name, found in {"ICI": distance.mean(), **quantiles}.items():
        close(found, value[name], 1e-6)
    errors = stats.calibration_errors(y, p)  # of the smooth within [0, 1], which is nearer
    assert errors.ici == pytest.approx(np.abs(np.clip(smooth, 0, 1) - p).mean())
    for name, expected in {"ici": "ICI", "e50": "E50", "e90": "E90", "e_max": "Emax"}.items():
        if smooth.min() >= 0 and smooth.max() <= 1:
            close(getattr(errors, name), value[expected], 1e-6)
        assert getattr(errors, name) <= number(value[expected]) + 1e-6


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


def test_resamples_are_drawn_as_r_draws_them():
    y = np.repeat([True, False], [30, 70])
    times = np.concatenate(list(draws(patients(y, None), 400, 0, stratified=False)))
    assert (times.sum(axis=1) == 100).all()
    assert np.mean(times == 0) == pytest.approx((1 - 1 / 100) ** 100, abs=0.01)
