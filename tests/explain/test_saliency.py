"""Numbers about maps, with networks whose truth is known because they are made up here."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from her2.explain import saliency
from her2.explain.saliency import (
    COLUMNS,
    CORRELATIONS,
    as_called,
    evenly,
    explain_lesions,
    place_of,
    removal_of,
    summary_table,
)

SIDE = 32
INSIDE = np.zeros((SIDE, SIDE), dtype=bool)
INSIDE[8:24, 8:24] = True


@dataclass(frozen=True)
class Reader:
    """A network that reads the mean brightness of some cells of a 4 x 4 grid, and shows which."""

    weights: np.ndarray
    honest: bool = True

    def _cells(self, crops):
        step = SIDE // 4
        return np.asarray(crops, float).reshape(len(crops), 4, step, 4, step).mean(axis=(2, 4))

    def signed_map(self, crop):
        shown = self.weights * self._cells(crop[None])[0] / 255
        logit = float(shown.sum() - 1)
        return (shown if self.honest else np.rot90(shown, 2)).astype(np.float32), logit

    def probabilities(self, crops):
        return expit((self.weights * self._cells(crops) / 255).sum(axis=(1, 2)) - 1)

    def randomised(self, share, seed):
        rng = np.random.default_rng(seed + round(100 * share))
        return Reader(rng.permutation(self.weights.ravel()).reshape(4, 4))


def corner_reader(**changes):
    weights = np.zeros((4, 4))
    weights[0] = 4.0
    return Reader(weights, **changes)


@pytest.fixture
def crops():
    """Bright lower or upper halves, so that blurring and removing change much."""
    rng = np.random.default_rng(0)
    return rng.integers(120, 255, (12, SIDE, SIDE)).astype(np.uint8)


def explained(model, crops, **changes):
    options = {"names": [f"l{i}" for i in range(len(crops))], "seed": 0} | changes
    masks = np.repeat(INSIDE[None], len(crops), axis=0)
    is_tested = np.arange(len(crops)) < 6
    return explain_lesions(model, crops, masks, is_tested=is_tested, **options)


def test_the_place_of_what_speaks_for_and_against():
    signed = np.full((4, 4), -1.0)
    signed[1:3, 1:3] = 2.0
    found = place_of(signed, INSIDE)
    assert found["lesion_share"] == 0.25 and found["centre_is_hit"]
    assert found["is_hit_for"] is True and found["is_hit_against"] is False
    assert found["enrichment_for"] > 2 > 1 > found["enrichment_against"]


def test_an_empty_side_has_no_place():
    found = place_of(np.ones((4, 4)), INSIDE)
    assert found["share_inside_for"] == pytest.approx(0.25)
    assert found["is_hit_for"] is None  # flat: it points nowhere
    assert found["share_inside_against"] is found["enrichment_against"] is None


def dark(crop):
    """A crop whose upper quarter is bright, so that the corner reader loses by its removal."""
    crop = np.full_like(crop, 10)
    crop[: SIDE // 4] = 250
    return crop


def test_removing_what_a_network_reads_changes_it_more_than_random_places(crops):
    rng = np.random.default_rng(0)
    good = corner_reader()
    signed, _ = good.signed_map(dark(crops[0]))
    honest = removal_of(good.probabilities, dark(crops[0]), signed, rng)
    assert honest["deletion"] < honest["deletion_at_random"]
    assert honest["insertion"] > honest["insertion_at_random"]
    liar = removal_of(good.probabilities, dark(crops[0]), np.rot90(signed, 2), rng)
    assert liar["deletion"] > honest["deletion"] and liar["insertion"] < honest["insertion"]


def test_a_network_that_reads_nothing_has_equal_areas(crops):
    found = removal_of(
        lambda c: np.full(len(c), 0.3), crops[0], np.eye(4), np.random.default_rng(0)
    )
    assert set(np.round(list(found.values()), 12)) == {0.3}


def test_only_the_chosen_lesions_are_tested(crops):
    found = explained(corner_reader(), crops)
    assert found.maps.shape == (12, 4, 4)
    assert found.rows["deletion"].notna().tolist() == [True] * 6 + [False] * 6
    assert {f"correlation_{name}" for name in CORRELATIONS} <= set(found.rows)


def test_the_same_seed_and_names_give_the_same_numbers_in_any_company(crops):
    found = explained(corner_reader(), crops)
    again = explained(corner_reader(), crops[1:6], names=[f"l{i}" for i in range(1, 6)])
    pd.testing.assert_frame_equal(
        found.rows.iloc[1:6].reset_index(drop=True), again.rows, check_dtype=False
    )
    other = explained(corner_reader(), crops, seed=1)
    assert (other.rows["deletion_at_random"] != found.rows["deletion_at_random"]).any()


def test_maps_of_shuffled_weights_differ(crops):
    found = explained(corner_reader(), crops).rows["correlation_all"].dropna()
    assert found.max() < 0.9


def rows_of(model, crops, roles):
    rows = explained(model, crops).rows
    return rows.assign(role=roles, y_prob=expit(rows["logit"].to_numpy()))


def test_the_table_has_every_measure_by_role_and_only_tests_where_there_are_some(crops):
    roles = ["out_of_fold"] * 8 + ["test"] * 4
    table = summary_table(as_called(rows_of(corner_reader(), crops, roles), 0.5), "deep_learning")
    assert list(table) == COLUMNS
    assert table.groupby("role", sort=False).size().to_dict() == {"out_of_fold": 12, "test": 5}
    by_name = table[table["role"].eq("test")].set_index("measure")
    assert by_name.at[saliency.CENTRE, "value"] == 1
    assert by_name.at[saliency.POINTING, "value"] == 0  # it reads the upper edge
    assert by_name.at[saliency.ENRICHMENT, "high"] < 1
    assert by_name.at[saliency.SHARE_INSIDE, "without_knowledge"] == 0.25


def test_the_map_is_that_of_the_outcome_that_is_called():
    sides = {"share_inside": (0.9, 0.1), "enrichment": (2.0, 0.2), "is_hit": (True, False)}
    rows = pd.DataFrame(
        {f"{name}_{side}": [pair[k]] * 3 for name, pair in sides.items()
         for k, side in enumerate(("for", "against"))}
    ).assign(y_prob=[0.1, 0.3, 0.8])  # fmt: skip
    called = as_called(rows, 0.3)
    assert called["is_called_positive"].tolist() == [False, True, True]
    assert called["share_inside"].tolist() == [0.1, 0.9, 0.9]
    assert called["is_hit"].tolist() == [False, True, True]


def test_empty_maps_are_counted_and_leave_no_number(crops):
    table = summary_table(
        as_called(rows_of(corner_reader(), crops, ["test"] * 12), 1.1), "deep_learning"
    ).set_index("measure")  # all are called negative, and nothing speaks against
    assert table.at[saliency.FLAT, "value"] == 1
    assert table.at[saliency.SHARE_INSIDE, "n"] == 0
    for measure in (saliency.SHARE_INSIDE, saliency.ENRICHMENT, saliency.POINTING):
        assert pd.isna(table.at[measure, "value"]) and pd.isna(table.at[measure, "low"])


def test_one_lesion_has_a_value_and_no_interval(crops):
    rows = as_called(rows_of(corner_reader(), crops, ["test"] * 12), 0.0).head(1)
    table = summary_table(rows, "deep_learning").set_index("measure")
    assert table.at[saliency.SHARE_INSIDE, "n"] == 1
    assert pd.notna(table.at[saliency.SHARE_INSIDE, "value"])
    assert pd.isna(table.at[saliency.SHARE_INSIDE, "low"])


def test_lesions_are_drawn_in_proportion_and_by_seed():
    strata = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    taken = evenly(strata, 20, np.random.default_rng(0))
    counts = pd.Series(np.array(strata)[taken]).value_counts().to_dict()
    assert counts == {"a": 12, "b": 6, "c": 2}
    assert (taken == evenly(strata, 20, np.random.default_rng(0))).all()
    assert (taken != evenly(strata, 20, np.random.default_rng(1))).any()
    assert evenly(strata, None, np.random.default_rng(0)).all()
    assert evenly(strata, 500, np.random.default_rng(0)).all()
    assert evenly([], 5, np.random.default_rng(0)).size == 0


def test_a_table_of_no_lesions_has_its_columns():
    assert list(summary_table(pd.DataFrame(), "deep_learning")) == COLUMNS
