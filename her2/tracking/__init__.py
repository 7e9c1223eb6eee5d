"""MLflow, and nothing but MLflow: the only package that knows it. A study never waits for it.

`address` says where the store is, `live` is a run that is open, `parents` are runs with runs in
them, `finished` writes a study down, `found` reads runs again.
"""

from her2.tracking.address import quiet, shown, tracking_uri, ui_command
from her2.tracking.finished_run import TrackedStudy, track_study, upload_files
from her2.tracking.open_run import OPEN_RUN, LiveRun, open_live_run, open_run_id
from her2.tracking.parent_runs import close_parent, open_parent, record_child
from her2.tracking.run_columns import runs_page
from her2.tracking.run_description import NOT_SENT, NOT_WANTED, opening_tags, run_name
from her2.tracking.runs_by_id import FoundRun, fetch, find_runs
from her2.tracking.system import system_metrics
from her2.tracking.unsent_runs import Synced, run_folders, sync_runs

__all__ = [
    "NOT_SENT",
    "NOT_WANTED",
    "OPEN_RUN",
    "FoundRun",
    "LiveRun",
    "Synced",
    "TrackedStudy",
    "close_parent",
    "fetch",
    "find_runs",
    "open_live_run",
    "open_parent",
    "open_run_id",
    "opening_tags",
    "quiet",
    "record_child",
    "run_folders",
    "run_name",
    "runs_page",
    "shown",
    "sync_runs",
    "system_metrics",
    "track_study",
    "tracking_uri",
    "ui_command",
    "upload_files",
]
