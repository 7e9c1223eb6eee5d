import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.discrimination.patient_bootstrap import check_failures, draws, patients, rows

POSITIVE = np.array([True, False, False, True, False, False])
GROUPS = ["p3", "p1", "p1", "p2", "p3", "p0"]


def test_patients_take_the_outcome_of_any_case():
    found = patients(POSITIVE, GROUPS)
    assert found.is_positive.size == 4
    assert found.of_case.tolist() == [3, 1, 1, 2, 3, 0]
    assert found.is_positive.tolist() == [False, False, True, True]


def test_cases_of_a_patient_are_drawn_together():
    (times,) = draws(patients(POSITIVE, GROUPS), 200, 0, stratified=False)
    assert times.shape == (200, 6)
    assert (times[:, 1] == times[:, 2]).all()
    assert (times[:, 0] == times[:, 4]).all()
    assert (times[:, [0, 1, 3, 5]].sum(axis=1) == 4).all()


def test_stratified_draws_keep_the_patients_of_each_outcome():
    (times,) = draws(patients(POSITIVE, GROUPS), 200, 0, stratified=True)
    assert (times[:, [0, 3]].sum(axis=1) == 2).all()
    assert (times[:, [1, 5]].sum(axis=1) == 2).all()
    assert {tuple(t) for t in times[:, [0, 3]]} == {(0, 2), (1, 1), (2, 0)}


def test_every_patient_is_drawn_equally_often():
    (times,) = draws(patients(np.zeros(5, dtype=bool), None), 4000, 1, stratified=False)
    np.testing.assert_allclose(times.mean(axis=0), 1.0, atol=0.06)
    assert times.var() == pytest.approx(0.8, abs=0.05)  # multinomial: 1 - 1/5


def test_a_seed_gives_the_same_draws_and_another_gives_others():
    of = patients(POSITIVE, None)
    one, two, other = (next(draws(of, 50, s, stratified=True)) for s in (7, 7, 8))
    assert (one == two).all()
    assert (one != other).any()
    sequence = np.random.SeedSequence(7)
    assert (next(draws(of, 50, sequence, stratified=True)) == one).all()


def test_many_cases_come_in_blocks():
    of = patients(np.arange(300_000) < 9, None)
    blocks = [block.shape for block in draws(of, 10, 0, stratified=True)]
    assert [len(b) for b in map(list, blocks)] == [2, 2]
    assert sum(shape[0] for shape in blocks) == 10


def test_rows_repeat_as_often_as_they_were_drawn():
    assert rows(np.array([2, 0, 1])).tolist() == [0, 0, 2]


def test_too_many_failures():
    check_failures(5, 100)
    with pytest.raises(NotEstimable, match="6 of 100 failed"):
        check_failures(6, 100)


def test_bad_arguments():
    with pytest.raises(BadArgument, match="6 cases"):
        patients(POSITIVE, ["a"])
    with pytest.raises(BadArgument, match="n_resamples"):
        next(draws(patients(POSITIVE, None), 0, 0, stratified=True))
