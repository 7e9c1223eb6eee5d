"""Sections of the report and of a comparison of models, as YAML plans them, with their figures.

A figure becomes a data URI, and its name places and captions it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import quote

import pandas as pd
from matplotlib.figure import Figure

from her2.core.results import judged_roles
from her2.core.types import ARM_TITLES
from her2.plots.export import png_bytes, svg_bytes
from her2.plots.style import arms_in_order
from her2.plots.text import arm_title, count, role_key, role_title, sentence_case
from her2.report.narrative import narrative
from her2.report.page_parts import Block, Gallery, Heading, PageImage, Section, Table
from her2.report.report_tables import ReportInput
from her2.report.table_columns import comparison_formats, table_formats
from her2.report.tabulate import TableFormat, plain_format, tabulate
from her2.report.texts import load_text

FURTHER = "further"
MAX_DRAWING = 400_000  # bytes; above (images, many points) pixels are fewer and draw faster
MAX_BYTES = 4_000_000  # of all figures: the report stays small enough to be sent around
PNG_DPI = 200
CSS_PIXELS = 96  # per inch
_PLAIN = " !$'*+,-./;=?[]^_`{|}~"  # may stand in a data URI as it is, and looks like no link
_COMMENT = re.compile(r"<!--.*?-->", flags=re.DOTALL)
_WHITE = re.compile(r"\s*\n\s*")
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
    drawn = pictures(report.figures, judged_roles(report.results))
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
    used = {}
    for key, term in glossary().items():
        is_named = len(term.name) >= SHORTEST_NAME and term.name.lower() in text
        if key in asked or is_named:
            used[key] = term
    return dict(sorted(used.items(), key=lambda item: item[1].name.lower()))


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
    return planned_sections(texts, formats, figures, tables, notes)


def planned_sections(
    texts: Mapping[str, Any],
    formats: Mapping[str, TableFormat],
    figures: Mapping[str, Figure],
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str],
) -> list[Section]:
    """Sections as the texts of a short page plan them, and its notes."""
    found: list[Section] = []
    for plan in texts["sections"]:
        drawn = {name: figures[name] for name in plan["figures"] if name in figures}
        blocks: list[Block] = [
            Gallery((_captioned(figure, texts["captions"][name]),))
            for name, figure in drawn.items()
        ]
        blocks += [tabulate(tables[n], formats[n]) for n in plan["tables"] if n in tables]
        if blocks:
            found.append(Section(plan["anchor"], plan["title"], (), tuple(blocks)))
    return [*found, Section("notes", "Notes", items=tuple(notes) or NO_NOTES)]


def pictures(figures: Mapping[str, Figure], roles: Sequence[str]) -> dict[str, list[PageImage]]:
    """Pictures by key of ``captions.yaml``; what fits no key is under `FURTHER`.

    The largest drawings become pixels, where that is shorter, as long as all of them together
    exceed `MAX_BYTES`.
    """
    drawings = {name: _svg_uri(svg_bytes(figure)) for name, figure in figures.items()}
    heavy = _heavy({name: len(drawing) for name, drawing in drawings.items()})
    placed: dict[str, list[PageImage]] = {key: [] for key in (*load_text("captions"), FURTHER)}
    for name, figure in figures.items():
        key = figure_key(name)
        uri = min(drawings[name], _png_uri(figure), key=len) if name in heavy else drawings[name]
        arm, caption = _caption(name, key, ("train", *roles))
        placed[key].append(_picture(figure, uri, caption, arm))
    order = arms_in_order(picture.arm for found in placed.values() for picture in found)
    for found in placed.values():
        found.sort(key=lambda picture: order.index(picture.arm))
    return placed


def _captioned(figure: Figure, caption: str) -> PageImage:
    """One figure with a caption of its own; pixels where its drawing would be large."""
    drawing = _svg_uri(svg_bytes(figure))
    uri = min(drawing, _png_uri(figure), key=len) if len(drawing) > MAX_DRAWING else drawing
    return _picture(figure, uri, caption)


def figure_key(figure_name: str) -> str:
    """Start of a figure's name that places it, or `FURTHER`.

    >>> figure_key("calibration_test"), figure_key("selection_lasso_dlr"), figure_key("rocket")
    ('calibration', 'selection_lasso', 'further')
    """
    captions: Mapping[str, str] = load_text("captions")
    fitting = [key for key in captions if re.match(rf"{key}(s?_|s?$)", figure_name)]
    return max(fitting, key=len, default=FURTHER)


def _picture(figure: Figure, uri: str, caption: str, arm: str = "") -> PageImage:
    width, height = (round(CSS_PIXELS * inches) for inches in figure.get_size_inches())
    return PageImage(uri, caption, width, height, arm=arm)


def _heavy(sizes: Mapping[str, int]) -> set[str]:
    heavy = {name for name, size in sizes.items() if size > MAX_DRAWING}
    light = sorted((n for n in sizes if n not in heavy), key=lambda n: (-sizes[n], n))
    total = sum(sizes[name] for name in light)
    for name in light:
        if total <= MAX_BYTES:
            break
        heavy.add(name)
        total -= sizes[name]
    return heavy


def _caption(name: str, key: str, roles: Iterable[str]) -> tuple[str, str]:
    """Return the arm that a figure's name speaks of, and the figure's caption."""
    rest = name if key == FURTHER else name.removeprefix(key)
    rest = rest.removeprefix("s").removeprefix("_")
    words = []
    for role in roles:
        ending = role_key(role)
        if rest == ending or rest.endswith(f"_{ending}"):
            words = [role_title(role)]
            rest = rest[: -len(ending)].removesuffix("_")
    arm = rest if rest in ARM_TITLES else ""
    if arm:
        words = [arm_title(arm), *words]
    elif rest not in ("", "curve", "curves", "panels"):
        words = [sentence_case(rest), *words]
    subject = ", ".join(words)
    if key == FURTHER:
        return arm, f"{subject}."
    caption = load_text("captions")[key]
    return arm, f"{subject}. {caption}" if subject else caption


def _svg_uri(drawing: bytes) -> str:
    """Drawing as an image: inside an image it can neither run code nor fetch anything.

    Percent-encoding is a quarter shorter than base64; a line break inside an address would be
    dropped by the browser and join two attributes.
    """
    text = _WHITE.sub(" ", _COMMENT.sub("", drawing.decode()))
    if "'" not in text:
        text = text.replace('"', "'")  # which needs no encoding
    return f"data:image/svg+xml,{quote(text, safe=_PLAIN)}"


def _png_uri(figure: Figure) -> str:
    content = base64.b64encode(png_bytes(figure, dpi=PNG_DPI)).decode("ascii")
    return f"data:image/png;base64,{content}"
