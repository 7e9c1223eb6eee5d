"""Engines: what a call returns does not depend on them, and a lost call is lost alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import calls
import pytest

from her2.compute import DaskCluster, Finished, InProcess, LocalPool, Lost
from her2.core.errors import BadConfig, InputProblem, WorkerLost


def outcomes(engine, function, arguments) -> list:
    return sorted(engine.run(function, arguments), key=lambda outcome: outcome.position)


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.is_file() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("engine", [InProcess(), LocalPool(1), LocalPool(3)])
def test_outcomes_do_not_depend_on_the_engine(engine):
    found = outcomes(engine, calls.double, [(i,) for i in range(6)])
    assert found == [Finished(i, 2 * i) for i in range(6)]


@pytest.mark.parametrize("engine", [InProcess(), LocalPool(2)])
def test_without_calls_nothing_is_started(engine, monkeypatch):
    monkeypatch.setattr("her2.compute.local_pool.subprocess.Popen", None)
    assert list(engine.run(calls.double, [])) == []


def test_a_call_that_kills_its_process_is_lost_alone():
    found = outcomes(LocalPool(2), calls.die_if_odd, [(0,), (1,), (2,), (4,)])
    assert found == [Finished(0, 0), Lost(1, "killed"), Finished(2, 2), Finished(3, 4)]


def test_a_call_that_hangs_is_lost_alone():
    start = time.monotonic()
    found = outcomes(LocalPool(2, timeout_s=0.7), calls.sleep, [(60.0,), (0.0,), (0.01,)])
    assert found == [Lost(0, "hung"), Finished(1, 0.0), Finished(2, 0.01)]
    assert time.monotonic() - start < 20


def test_a_process_that_was_killed_once_costs_nothing(tmp_path, caplog):
    found = outcomes(LocalPool(2), calls.die_once, [(str(tmp_path), i) for i in range(3)])
    assert found == [Finished(i, i) for i in range(3)]
    assert caplog.text.count("tried once more") == 3


def test_memory_that_runs_out_in_a_call_is_a_lost_call():
    assert outcomes(LocalPool(1), calls.use_up_memory, [(1,)]) == [Lost(0, "killed")]


def test_a_process_killed_from_outside_is_replaced(tmp_path):
    def kill_first() -> None:
        wait_for(lambda: any(tmp_path.iterdir()))
        os.kill(int(next(tmp_path.iterdir()).name.split("_")[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill_first)
    killer.start()
    found = outcomes(LocalPool(2), calls.note_pid, [(str(tmp_path), i, 0.4) for i in range(5)])
    killer.join()
    assert found == [Finished(i, i) for i in range(5)]
    assert len(list(tmp_path.iterdir())) == 6  # one call was begun twice


def test_a_pool_whose_workers_all_die_is_a_sentence(monkeypatch):
    monkeypatch.setattr("her2.compute.local_pool.LOST_FROM_THE_START", 3)
    with pytest.raises(WorkerLost, match=r"3 in a row .* set compute\.n_workers lower"):
        outcomes(LocalPool(2), calls.die, [(i,) for i in range(20)])


def test_a_script_needs_no_guard_of_its_main_module(tmp_path):
    """As in a notebook: what it has run is not run again in every child."""
    script = tmp_path / "script.py"
    script.write_text(
        "from her2.compute import LocalPool\n"
        "print(sorted(o.value for o in LocalPool(2).run(pow, [(2, 3), (3, 2)])))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout == "[8, 9]\n"


def test_a_child_that_cannot_start_is_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkerLost, match="ended or stayed silent before its first case"):
        outcomes(LocalPool(1), calls.double, [(1,)])


@pytest.mark.parametrize("engine", [InProcess(), LocalPool(2)])
def test_an_error_of_the_call_is_raised_as_it_is(engine):
    with pytest.raises(InputProblem) as caught:
        outcomes(engine, calls.refuse, [(1,), (2,)])
    assert (caught.value.code, caught.value.fix) == ("M06", "draw it")


def test_an_error_brings_the_place_where_it_happened():
    with pytest.raises(ZeroDivisionError) as caught:
        outcomes(LocalPool(1), calls.fail, [(0,)])
    assert any("in fail" in note for note in caught.value.__notes__)


def test_a_child_has_one_thread():
    assert outcomes(LocalPool(1), calls.threads, [(1,)]) == [Finished(0, "1")]


def test_children_are_gone_when_nobody_wants_more(tmp_path):
    running = LocalPool(2).run(calls.note_pid, [(str(tmp_path), i, 0.1 + 60 * i) for i in (0, 1)])
    assert next(running) == Finished(0, 0)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    running.close()
    pids = [int(path.name.split("_")[1]) for path in tmp_path.iterdir()]
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


# ---- dask


def test_without_dask_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr("her2.compute.dask_cluster.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadConfig, match=r"found none; install it with pip install 'her2\[dask\]'"):
        DaskCluster()


@pytest.fixture(scope="module")
def address():
    """Address of a scheduler of this module with two worker processes."""
    distributed = pytest.importorskip("distributed", reason="the extra her2[dask] is absent")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
    )
    with cluster:
        yield cluster.scheduler_address


@pytest.mark.filterwarnings("default")  # what other people's event loops leave behind
class TestDask:
    def test_outcomes_are_those_of_this_process(self, address):
        found = outcomes(DaskCluster(address), calls.double, [(i,) for i in range(6)])
        assert found == outcomes(InProcess(), calls.double, [(i,) for i in range(6)])

    def test_a_call_that_dies_or_hangs_is_lost_alone(self, address):
        engine = DaskCluster(address, timeout_s=1.0)
        assert outcomes(engine, calls.die_if_odd, [(0,), (1,), (2,)])[1] == Lost(1, "killed")
        found = outcomes(engine, calls.sleep, [(60.0,), (0.0,)])
        assert found == [Lost(0, "hung"), Finished(1, 0.0)]

    def test_an_error_of_the_call_is_raised_as_it_is(self, address):
        with pytest.raises(InputProblem, match="M06"):
            outcomes(DaskCluster(address), calls.refuse, [(1,)])

    def test_a_killed_worker_of_two_costs_nothing(self, address, tmp_path):
        """The worker process itself, not its child: the scheduler gives its call to another."""
        killed = []

        def kill_a_worker() -> None:
            wait_for(lambda: len(list(tmp_path.iterdir())) >= 3)
            killed.append(int(max(tmp_path.iterdir()).name.split("_")[2]))
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_a_worker)
        killer.start()
        jobs = [(str(tmp_path), i, 0.5) for i in range(6)]
        found = outcomes(DaskCluster(address), calls.note_pid, jobs)
        killer.join()
        assert found == [Finished(i, i) for i in range(6)]
        workers = {int(path.name.split("_")[2]) for path in tmp_path.iterdir()}
        assert killed[0] in workers
        assert len(workers) >= 2
        assert len(list(tmp_path.iterdir())) > 6  # what the killed one held was begun again

    def test_no_scheduler_is_a_sentence(self, monkeypatch):
        pytest.importorskip("distributed", reason="the extra her2[dask] is absent")
        monkeypatch.setattr("her2.compute.dask_cluster.SECONDS_TO_CONNECT", 1)
        with pytest.raises(BadConfig, match=r"tcp://127\.0\.0\.1:1, found none"):
            outcomes(DaskCluster("tcp://127.0.0.1:1"), calls.double, [(1,)])

    def test_a_scheduler_without_workers_is_a_sentence(self):
        distributed = pytest.importorskip("distributed", reason="the extra her2[dask] is absent")
        with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty:
            engine = DaskCluster(empty.scheduler_address, patience_s=0.5)
            with pytest.raises(WorkerLost, match="expected a worker at the dask scheduler"):
                outcomes(engine, calls.double, [(1,)])
