"""The MLflow pages of the project's runs, served on 127.0.0.1."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from her2.core.settings import UiSettings
from her2.tracking import runs_page, shown, tracking_uri, ui_command


def ui(settings: UiSettings, run_dir: Path) -> int:
    """Serve the pages until interrupted."""
    tracking, port = settings.tracking, settings.port
    page = runs_page(tracking.uri, tracking.experiment)
    address = tracking_uri(tracking.uri)
    if address.startswith(("http://", "https://")):  # a server has its pages already
        print(f"{shown(address).rstrip('/')}{page}", flush=True)
        return 0
    print(f"http://127.0.0.1:{port}{page} (Ctrl-C ends it)", flush=True)
    # no background jobs: nobody asked for them, and they would outlive the server
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(ui_command(tracking.uri, port), env=quiet) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()  # not killed: it ends its own workers
            server.wait()
            return 0
