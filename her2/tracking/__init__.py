"""MLflow, and nothing but MLflow: the only package that knows it. A study never waits for it.

`mlflow_store` opens the store, `live_runs` writes runs that are open, `finished_run` a study,
`stored_runs` reads runs again, and sends what the store lacks.
"""

from her2.tracking.finished_run import (
    NOT_SENT,
    NOT_WANTED,
    anonymise,
    opening_tags,
    run_name,
    track_study,
    upload_files,
)
from her2.tracking.live_runs import (
    OPEN_RUN,
    LiveRun,
    RunContent,
    close_parent,
    open_live_run,
    open_parent,
    open_run_id,
    record_child,
    system_metrics,
)
from her2.tracking.mlflow_store import client, quiet, shown, spared, tracking_uri
from her2.tracking.stored_runs import (
    FoundRun,
    fetch,
    find_runs,
    run_folders,
    runs_page,
    sync_runs,
    ui_command,
)

__all__ = [
    "NOT_SENT", "NOT_WANTED", "OPEN_RUN", "FoundRun", "LiveRun", "RunContent",
    "anonymise", "client", "close_parent", "fetch", "find_runs", "open_live_run", "open_parent",
    "open_run_id", "opening_tags", "quiet", "record_child", "run_folders", "run_name", "runs_page",
    "shown", "spared", "sync_runs", "system_metrics", "track_study", "tracking_uri", "ui_command",
    "upload_files",
]  # fmt: skip
