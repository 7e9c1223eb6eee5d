"""Tables as CSV that a spreadsheet shows as text and never runs.

References
----------
.. [1] CWE-1236: Improper neutralization of formula elements in a CSV file.
   https://cwe.mitre.org/data/definitions/1236.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pandas as pd

from her2.errors import BadConfig
from her2.store import write_atomic

GUARD = "'"
TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", GUARD)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Cell = TypeVar("Cell")


def guard(cell: Cell) -> Cell | str:
    """Cell that no spreadsheet takes for a formula: text that could be one gets a leading ``'``.

    Numbers, and text that is nothing but a number, stay as they are. `unguard` gives back the
    cell exactly, which is why text that starts with ``'`` gets one more.

    Examples
    --------
    >>> guard("=1+1"), guard("-0.5"), guard(-0.5), guard("HER2+")
    ("'=1+1", '-0.5', -0.5, 'HER2+')
    """
    if not isinstance(cell, str) or _PLAIN_NUMBER.fullmatch(cell):
        return cell
    is_risky = cell.startswith(TRIGGERS) or cell.lstrip().startswith(TRIGGERS)
    return GUARD + cell if is_risky else cell


def unguard(cell: Cell) -> Cell | str:
    """Cell as it was before `guard`.

    Examples
    --------
    >>> unguard("'=1+1"), unguard(guard("'quoted'"))
    ('=1+1', "'quoted'")
    """
    if isinstance(cell, str) and cell.startswith(GUARD):
        return cell[len(GUARD) :]
    return cell


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table as ``<name>.csv`` (UTF-8, header, no index) and return the paths.

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
    return paths


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    numeric = {name for name in table if pd.api.types.is_numeric_dtype(table[name].dtype)}
    columns = {
        guard(name): table[name] if name in numeric else table[name].astype(object).map(guard)
        for name in table
    }
    return pd.DataFrame(columns, index=table.index)
