"""Several processes train a network together, and it is the network of one process."""

import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
import training_process
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from her2.core.errors import InputProblem
from her2.core.places import config_folder
from her2.core.settings import TrainerSettings
from lightning_modules.fine_tuning import device_processes
from lightning_modules.fine_tuning.fitting import check_agreement

# batch norm with pretrained statistics, no dropout: nothing depends on how a batch is shared
EQUAL = {
    "name": "tf_efficientnet_lite0", "weights": "offline", "max_epochs": 2, "dropout": 0.0,
    "patience": 5, "inner_folds": 3, "balance": "sampler", "learning_rate": 0.0003, "ema": 0.5,
}  # fmt: skip
TIMEOUT_S = 280


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    environment = {
        **os.environ, "PYTHONPATH": str(config_folder().parent), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    given = [f"{key}={value}" for key, value in EQUAL.items()]
    done = subprocess.run(
        [sys.executable, training_process.__file__, str(tmp_path), *given, "devices=2",
         "strategy=ddp"],
        env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    alone = training_process.train(tmp_path / "alone", **EQUAL)
    together = np.frombuffer((tmp_path / "predictions").read_bytes())[: 24 + 24 + 8]
    expected = np.concatenate([alone.out_of_fold, alone.in_sample, alone.held_out])
    np.testing.assert_allclose(together, expected, rtol=0, atol=1e-3)
    assert len(list(tmp_path.glob("work/*.npz"))) == 3
    assert len(list(tmp_path.glob("model/*.safetensors"))) == 1


class Failing:
    """A job that no process can do."""

    def __init__(self, error):
        self.error = error

    def key(self, task):
        raise self.error


class Two:
    """What `train_networks` reads of the task before the job does."""

    trainer = TrainerSettings(accelerator="cpu", devices=2, strategy="ddp", max_epochs=1)


def start_here(run, arguments, nprocs):
    """One process after the other in this one, with an end as torch gives it."""
    try:
        for rank in range(nprocs):
            run(rank, *arguments)
    except (InputProblem, ZeroDivisionError) as error:
        raise ProcessRaisedException(repr(error), 0, 0) from None


REFUSED = InputProblem("M06", "no mask", "draw one")


def test_what_a_process_refuses_is_refused_in_the_same_sentence(monkeypatch):
    monkeypatch.setattr(device_processes, "start_processes", start_here)
    with mock.patch.dict(os.environ), pytest.raises(InputProblem) as raised:
        device_processes.train_networks([Failing(REFUSED)], Two())
    assert str(raised.value) == "M06: no mask; draw one"


def test_an_error_of_ours_in_a_process_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(device_processes, "start_processes", start_here)
    with mock.patch.dict(os.environ), pytest.raises(ProcessRaisedException, match="ZeroDivision"):
        device_processes.train_networks([Failing(ZeroDivisionError())], Two())


@pytest.mark.slow
def test_what_a_real_process_refuses_comes_back_whole():
    with pytest.raises(InputProblem) as raised:
        device_processes.train_networks([Failing(REFUSED)], Two())
    assert (raised.value.code, str(raised.value)) == ("M06", str(REFUSED))
    assert "Traceback" in str(raised.value.__cause__)


@pytest.mark.parametrize(("other", "agrees"), [(0.0, True), (1e-6, False)])
def test_processes_with_other_weights_are_noticed(monkeypatch, other, agrees):
    def all_reduce(own, op):
        if op == torch.distributed.ReduceOp.MAX:
            own += other

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    if agrees:
        check_agreement(nn.Linear(2, 1), torch.device("cpu"))
    else:
        with pytest.raises(RuntimeError, match="other weights"):
            check_agreement(nn.Linear(2, 1), torch.device("cpu"))
