"""pyradiomics itself, with nothing of ours between: what features and filters are held against."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from radiomics import imageoperations, setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy import ndimage

from her2.core.seeds import generator

Spacing = tuple[float, ...]


def speckle(seed: int = 0, shape: tuple[int, ...] = (40, 40)) -> np.ndarray:
    """Whole grey levels 0 to 255 as float64."""
    return np.floor(generator(seed, "speckle").rayleigh(60, shape)).clip(0, 255)


def disc(shape: tuple[int, int] = (40, 40), radius: float = 8.0) -> np.ndarray:
    """An ellipse in the middle, wider than high."""
    rows, columns = np.indices(shape)
    middle = [(length - 1) / 2 for length in shape]
    return np.hypot(rows - middle[0], (columns - middle[1]) / 1.4) < radius


def images(seed: int, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Kinds of image by name: smooth, flat, tied, negative, of two values, of small values."""
    random = generator(seed, "images")
    height, width = shape
    smooth = ndimage.gaussian_filter(random.random(shape) * 800 - 200, 2)
    patches = np.kron(random.integers(0, 256, (height // 4 + 1, width // 4 + 1)), np.ones((4, 4)))
    return {
        "speckle": speckle(seed, shape),
        "smooth": np.floor(smooth).clip(0, 255),
        "flat": np.full(shape, float(random.integers(1, 255))),
        "patches": patches[:height, :width],
        "bands": np.repeat(random.integers(0, 256, (height, 1)).astype(float), width, axis=1),
        "negative": speckle(seed, shape) - 120.5,
        "two values": (random.random(shape) < 0.5) * 255.0,
        "below one": speckle(seed, shape) / 300,
    }


def masks(seed: int, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Kinds of mask by name: at the border, with holes, in pieces, without neighbours."""
    random = generator(seed, "masks")
    rows, columns = np.indices(shape)
    ellipse = disc(shape, min(shape) / 3.5)
    blocks = np.kron(random.random((shape[0] // 5 + 1, shape[1] // 5 + 1)) < 0.4, np.ones((5, 5)))
    return {
        "ellipse": ellipse,
        "ring": ellipse & ~disc(shape, min(shape) / 6),
        "noise": random.random(shape) < 0.4,
        "blocks": blocks[: shape[0], : shape[1]] > 0,
        "whole image": np.ones(shape, dtype=bool),
        "first corner": (rows < shape[0] // 2) & (columns < shape[1] // 3),
        "last corner": (rows > shape[0] // 2) & (columns > shape[1] // 3),
        "lone pixels": (rows % 2 == 0) & (columns % 2 == 0),
        "diagonal": rows == columns,
        "two pixels": (rows == columns) & (rows < 2),
        "right angle": (rows < 2) & (columns < 2) & (rows + columns < 2),
    }


def volume(array: np.ndarray, spacing_mm: Spacing) -> sitk.Image:
    """An array as an image; (y, x) becomes one slice 1 mm thick."""
    if array.ndim == 2:
        array, spacing_mm = array[np.newaxis], (1.0, *spacing_mm)
    found = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    found.SetSpacing(spacing_mm[::-1])
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of degenerate input, which are expected."""
    setVerbosity(logging.CRITICAL)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def plain(image: sitk.Image, mask: sitk.Image, parameters: dict[str, Any]) -> pd.Series:
    """Features as pyradiomics gives them."""
    with quiet():
        found = RadiomicsFeatureExtractor(parameters).execute(image, mask)
    return pd.Series({k: float(v) for k, v in found.items() if not k.startswith("diagnostics")})


def filtered(
    name: str,
    image: np.ndarray,
    mask: np.ndarray,
    spacing_mm: Spacing = (1.0, 1.0),
    **settings: Any,
) -> dict[str, np.ndarray]:
    """Values inside the mask by image type, from pyradiomics' filter on the whole image."""
    make = getattr(imageoperations, f"get{name}Image")
    with quiet():
        found = make(volume(image, spacing_mm), volume(mask, spacing_mm), **settings)
        return {
            image_type: sitk.GetArrayFromImage(result)[0][mask] for result, image_type, _ in found
        }


def difference(found: pd.Series, expected: pd.Series) -> float:
    """Largest difference relative to max(1, |value|); a NaN must meet a NaN."""
    assert set(found.index) == set(expected.index)
    expected = expected[found.index]
    assert found[found.isna() != expected.isna()].empty
    both = found.notna()
    relative = (found - expected).abs() / expected.abs().clip(lower=1.0)
    return float(relative[both].max())
