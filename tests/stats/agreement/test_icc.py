from typing import get_args

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import IccForm, icc, icc_of_pairs, icc_per_feature

FORMS = get_args(IccForm)
# Shrout & Fleiss (1979), table 2, and the values they print
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
PRINTED = {
    "ICC(1,1)": 0.17, "ICC(2,1)": 0.29, "ICC(3,1)": 0.71,
    "ICC(1,k)": 0.44, "ICC(2,k)": 0.62, "ICC(3,k)": 0.91,
}  # fmt: skip


def noisy(seed: int, n: int = 40, k: int = 3, noise: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) + noise * rng.normal(size=(n, k))


@pytest.mark.parametrize("form", FORMS)
def test_values_that_the_paper_prints(form):
    assert round(icc(RATINGS, form=form).value, 2) == PRINTED[form]


@pytest.mark.parametrize("form", FORMS)
def test_scale_and_order_do_not_matter(form):
    here = icc(RATINGS, form=form)
    there = icc(1000 - 250 * RATINGS[::-1, ::-1], form=form)
    assert here.low < here.value < here.high
    for name in ("value", "low", "high"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), abs=1e-10)


def test_constant_offset_of_a_reader_harms_agreement_not_consistency():
    ratings = noisy(0)
    shifted = ratings + np.array([0.0, 0.0, 2.0])
    assert icc(shifted, form="ICC(3,1)").value == pytest.approx(
        icc(ratings, form="ICC(3,1)").value
    )
    assert icc(shifted, form="ICC(2,1)").value < icc(ratings, form="ICC(2,1)").value - 0.1


def test_interval_covers_the_truth_as_often_as_it_says():
    hits = []
    for seed in range(300):
        result = icc(noisy(seed, n=30, k=2, noise=1.0), form="ICC(1,1)")
        hits.append(result.low < 0.5 < result.high)
    assert 0.91 < np.mean(hits) < 0.985


@pytest.mark.parametrize("form", FORMS)
def test_perfect_agreement(form):
    result = icc(np.repeat([[1.0], [2.0], [5.0]], 2, axis=1), form=form)
    assert (result.value, result.low, result.high) == pytest.approx((1.0, 1.0, 1.0))


@pytest.mark.parametrize("form", ["ICC(2,1)", "ICC(2,k)"])
def test_readers_who_differ_by_exactly_a_constant(form):
    """The residual is 0, so an F ratio over it would be infinite."""
    result = icc([[1.0, 3.0], [2.0, 4.0], [5.0, 7.0], [9.0, 11.0]], form=form)
    assert 0.0 <= result.low < result.value < result.high <= 1.0


def test_negative_value_is_kept():
    assert icc([[1, 3], [3, 1], [2, 2.1], [1.9, 2]], form="ICC(1,1)").value < 0


@pytest.mark.parametrize("form", FORMS)
def test_many_features_at_once_are_each_alone(form):
    ratings = np.stack([noisy(seed) for seed in range(5)])
    together = icc_per_feature(ratings, form=form)
    for i in range(5):
        alone = icc(ratings[i], form=form)
        assert tuple(together.loc[i, ["value", "low", "high"]]) == pytest.approx(
            (alone.value, alone.low, alone.high), abs=1e-14
        )


def test_a_feature_without_icc_keeps_its_reason():
    ratings = np.stack([noisy(0), np.full((40, 3), 0.1), noisy(1)])
    ratings[2, 0, 0] = np.nan
    result = icc_per_feature(ratings)
    assert result["note"].str.contains("differ|^$|missing").all()
    assert result["note"].eq("").tolist() == [True, False, False]
    assert result["value"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("ratings", "error", "reason"),
    [
        (np.full((5, 2), 0.1), NotEstimable, "found one value"),
        ([[1, 2], [np.nan, 3], [2, 2]], NotEstimable, "missing"),
        ([[1, 2]], NotEstimable, "2 subjects"),
        ([[1], [2], [3]], NotEstimable, "2 raters"),
        ([1, 2, 3], BadArgument, "n_subjects, n_raters"),
    ],
)
def test_degenerate(ratings, error, reason):
    with pytest.raises(error, match=reason):
        icc(ratings)


def test_mean_of_ratings_of_equal_subjects_is_not_estimable():
    with pytest.raises(NotEstimable, match="subjects that differ"):
        icc([[1, 3], [3, 1], [1, 3]], form="ICC(1,k)")


def test_unknown_form():
    with pytest.raises(BadArgument, match="ICC2"):
        icc(RATINGS, form="ICC2")


@pytest.mark.parametrize("form", ["ICC(3,1)", "ICC(3,k)", "ICC(1,k)"])
def test_raters_who_differ_by_a_constant_on_equal_subjects(form):
    with pytest.raises(NotEstimable, match="subjects that differ"):
        icc([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]], form=form)


@pytest.mark.parametrize("offset", [0.1, 1e6 / 3])
def test_identical_raters_agree_exactly_whatever_the_rounding(offset):
    ratings = np.repeat(offset + noisy(3, k=1), 3, axis=1)
    assert icc(ratings, form="ICC(2,1)").low == 1.0


# ---- icc_test


# ---- icc_of_pairs


def two_readers(seed: int, n: int = 30, p: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, p))
    return truth + 0.3 * rng.normal(size=(n, p)), truth + 0.3 * rng.normal(size=(n, p))


def test_pairs_are_compared_over_the_subjects_that_both_measured():
    first, second = two_readers(0)
    second[20:] = np.nan  # lesions without a second mask
    second[3, 1], first[4, 1] = np.inf, np.nan  # and single values
    found = icc_of_pairs(first, second)
    assert found["n_pairs"].tolist() == [20, 18, 20, 20]
    for j, rows in enumerate([range(20), [i for i in range(20) if i not in (3, 4)]]):
        pairs = np.column_stack([first[list(rows), j], second[list(rows), j]])
        alone = icc(pairs)
        assert tuple(found.loc[j, ["value", "low", "high"]]) == pytest.approx(
            (alone.value, alone.low, alone.high), abs=1e-14
        )


def test_a_feature_with_few_pairs_says_how_many():
    first, second = two_readers(1)
    second[:25, 2] = np.nan
    found = icc_of_pairs(first, second, min_pairs=6)
    assert found["value"].isna().tolist() == [False, False, True, False]
    assert found.loc[2, "note"].startswith("an ICC needs 6 subjects that both readers measured")
    assert "found 5" in found.loc[2, "note"]


def test_no_pair_at_all_is_a_table_of_reasons():
    first, second = two_readers(2)
    found = icc_of_pairs(first, np.full_like(second, np.nan))
    assert found["value"].isna().all()
    assert found["n_pairs"].eq(0).all()
    assert found["note"].str.contains("found 0").all()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"second": np.ones((3, 3))}, "one shape"),
        ({"form": "ICC"}, "form must be one of"),
        ({"min_pairs": 1}, "min_pairs must be at least 2"),
        ({"level": 1.0}, "level"),
    ],
)
def test_pairs_that_do_not_fit(arguments, reason):
    with pytest.raises(BadArgument, match=reason):
        icc_of_pairs(**{"first": np.ones((3, 2)), "second": np.ones((3, 2)), **arguments})
