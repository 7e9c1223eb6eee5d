"""Workers: results of any count, a killed worker, a killed parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from joblib import delayed

from her2.core.errors import WorkerLost
from her2.core.parallel import run_jobs

PARENT = """
import os, sys, time
from joblib import delayed
from her2.core.parallel import run_jobs

def work(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(60)

list(run_jobs((delayed(work)(sys.argv[1]) for _ in range(2)), n_workers=2))
"""

# a worker that never gives Python's lock back, in which no thread of it can watch anything
DEAF = """
import ctypes, os, sys
from her2.compute.local_pool import LocalPool

list(LocalPool(n_workers=2).run(exec, [(
    f"import ctypes, os; open(os.path.join({sys.argv[1]!r}, str(os.getpid())), 'w').close();"
    "ctypes.PyDLL(None).sleep(60)",
)] * 2))
"""


def double(number: int) -> int:
    return 2 * number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_do_not_depend_on_the_number_of_workers(n_workers: int) -> None:
    found = run_jobs((delayed(double)(i) for i in range(6)), n_workers=n_workers)
    assert sorted(found) == [0, 2, 4, 6, 8, 10]


def test_a_killed_worker_is_a_sentence() -> None:
    with pytest.raises(WorkerLost, match=r"compute\.n_workers=1"):
        list(run_jobs([delayed(die)(), delayed(double)(1)], n_workers=2))


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="others have no such signal")


@pytest.mark.parametrize("program", ["PARENT", pytest.param("DEAF", marks=ON_LINUX)])
def test_workers_leave_with_a_killed_parent(tmp_path: Path, program: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(globals()[program])
    seen = tmp_path / "pids"
    seen.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(seen)])
    _wait(lambda: len(list(seen.iterdir())) == 2, seconds=60)
    pids = [int(path.name) for path in seen.iterdir()]
    assert all(_alive(pid) for pid in pids)
    parent.kill()
    parent.wait()
    _wait(lambda: not any(_alive(pid) for pid in pids), seconds=10)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, 9.0])  # while workers start, and while they work
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_of_a_launcher_leave_with_a_killed_command(
    tmp_path: Path, seconds: float, launcher: str
) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    more = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    words = ["classify", "-m", f"hydra/launcher={launcher}", *more, "seed=0,1",
             "study=quick", "tracking=none", f"run_dir={tmp_path / 'run'}",
             f"cache={tmp_path / 'cache'}"]  # fmt: skip
    command = subprocess.Popen([sys.executable, "-m", "her2", *words], stderr=subprocess.DEVNULL)
    known = psutil.Process(command.pid)
    _wait(lambda: len(known.children(recursive=True)) >= 4, seconds=60)
    time.sleep(seconds)
    workers = known.children(recursive=True)
    command.kill()
    command.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]


def _wait(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.is_file() and status.read_text().split()[2] != "Z"
