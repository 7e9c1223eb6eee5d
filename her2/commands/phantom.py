"""Write a simulated cohort in the layout that a hospital would bring."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from her2.core.settings import CohortSettings, ComputeSettings
from her2.pipeline.load_cohort import n_workers, write_phantom_cohort


def phantom(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Write the cohort to cohort.root, or to run_dir where that is not named."""
    root = Path(cohort.root).expanduser() if cohort.root else run_dir
    write_phantom_cohort(cohort, root, n_workers(compute))
    clinical = ",".join(cohort.clinical or [])
    sys.stdout.write(
        f"{cohort.n_patients} simulated patients: {root}\n"
        f"next: her2 study cohort=folder cohort.root={root} 'cohort.clinical=[{clinical}]'\n"
    )
    return 0
