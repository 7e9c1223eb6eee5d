"""Golden values of the clinical analysis: Table 1, odds ratios, stepwise choice, nomogram.

The tests walk golden.json, so a data set that is added there is tested without a change here.
"""

import numpy as np
import pandas as pd
import pytest
from golden import FOLDER, OUTCOMES, close, entries, needs_golden, number
from scipy.stats import chi2, norm

from her2.stats.association.baseline_table import _test_of_counts as p_value_of_counts
from her2.stats.association.baseline_table import _welch_p_value as welch_p_value
from her2.stats.association.likelihood import Likelihood, maximise
from her2.stats.association.logistic import (
    multivariable_logistic,
    univariable_logistic,
)
from her2.stats.association.logistic_fit import fit_firth
from her2.stats.association.logistic_model import fit_logistic_model, stepwise_logistic
from her2.stats.association.means import (
    standardised_difference,
    standardised_difference_of_shares,
)
from her2.stats.association.nomogram_points import nomogram
from her2.stats.association.odds_ratio_table import variance_inflation

pytestmark = needs_golden

COHORT = ("table1_continuous_train_vs_test", "table1_categorical_train_vs_test")
OUTCOME = ("table1_continuous_her2_1_vs_0", "table1_categorical_her2")


def read(dataset: str) -> tuple[pd.DataFrame, str]:
    """Training rows, if there are cohorts, and the name of the outcome."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    outcome = next(name for name in OUTCOMES if name in table)
    if "cohort" in table:
        table = table[table["cohort"] == "train"].reset_index(drop=True)
    return table, outcome


def two_groups(dataset: str, variable: str, is_cohort: bool) -> tuple[np.ndarray, np.ndarray]:
    """The groups R compared: train and test, or positive and negative."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    outcome = next(name for name in OUTCOMES if name in table)
    is_first = table["cohort"] == "train" if is_cohort else table[outcome] == 1
    return tuple(table.loc[rows, variable].dropna().to_numpy() for rows in (is_first, ~is_first))


@pytest.mark.parametrize(
    ("dataset", "variable", "value", "is_cohort"),
    entries(COHORT[0], extra=(True,))
    + entries(OUTCOME[0], "table1_continuous_tiny", extra=(False,)),
)
def test_two_groups_of_numbers(dataset, variable, value, is_cohort):
    first, second = two_groups(dataset, variable, is_cohort)
    assert [first.size, second.size] == value["n"]
    close(welch_p_value(first, second), value["welch"]["p"])
    close(standardised_difference(first, second), value["smd"])


@pytest.mark.parametrize(
    ("dataset", "variable", "value", "is_cohort"),
    entries(COHORT[1], extra=(True,)) + entries(OUTCOME[1], extra=(False,)),
)
def test_counts(dataset, variable, value, is_cohort):
    counts = np.array(value["table"])
    groups = two_groups(dataset, variable, is_cohort)
    found = np.array([[int((g == level).sum()) for level in (0, 1)] for g in groups])
    assert np.array_equal(np.sort(found.ravel()), np.sort(counts.ravel()))
    p_value, test_name = p_value_of_counts(counts)
    is_sparse = value["min_expected"] < 5
    assert test_name == ("Fisher exact" if is_sparse else "chi-square (Yates)")
    close(p_value, value["fisher_p" if is_sparse else "p_yates"])
    p, q = (row[1] / row.sum() for row in found)
    by_hand = abs(p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    close(standardised_difference_of_shares(found[0], found[1]), by_hand)


@pytest.mark.parametrize(("_dataset", "_name", "value"), entries("table2_univariable"))
def test_printed_odds_ratios(_dataset, _name, value):
    cells = {
        "ER": (20, 96, 23, 44),
        "menopausal": (23, 71, 20, 69),
        "lymph": (16, 46, 27, 94),
        "calcification": (24, 59, 19, 81),
        "family": (2, 5, 41, 135),
    }
    for name, expected in value.items():
        events, n, other_events, other_n = cells[name]
        table = pd.DataFrame({"x": [1] * n + [0] * other_n})
        y = [1] * events + [0] * (n - events) + [1] * other_events + [0] * (other_n - other_events)
        row = univariable_logistic(table, y, ["x"]).iloc[0]
        close(row["odds_ratio"], expected["proper_OR"])
        close(row["low"], expected["proper_95ci"][0])
        close(row["high"], expected["proper_95ci"][1])
        close(row["p_value"], expected["proper_p"])


@pytest.mark.parametrize(
    ("dataset", "variable", "value"), entries("logit_univariable_nointercept_90ci")
)
def test_no_intercept(dataset, variable, value):
    """The same likelihood, without a column of ones."""
    table, outcome = read(dataset)
    x, positive = table[variable].to_numpy(float), table[outcome].to_numpy() == 1
    found = maximise(Likelihood(x[:, None] / x.std(), positive))
    b, error = found.coefficients[0] / x.std(), np.sqrt(found.covariance[0, 0]) / x.std()
    half = norm.isf(0.05) * error
    expected = [value[variable][name] for name in ("OR", "OR_lo_wald", "OR_hi_wald", "p")]
    by_fit = [*np.exp([b, b - half, b + half]), 2 * norm.sf(abs(b) / error)]
    np.testing.assert_allclose(by_fit, expected, rtol=1e-8)


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("epitools_oddsratio_wald_ER"))
def test_epitools(dataset, _name, value):
    table, outcome = read(dataset)
    row = univariable_logistic(table, outcome, ["ER"]).iloc[0]
    for name, expected in (("odds_ratio", "OR"), ("low", "lo"), ("high", "hi")):
        close(row[name], value[expected])


