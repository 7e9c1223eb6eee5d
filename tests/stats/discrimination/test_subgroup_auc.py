import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc_estimate,
    cut,
    delong_test_unpaired,
    interaction_p,
    subgroup_performance,
)


def sample(seed: int, n: int = 300, effect: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return y, 1 / (1 + np.exp(-(effect * y + rng.normal(size=n))))


# ---- cut


def test_a_cut_off_belongs_to_the_group_above_and_missing_stays_missing():
    groups = cut([49.9, 50, np.nan, 60, 75], at=[50, 60])
    assert groups.tolist()[:2] == ["< 50", "50 to < 60"]
    assert groups.isna().tolist() == [False, False, True, False, False]
    assert groups.tolist()[3:] == [">= 60", ">= 60"]


def test_an_empty_level_is_kept():
    assert cut([1.0, 2.0], at=[5]).cat.categories.tolist() == ["< 5", ">= 5"]


@pytest.mark.parametrize("at", [[60, 50], [50, 50], [np.nan], [np.inf], []])
def test_cut_offs_that_do_not_ascend(at):
    with pytest.raises(BadArgument, match="ascend"):
        cut([1.0, 2.0], at=at)


# ---- subgroup_performance


def test_each_level_is_the_auc_of_its_cases():
    y, p = sample(0)
    groups = np.array(["a", "b", "c"])[np.arange(300) % 3]
    found = subgroup_performance(y, p, groups, level=0.9)
    assert found.columns.tolist() == ["level", "n", "n_positive", "auc", "low", "high", "note"]
    for row in found.itertuples():
        members = groups == row.level
        alone = auc_estimate(y[members], p[members], level=0.9)
        assert (row.auc, row.low, row.high) == (alone.auc, alone.low, alone.high)
        assert (row.n, row.n_positive, row.note) == (100, y[members].sum(), "")


def test_missing_values_are_a_level_of_their_own_at_the_end():
    y, p = sample(1)
    for groups in (
        pd.Series(np.where(np.arange(300) < 100, None, "z")),
        pd.Series(np.where(np.arange(300) < 100, np.nan, 3.0)),
        cut(np.where(np.arange(300) < 100, np.nan, np.arange(300)), at=[200]),
    ):
        found = subgroup_performance(y, p, groups)
        assert found["level"].iloc[-1] == "(missing)"
        assert found["n"].iloc[-1] == 100
        assert found["n"].sum() == 300
        assert found["auc"].notna().all()


def test_levels_stand_in_their_order():
    y, p = sample(2)
    stages = pd.Categorical(np.array(["III", "I", "II"])[np.arange(300) % 3],
                            ["I", "II", "III", "IV"], ordered=True)  # fmt: skip
    assert subgroup_performance(y, p, stages)["level"].tolist() == ["I", "II", "III"]
    numbers = np.array([10, 9, 2])[np.arange(300) % 3]
    assert subgroup_performance(y, p, numbers)["level"].tolist() == ["2", "9", "10"]


def test_a_level_without_an_auc_has_the_reason():
    y = np.array([1] * 6 + [0] * 6 + [1] * 4 + [0] * 20 + [1] * 5 + [0] * 5)
    p = np.concatenate([np.linspace(0.1, 0.9, 12), np.linspace(0, 1, 24), np.full(10, 0.3)])
    groups = ["whole"] * 12 + ["few"] * 24 + ["constant"] * 10
    found = subgroup_performance(y, p, groups).set_index("level")
    assert found.loc["whole", "auc"] == 0.0
    assert found.loc[["few", "constant"], ["auc", "low", "high"]].isna().all(axis=None)
    assert "found 4 positive and 20 negative" in found.loc["few", "note"]
    assert "scores that differ" in found.loc["constant", "note"]


def test_perfect_separation_has_an_interval():
    y, p = np.repeat([0, 1], 6), np.arange(12) / 12
    found = subgroup_performance(y, p, ["all"] * 12).iloc[0]
    assert (found["auc"], found["high"], found["note"]) == (1.0, 1.0, "")
    assert 0.6 < found["low"] < 0.8


def test_repeats_and_rows_of_one_patient():
    y, p = sample(9)
    rng, patient = np.random.default_rng(0), np.repeat(np.arange(150), 2)
    repeats = p + 0.1 * rng.normal(size=(5, 300))
    y = y[::2].repeat(2)
    level = np.array(["a", "b"])[patient % 2]
    found = subgroup_performance(y, repeats, level, patient, n_folds=5)
    for row in found.itertuples():
        rows = level == row.level
        alone = auc_estimate(y[rows], repeats[:, rows], groups=patient[rows], folds=5)
        assert (row.auc, row.low, row.high) == (alone.auc, alone.low, alone.high)
    assert interaction_p(y, repeats, level, patient, n_folds=5) <= 1.0


def test_one_class_is_no_error_but_a_note():
    found = subgroup_performance([0, 0, 0], [0.1, 0.2, 0.3], ["a", "a", "b"])
    assert found["auc"].isna().all()
    assert found["note"].str.contains("found 0 positive").all()


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"subgroup": ["a"]}, BadArgument, "one value for each of the 4 outcomes"),
        ({"min_per_class": 1}, BadArgument, "min_per_class must be at least 2"),
        ({"y_prob": [0.1, np.nan, 0.3, 0.4]}, NotEstimable, "must be finite"),
    ],
)
def test_bad_input(arguments, error, reason):
    given = {"y_true": [0, 1, 0, 1], "y_prob": [0.1, 0.2, 0.3, 0.4], "subgroup": list("aabb")}
    with pytest.raises(error, match=reason):
        subgroup_performance(**(given | arguments))
    with pytest.raises(error, match=reason):
        interaction_p(**(given | arguments))


