"""The machine is measured while networks are trained, by one thread that ends with them."""

import threading
import time

import pytest
from mlflow.tracking import MlflowClient

from her2.tracking import open_live_run, system_metrics
from her2.tracking.live_runs import SWITCH


@pytest.fixture
def live(new_store, tmp_path, monkeypatch):
    monkeypatch.setattr("her2.tracking.live_runs.SECONDS", 0.1)
    monkeypatch.delenv(SWITCH, raising=False)
    return open_live_run(tmp_path, "train", uri=new_store(), experiment="her2")


def measured(live):
    metrics = MlflowClient(live.uri).get_run(live.run_id).data.metrics
    return [name for name in metrics if name.startswith("system/")]


def threads():
    return [t for t in threading.enumerate() if t.name == "SystemMetricsMonitor"]


def test_processor_and_memory_are_measured_until_the_block_ends(live):
    with system_metrics(live):
        assert len(threads()) == 1
        end = time.monotonic() + 20
        while not measured(live) and time.monotonic() < end:
            time.sleep(0.1)
    assert not threads()
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"} <= set(
        measured(live)
    )


@pytest.mark.parametrize("how", ["setting", "environment", "no run"])
def test_it_can_be_turned_off(live, monkeypatch, how):
    if how == "environment":
        monkeypatch.setenv(SWITCH, "false")
    with system_metrics(None if how == "no run" else live, enabled=how != "setting"):
        assert not threads()
