"""The feature table of a cohort: one cached shard a region of a lesion, on any engine.

Lesions are looked at first (content, cached shards, pixels), then what is missing is measured,
the largest first, so that no long one is left over at the end. A lesion that takes its process
down, or never ends, is lost with a code; the others are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from her2.cohort import decode_each
from her2.cohort.masks import MINIMUM_PIXELS
from her2.cohort.problems import CATALOGUE, Note
from her2.compute import Engine, Finished, InProcess, Lost
from her2.core.errors import BadCohort
from her2.core.progress import Work
from her2.core.store import Store
from her2.core.types import Lesion, LesionImage, Problem
from her2.radiomics.recipe import MOST_CUT_OFF, Recipe, UnknownSpacing
from her2.radiomics.shards import Parts, Unmeasured, Values, cached, measure

_CODES = {"killed": "R01", "hung": "R02"}
_WHAT = {
    "R01": ("its worker process died twice", "look at the image's size, or bring more memory"),
    "R02": (
        "it did not end within compute.timeout_s, twice",
        "raise compute.timeout_s, or look at the image's size",
    ),
}


@dataclass(frozen=True)
class FeatureTable:
    """Features of a cohort: values (n_lesions, n_features) by `Lesion.key`, and their cost.

    problems: lesions that are not in `values`, with a code, and warnings on those that are.
    """

    values: pd.DataFrame
    n_extracted: int
    n_cached: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """What looking at a lesion showed: region pixels, features if cached, notes if any."""

    n_pixels: int = 0
    values: Values | None = None
    notes: tuple[Note, ...] = ()
    lacks_spacing: bool = False


def extract_table(
    lesions: Sequence[Lesion],
    recipe: Recipe | None = None,
    *,
    store: Store,
    engine: Engine | None = None,
    n_threads: int = 1,
    advance: Callable[[Work], None] = lambda work: None,
) -> FeatureTable:
    """Return the radiomic features of the lesions, from the cache where their content is known.

    Parameters
    ----------
    lesions
        Lesions with an image and a mask.
    recipe
        What to measure; None takes `Recipe()`. A lesion without a mask of the recipe's reader, or
        whose mask a perturbation leaves nothing of, has no row.
    store
        Cache of shards; its keys hold pixels, mask, spacing, preset and code version.
    engine
        What runs the extraction; None takes this process. The result does not depend on it.
    n_threads
        That look here for lesions whose features are in the cache.
    advance
        Told how many lesions and pixels are done; cached ones are no work.

    Raises
    ------
    BadConfig
        Unknown preset, region or width.
    BadCohort
        A ring in millimetres and lesions without a pixel size; or not one lesion was measured.
    WorkerLost
        Processes die whatever they are given.
    """
    recipe = recipe or Recipe()
    names = recipe.feature_names
    look = partial(_look, recipe=recipe, store=store)
    seen = decode_each(look, lesions, n_threads=n_threads)
    _refuse_unknown_spacing(recipe, seen)
    todo = _largest_first(seen)
    found = {i: s.values for i, s in enumerate(seen) if s.values is not None}
    notes = {i: list(s.notes) for i, s in enumerate(seen)}
    calls = [(_absolute(lesions[i]), recipe, _absolute_store(store)) for i in todo]
    for i, value in _measured(calls, todo, seen, engine or InProcess(), advance):
        if isinstance(value, Note):
            notes[i].append(value)
        else:
            found[i] = value
    _refuse_nothing(lesions, found, notes)
    kept = sorted(found)
    values = pd.DataFrame(
        [[found[i][name] for name in names] for i in kept],
        index=[lesions[i].key for i in kept],
        columns=list(names),
        dtype=np.float64,
    )
    n_extracted = len(found) - sum(s.values is not None for s in seen)
    return FeatureTable(values, n_extracted, len(found) - n_extracted, _problems(lesions, notes))


def _look(lesion: Lesion, recipe: Recipe, store: Store) -> _Seen:
    """Return what a lesion needs; a lesion that needs nothing more has its features."""
    try:
        image = recipe.image(lesion)
    except UnknownSpacing:
        return _Seen(lacks_spacing=True)
    if image is None:
        return _Seen()
    parts = recipe.parts(image)
    notes = _region_notes(recipe, image, parts)
    if any(note.level == "quarantined" for note in notes):
        return _Seen(notes=notes)
    n_pixels = sum(int(mask.sum()) for mask in parts.values()) * image.enlargement**2
    return _Seen(n_pixels, cached(image, parts, recipe, store), notes)


def _region_notes(recipe: Recipe, image: LesionImage, parts: Parts) -> tuple[Note, ...]:
    """Return what is wrong with a region that was made from the mask."""
    if recipe.region == "lesion" or recipe.perturbation is not None:
        return ()
    smallest = min(int(mask.sum()) for mask in parts.values())
    if smallest < MINIMUM_PIXELS:
        what = f"the ring has {smallest} pixels, expected at least {MINIMUM_PIXELS}"
        return (Note("R04", what, "take a wider ring, or an image with more around the lesion"),)
    share = recipe.ring_cut_off(image)
    if share > MOST_CUT_OFF:
        what = f"{share:.0%} of the ring lies beyond the image"
        return (Note("R05", what, "take a narrower ring, or an image with more around"),)
    return ()


def _refuse_unknown_spacing(recipe: Recipe, seen: Sequence[_Seen]) -> None:
    n_unknown = sum(s.lacks_spacing for s in seen)
    if n_unknown:
        raise BadCohort(
            f"expected the pixel spacing of every lesion for lengths in millimetres "
            f"({', '.join(f'{x.mm:g} mm' for x in recipe.lengths if x.px is None)}), found "
            f"{n_unknown} of {len(seen)} lesions without; add the column spacing_mm to the table, "
            "or give the width in pixels (radiomics.ring_px)"
        )


def _refuse_nothing(
    lesions: Sequence[Lesion], found: dict[int, Values], notes: dict[int, list[Note]]
) -> None:
    lost = [note for of_lesion in notes.values() for note in of_lesion if _leaves_out(note)]
    if lesions and lost and not found:
        raise BadCohort(
            f"expected radiomic features of {len(lesions)} lesions, found not one that could be "
            f"measured ({lost[0].code}: {lost[0].what}); look at the images and masks"
        )


def _largest_first(seen: Sequence[_Seen]) -> list[int]:
    todo = [i for i, s in enumerate(seen) if s.n_pixels and s.values is None]
    return sorted(todo, key=lambda i: (-seen[i].n_pixels, i))


def _measured(
    calls: Sequence[tuple[Lesion, Recipe, Store]],
    todo: Sequence[int],
    seen: Sequence[_Seen],
    engine: Engine,
    advance: Callable[[Work], None],
) -> Iterator[tuple[int, Values | Note]]:
    """Yield the features of each call's lesion, or why it has none, as they come."""
    work = Work(0, len(todo), 0, sum(seen[i].n_pixels for i in todo))
    advance(work)
    with closing(engine.run(measure, calls)) as outcomes:
        for outcome in outcomes:
            i = todo[outcome.position]
            yield i, _value_or_note(outcome)
            work = replace(work, parts_done=work.parts_done + 1, done=work.done + seen[i].n_pixels)
            advance(work)


