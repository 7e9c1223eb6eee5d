"""How a table of results becomes a table of the report: which columns, in which form.

Every named table has a `TableSpec`; `tabulate` applies it. A column that the table lacks is
left out, and one that the specification does not know is shown at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import pandas as pd

from her2.plots.text import NOT_ESTIMABLE, count, number, p_value, sentence_case, signed
from her2.report.formats import (
    answer_cell,
    arm_cell,
    count_cell,
    interval_cell,
    name_cell,
    number_cell,
    p_cell,
    passed_cell,
    ratio,
    role_cell,
    rule_cell,
    signed_cell,
    supported_cell,
    tally,
    text_cell,
)
from her2.report.page_parts import Cell, Column, Row, Table

Form: TypeAlias = Callable[..., Cell]
Record: TypeAlias = Mapping[Hashable, Any]

IDENTIFIERS = frozenset({"patient_id", "lesion_id"})  # they never reach the report
IDENTIFIER_NOTE = "Patients are not named here; the table's file in the run folder names them."
INTERVAL = " (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI)"
DASH = "\N{EN DASH}"
FOLDED_FROM = 25
SHOWN_ROWS = 400
STACKED_FROM = 3  # intervals side by side


@dataclass(frozen=True)
class Shown:
    """One column of the report: the columns it is made of, and their form.

    is_once: the value holds for a block of rows and is shown in its first row; bare: the form
    of the first source alone, where a table lacks the others.
    """

    title: str
    sources: tuple[str, ...]
    form: Form
    is_numeric: bool = True
    term: str = ""
    is_once: bool = False
    bare: Form = text_cell

    def once(self) -> Shown:
        """Return the column as one that is shown in the first row of a block only."""
        return replace(self, is_once=True)


@dataclass(frozen=True)
class TableSpec:
    """How a named table is shown.

    empty
        Sentence for a table that was given without a row.
    series
        Tables of one series share a number: 1a, 1b.
    blocks_by
        Column whose equal neighbours form a block that sorting keeps together.
    muted
        (column, value) of rows that must not be taken as results.
    tally
        Column whose answers are counted in the summary.
    is_folded
        Whether only the summary shows at first; None: where the table is long.
    is_open
        Whether columns that the specification does not know are shown too.
    """

    caption: str
    shown: tuple[Shown, ...]
    note: str = ""
    empty: str = ""
    series: str = ""
    blocks_by: str = ""
    muted: tuple[str, str] = ("", "")
    tally: str = ""
    is_numbered: bool = True
    is_folded: bool | None = None
    is_open: bool = True


def words(title: str, source: str, *, term: str = "") -> Shown:
    """Column of text."""
    return Shown(title, (source,), text_cell, is_numeric=False, term=term)


def group(title: str, source: str) -> Shown:
    """Column of numbers that a table already has as text: ``53.1 ± 10.5``."""
    return Shown(title, (source,), text_cell)


def name(title: str, source: str, *, term: str = "") -> Shown:
    """Column of names of variables."""
    return Shown(title, (source,), name_cell, is_numeric=False, term=term)


def arm(title: str = "Arm", source: str = "arm") -> Shown:
    """Column of arms."""
    return Shown(title, (source,), arm_cell, is_numeric=False)


def role(title: str = "Role", source: str = "role") -> Shown:
    """Column of roles."""
    return Shown(title, (source,), role_cell, is_numeric=False, term="role")


def rule(title: str, source: str, *, term: str = "") -> Shown:
    """Column of rules of operating points."""
    return Shown(title, (source,), rule_cell, is_numeric=False, term=term)


def whole(title: str, source: str, *, absent: str = NOT_ESTIMABLE, term: str = "") -> Shown:
    """Column of whole numbers."""
    return Shown(title, (source,), partial(count_cell, absent=absent), term=term)


def decimal(
    title: str, source: str, digits: int = 3, *, absent: str = NOT_ESTIMABLE, term: str = ""
) -> Shown:
    """Column of numbers."""
    form = partial(number_cell, show=partial(number, digits=digits), absent=absent)
    return Shown(title, (source,), form, term=term)


def difference(title: str, source: str, *, term: str = "") -> Shown:
    """Column of numbers whose sign is always written."""
    return Shown(title, (source,), signed_cell, term=term)


def p(title: str, source: str, *, absent: str = NOT_ESTIMABLE, term: str = "p") -> Shown:
    """Column of p values."""
    return Shown(title, (source,), partial(p_cell, absent=absent), term=term)


def estimate(
    title: str,
    source: str,
    *,
    stem: str = "",
    show: Callable[[float], str] = number,
    absent: str = NOT_ESTIMABLE,
    term: str = "",
) -> Shown:
    """Column of estimates with intervals: `source`, ``<stem>low`` and ``<stem>high``."""
    form = partial(interval_cell, show=show, absent=absent)
    bare = partial(number_cell, show=show, absent=absent)
    return Shown(title, (source, f"{stem}low", f"{stem}high"), form, term=term, bare=bare)


def odds(title: str, source: str, *, stem: str = "") -> Shown:
    """Column of odds ratios with intervals; a dash where the variable has none in a model."""
    return estimate(title, source, stem=stem, show=ratio, absent=DASH, term="odds_ratio")


def gain(title: str, source: str, *, stem: str = "", term: str = "") -> Shown:
    """Column of differences with intervals."""
    return estimate(title, source, stem=stem, show=signed, term=term)


def passed(title: str, source: str) -> Shown:
    """Column of outcomes of checks."""
    return Shown(title, (source,), passed_cell, is_numeric=False)


def supported(title: str, source: str) -> Shown:
    """Column of yes and no."""
    return Shown(title, (source,), supported_cell, is_numeric=False)


def answer(title: str, source: str) -> Shown:
    """Column of answers to a checklist."""
    return Shown(title, (source,), answer_cell, is_numeric=False)


def tabulate(frame: pd.DataFrame, spec: TableSpec) -> Table:
    """Table of the report that `spec` makes of `frame`.

    Examples
    --------
    >>> spec = TableSpec("Areas", (arm(), decimal("AUC", "auc")))
    >>> table = tabulate(pd.DataFrame({"arm": ["dlr"], "auc": [0.8]}), spec)
    >>> [cell.text for cell in table.blocks[0][0].cells]
    ['Deep learning radiomics', '0.800']
    """
    unexpected = _unexpected(frame, spec) if spec.is_open else ()
    shown = (*_present(frame, spec), *unexpected)
    records = frame.head(SHOWN_ROWS).astype(object).to_dict("records")
    n_intervals = sum(len(column.sources) == 3 for column in shown)
    return Table(
        caption=spec.caption,
        columns=tuple(Column(s.title, s.is_numeric, s.term) for s in shown),
        blocks=_blocks(records, shown, spec),
        note=" ".join(_notes(frame, spec)),
        series=spec.series,
        is_numbered=spec.is_numbered,
        is_stacked=n_intervals >= STACKED_FROM,
        is_folded=len(frame) >= FOLDED_FROM if spec.is_folded is None else spec.is_folded,
        summary=_summary(frame, spec),
    )


def unknown_spec(title: str) -> TableSpec:
    """Specification of a table that the report knows nothing about.

    Examples
    --------
    >>> unknown_spec("lasso_path").caption
    'Lasso path'
    """
    return TableSpec(sentence_case(title), ())


def _present(frame: pd.DataFrame, spec: TableSpec) -> tuple[Shown, ...]:
    columns = set(frame.columns)
    return tuple(
        shown if columns.issuperset(shown.sources) else _without_bounds(shown)
        for shown in spec.shown
        if shown.sources[0] in columns
    )


def _without_bounds(shown: Shown) -> Shown:
    title = shown.title.removesuffix(INTERVAL)
    return replace(shown, title=title, sources=shown.sources[:1], form=shown.bare)


def _unexpected(frame: pd.DataFrame, spec: TableSpec) -> tuple[Shown, ...]:
    known = {source for shown in spec.shown for source in shown.sources} | IDENTIFIERS
    return tuple(
        _guessed(str(column), frame[column]) for column in frame.columns if column not in known
    )


def _guessed(column: str, values: pd.Series) -> Shown:
    title = column.replace("_", " ")
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return Shown(title, (column,), text_cell, is_numeric=False)
    if column.startswith("p_"):
        return Shown(title, (column,), partial(number_cell, show=p_value))
    return Shown(title, (column,), text_cell)


def _blocks(
    records: list[dict[Hashable, Any]], shown: tuple[Shown, ...], spec: TableSpec
) -> tuple[tuple[Row, ...], ...]:
    rows: list[Row] = []
    starts: list[bool] = []
    previous: tuple[Any, Any] = (None, None)
    for position, record in enumerate(records):
        block = record.get(spec.blocks_by) if spec.blocks_by else None
        starts.append(position > 0 and bool(spec.blocks_by) and block != previous[0])
        row = _row(record, shown, spec, is_first=position == 0 or starts[-1])
        is_same = position > 0 and bool(row.cells) and row.cells[0].text == previous[1]
        rows.append(Row(row.cells, starts_group=not is_same, is_muted=row.is_muted))
        previous = (block, row.cells[0].text if row.cells else None)
    return _cut(rows, starts)


def _row(record: Record, shown: tuple[Shown, ...], spec: TableSpec, *, is_first: bool) -> Row:
    cells = tuple(
        Cell("")
        if column.is_once and not is_first
        else column.form(*(record[source] for source in column.sources))
        for column in shown
    )
    column, value = spec.muted
    return Row(cells, is_muted=bool(column) and record.get(column) == value)


def _cut(rows: list[Row], starts: list[bool]) -> tuple[tuple[Row, ...], ...]:
    edges = [0, *(position for position, is_start in enumerate(starts) if is_start), len(rows)]
    return tuple(tuple(rows[a:b]) for a, b in pairwise(edges) if b > a)


def _notes(frame: pd.DataFrame, spec: TableSpec) -> list[str]:
    notes = [spec.note] if spec.note else []
    if IDENTIFIERS & set(frame.columns):
        notes.append(IDENTIFIER_NOTE)
    if len(frame) > SHOWN_ROWS:
        notes.append(
            f"The first {count(SHOWN_ROWS)} of {count(len(frame))} rows are shown; the table's "
            "file has all of them."
        )
    return notes


def _summary(frame: pd.DataFrame, spec: TableSpec) -> str:
    if spec.tally not in frame.columns:
        return f"{count(len(frame))} rows"
    return f"{count(len(frame))} items: {tally(frame[spec.tally])}"
