import numpy as np
import pytest

from her2.core.errors import NotEstimable
from her2.stats.discrimination.auc import placement_variance, placements


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_counts_the_pairs_won_in_the_order_of_the_cases(digits):
    rng = np.random.default_rng(digits)
    positive, scores = rng.random(80) < 0.4, rng.normal(size=80).round(digits)
    gap = scores[positive][:, None] - scores[~positive][None, :]
    won = (gap > 0) + 0.5 * (gap == 0)
    placed = placements(positive, scores)
    assert placed.of_positives.tolist() == won.sum(axis=1).tolist()
    assert placed.of_negatives.tolist() == won.sum(axis=0).tolist()
    assert placed.auc == pytest.approx(won.mean(), abs=1e-15)


def test_one_case_in_a_class_has_no_variance():
    placed = placements(np.array([True, False, False]), np.array([1.0, 0.0, 2.0]))
    for function in (
        lambda: placed.variance,
        lambda: placement_variance(placed.of_positives, placed.of_negatives),
    ):
        with pytest.raises(NotEstimable, match="1 positive and 2 negative"):
            function()
