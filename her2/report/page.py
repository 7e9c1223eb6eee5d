"""A short page in the form of the report: sentences and tables, for what is no study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from her2.core.store import write_atomic
from her2.report.catalogue import TABLES
from her2.report.columns import TableSpec, tabulate, unknown_spec
from her2.report.document import render_sections
from her2.report.page_parts import Section
from her2.report.specs_accounts import AUDIT_ARMS

SPECS: Mapping[str, TableSpec] = {**TABLES, "audit_arms": AUDIT_ARMS}


def write_page(
    path: Path,
    *,
    title: str,
    simulated: bool,
    sentences: Sequence[str],
    alarms: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
) -> Path:
    """Write a self-contained HTML page and return its path.

    Parameters
    ----------
    sentences, alarms
        What stands on top; alarms in red.
    tables
        By name, each a section; a known name has its own form (`SPECS`).
    """
    sections = [
        _section(name, table, number) for number, (name, table) in enumerate(tables.items(), 1)
    ]
    text = render_sections(
        title=title, simulated=simulated, sentences=sentences, alarms=alarms, sections=sections
    )
    write_atomic(path, text.encode())
    return path


def _section(name: str, frame: pd.DataFrame, number: int) -> Section:
    spec = SPECS.get(name, unknown_spec(name))
    table = replace(tabulate(frame, spec), label=str(number))
    return Section(name.replace("_", "-"), spec.caption, (), (table,))
