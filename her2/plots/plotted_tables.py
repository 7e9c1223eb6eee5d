"""What a figure asks of the table it draws: columns that exist and at least one row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.core.errors import BadArgument


def required(table: pd.DataFrame, columns: Sequence[str], *, name: str) -> pd.DataFrame:
    """Table with a fresh index, once it is known to have these columns and a row.

    A missing value is no error: a figure says "not estimable" in its place.

    Raises
    ------
    BadArgument
        A column is absent, or the table is empty.

    Examples
    --------
    >>> required(pd.DataFrame({"arm": ["dlr"], "auc": [0.8]}), ["auc"], name="repeats")
       arm  auc
    0  dlr  0.8
    >>> required(pd.DataFrame({"auc": []}), ["auc"], name="repeats")
    Traceback (most recent call last):
    her2.core.errors.BadArgument: expected repeats with at least one row, found none; leave it out
    """
    absent = [column for column in columns if column not in table.columns]
    if absent:
        found = ", ".join(map(str, table.columns)) or "none"
        msg = (
            f"expected {name} with the columns {', '.join(columns)}, found {found}; "
            f"add {', '.join(absent)}"
        )
        raise BadArgument(msg)
    if table.empty:
        msg = f"expected {name} with at least one row, found none; leave it out"
        raise BadArgument(msg)
    return table.reset_index(drop=True)