def same_rows(result: pd.DataFrame, value: dict) -> None:
    """Odds ratios, Wald intervals and p-values, intercept included."""
    by_name = result.replace("(intercept)", "(Intercept)").set_index("variable")
    assert set(by_name.index) == set(value)
    for name, expected in value.items():
        row = by_name.loc[name]
        assert (row["method"], row["note"]) == ("maximum likelihood", "")
        close(row["odds_ratio"], expected["OR"])
        close(row["low"], expected["OR_lo_wald"])
        close(row["high"], expected["OR_hi_wald"])
        close(row["p_value"], expected["p"])


def profiled(dataset: str, value: dict) -> None:
    """Exact bounds are near R's, and R's interpolation of our curve gives R's."""
    table, outcome = read(dataset)
    variables = [name for name in value if name != "(Intercept)"]
    used = table[[outcome, *variables]].dropna()
    result = multivariable_logistic(used, outcome, variables, intervals="profile", intercept=True)
    by_name = result.replace("(intercept)", "(Intercept)").set_index("variable")
    design = np.column_stack([np.ones(len(used)), used[variables].to_numpy(float)])
    positive = used[outcome].to_numpy() == 1
    for i, name in enumerate(["(Intercept)", *variables]):
        expected = [number(value[name][f"OR_{side}_profile"]) for side in ("lo", "hi")]
        assert by_name.loc[name, ["low", "high"]].tolist() == pytest.approx(expected, rel=2e-3)
        np.testing.assert_allclose(mass_interval(design, positive, i), expected, rtol=1e-8)


def mass_interval(design: np.ndarray, positive: np.ndarray, i: int) -> np.ndarray:
    """MASS::confint.glm: signed roots of the profile at steps, a spline, linear interpolation."""
    scale = np.r_[1.0, design[:, 1:].std(axis=0)]
    likelihood = Likelihood(design / scale, positive)
    top = maximise(likelihood)
    zmax = np.sqrt(chi2.ppf(1 - 0.05 / 4, 1))
    error = np.sqrt(top.covariance[i, i])
    values, roots = [top.coefficients[i]], [0.0]
    for side in (-1.0, 1.0):
        for step in range(1, 10):
            values.append(top.coefficients[i] + side * step * zmax / 5 * error)
            start = top.coefficients.copy()
            start[i] = values[-1]
            held = maximise(likelihood, start, held=i)
            loss = 2 * (top.log_likelihood - held.log_likelihood)
            roots.append(side * np.sqrt(loss))
            if abs(roots[-1]) >= zmax:
                break
    order = np.argsort(values)
    x, z = np.array(values)[order], np.array(roots)[order]
    grid = np.linspace(x[0], x[-1], 3 * len(x))
    at = np.interp(norm.ppf([0.025, 0.975]), fmm_spline(x, z, grid), grid)
    return np.exp(at / scale[i])


