"""The end of a search: figures, summary and pages say what was found."""

from __future__ import annotations

import logging
import math
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import optuna
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization.matplotlib import (
    plot_optimization_history,
    plot_param_importances,
    plot_pareto_front,
)

from her2.core.store import write_atomic, write_json
from her2.plots.export import save_figure
from her2.plots.style import GRID, INK, MUTED, PAGE_WIDTH, POSITIVE, new_figure, styled
from her2.report.document import write_sections
from her2.report.page_parts import Gallery, Section
from her2.report.sections import FURTHER, pictures
from her2.report.tabulate import plain_format, tabulate
from her2.search.ledger import REASON, point_of, state_of
from her2.search.search_results import best_trial, judge_winner, trials_table
from her2.search.space import Parameter

if TYPE_CHECKING:
    from her2.search.loop import Work

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

TRIALS, SUMMARY, PAGE, MARKDOWN = "trials.csv", "search.json", "summary.html", "summary.md"
MAP = "cividis"  # the same order of brightness for every reader
IMPORTANCE = "parameter_importance"  # figure, followed by the metric where there are several
PANELS = 3  # in a row
HONESTY = (
    "Every trial was judged by cross-validation among training patients; no test patient was "
    "given to a trial. The best value of many trials is too good, because it was "
    "chosen for being good: so is the winner's cross-validated result, on the same patients. Its "
    "result on the test role is not."
)


def close_search(work: Work, *, is_finished: bool) -> None:
    """Judge the winner of a finished search, and write summary, table, figures and pages."""
    settings, folder = work.settings, work.folder
    work.ledger.refresh()
    best = best_trial(work.study, settings.better)
    is_judged = is_finished and settings.evaluate_winner and best is not None
    winner = judge_winner(work, best) if is_judged and best is not None else None
    trials = trials_table(work.study, settings.metrics, work.tracked.names)
    found = summary(work, best) | {"is_finished": is_finished, "winner": winner}
    figures = {} if best is None else search_figures(work, trials, best)
    if found["n_constant"]:
        figures = {k: v for k, v in figures.items() if not k.startswith(IMPORTANCE)}
    for name, figure in figures.items():
        save_figure(figure, folder / "figures", name)
    write_atomic(folder / TRIALS, trials.to_csv(index=False).encode())
    note = summary_markdown(found)
    write_json(folder / SUMMARY, found)
    write_atomic(folder / MARKDOWN, note.encode())
    _write_page(folder / PAGE, found, trials, figures)
    said = [*alarms(found), *(x for x in sentences(found) if x != HONESTY)]
    sys.stdout.write("\n".join([*said, f"summary: {folder / PAGE}"]) + "\n")
    files = [folder / name for name in (TRIALS, SUMMARY, PAGE, "figures")]
    work.tracked.close(found, note, files)


def summary(work: Work, best: FrozenTrial | None) -> dict[str, Any]:
    """Return search.json, without what the winner came to."""
    settings, names = work.settings, work.tracked.names

    def described(trial: FrozenTrial) -> dict[str, Any]:
        point = {names.get(name, name): value for name, value in point_of(trial).items()}
        values = dict(zip(settings.metrics, trial.values, strict=True))
        return {"trial": trial.number, "values": values, "settings": point}

    failed = [t for t in work.ledger.seen if state_of(t) == "failed"]
    reasons = Counter(str(t.user_attrs.get(REASON, "no reason was noted")) for t in failed)
    front = work.study.best_trials if len(settings.metrics) > 1 else []
    by_fold = [t.user_attrs.get("folds", {}).get("auc", ()) for t in work.ledger.seen]
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
        "n_trials": {"wanted": settings.n_trials, **work.ledger.count()},
        "n_constant": sum(set(values) == {0.5} for values in by_fold),
        "failures": dict(reasons),
        "best": None if best is None else described(best),
        "front": list(map(described, front)),
    }


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know, first things first."""
    n = found["n_trials"]
    said = [
        f"{n['finished']} of {n['wanted']} trials are finished, {n['pruned']} of them were "
        f"stopped early by the pruner ({found['pruner']}); {n['failed']} failed; "
        f"{n['given_up']} were given up with their process, and their points ran again."
    ]
    if found["best"]:
        values = ", ".join(f"{k} {v:.4f}" for k, v in found["best"]["values"].items())
        settings = ", ".join(f"{k} = {_cell(v)}" for k, v in found["best"]["settings"].items())
        said.append(f"Best: trial {found['best']['trial']} with {values}; {settings}.")
    for arm, judged in ((found["winner"] or {}).get("arms") or {}).items():
        said.append(
            f"Winner, {arm} ({judged['model']}): AUC on the test role {_area(judged['test'])}, "
            f"cross-validated {_area(judged['cross_validated'])}."
        )
    if found["best"]:
        said.append(HONESTY)
    if found["winner"] and found["winner"]["n_looks"] > 1:
        said.append(
            f"{found['winner']['n_looks']} winners of this study have been judged on the test "
            "role: the later ones were chosen by people who had seen the earlier results."
        )
    return said


def alarms(found: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a search, none where nothing is."""
    said = [] if found["is_finished"] else ["The search stopped: too many trials failed."]
    if n := found["n_constant"]:
        said.append(
            f"{n} of {found['n_trials']['finished']} trials predicted the same for everybody (AUC "
            "of .5 in every fold): with their settings nothing is learned from so few patients. "
            "The importance of the settings would measure this alone, and is not shown."
        )
    return said


