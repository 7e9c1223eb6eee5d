import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.odds_ratio_table import variance_inflation


def simulated(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(50, 9, size=n)})
    table["c"] = table["a"] + rng.normal(size=n)
    table["er"] = rng.choice(["-", "+"], size=n)
    return table


def test_numbers_as_statsmodels_says():
    table = simulated()
    found = variance_inflation(table, ["a", "b", "c"])
    design = np.column_stack([np.ones(len(table)), table[["a", "b", "c"]]])
    expected = [variance_inflation_factor(design, i) for i in (1, 2, 3)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_category_of_two_levels_is_a_0_1_column():
    table = simulated()
    coded = table.assign(er=(table["er"] == "-").astype(int))
    pd.testing.assert_series_equal(
        variance_inflation(table, ["a", "er"]), variance_inflation(coded, ["a", "er"])
    )


def test_the_factor_of_a_category_does_not_depend_on_its_reference():
    table = simulated().assign(grade=lambda t: pd.cut(t["a"], [-9, -1, 1, 9], labels=[1, 2, 3]))
    turned = table.assign(grade=pd.Categorical(table["grade"], [3, 1, 2]))
    names = ["grade", "b", "c"]
    np.testing.assert_allclose(
        variance_inflation(table, names), variance_inflation(turned, names), rtol=1e-10
    )


def test_one_variable_alone_is_1():
    assert variance_inflation(simulated(), ["a"])["a"] == pytest.approx(1)


def test_what_has_no_factor():
    table = simulated().assign(twice=lambda t: 2 * t["a"], one=1, empty=np.nan)
    with pytest.raises(NotEstimable, match="collinear"):
        variance_inflation(table, ["a", "twice"])
    with pytest.raises(NotEstimable, match="one has one value"):
        variance_inflation(table, ["a", "one"])
    with pytest.raises(NotEstimable, match="without a missing value"):
        variance_inflation(table, ["a", "empty"])
    with pytest.raises(BadArgument, match="found no x"):
        variance_inflation(table, ["x"])