def _value_or_note(outcome: Finished | Lost) -> Values | Note:
    if isinstance(outcome, Lost):
        code = _CODES[outcome.reason]
        return Note(code, *_WHAT[code])
    if isinstance(outcome.value, Unmeasured):
        return Note("R03", f"pyradiomics found: {outcome.value.reason}", "look at its mask")
    values: Values = outcome.value
    return values


def _leaves_out(note: Note) -> bool:
    return CATALOGUE[note.code].severity == "quarantined"


def _problems(lesions: Sequence[Lesion], notes: dict[int, list[Note]]) -> tuple[Problem, ...]:
    return tuple(
        note.problem(lesions[i].patient_id, lesions[i].lesion_id)
        for i, of_lesion in sorted(notes.items())
        for note in of_lesion
    )


def _absolute(lesion: Lesion) -> Lesion:
    """Return a lesion whose paths mean the same in a process that works elsewhere."""
    return replace(
        lesion,
        image=lesion.image and lesion.image.absolute(),
        masks=tuple(path.absolute() for path in lesion.masks),
        masks_reader2=tuple(path.absolute() for path in lesion.masks_reader2),
        enhanced=lesion.enhanced and lesion.enhanced.absolute(),
    )


def _absolute_store(store: Store) -> Store:
    return Store(store.root.absolute())
