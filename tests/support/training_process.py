"""A small fine-tuning in a process of its own, which another process may kill.

Usage: python training_process.py FOLDER [key=value ...]   (settings of the trainer)

Writes the bytes of its predictions to FOLDER/predictions when it is done; with PAUSE_S in the
environment every epoch takes at least that long.
"""

import os
import sys
import time
from pathlib import Path

import yaml
from small_training import cohort, tuned

from lightning_modules.fine_tuning.cross_fitting import FineTuned
from lightning_modules.fine_tuning.jobs import Record


def pause(losses: object, epoch: int) -> None:
    time.sleep(float(os.environ.get("PAUSE_S", "0")))


def train(folder: Path, record: Record = pause, **changes: object) -> FineTuned:
    places = {"folder": folder / "work", "model_dir": folder / "model"}
    return tuned(*cohort(), **places, record=record, **changes)


def as_bytes(tuned: FineTuned) -> bytes:
    """Predictions and losses, to the last bit."""
    parts = (tuned.out_of_fold, tuned.in_sample, tuned.held_out, tuned.history.to_numpy(float))
    return b"".join(part.tobytes() for part in parts)


def main(folder: Path, *arguments: str) -> None:
    pairs = (argument.partition("=") for argument in arguments)
    tuned = train(folder, **{key: yaml.safe_load(value) for key, _, value in pairs})
    (folder / "predictions").write_bytes(as_bytes(tuned))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
