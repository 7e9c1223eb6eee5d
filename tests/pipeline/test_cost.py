"""What a run costs adds up over the times that it was begun; memory is that of this run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from her2.core.run_folder import RunFolder
from her2.core.settings import BackboneSettings, StudySettings
from her2.pipeline import cost
from her2.pipeline.cost import LEDGER, charged, cost_entry, forget_peak, peak_memory_mb

NETWORK = StudySettings(backbone=BackboneSettings(name="resnet50", weights="none"))


def entry_of(folder, seconds=None, *, has_network=False):
    """The entry of a run in a folder that took some seconds, by step."""
    watch = SimpleNamespace(seconds=seconds or {})
    run = SimpleNamespace(folder=folder, settings=NETWORK, watch=watch)
    return cost_entry(run, has_network=has_network)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    now = [100.0]
    monkeypatch.setattr(cost, "perf_counter", lambda: now[0])
    return now


def test_seconds_of_a_stopped_training_are_kept(folder, clock):
    with pytest.raises(KeyboardInterrupt), charged(folder) as charge:
        clock[0] += 7
        charge()
        clock[0] += 2
        raise KeyboardInterrupt
    with charged(folder):
        clock[0] += 3.5
    entry = entry_of(folder, {"fit": 1.25, "report": 40.0}, has_network=True)
    assert entry["seconds"] == 13.75  # 9 + 3.5 of training and 1.25 of fitting, not the report


def test_what_was_written_survives_a_kill(folder, clock):
    with charged(folder) as charge:
        clock[0] += 7
        charge()
        assert json.loads(folder.file(LEDGER).read_text())["train_seconds"] == 7


def test_parameters_are_those_of_the_network_without_its_head(folder):
    assert entry_of(folder, has_network=True)["parameters"] == 23_508_032
    assert entry_of(folder)["parameters"] is None


@pytest.mark.skipif(not cost.CLEAR.exists(), reason="only Linux can forget a peak")
def test_a_job_does_not_answer_for_the_memory_of_the_one_before():
    forget_peak()
    before = peak_memory_mb()
    large = np.ones(40_000_000)  # 305 MiB
    assert peak_memory_mb() > before + 250
    del large
    forget_peak()
    assert peak_memory_mb() < before + 150


def test_a_run_that_only_reads_what_it_had_keeps_its_peak(folder, monkeypatch):
    monkeypatch.setattr(cost, "peak_memory_mb", lambda: 900.0)
    entry_of(folder)
    monkeypatch.setattr(cost, "peak_memory_mb", lambda: 300.0)
    assert entry_of(folder)["peak_memory_mb"] == 900.0


def test_memory_of_a_gpu_is_named_apart(folder, monkeypatch):
    monkeypatch.setattr(cost, "_gpu_peak", lambda: {"peak_gpu_memory_mb": 1234.56})
    entry = entry_of(folder)
    assert entry["peak_gpu_memory_mb"] == 1234.6
