import numpy as np
import pytest

from her2.stats.association.imputation import complete_chain, draw_regressions, expected_values


def with_gaps(n: int = 300) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Two columns that depend on each other, complete and with gaps in the second."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    complete = np.column_stack([x, 3 * x + 1 + rng.normal(0, 0.3, size=n)])
    values = complete.copy()
    values[rng.random(n) < 0.2, 1] = np.nan
    return complete, values, (np.array([0]), np.array([1]))


def test_gaps_get_values_that_occur_and_fit_the_other_columns():
    complete, values, blocks = with_gaps()
    filled, donors = complete_chain(values, blocks, np.random.default_rng(0), 5)
    gaps = np.isnan(values[:, 1])
    assert (filled[~gaps] == values[~gaps]).all()
    assert sorted(donors[1]) == np.flatnonzero(gaps).tolist()
    assert np.isin(filled[gaps, 1], values[~gaps, 1]).all()
    assert all(filled[row, 1] == values[donor, 1] for row, donor in donors[1].items())
    assert np.abs(filled[gaps, 1] - complete[gaps, 1]).mean() < 0.6  # alone it would be 3


def test_the_same_seed_fills_alike_and_another_does_not():
    _, values, blocks = with_gaps()
    first, again, other = (
        complete_chain(values, blocks, np.random.default_rng(seed), 2)[0] for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_collinear_columns_are_filled_too():
    values = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 1.0], [3.0, np.nan, 1.0], [np.nan, 8.0, 1.0]])
    filled, _ = complete_chain(
        values, tuple(np.array([i]) for i in range(3)), np.random.default_rng(0), 3
    )
    assert np.isfinite(filled).all()


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
