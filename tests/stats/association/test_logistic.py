import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import multivariable_logistic, univariable_logistic
from her2.stats.association.logistic import COLUMNS
from her2.stats.association.logistic_fit import fit_logistic


def table_2x2(a: int, b: int, c: int, d: int) -> pd.DataFrame:
    """a, b: exposed with and without outcome; c, d: not exposed."""
    return pd.DataFrame(
        {"x": [1] * (a + b) + [0] * (c + d), "y": [1] * a + [0] * b + [1] * c + [0] * d}
    )


def simulated(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(50, 12, size=n)})
    table["grade"] = rng.choice(["I", "II", "III"], size=n)
    table["y"] = (rng.random(n) < 1 / (1 + np.exp(-table["a"]))).astype(int)
    return table


def test_odds_ratio_of_a_2x2_table_by_hand():
    row = univariable_logistic(table_2x2(20, 76, 23, 21), "y", ["x"]).iloc[0]
    log_or, se = np.log(20 * 21 / (76 * 23)), np.sqrt(1 / 20 + 1 / 76 + 1 / 23 + 1 / 21)
    z = norm.isf(0.025)
    assert row["odds_ratio"] == pytest.approx(np.exp(log_or), abs=1e-9)
    assert row["low"] == pytest.approx(np.exp(log_or - z * se), abs=1e-9)
    assert row["high"] == pytest.approx(np.exp(log_or + z * se), abs=1e-9)
    assert row["p_value"] == pytest.approx(2 * norm.sf(abs(log_or / se)), abs=1e-9)
    assert (row["n"], row["note"]) == (140, "")


def test_score_equations_hold_whatever_the_scale():
    table = simulated()
    x = table[["a", "b"]].to_numpy() * [1.0, 1e4]
    y = table["y"].to_numpy() == 1
    design = np.column_stack([np.ones(len(x)), x])
    fit = fit_logistic(y, x)
    fitted = 1 / (1 + np.exp(-fit.intercept - x @ fit.coefficients))
    np.testing.assert_allclose(design.T @ (y - fitted) / np.abs(design).sum(axis=0), 0, atol=1e-10)


def test_outcome_by_name_or_array():
    table = simulated()
    by_name = univariable_logistic(table, "y", ["a", "b"])
    by_array = univariable_logistic(table.drop(columns="y"), table["y"], ["a", "b"])
    pd.testing.assert_frame_equal(by_name, by_array)
    assert by_name.columns.tolist() == list(COLUMNS)


def test_text_is_compared_with_its_first_level():
    table = simulated()
    result = univariable_logistic(table, "y", ["grade"])
    assert result["variable"].tolist() == ["grade[II]", "grade[III]"]
    odds = table.groupby("grade")["y"].mean().pipe(lambda p: p / (1 - p))
    np.testing.assert_allclose(result["odds_ratio"], odds[["II", "III"]] / odds["I"], rtol=1e-9)
    reversed_order = table.assign(grade=pd.Categorical(table["grade"], ["III", "II", "I"]))
    assert univariable_logistic(reversed_order, "y", ["grade"])["variable"].tolist() == [
        "grade[II]",
        "grade[I]",
    ]


def test_cases_with_a_missing_value_are_left_out_and_counted():
    table = simulated()
    holes = table.assign(a=table["a"].where(np.arange(400) >= 30))
    result = multivariable_logistic(holes, "y", ["a", "b"])
    assert result["n"].tolist() == [370, 370]
    expected = multivariable_logistic(table.iloc[30:], "y", ["a", "b"])
    np.testing.assert_allclose(result["odds_ratio"], expected["odds_ratio"], rtol=1e-12)
    assert univariable_logistic(holes, "y", ["a", "b"])["n"].tolist() == [370, 400]


@pytest.mark.parametrize("cells", [(5, 0, 10, 20), (0, 5, 10, 20), (8, 0, 0, 8)])
def test_a_zero_cell_is_answered_by_firth(cells):
    row = univariable_logistic(table_2x2(*cells), "y", ["x"]).iloc[0]
    a, b, c, d = (cell + 0.5 for cell in cells)  # a half in each cell is Firth's estimate
    assert row["odds_ratio"] == pytest.approx(a * d / (b * c), rel=1e-9)
    assert row["method"] == "Firth"
    assert row["note"].startswith("x separates the outcome: Firth's penalised likelihood")
    assert 0 < row["low"] < row["odds_ratio"] < row["high"] < np.inf
    assert (row["p_value"] < 0.05) == (row["low"] > 1 or row["high"] < 1)


@pytest.mark.parametrize("cells", [(5, 0, 10, 20), (0, 5, 10, 20), (8, 0, 0, 8)])
def test_a_zero_cell_is_not_estimable_if_that_is_wanted(cells):
    table = table_2x2(*cells)
    row = univariable_logistic(table, "y", ["x"], separation="not estimable").iloc[0]
    assert row["note"].startswith("not estimable: x separates the outcome")
    assert np.isnan(row[["odds_ratio", "low", "high", "p_value"]].astype(float)).all()
    assert row["method"] == ""


def test_separation_by_two_variables_together():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    table["y"] = (table["a"] + table["b"] > 0).astype(int)
    assert (univariable_logistic(table, "y", ["a", "b"])["note"] == "").all()
    together = multivariable_logistic(table, "y", ["a", "b"])
    assert together["note"].str.contains("a, b separate the outcome").all()
    assert (together["method"] == "Firth").all()
    assert np.isfinite(together["odds_ratio"]).all()


