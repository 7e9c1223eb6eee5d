"""The feature table of a cohort: one cached shard a lesion, extracted by several processes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from joblib import delayed
from threadpoolctl import threadpool_limits

from her2.cohort import load_lesion
from her2.errors import BadCohort, BadConfig, Her2Error
from her2.parallel import run_jobs
from her2.radiomics import extraction
from her2.radiomics.settings import Preset, find_preset
from her2.store import Store, code_version, content_key
from her2.types import Lesion, LesionImage

logger = logging.getLogger(__name__)

REGIONS = ("lesion",)
# whose source decides a value
MODULES = (
    "co_occurrence", "extraction", "filters", "first_order", "grey_levels", "local_patterns",
    "plain", "plane_patterns", "roi", "settings", "shape", "shape2d", "size_matrix", "textures",
    "wavelet",
)  # fmt: skip
_PACKAGES = ("pyradiomics-bhklab", "SimpleITK", "PyWavelets", "scipy", "numpy", "trimesh")


@dataclass(frozen=True)
class FeatureTable:
    """Features of a cohort: values (n_lesions, n_features) by `Lesion.key`, and their cost."""

    values: pd.DataFrame
    n_extracted: int
    n_cached: int


def extract_table(
    lesions: Sequence[Lesion],
    *,
    store: Store,
    preset: str | Preset = "paper_1561",
    region: str = "lesion",
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> FeatureTable:
    """Return the radiomic features of every lesion, from the cache where its content is known.

    Parameters
    ----------
    lesions
        Lesions with an image and a mask.
    store
        Cache of shards; its keys hold pixels, mask, spacing, preset and code version.
    preset, region
        What to extract (a name, or what `read_parameter_file` returns), and from where (only
        ``lesion``, the mask itself).
    n_workers
        Processes; the result does not depend on it.
    advance
        Called with the number of lesions that are done.

    Raises
    ------
    BadConfig
        Unknown preset or region.
    BadCohort
        pyradiomics cannot compute the features of a lesion.
    """
    names = settings_names(preset, region)
    jobs = (delayed(_shard)(lesion, store, preset, position)
            for position, lesion in enumerate(lesions))  # fmt: skip
    shards: dict[int, dict[str, float]] = {}
    n_extracted = 0
    for position, values, extracted in run_jobs(jobs, n_workers=n_workers):
        shards[position] = values
        n_extracted += extracted
        advance(len(shards))
    table = pd.DataFrame(
        [[shards[i][name] for name in names] for i in range(len(lesions))],
        index=[lesion.key for lesion in lesions],
        columns=list(names),
        dtype=np.float64,
    )
    return FeatureTable(table, n_extracted, len(lesions) - n_extracted)


def settings_names(preset: str | Preset, region: str) -> tuple[str, ...]:
    """Return the feature names of a preset in a region."""
    if region not in REGIONS:
        raise BadConfig(
            f"expected radiomics.region to be one of {', '.join(REGIONS)}, found {region!r}"
        )
    chosen = _preset(preset)
    if chosen.n_dimensions != 2:
        raise BadConfig(
            f"expected a preset for slices, as a cohort has them, found radiomics.preset "
            f"{chosen.name} for stacks; choose paper_1561 or us2d"
        )
    return chosen.feature_names


def _preset(preset: str | Preset) -> Preset:
    return find_preset(preset) if isinstance(preset, str) else preset


@lru_cache(maxsize=1)
def _code_version() -> str:
    folder = Path(__file__).parent
    return code_version([folder / f"{module}.py" for module in MODULES], _PACKAGES)


def _key(image: LesionImage, preset: str | Preset) -> str:
    """Return a key of everything that decides a value: the engine too, not the preset's name."""
    chosen, spacing = _preset(preset), list(image.spacing_mm)
    settings = [chosen.engine, chosen.parameters, list(chosen.feature_names)]
    return content_key([image.pixels, image.mask, spacing, settings, _code_version()])


def _shard(
    lesion: Lesion, store: Store, preset: str | Preset, position: int
) -> tuple[int, dict[str, float], bool]:
    """Return (position, values, extracted now) of one lesion; safe to repeat at any time."""
    image = load_lesion(lesion)
    key = _key(image, preset)
    cached = store.read(key)
    if cached is not None:
        return position, cached, False
    values = _extract(image, preset, position)
    store.write(key, values)
    return position, values, True


def _extract(image: LesionImage, preset: str | Preset, position: int) -> dict[str, float]:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # one thread a worker
    with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a flat region makes pyradiomics divide 0 by 0
        try:
            series = extraction.extract_features(
                image.pixels, image.mask, spacing_mm=image.spacing_mm, preset=preset
            )
        except Her2Error:
            raise
        except (ValueError, RuntimeError) as error:
            raise BadCohort(
                f"expected radiomic features of lesion number {position + 1}, pyradiomics found "
                f"{error}; look at its mask, or leave the row out of the table"
            ) from error
    return {str(name): float(value) for name, value in series.items()}
