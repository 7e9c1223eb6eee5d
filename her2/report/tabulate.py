"""How a table of results becomes a table of the report: which columns, in which form.

Every named table has a `TableFormat`; `tabulate` applies it. A column that the table lacks is
left out, and one that the format does not know is shown at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import pandas as pd

from her2.plots.text import (
    NOT_ESTIMABLE,
    count,
    mean_count,
    number,
    p_value,
    sentence_case,
    signed,
)
from her2.report.formats import (
    arm_cell,
    interval_cell,
    name_cell,
    number_cell,
    ratio,
    role_cell,
    tally,
    text_cell,
)
from her2.report.page_parts import Cell, Column, Row, Table

Form: TypeAlias = Callable[..., Cell]
Show: TypeAlias = Callable[[float], str]
Record: TypeAlias = Mapping[Hashable, Any]

IDENTIFIERS = frozenset({"patient_id", "lesion_id"})  # they never reach the report
IDENTIFIER_NOTE = "Patients are not named here; the table's file in the run folder names them."
INTERVAL = " (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI)"
DASH = "\N{EN DASH}"
FOLDED_FROM = 25
SHOWN_ROWS = 400
STACKED_FROM = 3  # intervals side by side


@dataclass(frozen=True)
class ColumnFormat(Column):
    """One column of the report.

    Attributes
    ----------
    sources, form
        Columns of the table that it is made of, and what makes a cell of their values.
    is_once
        The value holds for a block of rows and is shown in the first of them only.
    bare
        Form of the first source alone, where a table lacks the others.
    """

    sources: tuple[str, ...] = ()
    form: Form = text_cell
    is_once: bool = False
    bare: Form = text_cell

    def once(self) -> ColumnFormat:
        """Column that is shown in the first row of a block only."""
        return replace(self, is_once=True)


@dataclass(frozen=True)
class TableFormat:
    """How a named table is shown.

    Attributes
    ----------
    empty
        Sentence for a table without a row.
    series
        Tables of one series share a number: 1a, 1b.
    blocks_by
        Column whose equal neighbours form a block that sorting keeps together.
    muted
        (column, value) of rows that must not be taken as results.
    tally
        Column whose answers are counted in the summary.
    is_folded, is_open
        Whether only the summary shows at first (None: where the table is long), and whether
        columns that the format does not know are shown too.
    guests_after
        Columns after the last of which these stand; none: at the end.
    """

    caption: str
    columns: tuple[ColumnFormat, ...]
    note: str = ""
    empty: str = ""
    series: str = ""
    blocks_by: str = ""
    muted: Sequence[str] = ("", "")
    tally: str = ""
    is_numbered: bool = True
    is_folded: bool | None = None
    is_open: bool = True
    guests_after: Sequence[str] = ()


def words(title: str, source: str, form: Form = text_cell, *, term: str = "") -> ColumnFormat:
    """Column of text."""
    return ColumnFormat(title, False, term, (source,), form)


def group(title: str, source: str) -> ColumnFormat:
    """Column of numbers that a table already has as text: ``53.1 ± 10.5``."""
    return ColumnFormat(title, sources=(source,))


def arm(title: str = "Arm", source: str = "arm") -> ColumnFormat:
    """Column of arms."""
    return words(title, source, arm_cell)


name = partial(words, form=name_cell)  # of variables
role = partial(words, "Role", "role", role_cell, term="role")


def _numbers(
    show: Show, title: str, source: str, *, absent: str = NOT_ESTIMABLE, term: str = ""
) -> ColumnFormat:
    form = partial(number_cell, show=show, absent=absent)
    return ColumnFormat(title, True, term, (source,), form)


whole = partial(_numbers, count)
mean_whole = partial(_numbers, mean_count)
difference = partial(_numbers, signed)
p = partial(_numbers, p_value, term="p")


def decimal(title: str, source: str, digits: int = 3, **options: str) -> ColumnFormat:
    """Column of numbers."""
    return _numbers(partial(number, digits=digits), title, source, **options)


def estimate(
    title: str,
    source: str,
    *,
    stem: str = "",
    show: Show = number,
    absent: str = NOT_ESTIMABLE,
    term: str = "",
) -> ColumnFormat:
    """Column of estimates with intervals: `source`, ``<stem>low`` and ``<stem>high``."""
    form = partial(interval_cell, show=show, absent=absent)
    bare = partial(number_cell, show=show, absent=absent)
    sources = (source, f"{stem}low", f"{stem}high")
    return ColumnFormat(title, True, term, sources, form, bare=bare)


odds = partial(estimate, show=ratio, absent=DASH, term="odds_ratio")
gain = partial(estimate, show=signed)  # differences


def tabulate(frame: pd.DataFrame, how: TableFormat) -> Table:
    """Table of the report that `how` makes of `frame`.

    >>> how = TableFormat("Areas", (arm(), decimal("AUC", "auc")))
    >>> table = tabulate(pd.DataFrame({"arm": ["dlr"], "auc": [0.8]}), how)
    >>> [cell.text for cell in table.blocks[0][0].cells]
    ['Deep learning radiomics', '0.800']
    """
    shown = _present(frame, how)
    records = frame.head(SHOWN_ROWS).astype(object).to_dict("records")
    summary = f"{count(len(frame))} rows"
    if how.tally in frame.columns:
        summary = f"{count(len(frame))} items: {tally(frame[how.tally])}"
    n_intervals = sum(len(column.sources) == 3 for column in shown)
    return Table(
        caption=how.caption,
        columns=tuple(shown),
        blocks=_blocks(records, shown, how),
        note=" ".join(_notes(frame, how)),
        series=how.series,
        is_numbered=how.is_numbered,
        is_stacked=n_intervals >= STACKED_FROM,
        is_folded=len(frame) >= FOLDED_FROM if how.is_folded is None else how.is_folded,
        summary=summary,
    )


def plain_format(title: str) -> TableFormat:
    """Return the format of a table that the report knows nothing about.

    >>> plain_format("lasso_path").caption
    'Lasso path'
    """
    return TableFormat(sentence_case(title), ())


def _present(frame: pd.DataFrame, how: TableFormat) -> list[ColumnFormat]:
    """Columns of the format that the frame has, and, if it is open, those it does not know."""
    shown = []
    for column in how.columns:
        if set(frame.columns).issuperset(column.sources):
            shown.append(column)
        elif column.sources[0] in frame.columns:  # without its interval
            title, sources = column.title.removesuffix(INTERVAL), column.sources[:1]
            shown.append(replace(column, title=title, sources=sources, form=column.bare))
    known = {source for column in how.columns for source in column.sources} | IDENTIFIERS
    further = [name for name in frame.columns if how.is_open and name not in known]
    guests = [_guessed(str(name), frame[name]) for name in further]
    titles = [column.sources[0] for column in shown]
    ends = [i + 1 for i, source in enumerate(titles) if source in how.guests_after]
    place = max(ends, default=len(shown)) if how.guests_after else len(shown)
    return [*shown[:place], *guests, *shown[place:]]


def _guessed(column: str, values: pd.Series) -> ColumnFormat:
    title = column.replace("_", " ")
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return words(title, column)
    return p(title, column, term="") if column.startswith("p_") else group(title, column)


def _blocks(
    records: list[dict[Hashable, Any]], shown: Sequence[ColumnFormat], how: TableFormat
) -> tuple[tuple[Row, ...], ...]:
    blocks: list[list[Row]] = []
    above: Row | None = None
    previous: Any = None
    for record in records:
        block = record.get(how.blocks_by) if how.blocks_by else None
        is_first = above is None or (bool(how.blocks_by) and block != previous)
        if is_first:
            blocks.append([])
        row = _row(record, shown, how, is_first=is_first)
        if above is not None and row.cells and row.cells[0].text == above.cells[0].text:
            row = replace(row, starts_group=False)
        blocks[-1].append(row)
        above, previous = row, block
    return tuple(map(tuple, blocks))


def _row(
    record: Record, shown: Sequence[ColumnFormat], how: TableFormat, *, is_first: bool
) -> Row:
    cells = tuple(
        Cell("")
        if column.is_once and not is_first
        else column.form(*(record[source] for source in column.sources))
        for column in shown
    )
    column, value = how.muted
    return Row(cells, is_muted=bool(column) and record.get(column) == value)


def _notes(frame: pd.DataFrame, how: TableFormat) -> list[str]:
    notes = [how.note] if how.note else []
    if IDENTIFIERS & set(frame.columns):
        notes.append(IDENTIFIER_NOTE)
    if len(frame) > SHOWN_ROWS:
        notes.append(
            f"The first {count(SHOWN_ROWS)} of {count(len(frame))} rows are shown; the table's "
            "file has all of them."
        )
    return notes
