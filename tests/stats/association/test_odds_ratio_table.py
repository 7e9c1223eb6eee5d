import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.logistic import multivariable_logistic, univariable_logistic
from her2.stats.association.odds_ratio_table import COLUMNS, odds_ratio_table, variance_inflation

NAMES = ["age", "er", "grade", "noise"]


def simulated(n: int = 240) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"age": rng.normal(54, 11, size=n), "er": rng.choice(["-", "+"], size=n)})
    table["grade"] = rng.choice(["I", "II", "III"], size=n)
    table["noise"] = rng.normal(size=n)
    logit = 0.06 * (table["age"] - 54) + 1.2 * (table["er"] == "-") - 1
    return table, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()


def test_both_analyses_stand_side_by_side():
    table, y = simulated()
    result = odds_ratio_table(table, y, NAMES)
    assert result.columns.tolist() == list(COLUMNS)
    assert result["variable"].tolist() == [
        "(intercept)", "age", "er[-]", "grade[II]", "grade[III]", "noise",
    ]  # fmt: skip
    alone = univariable_logistic(table, y, NAMES)
    joint = multivariable_logistic(table, y, NAMES, intercept=True)
    for name in ("odds_ratio", "low", "high", "p_value"):
        np.testing.assert_array_equal(result[name].iloc[1:], alone[name])
        np.testing.assert_array_equal(result[f"adjusted_{name}"], joint[name])
    factors = variance_inflation(table, NAMES)
    assert (
        result["vif"].iloc[1:].tolist()
        == factors[["age", "er", "grade", "grade", "noise"]].tolist()
    )
    assert np.isnan(result["odds_ratio"].iloc[0])
    assert (result["method"] == "maximum likelihood").all()
    assert (result["note"] == "").all()
    assert (result["n_events"] == y.sum()).all()


@pytest.mark.parametrize("criterion", ["aic", "p"])
def test_a_stepwise_choice_says_who_is_out(criterion):
    table, y = simulated()
    result = odds_ratio_table(table, y, NAMES, stepwise=criterion).set_index("variable")
    assert f"not chosen by stepwise regression ({criterion})" in result.loc["noise", "note"]
    assert np.isnan(result.loc["noise", ["adjusted_odds_ratio", "vif"]].astype(float)).all()
    kept = multivariable_logistic(table, y, ["age", "er"]).set_index("variable")["odds_ratio"]
    np.testing.assert_allclose(result.loc[["age", "er[-]"], "adjusted_odds_ratio"], kept)


def test_useless_variables_keep_a_row_with_the_reason():
    table, y = simulated()
    wild = table["noise"].where(table.index > 0, np.inf)
    table = table.assign(empty=np.nan, one=3, side="left", wild=wild)
    result = odds_ratio_table(table, y, [*NAMES, "empty", "one", "side", "wild"])
    result = result.set_index("variable")
    assert "wild has an infinite value" in result.loc["wild", "note"]
    assert "no case has a value" in result.loc["empty", "note"]
    assert "one has one value only" in result.loc["one", "note"]
    assert "side has one value only" in result.loc["side", "note"]
    assert result.loc["empty", "n"] == 0
    expected = odds_ratio_table(table, y, NAMES).set_index("variable")
    pd.testing.assert_frame_equal(result.loc[expected.index], expected)


def test_separation_is_told_once_and_marked_in_every_row():
    table, y = simulated()
    table["marker"] = ((y == 1) & (table["age"] > 60)).astype(int)
    result = odds_ratio_table(table, y, ["age", "er", "marker"], stepwise="aic")
    result = result.set_index("variable")
    assert "no stepwise choice, all variables kept: marker" in result.loc["(intercept)", "note"]
    assert result.loc["marker", "note"].startswith("marker separates the outcome: Firth's")
    assert result.loc["age", "note"] == "adjusted by Firth's method, see (intercept)"
    assert (result["method"] == "Firth").all()
    assert np.isfinite(result["adjusted_odds_ratio"]).all()


def test_collinear_variables_have_no_adjusted_ratio_but_a_reason():
    table, y = simulated()
    table["months"] = 12 * table["age"]
    result = odds_ratio_table(table, y, ["age", "months"])
    assert result["note"].str.contains("collinear").all()
    assert result["adjusted_odds_ratio"].isna().all()
    assert result["odds_ratio"].iloc[1:].notna().all()


def test_no_usable_variable():
    table, y = simulated()
    for names in ([], ["one"]):
        result = odds_ratio_table(table.assign(one=1), y, names)
        assert result["variable"].tolist() == ["(intercept)", *names]
        assert "no variable is in the multivariable model" in result["note"].iloc[0]


def test_gaps_are_counted_in_each_fit():
    table, y = simulated()
    table.loc[:29, "age"] = np.nan
    result = odds_ratio_table(table, y, ["age", "noise"])
    assert result["n"].tolist() == [210, 210, 240]  # intercept: of the multivariable fit


def test_bad_arguments():
    table, y = simulated()
    with pytest.raises(BadArgument, match="stepwise"):
        odds_ratio_table(table, y, NAMES, stepwise="bic")
    with pytest.raises(BadArgument, match="found no ki67"):
        odds_ratio_table(table, y, ["ki67"])
    with pytest.raises(NotEstimable, match="both outcome classes"):
        odds_ratio_table(table, np.zeros(len(table)), NAMES)
