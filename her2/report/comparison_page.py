"""The page of a comparison of models: sentences, figures and tables, in the form of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from her2.core.store import write_atomic
from her2.report.columns import tabulate
from her2.report.document import render_sections
from her2.report.page_parts import Block, Gallery, Picture, Section, Table
from her2.report.pictures import picture
from her2.report.specs_comparison import SPECS

CAPTIONS = {
    "auc": "AUC with DeLong's 95 % interval, by role; the line is 0.5, no better than chance.",
    "roc": "Receiver operating characteristic curves; AUC with DeLong's 95 % interval.",
    "comparison": (
        "Difference of AUC, row minus column, with the Holm-adjusted p of DeLong's paired test; "
        "outlined where it is below .05."
    ),
    "calibration": (
        "Calibration: observed frequency against predicted probability (flexible curves); "
        "dashed, perfect calibration."
    ),
    "decision_curve": (
        "Decision curves: net benefit of acting on the model's probability, against treating "
        "everybody and nobody."
    ),
    "cost": "What each run cost.",
}
# section, title, figures, tables
PLAN = (
    ("discrimination", "Discrimination", ("auc", "roc"), ("performance",)),
    ("differences", "Differences", ("comparison",), ("differences",)),
    ("calibration", "Calibration", ("calibration",), ("calibration",)),
    ("use", "Clinical use", ("decision_curve",), ()),
    ("cost", "Cost", ("cost",), ("cost",)),
    ("missing", "Not compared", (), ("missing",)),
)


def write_comparison_page(
    path: Path,
    *,
    title: str,
    simulated: bool,
    sentences: Sequence[str],
    alarms: Sequence[str],
    notes: Sequence[str],
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
) -> Path:
    """Write a self-contained page and return its path.

    Parameters
    ----------
    sentences, alarms
        What stands on top; alarms in red.
    notes
        At the end: why numbers are absent, and what a reader must know.
    figures, tables
        By name, see `CAPTIONS` and `SPECS`; what is not given has no place.
    """
    drawn = {name: picture(figure, CAPTIONS[name]) for name, figure in figures.items()}
    sections = [
        Section(anchor, heading, (), blocks)
        for anchor, heading, shown, listed in PLAN
        if (blocks := _blocks(drawn, shown, tables, listed))
    ]
    said = tuple(notes) or ("There is nothing to note.",)
    sections = [*_numbered(sections), Section("notes", "Notes", items=said)]
    text = render_sections(
        title=title, simulated=simulated, sentences=sentences, alarms=alarms, sections=sections
    )
    write_atomic(path, text.encode())
    return path


def _blocks(
    drawn: Mapping[str, Picture],
    shown: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
    listed: Sequence[str],
) -> tuple[Block, ...]:
    galleries = [Gallery((drawn[name],)) for name in shown if name in drawn]
    return (*galleries, *(tabulate(tables[n], SPECS[n]) for n in listed if n in tables))


def _numbered(sections: Sequence[Section]) -> Iterator[Section]:
    counts = {"table": 0, "gallery": 0}
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            counts[block.kind] += 1
            label = str(counts[block.kind])
            if isinstance(block, Table):
                blocks.append(replace(block, label=label))
            elif isinstance(block, Gallery):
                blocks.append(Gallery((replace(block.pictures[0], label=label),)))
        yield replace(section, blocks=tuple(blocks))
