"""How busy the machine is while a long run goes on: MLflow's system metrics, one thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from her2.tracking.address import quiet, spared
from her2.tracking.open_run import LiveRun

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's own; "false" is heeded here
SECONDS = 10  # between two samples: a shorter run has none


@contextmanager
def system_metrics(live: LiveRun | None, *, enabled: bool = True) -> Iterator[None]:
    """Measure processor, memory, disk, network and GPU of a live run, a sample every 10 s."""
    monitor = None
    if live is not None and enabled and os.environ.get(SWITCH, "").lower() != "false":
        with spared(live.uri, "system metrics are not measured ({reason})"):
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            monitor = SystemMetricsMonitor(
                live.run_id, sampling_interval=SECONDS, resume_logging=True, tracking_uri=live.uri
            )
            monitor.start()
    try:
        yield
    finally:
        if monitor is not None:
            with quiet():
                monitor.finish()
