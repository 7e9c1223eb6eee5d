"""Trials in other processes: workers of joblib, jobs of submitit, devices and statuses."""

import importlib.util
import os
from copy import copy

import pytest
from optuna.trial import TrialState
from search_app import App, load

from her2.core import launcher, places

X = ("x=interval(-1,1)", "hydra.sweeper.n_trials=6", "failing_at=[2]")
LAUNCHERS = {
    "hydra_joblib_launcher": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "hydra_submitit_launcher": ("hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2",
                                "hydra.launcher.timeout_min=2"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("package", LAUNCHERS)
def test_trials_run_in_the_workers_of_a_launcher(app: App, package):
    if importlib.util.find_spec(f"hydra_plugins.{package}") is None:
        pytest.skip(f"{package} is not installed")
    process = app.start(app.journal, *X, *LAUNCHERS[package])
    assert process.wait(timeout=200) == 0, app.output
    trials = load(app.journal).get_trials(deepcopy=False)
    assert sum(t.state == TrialState.COMPLETE for t in trials) == 6
    assert [t.number for t in trials if t.state == TrialState.FAIL] == [2]
    assert trials[2].user_attrs["reason"].startswith("ValueError: trial 2 cannot")
    workers = {line.split()[2] for line in (app.folder / "log").read_text().splitlines()}
    assert str(process.pid) not in workers


def test_the_worst_status_of_all_processes_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "project_store", lambda: tmp_path)
    statuses = launcher.JobStatuses()
    statuses.add(0)
    assert list(tmp_path.iterdir()) == []  # no file for jobs of this process
    elsewhere = copy(statuses)
    elsewhere.parent = 0  # as a copy in another process sees itself
    elsewhere.add(2)
    assert statuses.here == [0]
    assert statuses.largest() == 2
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_device(monkeypatch):
    monkeypatch.setattr(launcher, "_claimed", [])
    monkeypatch.delenv(launcher.VISIBLE, raising=False)
    yield
    launcher._claimed.clear()


def test_workers_share_out_devices_by_locks(tmp_path, no_device, monkeypatch, caplog):
    assert launcher.claim_gpu(2, tmp_path) == 0
    assert os.environ[launcher.VISIBLE] == "0"
    assert launcher.claim_gpu(2, tmp_path) is None  # once a process
    held = list(launcher._claimed)
    launcher._claimed.clear()  # as another worker
    monkeypatch.setenv(launcher.VISIBLE, "5,7")
    assert launcher.claim_gpu(2, tmp_path) == 1
    assert os.environ[launcher.VISIBLE] == "7"
    held += launcher._claimed
    launcher._claimed.clear()
    assert launcher.claim_gpu(2, tmp_path) in (0, 1)  # the third shares one
    assert "more workers than the 2 devices" in caplog.text
    launcher._claimed[:] = held


def test_no_device_is_given_where_none_is_asked_for(tmp_path, no_device):
    assert launcher.claim_gpu(0, tmp_path) is None
    assert launcher.VISIBLE not in os.environ
    with pytest.raises(launcher.BadConfig, match="at least 0, found -1"):
        launcher.claim_gpu(-1, tmp_path)
