"""Whose trials run, whose are lost, and who takes them over."""

import os
import socket
import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

from her2.search.ledger import Ledger
from her2.search.owners import Owner, kept_alive, now


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study()


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def ledger(study, owner: Owner | None = None) -> Ledger:
    made = Ledger(study, lease_seconds=10)
    if owner is not None:
        made.owner = owner
    return made


def begin(book: Ledger, x: float | None = None) -> int:
    number = book.create(None if x is None else {"x": x})
    book.trial(number).suggest_float("x", 0, 1)
    return number


def test_a_process_of_this_machine_that_has_gone_is_dead_at_once():
    owner = Owner(pid=gone())
    assert owner.is_dead({owner.lease_key: now()}, now=now(), lease_seconds=1e9)
    here = Owner()
    assert not here.is_dead({here.lease_key: now()}, now=now(), lease_seconds=10)


def test_a_process_of_another_machine_is_dead_after_its_lease():
    far = Owner(host="another", pid=os.getpid())
    assert not far.is_dead({far.lease_key: 100.0}, now=109.0, lease_seconds=10)
    assert far.is_dead({far.lease_key: 100.0}, now=111.0, lease_seconds=10)
    assert far.is_dead({}, now=now(), lease_seconds=10)  # it never gave a sign


def test_a_tag_is_read_back_also_with_colons_in_the_name_of_the_machine():
    owner = Owner(host="a:b", pid=3, token="t")
    assert Owner.of(owner.tag) == owner


def test_the_point_of_a_dead_process_runs_again_once(study):
    dead = ledger(study, Owner(pid=gone()))
    number = begin(dead, 0.25)
    one, other = ledger(study), ledger(study)
    for book in (one, other):
        book.refresh()
    assert one.release_dead() == 1
    assert other.release_dead() == 0  # it had seen the trial under way
    for book in (one, other):
        book.refresh()
        assert book.to_run_again().number == number
    first = one.create({"x": 0.25}, number)
    second = other.create({"x": 0.25}, number)
    assert not one.is_surplus(first, 10, number)
    assert other.is_surplus(second, 10, number)
    assert one.to_run_again() is None


def test_a_point_that_is_lost_twice_runs_again(study):
    begun = begin(ledger(study, Owner(pid=gone())), 0.5)
    book = ledger(study)
    book.refresh()
    book.release_dead()
    dead = ledger(study, Owner(pid=gone()))
    dead.create({"x": 0.5}, begun)  # killed before a value was asked for
    book.refresh()
    book.release_dead()
    book.refresh()
    lost = book.to_run_again()
    assert lost.number == 1
    from her2.search.ledger import point_of

    assert point_of(lost) == {"x": 0.5}


def test_trials_of_the_living_and_of_other_programs_are_left_alone(study):
    far = ledger(study, Owner(host="another"))
    far.give_sign()
    begin(far)
    study.ask()
    book = ledger(study)
    book.refresh()
    assert book.release_dead() == 0
    assert [t.state for t in study.trials] == [TrialState.RUNNING] * 2


def test_a_full_study_needs_no_further_trial(study):
    book = ledger(study)
    numbers = [begin(book) for _ in range(3)]
    assert [book.is_surplus(n, 2) for n in numbers] == [False, False, True]


def test_an_answer_for_a_trial_that_was_taken_over_is_dropped(study, caplog):
    book = ledger(study)
    number = begin(book)
    other = ledger(study, Owner(host="another"))
    other.refresh()
    other._give_up(study.trials[number], "it gave no sign")
    assert book.finish(number, TrialState.COMPLETE, [1.0]) is False
    assert "taken over" in caplog.text
    assert study.trials[number].state == TrialState.FAIL


def test_signs_of_life_come_from_another_thread():
    signs = []
    with kept_alive(lambda: signs.append(now()), lease_seconds=0.06):
        import time

        time.sleep(0.2)
    assert len(signs) >= 3
    assert socket.gethostname() == Owner().host
