"""Run folders on their way into MLflow, where they could not go when they were finished."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from her2.core.settings import SyncSettings
from her2.tracking import run_folders, shown, sync_runs, tracking_uri

LINES = {
    "sent": "sent",
    "there": "in the store",
    "busy": "being written by another process",
    "not sent": "not sent",
    "unreadable": "its results.json or config.yaml cannot be read",
}
DOUBTFUL = ("busy", "not sent", "unreadable")


def sync(settings: SyncSettings, run_dir: Path) -> int:
    """Send every run folder below `settings.folder` that the store lacks; return the status."""
    tracking, root = settings.tracking, Path(settings.folder)
    run_folders(root)  # refused before a store is made
    counts: Counter[str] = Counter()
    for found in sync_runs(root, uri=tracking.uri, experiment=tracking.experiment):
        counts[found.outcome] += 1
        of_mlflow = f" ({found.run_id[:8]})" if found.run_id else ""
        print(f"{found.folder}: {LINES[found.outcome]}{of_mlflow}", flush=True)
    others = "".join(f", {counts[name]} {LINES[name]}" for name in DOUBTFUL if counts[name])
    print(
        f"{counts['sent']} of {counts.total()} runs sent to {shown(tracking_uri(tracking.uri))}, "
        f"{counts['there']} were there{others}",
        flush=True,
    )
    return 1 if any(counts[name] for name in DOUBTFUL) else 0
