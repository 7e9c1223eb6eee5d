import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.chained_regressions import draw_regressions, expected_values
from her2.stats.association.logistic import multivariable_logistic
from her2.stats.association.multiple_imputation import impute, multiply_imputed_logistic, pool


def simulated(n: int = 300, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Complete table: two correlated numbers, two categories that depend on them."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.normal(50, 10, size=n)})
    table["b"] = 0.8 * table["a"] + rng.normal(0, 6, size=n)
    table["er"] = np.where(table["a"] + rng.normal(0, 8, size=n) > 50, "+", "-")
    table["grade"] = pd.cut(table["b"], [-99, 35, 45, 99], labels=["I", "II", "III"]).astype(
        object
    )
    logit = 0.06 * (table["a"] - 50) - 0.8
    return table, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()


def with_holes(table: pd.DataFrame, share: float = 0.15) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return table.mask(rng.random(table.shape) < share)


def test_pooling_by_hand():
    pooled = pool([1.0, 2.0, 4.0], [0.5, 0.7, 0.9], complete_dof=50)
    between, within = np.var([1, 2, 4], ddof=1), 0.7
    total = within + between * 4 / 3
    assert pooled.value == pytest.approx(7 / 3)
    assert pooled.standard_error == pytest.approx(np.sqrt(total))
    share = between * 4 / 3 / total
    old, observed = 2 / share**2, 51 / 53 * 50 * (1 - share)
    dof = 1 / (1 / old + 1 / observed)
    assert pooled.dof == pytest.approx(dof)
    assert pooled.high == pytest.approx(7 / 3 + student.ppf(0.975, dof) * np.sqrt(total))
    assert pooled.p_value == pytest.approx(2 * student.sf(7 / 3 / np.sqrt(total), dof))
    r = between * 4 / 3 / within
    assert pooled.fraction_missing == pytest.approx((r + 2 / (old + 3)) / (1 + r))


def test_estimates_that_agree_lose_nothing():
    pooled = pool([2.0, 2.0], [1.0, 1.0], complete_dof=30)
    assert (pooled.fraction_missing, pooled.standard_error) == (0.0, 1.0)
    assert pooled.dof == pytest.approx(31 / 33 * 30)
    assert pool([2.0, 2.0], [1.0, 1.0]).high == pytest.approx(2 + 1.959964, abs=1e-5)


@pytest.mark.parametrize(("b", "u"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [1.0, 0])])
def test_what_cannot_be_pooled(b, u):
    with pytest.raises(BadArgument, match="two or more estimates"):
        pool(b, u)


def test_known_values_stay_and_gaps_get_values_that_occur():
    table, _ = simulated()
    holes = with_holes(table)
    for copy in impute(holes, n_imputations=3):
        assert not copy.isna().any().any()
        known = holes.notna()
        assert copy[known].equals(holes[known])
        for name in table.columns:
            assert set(copy[name]) <= set(holes[name].dropna())


def test_the_same_seed_gives_the_same_copies_and_another_does_not():
    holes = with_holes(simulated()[0])
    first, again, other = (impute(holes, n_imputations=2, seed=s) for s in (4, 4, 5))
    pd.testing.assert_frame_equal(first[1], again[1])
    assert not first[1].equals(other[1])
    assert not first[0].equals(first[1])
    # a copy does not depend on how many there are
    pd.testing.assert_frame_equal(first[0], impute(holes, n_imputations=1, seed=4)[0])


def test_gaps_are_filled_by_what_the_other_variables_say():
    table, _ = simulated()
    holes = with_holes(table)
    copies = impute(holes, n_imputations=10)
    gap = holes["b"].isna().to_numpy()
    guessed = np.mean([copy.loc[gap, "b"] for copy in copies], axis=0)
    assert np.corrcoef(guessed, table.loc[gap, "b"])[0, 1] > 0.6
    agreement = np.mean(
        [(copy["er"] == table["er"])[holes["er"].isna()].mean() for copy in copies]
    )
    assert agreement > 0.6
    spread = np.std([copy.loc[gap, "b"].iloc[0] for copy in copies])
    assert spread > 0  # uncertainty, not one best guess