# ---- interaction_p


def test_two_levels_are_the_unpaired_test_with_a_normal_reference():
    y, p = sample(3)
    first = np.arange(300) % 2 == 0
    unpaired = delong_test_unpaired(y[first], p[first], y[~first], p[~first])
    # the weight of five cases moves each standard error a little
    assert interaction_p(y, p, first) == pytest.approx(chi2.sf(unpaired.t**2, 1), rel=1e-3)


def test_heterogeneity_by_hand():
    y, p = sample(4)
    groups = np.arange(300) % 3
    found = [auc_estimate(y[groups == g], p[groups == g]) for g in range(3)]
    w = np.array([1 / f.standard_error**2 for f in found])
    areas = np.array([f.auc for f in found])
    pooled = np.average(areas, weights=w)
    assert interaction_p(y, p, groups) == pytest.approx(
        chi2.sf((w * (areas - pooled) ** 2).sum(), 2)
    )


def test_a_model_that_ranks_only_one_half_is_found_out():
    y, p = sample(5, effect=2.5)
    half = np.arange(300) < 150
    shuffled = np.where(half, p, np.random.default_rng(0).permutation(p))
    assert interaction_p(y, shuffled, half) < 1e-4


def test_without_an_effect_p_is_uniform():
    p_values = []
    for seed in range(200):
        y, p = sample(seed)
        p_values.append(interaction_p(y, p, np.arange(300) % 2))
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_missing_and_small_levels_do_not_count():
    y, p = sample(6)
    groups = pd.Series(np.where(np.arange(300) % 2, "a", "b"), dtype=object)
    expected = interaction_p(y[20:], p[20:], groups[20:])
    groups[:10], groups[10:20] = None, "tiny"
    assert interaction_p(y, p, groups, min_per_class=10) == pytest.approx(expected)


def test_one_level_cannot_be_compared():
    y, p = sample(7)
    with pytest.raises(NotEstimable, match="needs 2 with an AUC, found 1"):
        interaction_p(y, p, ["a"] * 300)


def test_a_level_that_separates_perfectly_cannot_be_compared():
    y, p = sample(8)
    perfect = np.arange(300) < 100
    p = np.where(perfect, y * 0.9 + 0.01, p)
    with pytest.raises(NotEstimable, match="separates perfectly"):
        interaction_p(y, p, perfect)