def summary_markdown(found: Mapping[str, Any]) -> str:
    """Return the note of a search: Markdown."""
    said = [*alarms(found), *sentences(found)]
    lines = [f"## Search {found['study']}", "", *(f"{x}\n" for x in said)]
    if found["best"]:
        lines += ["| setting | best |", "| --- | --- |"]
        lines += [f"| {k} | {_cell(v)} |" for k, v in found["best"]["settings"].items()]
    if found["failures"]:
        lines += ["", "| failed trials | reason |", "| --- | --- |"]
        lines += [f"| {n} | {reason} |" for reason, n in found["failures"].items()]
    return "\n".join(lines) + "\n"


def _write_page(
    path: Path, found: Mapping[str, Any], trials: pd.DataFrame, figures: Mapping[str, Figure]
) -> None:
    """Write a page that opens offline: sentences, figures, all trials."""
    shown = pictures(figures, ())[FURTHER]
    sections = [Section("figures", "Figures", blocks=(Gallery(tuple(shown)),))] if shown else []
    filled = [name for name in trials if trials[name].replace("", None).notna().any()]
    tables = {"Trials": trials[filled]}
    if found["failures"]:
        failed = [(n, reason) for reason, n in found["failures"].items()]
        tables["Failed trials"] = pd.DataFrame(failed, columns=["trials", "reason"])
    for title, frame in tables.items():
        table = tabulate(frame, plain_format(title))
        sections.append(Section(title.lower().replace(" ", "-"), title, (), (table,)))
    write_sections(
        path,
        title=f"Search {found['study']}",
        simulated=found["data"].get("simulated") == "True",
        sentences=sentences(found),
        alarms=alarms(found),
        sections=sections,
    )


def _area(interval: list[float] | None) -> str:
    if interval is None:
        return "not estimable"
    return f"{interval[0]:.3f} ({interval[1]:.3f} to {interval[2]:.3f})"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def search_figures(work: Work, trials: pd.DataFrame, best: FrozenTrial) -> dict[str, Figure]:
    """Return the figures that the trials allow, by name.

    Optuna draws the course, the importance and the front; its panels of settings overlap from
    about five settings on, so these are drawn here.
    """
    metrics, names = work.settings.metrics, work.tracked.names
    complete = trials[trials["state"] == "complete"]
    parameters = {names[p.name]: p for p in work.jobs.space.parameters}
    figures: dict[str, Figure] = {}
    for i, metric in enumerate(metrics):
        end = f"_{metric}" if len(metrics) > 1 else ""
        study = _of_one_metric(work.study, i, names)
        sign = 1 if work.settings.better[i] == "maximize" else -1
        ranked = complete.iloc[np.argsort(sign * complete[metric], kind="stable")]
        figures |= {
            f"optimisation_history{end}": _course(study, trials, metric),
            f"parallel_coordinates{end}": _parallel(ranked, parameters, metric),
            f"slices{end}": _slices(complete, parameters, metric),
        }
        if len(complete) >= 4 and complete[metric].nunique() > 1:
            try:
                figures[f"{IMPORTANCE}{end}"] = _importance(study, metric)
            except (ValueError, RuntimeError) as error:  # conditional settings that no two share
                logger.info("search: the importance of the settings is unknown (%s)", error)
    if len(metrics) > 1:
        figures["front"] = _front(work.study, best, metrics)
    return figures


def _of_one_metric(study: optuna.Study, i: int, names: Mapping[str, str]) -> optuna.Study:
    """Return a copy of a study with one of its metrics, and with short names of settings."""
    one = optuna.create_study(direction=study.directions[i])
    for trial in study.get_trials(deepcopy=True):
        if trial.state == TrialState.COMPLETE:
            trial.values = [trial.values[i]]
        trial.params = {names.get(k, k): v for k, v in trial.params.items()}
        trial.distributions = {names.get(k, k): v for k, v in trial.distributions.items()}
        one.add_trial(trial)
    return one


def _drawn(
    plot: Callable[..., Any], study: optuna.Study, title: str, **how: Any
) -> tuple[Figure, Axes]:
    """Return a figure of Optuna's, whose style of its own gives way to that of all figures."""
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        axes = plot(study, **how)
    figure = axes.figure
    plt.close(figure)
    empty = new_figure(PAGE_WIDTH * 0.75, 3.4)
    figure.set_layout_engine(empty.get_layout_engine())
    figure.set_size_inches(empty.get_size_inches())
    figure.set_facecolor("white")
    axes.set_facecolor("white")
    axes.grid(color=GRID, linewidth=0.7)
    axes.tick_params(colors=INK, labelsize=8.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=MUTED, visible=True)
    axes.set_title("")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.get_legend().remove()
    return figure, axes


