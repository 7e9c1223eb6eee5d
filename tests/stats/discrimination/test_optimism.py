import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import auc, optimism_corrected
from her2.stats.discrimination.optimism import MEASURES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 30))
Y = RNG.permutation(np.repeat([0, 1], 40))


def best_column(X, y):
    """A pipeline that selects: the column with the largest difference of means."""
    difference = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    column = int(np.argmax(np.abs(difference)))
    return lambda new: expit(np.sign(difference[column]) * new[:, column])


def test_selection_among_noise_is_mostly_optimism():
    row = optimism_corrected(best_column, X, Y, seed=0, n_resamples=100).iloc[0]
    assert row["measure"] == "auc"
    assert row["apparent"] > 0.6
    assert row["corrected"] == pytest.approx(0.5, abs=0.08)
    fixed = optimism_corrected(
        lambda X, y: lambda new: expit(new[:, 0]), X, Y, seed=0, n_resamples=100
    ).iloc[0]
    assert fixed["optimism"] == pytest.approx(0.0, abs=0.02)  # nothing is fitted


def test_every_fit_sees_a_bootstrap_sample_of_patients():
    seen = []
    groups = np.repeat(np.arange(40), 2)

    def fit(table, y):
        seen.append(table.index.to_numpy())
        return lambda table: expit(table["x0"].to_numpy())

    table = pd.DataFrame({"x0": X[:, 0]})
    optimism_corrected(fit, table, Y, seed=0, n_resamples=5, groups=groups)
    assert seen[0].tolist() == list(range(80))
    for index in seen[1:]:
        first, second = np.bincount(index, minlength=80).reshape(40, 2).T
        assert (first == second).all()
        assert first.sum() == 40
        assert first.max() > 1


def test_a_seed_gives_the_same_table():
    one, two = (optimism_corrected(best_column, X, Y, seed=5, n_resamples=5) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert one["measure"].tolist() == list(MEASURES)
    assert (one["n_resamples"] == 5).all()


def test_measures_that_cannot_be_said_have_a_reason():
    def certain(X, y):
        return lambda new: (new[:, 0] > 0).astype(float)

    table = optimism_corrected(certain, X, Y, seed=0, n_resamples=10).set_index("measure")
    assert table.loc["slope", "note"].startswith("not estimable: calibration needs")
    assert np.isnan(table.loc["slope", "corrected"])
    assert table.loc["auc", "note"] == ""
    assert np.isfinite(table.loc["auc", "corrected"])


def test_a_pipeline_that_fails_too_often():
    calls = []

    def moody(X, y):
        calls.append(len(y))
        if len(calls) % 4 == 0:
            raise NotEstimable("no")
        return lambda new: expit(new[:, 0])

    table = optimism_corrected(moody, X, Y, seed=0, n_resamples=40)
    assert table["note"].str.contains("10 of 40 failed").all()
    assert table["n_resamples"].tolist() == [30] * 3
    assert table["optimism"].isna().all()
    assert table["apparent"].notna().all()


def test_measures_can_be_chosen():
    chosen = {"concordance": auc}
    table = optimism_corrected(best_column, X, Y, seed=0, n_resamples=3, measures=chosen)
    assert table["measure"].tolist() == ["concordance"]


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        optimism_corrected(best_column, X, np.ones(80), seed=0)
    with pytest.raises(BadArgument, match="80 rows"):
        optimism_corrected(best_column, X[:5], Y, seed=0)
    with pytest.raises(BadArgument, match="n_resamples"):
        optimism_corrected(best_column, X, Y, seed=0, n_resamples=0)
