"""What a search has found, in words: a Markdown note and a page that opens offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from her2.report.document import write_sections
from her2.report.page_parts import Gallery, Section
from her2.report.pictures import FURTHER, pictures
from her2.report.tabulate import plain_format, tabulate

HONESTY = (
    "Every trial was judged by cross-validation among training patients; no test patient was "
    "given to a trial. The best value of many trials is too good, because it was "
    "chosen for being good: so is the winner's cross-validated result, on the same patients. Its "
    "result on the test role is not."
)


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
            "role: the later ones were chosen by who has seen the earlier results."
        )
    return said


def summary_markdown(found: Mapping[str, Any]) -> str:
    """Return the note of a search: Markdown."""
    lines = [f"## Search {found['study']}", ""]
    lines += [f"{sentence}\n" for sentence in sentences(found)]
    if found["best"]:
        lines += ["| setting | best |", "| --- | --- |"]
        lines += [f"| {k} | {_cell(v)} |" for k, v in found["best"]["settings"].items()]
    if found["failures"]:
        lines += ["", "| failed trials | reason |", "| --- | --- |"]
        lines += [f"| {n} | {reason} |" for reason, n in found["failures"].items()]
    return "\n".join(lines) + "\n"


def write_search_page(
    path: Path, found: Mapping[str, Any], trials: pd.DataFrame, figures: Mapping[str, Figure]
) -> None:
    """Write the page: sentences, figures, all trials."""
    drawn = tuple(placed.picture for placed in pictures(figures)[FURTHER])
    sections = [Section("figures", "Figures", blocks=(Gallery(drawn),))] if drawn else []
    tables = [("Trials", _readable(trials))]
    if found["failures"]:
        failed = pd.DataFrame(
            {"trials": list(found["failures"].values()), "reason": list(found["failures"])}
        )
        tables.append(("Failed trials", failed))
    for title, frame in tables:
        table = tabulate(frame, plain_format(title))
        sections.append(Section(title.lower().replace(" ", "-"), title, (), (table,)))
    alarms = [] if found["is_finished"] else ["The search was stopped: too many trials failed."]
    write_sections(
        path,
        title=f"Search {found['study']}",
        simulated=found["data"].get("simulated") == "True",
        sentences=sentences(found),
        alarms=alarms,
        sections=sections,
    )


def _readable(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the table without columns that are empty."""
    kept = [name for name in trials.columns if trials[name].replace("", None).notna().any()]
    return trials[kept]


def _area(interval: list[float] | None) -> str:
    if interval is None:
        return "not estimable"
    return f"{interval[0]:.3f} ({interval[1]:.3f} to {interval[2]:.3f})"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
