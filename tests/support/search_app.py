"""A tiny command whose settings are searched: a formula in place of a study."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP = Path(__file__).with_name("search_command.py")
CONFIG = """
defaults:
  - _self_
  - override hydra/job_logging: disabled
  - override hydra/hydra_logging: disabled
x: 0.0
kind: plain
depth: 1
seconds: 0.0
data: a
two: false
interrupted_at: []
failing_at: []
nan_at: []
log: {folder}/log
seed: 0
run_dir: {folder}/run
trainer:
  rate: 0.1
  drop: 0.0
hydra:
  output_subdir: null
  run:
    dir: ${{run_dir}}
  sweep:
    dir: ${{run_dir}}
"""
SEARCH = (
    "-m", "hydra/sweeper=optuna", "hydra.sweeper.metrics=[loss]",
    "hydra.sweeper.directions=[minimize]", "hydra.sweeper.evaluate_winner=false",
)  # fmt: skip


@dataclass(frozen=True)
class App:
    """The command in a folder of its own: its storage, and what its jobs wrote."""

    folder: Path

    @property
    def sqlite(self) -> str:
        return f"sqlite:///{self.folder}/study.db"

    @property
    def journal(self) -> str:
        return f"journal:{self.folder}/study.journal"

    def arguments(self, storage: str, *overrides: str) -> list[str]:
        return [*SEARCH, f"hydra.sweeper.storage={storage}", *overrides]

    def start(self, storage: str, *overrides: str, **environment: str) -> subprocess.Popen:
        """Start the command as a process group of its own."""
        command = [
            sys.executable,
            str(APP),
            str(self.folder),
            *self.arguments(storage, *overrides),
        ]
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(
                command, start_new_session=True, stdout=output, stderr=output, cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            )  # fmt: skip

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def runs(self) -> list[tuple[int, float]]:
        """Trial number and x of every job that began, in order."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [(int(n), float(x)) for n, x, _ in (line.split() for line in lines)]


def load(storage: str, name: str = "search-settings") -> Any:
    import optuna

    from her2.search.storage import open_storage, storage_address

    return optuna.load_study(study_name=name, storage=open_storage(storage_address(storage)))
