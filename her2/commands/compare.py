"""Finished runs side by side: ROC, DeLong with Holm, calibration, decision curves, cost."""

from __future__ import annotations

from pathlib import Path

from her2.comparison.models import compare_models, models_of
from her2.comparison.outputs import publish
from her2.comparison.runs import check_comparable, open_runs, with_names
from her2.core.errors import BadConfig
from her2.core.run_folder import RunFolder
from her2.core.settings import CompareSettings


def compare(settings: CompareSettings, run_dir: Path) -> int:
    """Compare finished runs, named by folder or MLflow id, and return the exit status."""
    tracking, runs = settings.tracking, settings.runs
    if len(runs) < 2:
        raise BadConfig(
            f"expected at least two runs to compare, found {len(runs)}; name their folders or "
            "MLflow ids: her2 compare RUN RUN"
        )
    opened = with_names(open_runs(runs, uri=tracking.uri), settings.names)
    check_comparable(opened)
    models = models_of(opened, settings.arms)
    folder = RunFolder.open(run_dir, settings.record())
    publish(folder.path, compare_models(opened, models), tracking=tracking)
    return 0
