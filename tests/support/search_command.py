"""A command of its own, for tests of the sweeper: a formula in place of a study.

``python search_command.py FOLDER -m hydra/sweeper=optuna 'x=interval(-1,1)'``
"""

import os
import sys
import time
from pathlib import Path

import hydra


def main(folder: str, *overrides: str) -> None:
    sys.argv = ["app", *overrides]
    hydra.main(version_base="1.3", config_path=folder, config_name="app")(task)()


def task(config):
    if "trial" in config and config.trial.number is None:
        return {"state": "ready", "facts": {"data_sha256": str(config.data)}}
    number = config.trial.number
    with Path(config.log).open("a") as stream:
        stream.write(f"{number} {config.x!r} {os.getpid()}\n")
    time.sleep(config.seconds)
    if number in config.interrupted_at:
        raise KeyboardInterrupt
    if number in config.failing_at:
        raise ValueError(f"trial {number} cannot be\ncomputed")
    if number in config.nan_at:
        return {"state": "complete", "values": [float("nan")]}
    loss = (config.x - 0.3) ** 2
    if config.two:
        return {"state": "complete", "values": [loss, abs(config.x)]}
    return {"state": "complete", "values": [loss], "folds": {"loss": [loss, loss]}}


if __name__ == "__main__":
    main(*sys.argv[1:])
