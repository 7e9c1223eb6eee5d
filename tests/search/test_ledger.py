"""Whose trials run, whose are lost, and who takes them over."""

import os
import re
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from her2.search.ledger import LEASE, Ledger, is_dead, new_owner, point_of


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


@pytest.fixture
def study(storage):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(storage=storage)


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def ledger(study, storage):
    def make(owner: str | None = None) -> Ledger:
        made = Ledger(study, storage, lease_seconds=10)
        made.owner = owner or made.owner
        return made

    return make


def begin(book: Ledger, x: float | None = None) -> int:
    number = book.create(None if x is None else {"x": x})
    book.trial(number).suggest_float("x", 0, 1)
    return number


def test_a_process_of_this_machine_that_has_gone_is_dead_at_once():
    owner = new_owner(pid=gone())
    assert is_dead(owner, {f"{LEASE}{owner}": time.time()}, 1e9)
    here = new_owner()
    assert not is_dead(here, {f"{LEASE}{here}": time.time()}, 10)


def test_a_process_that_only_waits_for_its_parent_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(new_owner(pid=process.pid), {}, 1e12)
    process.wait()


def test_a_process_of_another_machine_is_dead_after_its_lease():
    far = new_owner(host="a:b", pid=os.getpid())  # a name may have colons
    assert not is_dead(far, {f"{LEASE}{far}": time.time() - 9}, 10)
    assert is_dead(far, {f"{LEASE}{far}": time.time() - 11}, 10)
    assert is_dead(far, {}, 10)  # it never gave a sign


def test_the_point_of_a_dead_process_runs_again_once(ledger):
    dead = ledger(new_owner(pid=gone()))
    number = begin(dead, 0.25)
    one, other = ledger(), ledger()
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


def test_a_point_that_is_lost_twice_runs_again(ledger):
    begun = begin(ledger(new_owner(pid=gone())), 0.5)
    book = ledger()
    book.refresh()
    book.release_dead()
    dead = ledger(new_owner(pid=gone()))
    dead.create({"x": 0.5}, begun)  # killed before a value was asked for
    book.refresh()
    book.release_dead()
    book.refresh()
    lost = book.to_run_again()
    assert lost.number == 1
    assert point_of(lost) == {"x": 0.5}


def test_trials_of_the_living_and_of_other_programs_are_left_alone(ledger, study):
    far = ledger(new_owner(host="another"))
    with far.kept_alive():
        begin(far)
    study.ask()
    book = ledger()
    book.refresh()
    assert book.release_dead() == 0
    assert [t.state for t in study.trials] == [TrialState.RUNNING] * 2


def test_a_full_study_needs_no_further_trial(ledger):
    book = ledger()
    numbers = [begin(book) for _ in range(3)]
    assert [book.is_surplus(n, 2) for n in numbers] == [False, False, True]


def test_an_answer_for_a_trial_that_was_taken_over_is_dropped(ledger, study, caplog):
    book = ledger()
    number = begin(book)
    other = ledger(new_owner(host="another"))
    other.refresh()
    other._give_up({book.owner}, "it gave no sign")
    assert book.finish(number, TrialState.COMPLETE, [1.0]) is False
    assert "taken over" in caplog.text
    assert study.trials[number].state == TrialState.FAIL


def test_signs_of_life_come_from_another_thread(ledger, study):
    book = ledger()
    book.lease_seconds = 0.06
    signs = set()
    with book.kept_alive():
        for _ in range(20):
            signs.add(study.user_attrs[f"{LEASE}{book.owner}"])
            time.sleep(0.01)
    assert len(signs) >= 3


def test_optuna_and_hydra_are_used_by_public_names():
    from her2.core.places import PACKAGE

    private = re.compile(
        r"(?:hydra|optuna)[\w.]*\._\w+|\._(?:storage|study_id|trial_id|return_value|backend)\b"
    )
    folder = PACKAGE / "search"
    found = {path.name: private.findall(path.read_text()) for path in folder.glob("*.py")}
    assert {name: names for name, names in found.items() if names} == {}


def test_optuna_keeps_given_values_where_the_ledger_writes_them(study):
    """The one name of Optuna that has no public reader: where `enqueue_trial` puts values."""
    study.enqueue_trial({"x": 0.25})
    assert study.trials[0].system_attrs == {"fixed_params": {"x": 0.25}}
    assert study.ask().suggest_float("x", 0, 1) == 0.25
