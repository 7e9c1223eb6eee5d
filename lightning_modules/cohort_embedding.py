"""Deep features of a cohort: one cached vector a lesion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.cohort import decode_each, load_lesion
from her2.core.store import Store, code_version, content_key
from her2.core.types import Lesion
from her2.radiomics.feature_table import FeatureTable
from lightning_modules.backbones import describe_backbone
from lightning_modules.crops import lesion_crop
from lightning_modules.embedding import embed

CHUNK = 64  # lesions between two reports of progress
_SOURCES = ("embedding.py", "backbones.py", "weights.py", "reproducible.py")


def cohort_crops(
    lesions: Sequence[Lesion],
    *,
    size: int,
    margin_px: int,
    aspect: str,
    margin_mm: float | None = None,
    n_threads: int = 1,
) -> NDArray[np.uint8]:
    """Return the crop of every lesion, (n_lesions, size, size) uint8; see `lesion_crop`."""

    def crop(lesion: Lesion) -> NDArray[np.uint8]:
        return lesion_crop(
            load_lesion(lesion), margin_px=margin_px, margin_mm=margin_mm, size=size,
            aspect=aspect,
        )  # fmt: skip

    return np.stack(decode_each(crop, lesions, n_threads=n_threads))


def embed_cohort(
    lesions: Sequence[Lesion],
    crops: NDArray[np.uint8],
    *,
    store: Store,
    backbone: str,
    weights: str,
    in_chans: int = 3,
    normalisation: str = "backbone",
    seed: int = 0,
    n_threads: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> FeatureTable:
    """Return the frozen network's penultimate features of every lesion, from the cache if known.

    Parameters
    ----------
    lesions, crops
        n lesions and their crops (n, S, S) uint8.
    backbone, weights, in_chans, normalisation, seed
        As `lightning_modules.backbones.build_backbone`.
    n_threads
        Images that go through the network at the same time; the features do not depend on it.
    advance
        Called with the number of lesions that are done.
    """
    network: dict[str, Any] = {"in_chans": in_chans, "normalisation": normalisation, "seed": seed}
    described = [describe_backbone(backbone, weights, **network), _code_version()]
    keys = [content_key([crop, *described]) for crop in crops]
    rows = [store.read(key) for key in keys]
    missing = [i for i, values in enumerate(rows) if values is None]
    chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
    size = crops.shape[1]
    n_done = len(rows) - len(missing)
    for chunk in chunks:
        features = embed(
            crops[chunk], backbone=backbone, weights=weights, image_size=size,
            n_threads=n_threads, **network,
        )  # fmt: skip
        for i, vector in zip(chunk, features, strict=True):
            values = {f"deep_{j}": float(v) for j, v in enumerate(vector)}
            store.write(keys[i], values)
            rows[i] = values
        n_done += len(chunk)
        advance(n_done)
    table = pd.DataFrame(rows, index=[lesion.key for lesion in lesions], dtype=np.float64)
    return FeatureTable(table, len(missing), len(rows) - len(missing))


@lru_cache(maxsize=1)
def _code_version() -> str:
    here = Path(__file__).parent
    sources = [*(here / name for name in _SOURCES), *sorted((here / "networks").glob("*.py"))]
    return code_version(sources, ("torch", "timm", "torchvision"))
