"""The feature table of a cohort: one cached shard a region of a lesion, on any engine.

All lesions are read first, with their cached shards; then what is missing is measured, the largest
lesion first, so that no long one is left over at the end. A lesion that ends its process, or never
ends, is quarantined with a code; the others are measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from her2.cohort import decode_each
from her2.cohort.lesions import in_blocks
from her2.cohort.masks import MINIMUM_PIXELS
from her2.cohort.problems import LEFT_OUT, Note, as_note, leaves_out
from her2.compute import Engine, InProcess, Lost
from her2.core.errors import BadCohort, Her2Error, InputProblem
from her2.core.progress import Work
from her2.core.store import Store, code_version, content_key
from her2.core.types import Lesion, LesionImage, Problem
from her2.radiomics import extraction
from her2.radiomics.parameters import SHAPE_FAMILIES, Preset, image_type_and_family
from her2.radiomics.recipe import Recipe, UnknownSpacing
from her2.radiomics.region import share_cut_off

Values = dict[str, float]
Parts = dict[str, NDArray[np.bool_]]

_LOST = {
    "killed": Note(
        "R01", "its worker process died twice", "look at the image's size, or bring more memory"
    ),
    "hung": Note(
        "R02", "it did not end within compute.timeout_s, twice",
        "raise compute.timeout_s, or look at the image's size",
    ),
}  # fmt: skip
_MOST_CUT_OFF = 0.25  # of a ring, without a warning
_PACKAGES = ("pyradiomics-bhklab", "SimpleITK", "PyWavelets", "scipy", "numpy", "trimesh")
# a change of these changes no value under a key
_NOT_IN_VALUES = (
    "__init__.py", "perturbation.py", "recipe.py", "region.py",
    "robustness.py", "feature_table.py",
)  # fmt: skip


@dataclass(frozen=True)
class FeatureTable:
    """Features of a cohort, and their cost.

    Attributes
    ----------
    values
        (n_lesions, n_features) by `Lesion.key`.
    n_extracted, n_cached
        Lesions that were measured, and those whose features were in the cache.
    problems
        Lesions that are not in `values`, with a code, and warnings on those that are.
    """

    values: pd.DataFrame
    n_extracted: int
    n_cached: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Prepared:
    """A lesion before it is measured: pixels of its region, features if cached, notes if any."""

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

    A lesion without a mask of the recipe's reader, or whose mask a perturbation leaves nothing of,
    has no row. The result does not depend on the engine, by default this process. `n_threads` look
    for cached features; `advance` is called with how many lesions and pixels are done, cached ones
    left out.
    """
    recipe = recipe or Recipe()
    names = recipe.feature_names
    prepare = partial(_prepare, recipe=recipe, store=store)
    seen = decode_each(prepare, lesions, n_threads=n_threads)
    _refuse_unknown_spacing(recipe, seen)
    todo = [i for i, s in enumerate(seen) if s.n_pixels and s.values is None]
    todo.sort(key=lambda i: (-seen[i].n_pixels, i))  # the largest first
    found = {i: s.values for i, s in enumerate(seen) if s.values is not None}
    notes = {i: list(s.notes) for i, s in enumerate(seen)}
    calls = [(_absolute(lesions[i]), recipe, Store(store.root.absolute())) for i in todo]
    for i, value in _measured(calls, todo, seen, engine or InProcess(), advance):
        if isinstance(value, Note):
            notes[i].append(value)
        else:
            found[i] = value
    _refuse_nothing(lesions, found, notes)
    rows = sorted(found)
    values = pd.DataFrame(
        [[found[i][name] for name in names] for i in rows],
        index=[lesions[i].key for i in rows],
        columns=list(names),
        dtype=np.float64,
    )
    n_extracted = len(found) - sum(s.values is not None for s in seen)
    problems = tuple(
        note.problem(lesions[i].patient_id, lesions[i].lesion_id)
        for i, of_lesion in sorted(notes.items())
        for note in of_lesion
    )
    return FeatureTable(values, n_extracted, len(found) - n_extracted, problems)


def _prepare(lesion: Lesion, recipe: Recipe, store: Store) -> _Prepared:
    """Return what a lesion needs; a lesion that needs nothing more has its features."""
    try:
        image = recipe.image(lesion)
    except UnknownSpacing:
        return _Prepared(lacks_spacing=True)
    except InputProblem as problem:  # its files have changed since they were verified
        return _Prepared(notes=(as_note(problem),))
    if image is None:
        return _Prepared()
    parts = recipe.parts(image)
    notes = _region_notes(recipe, image, parts)
    if leaves_out(notes):
        return _Prepared(notes=notes)
    n_pixels = sum(int(mask.sum()) for mask in parts.values()) * image.enlargement**2
    return _Prepared(n_pixels, read_shards(image, parts, recipe, store), notes)


def _region_notes(recipe: Recipe, image: LesionImage, parts: Parts) -> tuple[Note, ...]:
    """Return what is wrong with a region that was made from the mask."""
    if recipe.region == "lesion" or recipe.perturbation is not None:
        return ()
    smallest = min(int(mask.sum()) for mask in parts.values())
    if smallest < MINIMUM_PIXELS:
        what = f"the ring has {smallest} pixels, expected at least {MINIMUM_PIXELS}"
        return (Note("R04", what, "take a wider ring, or an image with more around the lesion"),)
    width, spacing = recipe.ring.on(image)
    share = share_cut_off(image.mask, spacing_mm=spacing, width_mm=width)
    if share > _MOST_CUT_OFF:
        what = f"{share:.0%} of the ring lies beyond the image"
        return (Note("R05", what, "take a narrower ring, or an image with more around"),)
    return ()


