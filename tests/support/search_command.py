"""A command of its own, for tests of the sweeper: a formula in place of a study.

``python app.py FOLDER -m hydra/sweeper=optuna 'x=interval(-1,1)'``
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
    with Path(config.log).open("a") as stream:
        stream.write(f"{config.trial.number} {config.x!r} {os.getpid()}\n")
    time.sleep(config.seconds)
    if config.x < config.fails_below:
        raise ValueError(f"x is {config.x}")
    if config.x < config.nan_below:
        return float("nan")
    return (config.x - 0.3) ** 2


if __name__ == "__main__":
    main(*sys.argv[1:])
