"""Sections of the report, as `texts/sections.yaml` plans them, and of a comparison of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pandas as pd
from matplotlib.figure import Figure

from her2.plots.text import arm_title, count
from her2.report.narrative import narrative
from her2.report.page_parts import Block, Gallery, Heading, PageImage, Section, Table
from her2.report.pictures import FURTHER, captioned, pictures
from her2.report.report_tables import ReportInput
from her2.report.table_columns import comparison_formats, table_formats
from her2.report.tabulate import plain_format, tabulate
from her2.report.texts import load_text

SHORTEST_NAME = 4  # a shorter one (p, z) is a part of other words
NO_NOTES = ("There is nothing to note.",)


@dataclass(frozen=True)
class _Part:
    """A part of a section: a table by its name, figures by the start of theirs, or a heading."""

    table: str = ""
    figures: Sequence[str] = ()
    by_arm: bool = False  # each arm's figures stand under a heading
    heading: str = ""
    term: str = ""  # explained beside the heading


@dataclass(frozen=True)
class _SectionPlan:
    """A section: what it shows in which order."""

    anchor: str
    title: str
    parts: Sequence[_Part] = ()
    reading: str = ""  # how it is read
    absent: str = ""  # said if there is nothing to show; without it the section is left out then
    term: str = ""  # explained beside its title


@dataclass(frozen=True)
class _Term:
    """A statistic of the glossary: its name in the report, and one plain sentence."""

    name: str
    meaning: str


@cache
def section_plans() -> tuple[_SectionPlan, ...]:
    """Sections of the report in their order."""
    return tuple(
        _SectionPlan(**{**plan, "parts": tuple(_Part(**part) for part in plan.get("parts", ()))})
        for plan in load_text("sections")
    )


@cache
def glossary() -> Mapping[str, _Term]:
    """Every statistic of the report, by the key that tables and headings ask for."""
    return {key: _Term(**entry) for key, entry in load_text("glossary").items()}


def sections(report: ReportInput, tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Sections in the order of a Results part."""
    drawn = pictures(report.figures)
    found = [_section(plan, report, tables, drawn) for plan in section_plans()]
    return [section for section in found if section is not None]


def used_terms(found: Iterable[Section]) -> dict[str, _Term]:
    """Terms that these sections ask for, or name in a sentence, in the order of the alphabet."""
    asked: set[str] = set()
    texts: list[str] = []
    for section in found:
        asked.add(section.term)
        texts += section.paragraphs
        for block in section.blocks:
            if isinstance(block, Table):
                asked |= {column.term for column in block.columns}
                texts += [block.note, block.caption]
            elif isinstance(block, Gallery):
                texts += [picture.caption for picture in block.pictures]
            else:
                asked.add(block.term)
    text = "\n".join(texts).lower()
    used = {key: t for key, t in glossary().items() if key in asked or _is_named(t, text)}
    return dict(sorted(used.items(), key=lambda item: item[1].name.lower()))


def _is_named(term: _Term, text: str) -> bool:
    return len(term.name) >= SHORTEST_NAME and term.name.lower() in text


def _section(
    plan: _SectionPlan,
    report: ReportInput,
    tables: Mapping[str, pd.DataFrame],
    drawn: Mapping[str, list[PageImage]],
) -> Section | None:
    if plan.anchor == FURTHER:
        return _further(plan, tables, drawn)
    if plan.anchor == "notes":
        notes = tuple(str(note) for note in report.results["notes"])
        return Section("notes", plan.title, () if notes else NO_NOTES, items=notes)
    blocks: list[Block] = []
    empty: list[str] = []
    for part in plan.parts:
        if part.heading:
            blocks.append(Heading(part.heading, part.term))
        elif part.figures:
            found = [picture for key in part.figures for picture in drawn[key]]
            blocks += _by_arm(found) if part.by_arm else _gallery(found)
        elif part.table in tables:
            frame, how = tables[part.table], table_formats()[part.table]
            if not frame.empty:
                blocks.append(_with_left_out(tabulate(frame, how), part, report, frame))
            elif how.empty:
                empty.append(how.empty)
    blocks = _without_empty_headings(blocks)
    if blocks:
        sentences = [*narrative(plan.anchor, report.results, tables), plan.reading, *empty]
    elif empty or plan.absent:
        sentences = empty or [plan.absent]
    else:
        return None
    paragraphs = dict.fromkeys(sentence for sentence in sentences if sentence)
    return Section(plan.anchor, plan.title, tuple(paragraphs), tuple(blocks), term=plan.term)


def _with_left_out(table: Table, part: _Part, report: ReportInput, frame: pd.DataFrame) -> Table:
    n = len(report.model_selection) - len(frame)
    if part.table != "model_selection" or n <= 0:
        return table
    left_out = f"{count(n)} further candidates with a lower AUC are not shown."
    return replace(table, note=f"{table.note} {left_out}".strip())


def _gallery(found: list[PageImage]) -> list[Block]:
    return [Gallery(tuple(found))] if found else []


def _by_arm(found: list[PageImage]) -> list[Block]:
    blocks: list[Block] = []
    for arm in dict.fromkeys(picture.arm for picture in found):
        heading = [Heading(arm_title(arm))] if arm else []
        blocks += [*heading, *_gallery([picture for picture in found if picture.arm == arm])]
    return blocks


def _without_empty_headings(blocks: list[Block]) -> list[Block]:
    following = [*blocks[1:], Heading("")]
    return [
        block
        for block, after in zip(blocks, following, strict=False)
        if not (isinstance(block, Heading) and isinstance(after, Heading))
    ]


def _further(
    plan: _SectionPlan, tables: Mapping[str, pd.DataFrame], drawn: Mapping[str, list[PageImage]]
) -> Section | None:
    unknown = [
        tabulate(frame, plain_format(name))
        for name, frame in tables.items()
        if name not in table_formats() and len(frame.columns)
    ]
    if not unknown and not drawn[FURTHER]:
        return None
    return Section(plan.anchor, plan.title, (), (*_gallery(drawn[FURTHER]), *unknown))


def comparison_sections(
    figures: Mapping[str, Figure], tables: Mapping[str, pd.DataFrame], notes: Sequence[str]
) -> list[Section]:
    """Sections of a comparison of models, as `texts/comparison.yaml` plans them, and its notes."""
    texts, formats = load_text("comparison"), comparison_formats()
    found: list[Section] = []
    for plan in texts["sections"]:
        drawn = {name: figures[name] for name in plan["figures"] if name in figures}
        blocks: list[Block] = [
            Gallery((captioned(figure, texts["captions"][name]),))
            for name, figure in drawn.items()
        ]
        blocks += [tabulate(tables[n], formats[n]) for n in plan["tables"] if n in tables]
        if blocks:
            found.append(Section(plan["anchor"], plan["title"], (), tuple(blocks)))
    return [*found, Section("notes", "Notes", items=tuple(notes) or NO_NOTES)]
