"""What the maps of Grad-CAM show, in sentences: where they lie, and whether to trust them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from her2.explain.saliency import (
    CENTRE,
    CORRELATIONS,
    DELETION_GAIN,
    ENRICHMENT,
    FLAT,
    INSERTION_GAIN,
    POINTING,
    SHARE_INSIDE,
)
from her2.plots.text import beside, count, is_missing, number
from her2.report.formats import interval_text

Record: TypeAlias = Mapping[Hashable, Any]
SAME_MAP = 0.5  # rank correlation from which a map with random weights counts as the same
WHOSE = {"test": "test lesions", "out_of_fold": "training lesions (out of fold)",
         "external": "external lesions"}  # fmt: skip


def grad_cam_sentences(rows: Sequence[Record]) -> list[str]:
    """Sentences of the table `grad_cam`: where the maps lie, and whether they can be trusted."""
    found = {(row["role"], row["measure"]): row for row in rows}
    sizes = {role: row["n"] for (role, measure), row in found.items() if measure == ENRICHMENT}
    texts = _place(found, max(sizes, key=lambda role: sizes[role])) if sizes else []
    return [text for text in (*texts, *_trust(found)) if text]


def _place(found: Mapping[tuple[Any, Any], Record], role: str) -> list[str]:
    share, enriched = found[role, SHARE_INSIDE], found[role, ENRICHMENT]
    hits, empty = found.get((role, POINTING)), found.get((role, FLAT))
    centre = found.get((role, CENTRE))
    lesions = f"{count(share['n'])} {WHOSE.get(role, f'lesions of {role}')}"
    texts = [
        f"In {lesions} {_percent(share['value'])} of the map lay inside the lesion, which fills "
        f"{_percent(share['without_knowledge'])} of the crop: an enrichment of "
        f"{_beside_one(enriched)}.",
        _outside(enriched),
    ]
    if hits:
        by_chance = f"; the crop's centre does in {_percent(centre['value'])}" if centre else ""
        text = f"The map's largest value lay inside the lesion in {_percent(hits['value'])}"
        texts.append(f"{text}{by_chance}.")
    if empty and empty["value"]:
        texts.append(
            f"Warning: {_percent(empty['value'])} of the lesions have an empty map: nothing in "
            "the image speaks for the predicted outcome."
        )
    return texts


def _outside(enriched: Record) -> str:
    """Return the warning that the map does not lie inside the lesion; nothing where it does."""
    if is_missing(enriched["low"]):
        return ""
    if enriched["high"] < 1:
        return (
            "Warning: the map lies outside the lesion more than inside it; the network may use "
            "the surroundings, the scanner or text in the image."
        )
    if enriched["low"] <= 1:
        return (
            "Warning: the map lies inside the lesion no more than a map without any knowledge of "
            "it would; nothing shows that the network uses the lesion."
        )
    return ""


def _trust(found: Mapping[tuple[Any, Any], Record]) -> list[str]:
    gains = [row for (_, m), row in found.items() if m in (DELETION_GAIN, INSERTION_GAIN)]
    gains = [row for row in gains if not is_missing(row["low"])]
    texts = []
    if gains and not any(row["low"] > 0 for row in gains):
        texts.append(
            f"Warning: in {count(gains[0]['n'])} lesions, removing or restoring what the map "
            "marks changed the probability no more than random places did; the maps are not "
            "shown to mark what the network uses."
        )
    elif gains:
        texts.append(
            "What the map marks counts more for the probability than random places (deletion or "
            "insertion)."
        )
    worst = max(
        (row["value"] for (_, m), row in found.items() if m in CORRELATIONS.values()), default=0
    )
    if worst > SAME_MAP:
        texts.append(
            f"Warning: with random weights the map stays much the same (rank correlation "
            f"{beside(worst, SAME_MAP, 2)}); it shows the image more than what was learned."
        )
    return texts


def _beside_one(enriched: Record) -> str:
    if is_missing(enriched["low"]):
        return interval_text(enriched["value"], enriched["low"], enriched["high"])
    value, low, high = (beside(enriched[name], 1) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _percent(share: Any) -> str:
    return f"{number(100 * share, 0)} %"
