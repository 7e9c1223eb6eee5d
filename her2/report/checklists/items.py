"""The items of the three checklists, in our own words; the numbering is the publications'."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

from her2.core.errors import BadArgument

SOURCES = {
    "clear": "Kocak B et al. (2023), doi:10.1186/s13244-023-01415-8",
    "metrics": "Kocak B et al. (2024), doi:10.1186/s13244-023-01572-w",
    "tripod_ai": "Collins GS et al. (2024), doi:10.1136/bmj-2023-078378",
}


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    hint: what a person has to write, and which file helps, where no rule decides; about_patients:
    simulated patients can never meet it; weight: METRICS only, 0 elsewhere; condition: what the
    study must include for a METRICS item to count, empty where it always counts.
    """

    number: str
    section: str
    text: str
    hint: str = ""
    about_patients: bool = False
    weight: float = 0.0
    condition: str = ""


@lru_cache(maxsize=len(SOURCES))
def checklist_items(name: str) -> tuple[Item, ...]:
    """Return the items of a checklist in the order of its publication.

    Parameters
    ----------
    name
        ``clear``, ``metrics`` or ``tripod_ai``.

    Raises
    ------
    BadArgument
        There is no such checklist.

    References
    ----------
    CLEAR: Kocak B et al. (2023), doi:10.1186/s13244-023-01415-8 (58 items). METRICS: Kocak B et
    al. (2024), doi:10.1186/s13244-023-01572-w (30 items, 9 categories, weights of Table 1).
    TRIPOD+AI: Collins GS et al. (2024), BMJ 385:e078378, doi:10.1136/bmj-2023-078378 (27 items,
    52 with their parts).

    Examples
    --------
    >>> [len(checklist_items(name)) for name in ("clear", "metrics", "tripod_ai")]
    [58, 30, 52]
    """
    if name not in SOURCES:
        raise BadArgument(f"expected one of {', '.join(SOURCES)}, found {name!r}")
    text = files("her2.report.checklists").joinpath("items", f"{name}.yaml").read_text("utf-8")
    return tuple(
        Item(section=section, **item)
        for section, items in yaml.safe_load(text).items()
        for item in items
    )
