"""How many patients a study needs, before it begins: formulas and simulated studies."""

from __future__ import annotations

import sys
from pathlib import Path

from her2.core.run_folder import RunFolder
from her2.core.settings import PlanSettings, check_rules
from her2.planning.make_plan import make_plan
from her2.planning.plan_outputs import headline, write_outputs


def plan(settings: PlanSettings, run_dir: Path) -> int:
    """Write the plan, print what it says in three lines, and return the exit status."""
    check_rules("plan", settings)
    made = make_plan(settings)
    folder = RunFolder.open(run_dir, settings.record())
    page = write_outputs(folder.path, made)
    sys.stdout.write("\n".join([*headline(made), f"plan: {page}"]) + "\n")
    return 0
