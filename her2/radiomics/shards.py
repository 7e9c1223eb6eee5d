"""One cached shard a region of a lesion: measured wherever the engine likes, safe to repeat."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from her2.cohort.enhanced_images import in_blocks
from her2.core.errors import Her2Error, InputProblem
from her2.core.store import Store, code_version, content_key
from her2.core.types import Lesion, LesionImage
from her2.radiomics import extraction
from her2.radiomics.names import SHAPE_FAMILIES, image_type_and_family
from her2.radiomics.parameters import Preset
from her2.radiomics.recipe import Recipe

Values = dict[str, float]
Parts = dict[str, NDArray[np.bool_]]

_PACKAGES = ("pyradiomics-bhklab", "SimpleITK", "PyWavelets", "scipy", "numpy", "trimesh")
# a change of these changes no value under a key
_NOT_IN_VALUES = (
    "__init__.py", "names.py", "packages.py", "parameter_file.py", "perturbation.py",
    "recipe.py", "region.py", "robustness.py", "shards.py", "feature_table.py",
)  # fmt: skip


@dataclass(frozen=True)
class Unmeasured:
    """Why a lesion has no features: an answer of `measure`, not an error."""

    reason: str


def measure(lesion: Lesion, recipe: Recipe, store: Store) -> Values | Unmeasured:
    """Return the features of one lesion and keep its shards; safe to repeat, anywhere.

    Raises
    ------
    InputProblem
        A file went bad after the cohort was verified.
    """
    image = recipe.image(lesion)
    if image is None:
        return Unmeasured("its mask is gone")
    shards: dict[str, Values] = {}
    for prefix, mask in recipe.parts(image).items():
        key = shard_key(image, mask, recipe.chosen_preset)
        shard = store.read(key)
        if shard is None:
            measured = _extracted(image, mask, recipe.chosen_preset)
            if isinstance(measured, Unmeasured):
                return measured
            store.write(key, measured)
            shard = measured
        shards[prefix] = shard
    return _joined(shards)


def cached(image: LesionImage, parts: Parts, recipe: Recipe, store: Store) -> Values | None:
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


def _extracted(image: LesionImage, mask: NDArray[np.bool_], preset: Preset) -> Values | Unmeasured:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # one thread a worker
    with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a flat region makes pyradiomics divide 0 by 0
        try:
            series = _of_stored(image, mask, preset)
            if image.enhanced is not None:
                series = _of_enhanced(image, mask, preset).where(~_is_shape(series), series)
        except InputProblem as problem:  # of this lesion: it costs no other one
            return Unmeasured(problem.what)
        except Her2Error:
            raise
        except (ValueError, RuntimeError) as error:
            return Unmeasured(str(error))
    return {str(name): float(value) for name, value in series.items()}


def _of_stored(image: LesionImage, mask: NDArray[np.bool_], preset: Preset) -> pd.Series:
    return extraction.extract_features(
        image.pixels, mask, spacing_mm=image.spacing_mm, preset=preset
    )


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
