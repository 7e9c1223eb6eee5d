"""Systems other than Linux: what they lack is asked for, not taken for granted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from her2.core import machine
from her2.core.errors import BadConfig

# a macOS without even the modules that it has
WITHOUT = """
import os, sys
del os.sched_getaffinity
sys.modules["fcntl"] = sys.modules["resource"] = None
"""


def run_without(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has none of what only some systems have."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *arguments], capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_check_needs_nothing_that_only_linux_has(table_cohort: Path, tmp_path: Path) -> None:
    code = """
from her2.cli.command_line import run
sys.exit(run(sys.argv[1:]))
"""
    done = run_without(
        code, "check", "cohort=folder", f"cohort.root={table_cohort}", "cohort.clinical=[age]",
        f"run_dir={tmp_path}/run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_cores_are_counted_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= machine.n_cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.n_cores() == os.cpu_count()


def test_peak_memory_is_told_in_bytes_by_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    linux = machine.peak_memory_bytes()
    monkeypatch.setattr(machine, "_LINUX_STATUS", Path("/none"))
    assert machine.peak_memory_bytes() == pytest.approx(linux, rel=0.5)


def test_windows_is_a_sentence_that_names_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    machine.check_system()
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(BadConfig, match="expected Linux or macOS, found Windows; run her2 in WSL"):
        machine.check_system()


def test_a_lock_is_held_once_and_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import os, sys; from pathlib import Path; from her2.core.machine import exclusive_lock; "
        "exclusive_lock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    with machine.exclusive_lock(path), pytest.raises(TimeoutError):
        machine.exclusive_lock(path).acquire(blocking=False)
