"""MLflow, and nothing but MLflow: the only package that knows it. A study never waits for it.

`address` says where the store is, `live` is a run that is open, `parents` are runs with runs in
them, `finished` writes a study down, `found` reads runs again.
"""

from her2.tracking.address import quiet, shown, tracking_uri, ui_command
from her2.tracking.described import NOT_SENT, opening_tags, run_name
from her2.tracking.finished import TrackedStudy, track_study, upload_files
from her2.tracking.found import FoundRun, fetch, find_runs
from her2.tracking.live import OPEN_RUN, LiveRun, open_live_run, open_run_id
from her2.tracking.parents import close_parent, open_parent, record_child

__all__ = [
    "NOT_SENT",
    "OPEN_RUN",
    "FoundRun",
    "LiveRun",
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
    "run_name",
    "shown",
    "track_study",
    "tracking_uri",
    "ui_command",
    "upload_files",
]