def test_the_intercept_has_a_row_if_it_is_asked_for():
    table = table_2x2(20, 76, 23, 21)
    result = univariable_logistic(table, "y", ["x"], intercept=True)
    assert result["variable"].tolist() == ["(intercept)", "x"]
    assert result["odds_ratio"].iloc[0] == pytest.approx(23 / 21)  # odds of those not exposed
    half = norm.isf(0.025) * np.sqrt(1 / 23 + 1 / 21)
    assert np.log(result["high"].iloc[0]) == pytest.approx(np.log(23 / 21) + half)
    assert result["n_events"].tolist() == [43, 43]


@pytest.mark.parametrize("intervals", ["wald", "profile"])
def test_a_higher_level_gives_a_wider_interval(intervals):
    table = simulated()
    narrow = univariable_logistic(table, "y", ["a"], level=0.90, intervals=intervals).iloc[0]
    wide = univariable_logistic(table, "y", ["a"], level=0.99, intervals=intervals).iloc[0]
    assert wide["low"] < narrow["low"] < narrow["odds_ratio"] == wide["odds_ratio"]
    assert narrow["high"] < wide["high"]


def test_a_profile_bound_is_where_the_likelihood_ratio_test_turns():
    table = table_2x2(20, 76, 23, 21)
    row = univariable_logistic(table, "y", ["x"], intervals="profile").iloc[0]
    x, y = table["x"].to_numpy(), table["y"].to_numpy()

    def deviance(log_odds_ratio: float) -> float:
        offset = log_odds_ratio * x
        found = minimize_scalar(
            lambda b: (np.logaddexp(0, b + offset) - y * (b + offset)).sum(), bracket=(-2, 2)
        )
        return 2 * found.fun

    best = deviance(np.log(row["odds_ratio"]))
    for bound in (row["low"], row["high"]):
        assert deviance(np.log(bound)) - best == pytest.approx(chi2.ppf(0.95, 1), abs=1e-6)
    assert row["p_value"] == pytest.approx(chi2.sf(deviance(0.0) - best, 1), abs=1e-8)


def test_the_scale_and_origin_of_a_variable_do_not_change_its_profile():
    table = simulated()
    moved = table.assign(b=1000 + table["b"] / 10)
    options = {"intervals": "profile"}
    before = multivariable_logistic(table, "y", ["a", "b"], **options)
    after = multivariable_logistic(moved, "y", ["a", "b"], **options)
    for name in ("odds_ratio", "low", "high"):
        expected = [before[name].iloc[0], before[name].iloc[1] ** 10]
        np.testing.assert_allclose(after[name], expected, rtol=1e-7)
    np.testing.assert_allclose(after["p_value"], before["p_value"], rtol=1e-7)


def test_one_overlapping_case_makes_it_estimable():
    x = np.arange(20.0)
    y = x >= 10
    z = np.tile([0.0, 1.0, 0.3, 0.8], 5)
    with pytest.raises(NotEstimable, match="separate"):
        fit_logistic(y, np.column_stack([x, z]))
    y[[0, 19]] = ~y[[0, 19]]
    assert np.isfinite(fit_logistic(y, np.column_stack([x, z])).coefficients).all()


def test_collinear_and_constant_variables_say_so():
    table = simulated().assign(twice=lambda t: 2 * t["a"] + 1, one=1)
    collinear = multivariable_logistic(table, "y", ["a", "twice"])
    assert collinear["note"].str.contains("collinear").all()
    assert "one value only" in univariable_logistic(table, "y", ["one"])["note"].item()
    same_text = table.assign(side="left")
    assert "one value only" in univariable_logistic(same_text, "y", ["side"])["note"].item()
    together = multivariable_logistic(same_text, "y", ["a", "side"])
    assert together["variable"].tolist() == ["a", "side"]
    assert together["note"].str.contains("side has one value only").all()


def test_a_ratio_beyond_floating_point_asks_for_another_unit():
    table = simulated().assign(tiny=lambda t: t["a"] * 1e-5)
    assert "larger unit" in univariable_logistic(table, "y", ["tiny"])["note"].item()


def test_complete_cases_of_one_class_say_so():
    table = simulated()
    only = table.assign(a=table["a"].where(table["y"] == 1))
    assert "both outcome classes" in univariable_logistic(only, "y", ["a"])["note"].item()


def test_no_variables():
    assert univariable_logistic(simulated(), "y", []).empty
    assert multivariable_logistic(simulated(), "y", []).columns.tolist() == list(COLUMNS)


def test_bad_arguments():
    table = simulated()
    with pytest.raises(BadArgument, match="found no ki67"):
        univariable_logistic(table, "y", ["ki67"])
    with pytest.raises(BadArgument, match="found no her2"):
        multivariable_logistic(table, "her2", ["a"])
    with pytest.raises(BadArgument, match="align"):
        univariable_logistic(table, [0, 1], ["a"])
    with pytest.raises(BadArgument, match="0 or 1"):
        univariable_logistic(table, "b", ["a"])
    with pytest.raises(NotEstimable, match="both outcome classes"):
        univariable_logistic(table, np.ones(400), ["a"])
    with pytest.raises(BadArgument, match='"wald" or "profile"'):
        univariable_logistic(table, "y", ["a"], intervals="exact")
    with pytest.raises(BadArgument, match='"firth" or'):
        univariable_logistic(table, "y", ["a"], separation="ignore")
    with pytest.raises(BadArgument, match="named once"):
        multivariable_logistic(table, "y", ["a", "a"])


def test_a_variable_without_any_value_says_so():
    table = simulated().assign(empty=np.nan)
    row = univariable_logistic(table, "y", ["empty"]).iloc[0]
    assert row["note"].startswith("not estimable: no case has a value")
    assert row["n"] == 0
