"""`quarantine.csv`: what was left out, changed or doubtful, for whoever repairs the data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from her2.cohort.problems import sort_problems
from her2.core.store import write_atomic
from her2.core.types import Problem

COLUMNS = ("code", "severity", "patient_id", "lesion_id", "path", "message", "fix")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def neutralise(text: str) -> str:
    """Text that a spreadsheet shows and does not run.

    >>> neutralise("=HYPERLINK(1)"), neutralise("P01")
    ("'=HYPERLINK(1)", 'P01')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def write_quarantine(path: Path, problems: Iterable[Problem]) -> None:
    """Write the problems, the gravest first; the file names patients and stays in the run."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for p in sort_problems(problems):
        cells = (p.code, p.severity, p.patient_id, p.lesion_id, p.path, p.what, p.fix)
        writer.writerow([neutralise(cell) for cell in cells])
    write_atomic(path, buffer.getvalue().encode())
