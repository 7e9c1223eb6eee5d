"""Write a simulated cohort in the layout that a hospital would bring."""

from __future__ import annotations

import sys
from pathlib import Path

from her2.core.settings import StudySettings
from her2.pipeline.load_cohort import n_workers, write_phantom_cohort


def phantom(settings: StudySettings, run_dir: Path) -> int:
    """Write the cohort to cohort.root, or to run_dir where that is not named."""
    cohort = settings.cohort
    root = Path(cohort.root).expanduser() if cohort.root else run_dir
    write_phantom_cohort(cohort, root, n_workers(settings.compute))
    clinical = ",".join(cohort.clinical_names)
    sys.stdout.write(
        f"{cohort.n_patients} simulated patients: {root}\n"
        f"next: her2 study cohort=folder cohort.root={root} 'cohort.clinical=[{clinical}]'\n"
    )
    return 0