@styled
def _course(study: optuna.Study, trials: pd.DataFrame, metric: str) -> Figure:
    """Value of every complete trial in order, and the best so far."""
    figure, axes = _drawn(
        plot_optimization_history, study, "Course of the search", target_name=metric
    )
    for state, marker in (("pruned", "|"), ("failed", "x")):
        numbers = trials.loc[trials["state"] == state, "trial"]
        if len(numbers):
            axes.plot(numbers, [0.03] * len(numbers), marker, color=MUTED, label=state,
                      transform=axes.get_xaxis_transform())  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def _importance(study: optuna.Study, metric: str) -> Figure:
    """Draw importances: the change between a best part of the trials and the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # of few trials: the page has their number
        figure, axes = _drawn(
            plot_param_importances, study, "Importance of the settings",
            evaluator=PedAnovaImportanceEvaluator(),
        )  # fmt: skip
    for text in axes.texts:
        text.set(text=f" {text.get_text()}", fontsize=8.5, color=INK)
    axes.set_xlabel(f"Importance for {metric} (share of its variation)")
    axes.set_ylabel("")
    return figure


@styled
def _front(study: optuna.Study, best: FrozenTrial, metrics: Sequence[str]) -> Figure:
    """Two metrics of every complete trial, and those that no other one beats in all metrics."""
    figure, axes = _drawn(
        plot_pareto_front,
        study,
        "Front of the search",
        target_names=metrics[:2],
        targets=lambda trial: trial.values[:2],
    )
    x, y = best.values[:2]
    axes.scatter(x, y, s=90, facecolor="none", edgecolor=POSITIVE, linewidth=2,
                 label="Winner")  # fmt: skip
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@styled
def _parallel(ranked: pd.DataFrame, parameters: Mapping[str, Parameter], metric: str) -> Figure:
    """One line a complete trial (ranked, the best last); the better, the brighter."""
    figure = new_figure(PAGE_WIDTH, 3.8)
    axes = figure.subplots()
    places = pd.DataFrame({k: _positions(p, ranked[k]) for k, p in parameters.items()})
    colours = mpl.colormaps[MAP](np.linspace(0, 1, len(ranked)))
    for row, colour in zip(places.to_numpy(), colours, strict=True):
        axes.plot(row, color=colour, linewidth=1.1, marker=".", markersize=4)
    for x, parameter in enumerate(parameters.values()):
        axes.axvline(x, color=MUTED, linewidth=0.8, zorder=0)
        texts = parameter.choices or (f"{parameter.low:g}", f"{parameter.high:g}")
        for y, text in zip(np.linspace(0, 1, len(texts)), texts, strict=True):
            axes.annotate(
                text, (x, y), xytext=(0, 14 * (y - 0.5) if y in (0, 1) else 0), ha="center",
                va={0: "top", 1: "bottom"}.get(y, "center"), textcoords="offset points",
                fontsize=7.5, color=INK, annotation_clip=False,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )  # fmt: skip
    names = [re.sub(r"([._])", r"\1\n", name, count=2) for name in parameters]
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0, pad=16)
    axes.set(xlim=(-0.3, len(names) - 0.7), ylim=(-0.06, 1.06), yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(visible=False)
    axes.set_title(f"Settings of all trials (brighter: better {metric})")
    return figure


@styled
def _slices(complete: pd.DataFrame, parameters: Mapping[str, Parameter], metric: str) -> Figure:
    """Draw a metric against each setting alone; later trials are darker."""
    n_rows = math.ceil(len(parameters) / PANELS)
    figure = new_figure(PAGE_WIDTH, 2.5 * n_rows)
    grid = figure.subplots(n_rows, PANELS, squeeze=False, sharey=True)
    for axes in grid.ravel()[len(parameters) :]:
        axes.set_axis_off()
    for axes, (name, parameter) in zip(grid.ravel(), parameters.items(), strict=False):
        texts = parameter.choices
        x = complete[name].map(texts.index, na_action="ignore") if texts else complete[name]
        axes.scatter(x, complete[metric], s=16, c=-complete["trial"], cmap=MAP)
        axes.set_title(name)
        if texts:
            axes.set_xticks(range(len(texts)), texts, rotation=30 * (len("".join(texts)) > 30))
            axes.set_xlim(-0.5, len(texts) - 0.5)
        elif parameter.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=5))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        elif parameter.kind == "int":
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for row in grid:
        row[0].set_ylabel(metric)
    figure.suptitle("One setting at a time (darker: later trials)", x=0.01, ha="left",
                    fontweight="bold", fontsize=10)  # fmt: skip
    return figure


def _positions(parameter: Parameter, values: pd.Series) -> FloatArray:
    """Return values of a setting on 0 to 1, NaN where it did not matter."""
    low, high = float(parameter.low), float(parameter.high)
    if texts := parameter.choices:
        values, low, high = values.map(texts.index, na_action="ignore"), 0.0, len(texts) - 1.0
    places = pd.to_numeric(values).to_numpy(np.float64)
    if parameter.log:
        places, low, high = np.log(places), math.log(low), math.log(high)
    return np.asarray((places - low) / ((high - low) or 1.0))
