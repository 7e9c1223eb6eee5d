"""Cells that a spreadsheet shows as text and never runs.

References
----------
.. [1] CWE-1236: Improper neutralization of formula elements in a CSV file.
   https://cwe.mitre.org/data/definitions/1236.html
"""

from __future__ import annotations

import re
from typing import TypeVar

GUARD = "'"
TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", GUARD)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")

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
