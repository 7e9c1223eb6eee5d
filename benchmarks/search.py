"""What a trial costs beyond its work: this sweeper against Optuna alone, with the same storage.

200 trials of an objective of 10 ms; the three searches take turns, a quarter of the trials each
time, so that a busy machine is busy for all of them. Run: python benchmarks/search.py [TRIALS]
"""

from __future__ import annotations

import logging
import shutil
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from unittest import mock

# the folder of the benchmarks has a radiomics.py, which would hide the package of that name
sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]

import hydra
import optuna
from hydra.core.global_hydra import GlobalHydra

import her2.search.search_page  # noqa: F401, imported before the clock starts
from her2.search.loop import Work
from her2.search.search_settings import make_sampler

CONFIG = """
defaults:
  - _self_
  - override hydra/job_logging: disabled
  - override hydra/hydra_logging: disabled
command: benchmark
rate: 0.0
depth: 1
width: 0.0
seed: 0
run_dir: {folder}/run
tracking:
  enabled: {is_tracked}
  uri: sqlite:///{folder}/mlflow.db
  experiment: her2
hydra:
  output_subdir: null
  sweep:
    dir: ${{run_dir}}
"""
SPACE = ("rate=interval(0,1)", "depth=int(interval(1,9))", "width=tag(log, interval(0.001,1))")
SECONDS = 0.01
ROUNDS = 4


def value(rate: float, depth: int, width: float) -> float:
    time.sleep(SECONDS)
    return (rate - 0.3) ** 2 + abs(depth - 4) + width


def task(config):
    if config.trial.number is None:
        return {"state": "ready"}
    return {"state": "complete", "values": [value(config.rate, config.depth, config.width)]}


def alone(folder: Path, n_trials: int) -> list[float]:
    """Seconds of each trial of Optuna's own loop, going on with its study."""
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/alone.db", study_name="alone", load_if_exists=True,
        sampler=make_sampler("tpe", seed=0, number=n_trials, is_conditional=False),
    )  # fmt: skip
    seconds = []
    for _ in range(n_trials):
        start = time.perf_counter()
        trial = study.ask()
        found = value(
            trial.suggest_float("rate", 0, 1), trial.suggest_int("depth", 1, 9),
            trial.suggest_float("width", 0.001, 1, log=True),
        )  # fmt: skip
        study.tell(trial, found)
        seconds.append(time.perf_counter() - start)
    return seconds


def searched(folder: Path, n_trials: int, total: int, *, is_tracked: bool) -> list[float]:
    """Seconds of each trial of `hydra/sweeper=optuna`, going on with its study."""
    folder.mkdir(exist_ok=True)
    (folder / "app.yaml").write_text(
        CONFIG.format(folder=folder, is_tracked=str(is_tracked).lower())
    )
    looks: list[float] = []  # when a trial is over and the next one may begin
    is_done = Work._is_done

    def timed(work: Work) -> bool:
        looks.append(time.perf_counter())
        return is_done(work)

    GlobalHydra.instance().clear()
    arguments = [
        "search", "-m", "hydra/sweeper=optuna", "hydra.sweeper.metrics=[loss]",
        "hydra.sweeper.directions=[minimize]", "hydra.sweeper.evaluate_winner=false",
        f"hydra.sweeper.storage=sqlite:///{folder}/study.db", f"hydra.sweeper.n_trials={total}",
        *SPACE,
    ]  # fmt: skip
    start = time.perf_counter()
    with (
        mock.patch.object(sys, "argv", arguments),
        mock.patch.object(Work, "_is_done", timed),
        mock.patch("her2.search.search_page.search_figures", return_value={}),
    ):
        hydra.main(version_base="1.3", config_path=str(folder), config_name="app")(task)()
    seconds = [b - a for a, b in pairwise(looks)]
    print(f"    beginning and end: {time.perf_counter() - start - sum(seconds):.1f} s")
    return seconds


def main(n_trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.disable(logging.INFO)
    folder = Path(tempfile.mkdtemp(prefix="her2-search-"))
    per_round = n_trials // ROUNDS
    found: dict[str, list[float]] = {"Optuna alone": [], "search": [], "search with MLflow": []}
    try:
        for i in range(1, ROUNDS + 1):
            found["Optuna alone"] += alone(folder, per_round)
            found["search"] += searched(
                folder / "plain", per_round, i * per_round, is_tracked=False
            )
            found["search with MLflow"] += searched(
                folder / "tracked", per_round, i * per_round, is_tracked=True
            )
    finally:
        shutil.rmtree(folder)
    base = found["Optuna alone"]
    for name, seconds in found.items():
        mean, median = statistics.mean(seconds), statistics.median(seconds)
        over = 1000 * (mean - statistics.mean(base)), 1000 * (median - statistics.median(base))
        print(
            f"{name:<20} {1000 * mean:6.1f} ms a trial (median {1000 * median:6.1f}), "
            f"{over[0]:+6.1f} over Optuna alone (median {over[1]:+6.1f}); {len(seconds)} trials"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