def fmm_spline(x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """R's default spline: third derivative at each end that of a cubic through four points."""
    h = np.diff(x)
    n = len(x)
    system, right = np.zeros((n, n)), np.zeros(n)
    for k in range(1, n - 1):
        system[k, k - 1 : k + 2] = h[k - 1], 2 * (h[k - 1] + h[k]), h[k]
        right[k] = 6 * ((y[k + 1] - y[k]) / h[k] - (y[k] - y[k - 1]) / h[k - 1])
    for row, ends, sl in ((0, (0, 1), slice(0, 4)), (n - 1, (n - 2, n - 1), slice(n - 4, n))):
        third = 6 * np.polyfit(x[sl] - x[sl].mean(), y[sl], 3)[0]
        width = h[0] if row == 0 else h[-1]
        system[row, ends[0]], system[row, ends[1]] = -1 / width, 1 / width
        right[row] = third
    m = np.linalg.solve(system, right)
    k = np.clip(np.searchsorted(x, grid) - 1, 0, n - 2)
    a, b = (x[k + 1] - grid) / h[k], (grid - x[k]) / h[k]
    bend = ((a**3 - a) * m[k] + (b**3 - b) * m[k + 1]) * h[k] ** 2 / 6
    return a * y[k] + b * y[k + 1] + bend


@pytest.mark.parametrize(("dataset", "variable", "value"), entries("logit_univariable"))
def test_univariable(dataset, variable, value):
    table, outcome = read(dataset)
    same_rows(univariable_logistic(table, outcome, [variable], intercept=True), value)
    profiled(dataset, value)


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("logit_multivariable_train"))
def test_multivariable(dataset, _name, value):
    table, outcome = read(dataset)
    variables = [name for name in value if name != "(Intercept)"]
    same_rows(multivariable_logistic(table, outcome, variables, intercept=True), value)
    profiled(dataset, value)
    model = fit_logistic_model(table, outcome, variables)
    close(model.intercept, value["(Intercept)"]["coef"])
    for name in variables:
        close(model.coefficients[name], value[name]["coef"])
    errors = np.sqrt(np.diag(model.covariance))
    np.testing.assert_allclose(
        errors, [value[n]["se"] for n in ("(Intercept)", *variables)], rtol=1e-8
    )
    fitted = model.probability(table)
    assert fitted.mean() == pytest.approx(table[outcome].mean())  # as the score equations say
    assert (variance_inflation(table, variables) >= 1).all()


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("stepAIC_both"))
def test_stepwise(dataset, _name, value):
    table, outcome = read(dataset)
    variables = next(
        [n for n in p.values[2] if n != "(Intercept)"]
        for p in entries("logit_multivariable_train")
        if p.values[0] == dataset
    )
    found = stepwise_logistic(table, outcome, variables)
    assert list(found.selected) == value["selected"]
    assert found.path["change"].tolist() == value["steps"]
    np.testing.assert_allclose(found.path["value"], value["aic_path"], rtol=1e-9)
    if "or" in value:
        rows = multivariable_logistic(table, outcome, found.selected, intercept=True)
        same_rows(rows, value["or"])


@pytest.mark.parametrize(("dataset", "name", "value"), entries("firth"))
def test_firth(dataset, name, value):
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    outcome = next(n for n in OUTCOMES if n in table)
    variables = [name] if name else [c for c in table.columns if c != outcome]
    used = table[[outcome, *variables]].dropna()
    positive = used[outcome].to_numpy() == 1
    fit = fit_firth(positive, used[variables].to_numpy(float), variables)
    np.testing.assert_allclose([fit.intercept, *fit.coefficients], value["coef"], rtol=1e-8)
    errors = np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(errors, value["se"], rtol=1e-8)
    result = multivariable_logistic(used, outcome, variables)
    if (result["method"] == "Firth").all():
        np.testing.assert_allclose(np.log(result["odds_ratio"]), value["coef"][1:], rtol=1e-8)


@pytest.mark.parametrize(("dataset", "_name", "value"), entries("nomogram_train"))
def test_nomogram(dataset, _name, value):
    table, outcome = read(dataset)
    terms = [name for name in value["coef"] if name != "Intercept"]
    variables = [term.split("=")[0] for term in terms]
    categories = [term.split("=")[0] for term in terms if "=" in term]
    table = table.astype(dict.fromkeys(categories, "category"))
    drawn = nomogram(fit_logistic_model(table, outcome, variables), table)
    close(drawn.points_per_unit, value["sc_points_per_lp"])
    close(drawn.lp_at_zero, value["intercept_lp_at_0_points"])
    for name in variables:
        axis = drawn.points[drawn.points["variable"] == name]
        assert axis["value"].tolist() == value[name]["value"]  # pretty numbers to the last bit
        np.testing.assert_allclose(axis["points"], value[name]["points"], atol=1e-9)
    assert drawn.total_points["total_points"].tolist() == value["total.points"]["x"]
    axis = drawn.linear_predictor_axis
    assert axis["linear_predictor"].tolist() == value["lp"]["x.real"]
    np.testing.assert_allclose(axis["total_points"], value["lp"]["x"], rtol=1e-9)
    axis = drawn.probability_axis
    assert axis["probability"].tolist() == value["Predicted Value"]["x.real"]
    np.testing.assert_allclose(axis["total_points"], value["Predicted Value"]["x"], rtol=1e-9)
    expected = value["total_points_to_prob"]
    for points, p in zip(expected["points"], expected["prob"], strict=True):
        close(drawn.probability(points), p)
