"""How far risks move: by hand, widened as the theory says, and refused where nothing is known."""

import numpy as np
import pytest
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import risk_instability, widened


def test_distance_range_and_class_of_three_refits_by_hand():
    refits = [[0.1, 0.5], [0.4, 0.7], [0.7, 0.9]]
    found = risk_instability([0.4, 0.7], refits, threshold=0.6)
    assert found.distance == pytest.approx([0.2, 0.4 / 3])
    assert found.changed == pytest.approx([1 / 3, 1 / 3])
    assert found.low == pytest.approx([0.1 + 0.05 * 0.3, 0.5 + 0.05 * 0.2])
    assert found.high == pytest.approx([0.7 - 0.05 * 0.3, 0.9 - 0.05 * 0.2])
    assert found.mean_distance == pytest.approx(1 / 6)
    assert found.distance_p90 == pytest.approx(0.9 * 0.2 + 0.1 * 0.4 / 3)
    assert (found.mean_changed, found.n_refits) == (pytest.approx(1 / 3), 3)


def test_refits_that_agree_with_the_model_move_nothing():
    risk = np.linspace(0, 1, 9)
    found = risk_instability(risk, np.tile(risk, (4, 1)), threshold=0.5)
    assert (found.distance == 0).all()
    assert (found.changed == 0).all()


def test_a_half_is_as_far_as_it_is_and_two_thirds_are_widened_by_the_root_of_two():
    refits = [[0.3, 0.6]]
    assert widened([0.2, 0.5], refits, [0.5]) == pytest.approx(np.array(refits))
    odds = logit([0.2, 0.5]) + np.sqrt(2) * (logit([0.3, 0.6]) - logit([0.2, 0.5]))
    assert widened([0.2, 0.5], refits, [2 / 3])[0] == pytest.approx(expit(odds))


def test_risks_of_0_and_1_stay_inside():
    found = widened([0.0, 1.0], [[1.0, 0.0]], [0.63])
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize("share", [0.5, 0.632, 0.8])
def test_means_of_a_part_are_widened_to_means_of_fresh_patients(share):
    """The log odds are a mean of 200 patients here, whose standard error is known."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    m = round(share * 200)
    parts = [rng.choice(values, m, replace=False).mean() for _ in range(4000)]
    risk, refits = expit([values.mean()]), expit(parts)[:, None]
    again = widened(risk, refits, np.full(4000, m / 200))
    assert logit(again).std() == pytest.approx(values.std(ddof=1) / np.sqrt(200), rel=0.04)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_refit_on_nobody_or_everybody_tells_nothing(share):
    with pytest.raises(NotEstimable, match=f"not from all, found a share of {share:g}"):
        widened([0.5], [[0.6]], [share])


def test_what_does_not_fit_is_refused():
    with pytest.raises(BadArgument, match=r"shape \(n_refits, 2\), found \(1, 1\)"):
        risk_instability([0.1, 0.2], [[0.3]], threshold=0.5)
    with pytest.raises(NotEstimable, match="needs a refit and a patient"):
        risk_instability([0.1], np.empty((0, 1)), threshold=0.5)
    with pytest.raises(NotEstimable, match="1 of 2 missing"):
        risk_instability([0.1, 0.2], [[0.3, np.nan]], threshold=0.5)
    with pytest.raises(BadArgument, match=r"lie in \[0, 1\], found 1.3"):
        risk_instability([0.1], [[1.3]], threshold=0.5)
    with pytest.raises(BadArgument, match="one value for each of 1 refits, found 2"):
        widened([0.5], [[0.6]], [0.5, 0.5])
