"""Runs of processes that are gone are ended; the living, and other machines', are left alone."""

import json
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from her2.tracking import open_parent
from her2.tracking.processes import HOST, PROCESS, is_alive, is_dead, process_tags


@pytest.fixture(scope="module")
def gone():
    """Tags of a process that has ended."""
    code = (
        "from her2.tracking.processes import process_tags; import json; "
        "print(json.dumps(process_tags()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def opened(folder, uri):
    return open_parent(
        folder, "living", kind="search", uri=uri, experiment="her2", tags={}, params={}
    )


def status_of(uri, run_id):
    run = MlflowClient(uri).get_run(run_id)
    return run.info.status, run.data.tags.get("status")


def test_a_process_knows_itself_and_the_dead(gone):
    own = process_tags()
    assert not is_dead(own)
    assert not is_alive(own)  # it is this one, not another
    assert is_dead(gone)
    assert not is_alive(gone)
    assert is_alive(process_tags() | {PROCESS: _of(1)})
    assert not is_dead({})


def _of(pid):
    from her2.tracking import processes

    return f"{processes._space()}:{pid}:{processes._started(pid)}"


def test_a_number_that_was_given_again_is_another_process():
    own = process_tags()
    space, pid, *_ = own[PROCESS].split(":")
    assert is_dead({**own, PROCESS: f"{space}:{pid}:1:00000000"})


def test_what_another_machine_does_is_not_known(gone):
    assert not is_dead({**gone, HOST: "elsewhere"})
    _, _, rest = gone[PROCESS].partition(":")
    assert not is_dead({**gone, PROCESS: f"another container:{rest}"})


def test_only_own_runs_of_dead_processes_are_ended(new_store, tmp_path, gone):
    uri = new_store()
    first = opened(tmp_path / "first", uri)
    client = MlflowClient(uri)
    runs = {
        name: client.create_run(first.experiment_id, tags=tags).info.run_id
        for name, tags in {
            "dead": gone,
            "elsewhere": {**gone, HOST: "elsewhere"},
            "living": process_tags(),
            "untagged": {},
        }.items()
    }
    done = client.create_run(first.experiment_id, tags=gone).info.run_id
    client.set_terminated(done, "FINISHED")
    opened(tmp_path / "second", uri)
    assert status_of(uri, runs["dead"]) == ("KILLED", "killed")
    for name in ("elsewhere", "living", "untagged"):
        assert status_of(uri, runs[name])[0] == "RUNNING", name
    assert status_of(uri, done)[0] == "FINISHED"
    assert status_of(uri, first.run_id)[0] == "RUNNING"


def test_who_goes_on_with_a_dead_run_runs_again(new_store, tmp_path, gone):
    uri = new_store()
    live = opened(tmp_path, uri)
    for key, value in gone.items():
        MlflowClient(uri).set_tag(live.run_id, key, value)
    opened(tmp_path / "another", uri)
    assert status_of(uri, live.run_id) == ("KILLED", "killed")
    assert opened(tmp_path, uri).run_id == live.run_id
    assert status_of(uri, live.run_id) == ("RUNNING", "running")


def test_without_proc_the_dead_are_known_as_well(monkeypatch, tmp_path):
    from her2.tracking import processes

    monkeypatch.setattr(processes, "_LINUX", tmp_path / "none")
    monkeypatch.setattr(processes, "_space", lambda: "")
    own = process_tags()
    assert not is_dead(own)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = {**own, PROCESS: _of(child.pid)}
    assert is_alive(theirs)
    child.communicate(b"\n")
    assert is_dead(theirs)
    assert not is_alive(theirs)
