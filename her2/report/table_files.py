"""Tables as files: one CSV each, and one workbook of all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from her2.core.errors import BadConfig
from her2.core.store import write_atomic
from her2.report.cells import guard
from her2.report.workbook import workbook_bytes

WORKBOOK = "tables.xlsx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table as ``<name>.csv`` and all of them as ``tables.xlsx``; return the paths.

    The CSV files are UTF-8 with a header and without an index; text that a spreadsheet could
    take for a formula is guarded in both.

    Raises
    ------
    BadConfig
        A name that is not letters, digits, ``_`` and ``-``.
    """
    for name in tables:
        if not _NAME.fullmatch(name):
            msg = f"expected a table name of letters, digits, _ and -, found {name!r}; rename it"
            raise BadConfig(msg)
    paths = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        text = _guarded(table).to_csv(index=False, lineterminator="\n")
        write_atomic(path, text.encode())
        paths.append(path)
    write_atomic(folder / WORKBOOK, workbook_bytes(tables))
    return [*paths, folder / WORKBOOK]


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    numeric = {name for name in table if pd.api.types.is_numeric_dtype(table[name].dtype)}
    columns = {
        guard(name): table[name] if name in numeric else table[name].astype(object).map(guard)
        for name in table
    }
    return pd.DataFrame(columns, index=table.index)
