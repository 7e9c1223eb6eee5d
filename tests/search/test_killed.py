"""A search whose processes are killed outright goes on: nothing twice, nothing left under way."""

import os
import signal
import time

import pytest
from optuna.trial import TrialState
from search_app import App, load

TRIALS = ("x=interval(-1,1)", "seconds=0.3", "hydra.sweeper.n_trials=12")


def wait_for_runs(app: App, n: int, process) -> None:
    for _ in range(600):
        if len(app.runs()) >= n:
            return
        assert process.poll() is None, app.output
        time.sleep(0.05)
    raise AssertionError(f"{len(app.runs())} trials began in half a minute")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_search_that_is_killed_goes_on_with_the_same_command(app, kind):
    storage = getattr(app, kind)
    first = app.start(storage, *TRIALS)
    wait_for_runs(app, 4, first)  # three are finished, the fourth is under way
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    begun = app.runs()
    second = app.start(storage, *TRIALS)
    assert second.wait(timeout=120) == 0, app.output
    trials = load(storage).get_trials(deepcopy=False)
    states = [t.state for t in trials]
    assert states.count(TrialState.COMPLETE) == 12
    assert TrialState.RUNNING not in states
    points = [t.params["x"] for t in trials if t.state == TrialState.COMPLETE]
    assert len(set(points)) == 12
    killed = [t for t in trials if t.state == TrialState.FAIL]
    assert [t.params["x"] for t in killed] == [begun[-1][1]]  # the one under way ran again
    assert killed[0].params["x"] in points
    runs = [x for _, x in app.runs()]
    assert len(runs) == 13
    assert sorted(set(runs)) == sorted(points)
