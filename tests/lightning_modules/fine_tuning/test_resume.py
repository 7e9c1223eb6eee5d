"""A killed training goes on from its last epoch and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import training_process

from her2.core.places import config_folder
from lightning_modules.fine_tuning import device_processes

SCRIPT = training_process.__file__
OPTIONS = {"max_epochs": 4, "ema": 0.9, "patience": 3, "inner_folds": 3}
TIMEOUT_S = 120


def start(folder: Path, pause_s: float, **options: object) -> subprocess.Popen:
    environment = {
        **os.environ, "PYTHONPATH": str(config_folder().parent), "PAUSE_S": str(pause_s),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    given = [f"{key}={value}" for key, value in options.items()]
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), *given], env=environment, start_new_session=True
    )


def wait_for(process: subprocess.Popen, folder: Path, pattern: str) -> None:
    """Wait until a file is there, while the process lives."""
    deadline = time.monotonic() + TIMEOUT_S
    while not list(folder.glob(pattern)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -signal.SIGKILL


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_killed_in_the_middle_of_a_network_it_ends_with_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = training_process.train(whole, **OPTIONS)
    process = start(killed, 0.2, **OPTIONS)
    wait_for(process, killed, "work/fold1-network0*.ckpt")  # fold 0 done, fold 1 under way
    kill(process)
    assert len(list(killed.glob("work/*.npz"))) == 1
    told: list[tuple[str, int]] = []
    again = training_process.train(
        killed, **OPTIONS, record=lambda losses, epoch: told.append((next(iter(losses)), epoch))
    )
    first = min(epoch for name, epoch in told if "fold1" in name)
    assert first > 1  # from the checkpoint, not from the start
    assert not any("fold0" in name for name, _ in told)
    assert training_process.as_bytes(again) == training_process.as_bytes(expected)
    assert files(killed / "model") == files(whole / "model")
    assert not list(killed.glob("work/*.ckpt"))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Return a function that trains here and says which networks were trained."""

    def call(**changes):
        trained_now = []
        fit = device_processes.train_network

        def spy(job, *arguments, **named):
            trained_now.append(job.stem)
            fit(job, *arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(device_processes, "train_network", spy)
            training_process.train(tmp_path, max_epochs=1, **changes)
        return trained_now

    return call


def test_a_finished_network_is_not_trained_again(trained, tmp_path):
    everything = ["fold0-network0", "fold1-network0", "all-network0"]
    assert trained() == everything
    assert trained() == []
    next(tmp_path.glob("work/fold1*")).unlink()
    assert trained() == ["fold1-network0"]
    next(tmp_path.glob("model/*.safetensors")).unlink()
    assert trained() == ["all-network0"]


def test_other_settings_train_their_own_networks(trained):
    assert len(trained()) == 3
    assert len(trained(dropout=0.1)) == 3
    assert trained() == ["all-network0"]  # its weights were those of the other settings
