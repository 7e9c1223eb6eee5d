"""The MLflow pages of the project's runs, served on 127.0.0.1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from her2.settings import TrackingSettings
from her2.tracking import ui_command


def ui(
    *,
    run_dir: Path,
    config: dict[str, Any],
    tracking: TrackingSettings,
    port: int,
    seed: int,
    cache: str | None,
) -> int:
    """Serve the pages until interrupted."""
    sys.stdout.write(f"http://127.0.0.1:{port} (Ctrl-C ends it)\n")
    sys.stdout.flush()
    try:
        return subprocess.run(ui_command(tracking.uri, port), check=False).returncode
    except KeyboardInterrupt:
        return 0