def test_imputation_does_not_change_the_table():
    holes = with_holes(simulated()[0])
    before = holes.copy(deep=True)
    impute(holes, n_imputations=1)
    pd.testing.assert_frame_equal(holes, before)


def test_without_gaps_nothing_happens():
    table, y = simulated()
    pd.testing.assert_frame_equal(impute(table, n_imputations=1)[0], table)
    result = multiply_imputed_logistic(table, y, ["a", "er"], n_imputations=3)
    expected = multivariable_logistic(table, y, ["a", "er"])
    np.testing.assert_allclose(result["odds_ratio"], expected["odds_ratio"], rtol=1e-12)
    assert (result["fraction_missing"] == 0).all()


def test_all_cases_count_and_the_gaps_cost_precision():
    table, y = simulated(600)
    holes = with_holes(table[["a", "er"]], 0.2)
    result = multiply_imputed_logistic(holes, y, ["a", "er"], n_imputations=20)
    assert (result["n"] == 600).all()
    full = multivariable_logistic(table, y, ["a", "er"])
    assert np.log(result["odds_ratio"]).tolist() == pytest.approx(
        np.log(full["odds_ratio"]).tolist(), abs=0.25
    )
    assert ((result["high"] / result["low"]) > (full["high"] / full["low"])).all()
    assert result["fraction_missing"].between(0.02, 0.6).all()


def test_the_outcome_helps_and_is_never_filled():
    table, y = simulated(800)
    holes = table.assign(a=table["a"].mask(np.random.default_rng(2).random(800) < 0.5))
    with_outcome = multiply_imputed_logistic(holes, y, ["a"], n_imputations=10)
    full = np.log(multivariable_logistic(table, y, ["a"])["odds_ratio"].item())
    assert np.log(with_outcome["odds_ratio"].item()) == pytest.approx(full, rel=0.4)
    with pytest.raises(BadArgument, match="0 or 1"):
        multiply_imputed_logistic(holes, np.where(y == 1, np.nan, 0.0), ["a"])


def test_separation_and_constants_have_a_reason():
    table, y = simulated(100)
    result = multiply_imputed_logistic(table.assign(p=y), y, ["p"], n_imputations=2)
    assert result["note"].str.startswith("not estimable: p separates").all()
    assert result["odds_ratio"].isna().all()
    with pytest.raises(NotEstimable, match="empty has no value at all"):
        multiply_imputed_logistic(table.assign(empty=np.nan), y, ["a", "empty"])
    with pytest.raises(BadArgument, match="at least 2"):
        multiply_imputed_logistic(table, y, ["a"], n_imputations=1)
    with pytest.raises(BadArgument, match="one copy"):
        impute(table, n_imputations=0)


def test_collinear_columns_and_tiny_tables_are_filled_too():
    table = pd.DataFrame({"a": [1.0, 2, 3, np.nan], "twice": [2.0, 4, np.nan, 8], "one": 1.0})
    (copy,) = impute(table, n_imputations=1)
    assert not copy.isna().any().any()
    single = pd.DataFrame({"a": [1.0, np.nan, 3.0]})
    assert impute(single, n_imputations=1)[0]["a"].iloc[1] in (1.0, 3.0)


def test_expected_values_follow_the_regressions_within_bounds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    filled = np.column_stack([x, 3 * x + 1 + rng.normal(0, 0.01, size=400)])
    blocks = (np.array([0]), np.array([1]))
    drawn = draw_regressions(filled, np.ones_like(filled, dtype=bool), blocks, rng)[None]
    assert drawn[0, 1] == pytest.approx([1, 3, 0], abs=0.01)
    values = np.array([[0.5, np.nan], [9.0, np.nan], [0.2, 4.0]])
    bounds = (filled.min(axis=0), filled.max(axis=0))
    found = expected_values(values, drawn, filled.mean(axis=0), bounds)
    assert found[0, 1] == pytest.approx(2.5, abs=0.02)
    assert found[1, 1] == filled[:, 1].max()  # not beyond what occurs
    assert found[2].tolist() == [0.2, 4.0]
