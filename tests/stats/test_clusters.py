import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.clusters import (
    patient_covariance,
    patient_numbers,
    patient_variance,
    repeated_probabilities,
    repeated_scores,
)

X = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
ERROR = (X - X.mean()) / X.size


def test_one_row_a_patient_is_the_variance_of_a_mean():
    assert patient_variance(ERROR) == pytest.approx(0.5 * 0.5 / 6)
    assert patient_variance(ERROR, list("fedcba")) == pytest.approx(patient_variance(ERROR))


def test_by_hand_with_two_rows_a_patient():
    # patients with (1, 0), (0, 1) and (1, 0) are all alike
    assert patient_variance(ERROR, [0, 0, 1, 1, 2, 2]) == pytest.approx(0.0, abs=1e-18)
    # (1, 1), (0, 0) and (1, 0): sums 1/6, -1/6, 0
    expected = (2 / 36) * (3 / 2) * (5 / 6)
    assert patient_variance(ERROR, [0, 1, 1, 0, 2, 2]) == pytest.approx(expected)


def test_copies_of_a_row_add_nothing_but_the_correction():
    copied = np.repeat(ERROR, 50) / 50
    found = patient_variance(copied, np.repeat(np.arange(6), 50))
    assert found == pytest.approx(patient_variance(ERROR) * (6 / 5) * (299 / 300))


def test_is_unbiased_for_patients_who_differ():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(12), 5)
    values = rng.normal(size=(3000, 12))[:, patient] + rng.normal(size=(3000, 60))
    means = values.mean(axis=1)
    found = [patient_variance((v - v.mean()) / 60, patient) for v in values]
    assert np.mean(found) == pytest.approx(means.var(), rel=0.06)


def test_covariance_holds_the_variances():
    rng = np.random.default_rng(1)
    both = rng.normal(size=(30, 2))
    patient = rng.integers(8, size=30)
    covariance = patient_covariance(both, patient)
    np.testing.assert_allclose(covariance, covariance.T)
    of_sum = patient_variance(both.sum(axis=1), patient)
    assert of_sum == pytest.approx(covariance.sum())
    assert covariance[1, 1] == pytest.approx(patient_variance(both[:, 1], patient))


def test_order_of_cases_does_not_matter():
    patient, order = np.array(list("aabbbc")), np.array([5, 3, 1, 0, 2, 4])
    found = patient_variance(ERROR[order], patient[order])
    assert found == pytest.approx(patient_variance(ERROR, patient))
    assert patient_numbers(4, ["z", "a", "z", "b"]).tolist() == [2, 0, 2, 1]


def test_refuses():
    with pytest.raises(NotEstimable, match="2 patients, found 1 with 6 cases"):
        patient_variance(ERROR, ["a"] * 6)
    with pytest.raises(NotEstimable, match="finite"):
        patient_variance([0.1, np.nan])
    with pytest.raises(BadArgument, match="groups must have one value for each of the 6"):
        patient_variance(ERROR, [1, 2])
    with pytest.raises(BadArgument, match="one-dimensional"):
        patient_variance([[0.1], [0.2]])


def test_probabilities_by_repeat():
    assert repeated_probabilities([0.1, 0.2], 2).shape == (1, 2)
    assert repeated_probabilities([[0.1, 0.2], [0.3, 0.4], [0.5, 0.5]], 2).shape == (3, 2)
    assert repeated_scores([[-4.0, 9.0]], 2).tolist() == [[-4.0, 9.0]]
    with pytest.raises(BadArgument, match=r"shape \(n,\) or \(n_repeats, n\), found \(0, 2\)"):
        repeated_probabilities(np.empty((0, 2)), 2)
    with pytest.raises(BadArgument, match="each of the 3 outcomes, found 2"):
        repeated_probabilities([[0.1, 0.2], [0.3, 0.4]], 3)
    with pytest.raises(BadArgument, match="not logits"):
        repeated_probabilities([[0.1, 0.2], [0.3, 1.4]], 2)
    with pytest.raises(NotEstimable, match="1 of 4 missing"):
        repeated_probabilities([[0.1, 0.2], [0.3, np.nan]], 2)
    with pytest.raises(NotEstimable, match="same value"):
        repeated_scores([[0.3, 0.3], [0.3, 0.3]], 2, constant_ok=False)
    with pytest.raises(BadArgument, match="must be numbers"):
        repeated_probabilities(["a", "b"], 2)
