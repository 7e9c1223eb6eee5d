"""Sections of the report: what the catalogue plans, as far as a study brought it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from her2.plots.text import arm_title, count
from her2.report.catalogue import (
    ACCOUNTS,
    FURTHER,
    SECTIONS,
    TABLES,
    Draws,
    Heads,
    Part,
    SectionPlan,
    Shows,
)
from her2.report.columns import tabulate, unknown_spec
from her2.report.content import ReportInput
from her2.report.narrative import narrative
from her2.report.page_parts import Block, Gallery, Heading, Section, Table
from her2.report.pictures import PlacedPicture, pictures
from her2.report.terms import TERMS, Term

Drawn = Mapping[str, list[PlacedPicture]]
Frames = Mapping[str, pd.DataFrame]
SHORTEST_NAME = 4  # a shorter one (p, z) is a part of other words


def sections(report: ReportInput, frames: Frames) -> list[Section]:
    """Sections in the order of a Results part, figures and tables numbered."""
    drawn = pictures(report.figures)
    planned = [_section(plan, report, frames, drawn) for plan in SECTIONS]
    accounts = [_section(plan, report, frames, drawn) for plan in ACCOUNTS]
    every = [*planned, _further(frames, drawn), _notes(report), *accounts]
    return _numbered([section for section in every if section is not None])


def used_terms(found: Iterable[Section]) -> dict[str, Term]:
    """Terms that these sections ask for, or name in a sentence, in the order of the alphabet."""
    asked: set[str] = set()
    said: list[str] = []
    for section in found:
        asked.add(section.term)
        said += section.paragraphs
        for block in section.blocks:
            asked |= _terms_of(block)
            said += _texts_of(block)
    text = "\n".join(said).lower()
    used = {k: t for k, t in TERMS.items() if k in asked or _is_named(t, text)}
    return dict(sorted(used.items(), key=lambda item: item[1].name.lower()))


def _terms_of(block: Block) -> set[str]:
    if isinstance(block, Table):
        return {column.term for column in block.columns}
    return {block.term} if isinstance(block, Heading) else set()


def _texts_of(block: Block) -> list[str]:
    if isinstance(block, Gallery):
        return [picture.caption for picture in block.pictures]
    return [block.note, block.caption] if isinstance(block, Table) else []


def _is_named(term: Term, text: str) -> bool:
    return len(term.name) >= SHORTEST_NAME and term.name.lower() in text


def _section(
    plan: SectionPlan, report: ReportInput, frames: Frames, drawn: Drawn
) -> Section | None:
    blocks: list[Block] = []
    said: list[str] = []
    for part in plan.parts:
        new, sentence = _blocks(part, report, frames, drawn)
        blocks += new
        said += [sentence] if sentence else []
    blocks = _without_empty_headings(blocks)
    if not blocks and not said and not plan.absent:
        return None
    told = narrative(plan.anchor, report.results, frames) if blocks else ()
    reading = (plan.reading,) if plan.reading and blocks else ()
    missing = (plan.absent,) if plan.absent and not blocks and not said else ()
    paragraphs = dict.fromkeys((*told, *reading, *said, *missing))
    return Section(plan.anchor, plan.title, tuple(paragraphs), tuple(blocks), term=plan.term)


def _blocks(
    part: Part, report: ReportInput, frames: Frames, drawn: Drawn
) -> tuple[list[Block], str]:
    """Blocks of a part, and the sentence that a table without rows leaves."""
    if isinstance(part, Heads):
        return [Heading(part.title, part.term)], ""
    if isinstance(part, Draws):
        found = [picture for key in part.figures for picture in drawn[key]]
        return (_galleries_by_arm(found) if part.by_arm else _gallery(found)), ""
    if part.table not in frames:
        return [], ""
    frame = frames[part.table]
    if frame.empty:
        return [], TABLES[part.table].empty
    table = tabulate(frame, TABLES[part.table])
    return [_with_note(table, _left_out(part, report, frame))], ""


def _left_out(part: Shows, report: ReportInput, frame: pd.DataFrame) -> str:
    n = len(report.model_selection) - len(frame)
    if part.table != "model_selection" or n <= 0:
        return ""
    return f"{count(n)} further candidates with a lower AUC are not shown."


def _with_note(table: Table, note: str) -> Table:
    return replace(table, note=f"{table.note} {note}".strip()) if note else table


def _gallery(found: list[PlacedPicture]) -> list[Block]:
    return [Gallery(tuple(placed.picture for placed in found))] if found else []


def _galleries_by_arm(found: list[PlacedPicture]) -> list[Block]:
    blocks: list[Block] = []
    for arm in dict.fromkeys(placed.arm for placed in found):
        heading = [Heading(arm_title(arm))] if arm else []
        blocks += [*heading, *_gallery([placed for placed in found if placed.arm == arm])]
    return blocks


def _without_empty_headings(blocks: list[Block]) -> list[Block]:
    following = [*blocks[1:], Heading("")]
    return [
        block
        for block, after in zip(blocks, following, strict=False)
        if not (isinstance(block, Heading) and isinstance(after, Heading))
    ]


def _further(frames: Frames, drawn: Drawn) -> Section | None:
    tables = [
        tabulate(frame, unknown_spec(name))
        for name, frame in frames.items()
        if name not in TABLES and len(frame.columns)
    ]
    if not tables and not drawn[FURTHER]:
        return None
    return Section(FURTHER, "Further results", (), (*_gallery(drawn[FURTHER]), *tables))


def _notes(report: ReportInput) -> Section:
    notes = tuple(str(note) for note in report.results["notes"])
    silent = () if notes else ("There is nothing to note.",)
    return Section("notes", "Notes", silent, items=notes)


def _numbered(found: list[Section]) -> list[Section]:
    numbering = _Numbering(found)
    return [
        replace(section, blocks=tuple(numbering.label(block) for block in section.blocks))
        for section in found
    ]


class _Numbering:
    """Numbers of figures and tables; tables of one series share a number and get letters."""

    def __init__(self, found: list[Section]) -> None:
        blocks = [block for section in found for block in section.blocks]
        tables = [block for block in blocks if isinstance(block, Table)]
        self._in_series = Counter(table.series for table in tables if table.series)
        self._seen: Counter[str] = Counter()
        self._tables = 0
        self._figures = 0

    def label(self, block: Block) -> Block:
        """Return the block with its number."""
        if isinstance(block, Gallery):
            return Gallery(tuple(replace(p, label=self._next_figure()) for p in block.pictures))
        if isinstance(block, Table) and block.is_numbered:
            return replace(block, label=self._next_table(block.series))
        return block

    def _next_figure(self) -> str:
        self._figures += 1
        return str(self._figures)

    def _next_table(self, series: str) -> str:
        self._tables += self._seen[series] == 0 or not series
        self._seen[series] += 1
        is_shared = self._in_series[series] > 1
        letter = chr(ord("a") + self._seen[series] - 1) if is_shared else ""
        return f"{self._tables}{letter}"
