"""A run that can be watched in MLflow while its networks are fitted."""

from __future__ import annotations

from her2.core.settings import TrackingSettings
from her2.pipeline.run import OpenRun
from her2.tracking import LiveRun, open_live_run, opening_tags, run_name


def watched(run: OpenRun, tracking: TrackingSettings) -> LiveRun | None:
    """Return the run as it is open in MLflow; None where it is not tracked, or nobody answers."""
    if not tracking.enabled:
        return None
    return open_live_run(
        run.folder.path, run_name(run.config, run.cohort.name), uri=tracking.uri,
        experiment=tracking.experiment, tags=opening_tags(run.config),
    )  # fmt: skip
