"""The end of a search: the winner is judged, and pages say what was found."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from her2.core.store import write_atomic, write_json
from her2.plots.export import save_figure
from her2.search.ledger import point_of
from her2.search.pages import summary_markdown, write_search_page
from her2.search.search_figures import (
    front_figure,
    history_figure,
    importance_figure,
    importances,
    parallel_figure,
    slices_figure,
)  # fmt: skip
from her2.search.short_names import short_names
from her2.search.trials_table import best_trial, pareto_front, trials_table
from her2.search.winner import Winner, judge_winner

if TYPE_CHECKING:
    from her2.search.loop import Work

logger = logging.getLogger(__name__)

TRIALS, SUMMARY, PAGE, MARKDOWN = "trials.csv", "search.json", "summary.html", "summary.md"


def close_search(work: Work, *, is_finished: bool) -> None:
    """Judge the winner of a finished search, and write summary, table and figures."""
    settings = work.settings
    work.ledger.refresh()
    names = short_names([parameter.name for parameter in work.jobs.space.parameters])
    best = best_trial(work.study, settings.better)
    winner = None
    if is_finished and settings.evaluate_winner and best is not None:
        winner = judge_winner(work, best)
    trials = trials_table(work.study, settings.metrics, names)
    figures = search_figures(work, trials, names, best)
    for name, figure in figures.items():
        save_figure(figure, work.folder / "figures", name)
    write_atomic(work.folder / TRIALS, trials.to_csv(index=False).encode())
    found = summary(work, best, winner, names, is_finished=is_finished)
    write_json(work.folder / SUMMARY, found)
    write_atomic(work.folder / MARKDOWN, summary_markdown(found).encode())
    write_search_page(work.folder / PAGE, found, trials, figures)
    _say(found, work.folder)
    work.tracked.close(
        work.folder, metrics=_numbers(found), tags=_tags(found), note=summary_markdown(found),
        files=[work.folder / name for name in (TRIALS, SUMMARY, PAGE, "figures")],
        is_finished=is_finished,
    )  # fmt: skip


def search_figures(
    work: Work, trials: pd.DataFrame, names: Mapping[str, str], best: FrozenTrial | None
) -> dict[str, Figure]:
    """Return the figures that the trials allow, by name."""
    if best is None:
        return {}
    settings, space = work.settings, work.jobs.space
    many = len(settings.metrics) > 1
    figures = {}
    for i, (metric, better) in enumerate(zip(settings.metrics, settings.better, strict=True)):
        end = f"_{metric}" if many else ""
        figures[f"optimisation_history{end}"] = history_figure(trials, metric, better)
        weights = importances(work.study, names, i)
        if weights:
            figures[f"parameter_importance{end}"] = importance_figure(weights, metric)
        figures[f"parallel_coordinates{end}"] = parallel_figure(
            trials, space, names, metric, better
        )
        figures[f"slices{end}"] = slices_figure(trials, space, names, metric)
    if many:
        front = [trial.number for trial in pareto_front(work.study, settings.better)]
        figures["front"] = front_figure(trials, front, best.number, settings.metrics)
    return figures


def summary(
    work: Work,
    best: FrozenTrial | None,
    winner: Winner | None,
    names: Mapping[str, str],
    *,
    is_finished: bool,
) -> dict[str, Any]:
    """Return search.json."""
    settings, count = work.settings, work.ledger.count()
    front = pareto_front(work.study, settings.better) if len(settings.metrics) > 1 else []
    return {
        "schema": 1,
        "study": work.study.study_name,
        "command": work.jobs.command,
        "space": work.jobs.space.title,
        "storage": work.ticket.storage,
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "metrics": dict(zip(settings.metrics, settings.better, strict=True)),
        "data": dict(work.ticket.facts),
        "is_finished": is_finished,
        "n_trials": {
            "wanted": settings.n_trials, "finished": count.finished, "pruned": count.pruned,
            "failed": count.failed, "running": count.running, "given_up": count.given_up,
        },
        "failures": _failures(work),
        "best": None if best is None else _described(best, settings.metrics, names),
        "front": [_described(trial, settings.metrics, names) for trial in front],
        "winner": None if winner is None else _winner(winner),
    }  # fmt: skip


def _described(
    trial: FrozenTrial, metrics: Sequence[str], names: Mapping[str, str]
) -> dict[str, Any]:
    values = dict(zip(metrics, trial.values or (), strict=True))
    settings = {names.get(name, name): value for name, value in point_of(trial).items()}
    return {"trial": trial.number, "values": values, "settings": settings}


def _failures(work: Work) -> dict[str, int]:
    """Return how many trials failed with each reason."""
    from her2.search.ledger import REASON, is_failure

    counted: dict[str, int] = {}
    for trial in work.ledger.seen:
        if is_failure(trial):
            reason = str(trial.user_attrs.get(REASON, "no reason was noted"))
            counted[reason] = counted.get(reason, 0) + 1
    return counted


def _winner(winner: Winner) -> dict[str, Any]:
    arms = {} if winner.results is None else winner.results["arms"]
    judged = {
        arm: {
            "model": content["model"],
            "cross_validated": _interval(content.get("repeated_cv")),
            "test": _interval(content["roles"].get("test")),
        }
        for arm, content in arms.items()
    }
    mlflow = {} if winner.results is None else winner.results.get("mlflow") or {}
    return {
        "trial": winner.trial, "folder": str(winner.folder), "n_looks": winner.n_looks,
        "run_id": mlflow.get("run_id"), "arms": judged,
    }  # fmt: skip


def _interval(performance: Mapping[str, Any] | None) -> list[float] | None:
    if performance is None or performance.get("auc") is None:
        return None
    return [performance["auc"], performance["auc_low"], performance["auc_high"]]


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    numbers = {f"trials/{name}": float(n) for name, n in found["n_trials"].items()}
    if found["best"]:
        numbers |= {f"best/{k}": float(v) for k, v in found["best"]["values"].items()}
    for arm, judged in ((found["winner"] or {}).get("arms") or {}).items():
        for role in ("cross_validated", "test"):
            if judged[role]:
                numbers[f"winner/{arm}/{role}/auc"] = float(judged[role][0])
    return numbers


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    tags = {"status": "finished" if found["is_finished"] else "stopped"}
    if found["best"]:
        tags["best_trial"] = str(found["best"]["trial"])
    if found["winner"] and found["winner"]["run_id"]:
        tags["winner_run_id"] = str(found["winner"]["run_id"])
    return tags


def _say(found: Mapping[str, Any], folder: Path) -> None:
    n = found["n_trials"]
    lines = [
        f"search {found['study']}: {n['finished']} of {n['wanted']} trials finished "
        f"({n['pruned']} pruned), {n['failed']} failed"
    ]
    if found["best"]:
        values = ", ".join(f"{k} {v:.4g}" for k, v in found["best"]["values"].items())
        settings = ", ".join(f"{k}={_short(v)}" for k, v in found["best"]["settings"].items())
        lines.append(f"best: trial {found['best']['trial']}, {values} ({settings})")
    lines.append(f"summary: {folder / PAGE}")
    sys.stdout.write("\n".join(lines) + "\n")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