def _refuse_unknown_spacing(recipe: Recipe, seen: Sequence[_Prepared]) -> None:
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
    every = [note for of_lesion in notes.values() for note in of_lesion]
    lost = [note for note in every if note.level in LEFT_OUT]
    if lesions and lost and not found:
        raise BadCohort(
            f"expected radiomic features of {len(lesions)} lesions, found not one that could be "
            f"measured ({lost[0].code}: {lost[0].what}); look at the images and masks"
        )


def _measured(
    calls: Sequence[tuple[Lesion, Recipe, Store]],
    todo: Sequence[int],
    seen: Sequence[_Prepared],
    engine: Engine,
    advance: Callable[[Work], None],
) -> Iterator[tuple[int, Values | Note]]:
    """Yield the features of each call's lesion, or why it has none, as they come."""
    work = Work(0, len(todo), 0, sum(seen[i].n_pixels for i in todo))
    advance(work)
    with closing(engine.run(measure, calls)) as outcomes:
        for outcome in outcomes:
            i = todo[outcome.position]
            yield i, _LOST[outcome.reason] if isinstance(outcome, Lost) else outcome.value
            work = replace(work, parts_done=work.parts_done + 1, done=work.done + seen[i].n_pixels)
            advance(work)


def _absolute(lesion: Lesion) -> Lesion:
    """Return a lesion whose paths mean the same in a process that works elsewhere."""
    return replace(
        lesion,
        image=lesion.image and lesion.image.absolute(),
        masks=tuple(path.absolute() for path in lesion.masks),
        masks_reader2=tuple(path.absolute() for path in lesion.masks_reader2),
        enhanced=lesion.enhanced and lesion.enhanced.absolute(),
    )


def _unmeasured(reason: str) -> Note:
    return Note("R03", f"pyradiomics found: {reason}", "look at its mask")


def measure(lesion: Lesion, recipe: Recipe, store: Store) -> Values | Note:
    """Return the features of one lesion and keep its shards, or why it has none; repeatable."""
    try:
        image = recipe.image(lesion)
    except InputProblem as problem:
        return as_note(problem)
    if image is None:
        return _unmeasured("its mask is gone")
    shards: dict[str, Values] = {}
    for prefix, mask in recipe.parts(image).items():
        key = shard_key(image, mask, recipe.chosen_preset)
        shard = store.read(key)
        if shard is None:
            measured = _extracted(image, mask, recipe.chosen_preset)
            if isinstance(measured, Note):
                return measured
            store.write(key, measured)
            shard = measured
        shards[prefix] = shard
    return _joined(shards)


def read_shards(image: LesionImage, parts: Parts, recipe: Recipe, store: Store) -> Values | None:
    """Return the features of a lesion where every part has its shard, else None."""
    shards: dict[str, Values] = {}
    for prefix, mask in parts.items():
        shard = store.read(shard_key(image, mask, recipe.chosen_preset))
        if shard is None:
            return None
        shards[prefix] = shard
    return _joined(shards)


def shard_key(image: LesionImage, mask: NDArray[np.bool_], preset: Preset) -> str:
    """Return what a shard is kept under: everything that decides a value, not the set's name."""
    settings = [preset.engine, preset.parameters, list(preset.feature_names)]
    spacing = list(image.spacing_mm)
    enhanced = [] if image.enhanced is None else [image.enhanced]
    return content_key([image.pixels, *enhanced, mask, spacing, settings, values_version()])


@lru_cache(maxsize=1)
def values_version() -> str:
    """Return a hash of the code and the packages that the values depend on."""
    folder = Path(extraction.__file__).parent
    modules = [path for path in sorted(folder.glob("*.py")) if path.name not in _NOT_IN_VALUES]
    return code_version(modules, _PACKAGES)


def _joined(shards: dict[str, Values]) -> Values:
    return {f"{prefix}{name}": x for prefix, shard in shards.items() for name, x in shard.items()}


def _extracted(image: LesionImage, mask: NDArray[np.bool_], preset: Preset) -> Values | Note:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # one thread a worker
    with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a flat region makes pyradiomics divide 0 by 0
        try:
            series = extraction.extract_features(
                image.pixels, mask, spacing_mm=image.spacing_mm, preset=preset
            )
            if image.enhanced is not None:
                series = _of_enhanced(image, mask, preset).where(~_is_shape(series), series)
        except InputProblem as problem:  # of this lesion: it costs no other one
            return _unmeasured(problem.what)
        except Her2Error:
            raise
        except (ValueError, RuntimeError) as error:
            return _unmeasured(str(error))
    return {str(name): float(value) for name, value in series.items()}


def _of_enhanced(image: LesionImage, mask: NDArray[np.bool_], preset: Preset) -> pd.Series:
    """Return the features of the enhanced image inside the mask's pixels, now smaller blocks."""
    times = image.enlargement
    row, column = image.spacing_mm
    return extraction.extract_features(
        image.grey, in_blocks(mask, times), spacing_mm=(row / times, column / times), preset=preset
    )


def _is_shape(series: pd.Series) -> NDArray[np.bool_]:
    """Return which features are of shape: those are always of the mask as it was drawn."""
    families = [image_type_and_family(str(name))[1] for name in series.index]
    return np.array([family in SHAPE_FAMILIES for family in families])
