"""Sections of the page of a comparison of models: its figures, tables and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from her2.report.page_parts import Block, Gallery, Section
from her2.report.pictures import captioned
from her2.report.sections import no_notes
from her2.report.table_columns import comparison_formats
from her2.report.tabulate import tabulate
from her2.report.texts import load_text


def comparison_sections(
    figures: Mapping[str, Figure], tables: Mapping[str, pd.DataFrame], notes: Sequence[str]
) -> list[Section]:
    """Return the sections; figures and tables have their place by name.

    Figures and tables that are not given have no place; the notes stand at the end.
    """
    texts, formats = load_text("comparison"), comparison_formats()
    found = []
    for plan in texts["sections"]:
        drawn = {name: figures[name] for name in plan["figures"] if name in figures}
        blocks: list[Block] = [
            Gallery((captioned(figure, texts["captions"][name]),))
            for name, figure in drawn.items()
        ]
        blocks += [tabulate(tables[n], formats[n]) for n in plan["tables"] if n in tables]
        if blocks:
            found.append(Section(plan["anchor"], plan["title"], (), tuple(blocks)))
    items = tuple(notes) or no_notes(notes)
    return [*found, Section("notes", "Notes", items=items)]
