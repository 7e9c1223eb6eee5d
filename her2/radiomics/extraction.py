"""Radiomic features of one lesion, exactly as pyradiomics defines them on float64 input.

The texture matrices are pyradiomics' compiled ones. Around them, a slice takes a short way: one
crop, one digitisation of each image type, filters at the lesion's pixels only. Stacks and
parameter files go through pyradiomics itself.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.errors import BadArgument, InputProblem
from her2.radiomics.first_order import first_order_features
from her2.radiomics.image_types import Values, plane_filters, volume_filters
from her2.radiomics.parameters import Preset, find_preset
from her2.radiomics.pyradiomics_engine import (
    check_packages,
    features_of_values,
    pyradiomics_features,
)
from her2.radiomics.roi import BoolArray, FloatArray, SliceLesion, digitise
from her2.radiomics.shape import plane_shape_features, shape_features
from her2.radiomics.textures import texture_features

Features = dict[str, float]


def extract_features(
    image: NDArray[np.generic],
    mask: NDArray[np.bool_],
    *,
    spacing_mm: tuple[float, ...] = (1.0, 1.0),
    preset: str | Preset = "paper_1561",
) -> pd.Series:
    """Return the preset's features, float64, index = names as pyradiomics gives them.

    A value is NaN where pyradiomics gives NaN, for example co-occurrence without two pixels side
    by side.

    Parameters
    ----------
    image
        (H, W), or (Z, H, W) for a preset of stacks: grey levels of any numeric type; they are
        cast to float64, because 8-bit input overflows pyradiomics' bin edges and gives silently
        wrong texture values. Give the whole image: some filters scale by its maximum.
    mask
        Of the image's shape, true inside the lesion.
    spacing_mm
        (row, column) or (slice, row, column) millimetres per pixel; shape, gradient, energy and
        Laplacian of Gaussian use it.
    preset
        A key of `her2.radiomics.parameters.PRESETS`, or what `read_parameter_file` returns.

    Raises
    ------
    BadConfig
        The preset is unknown, or this environment lacks a package that a family needs.
    BadArgument
        Image and spacing do not have the preset's number of dimensions.
    InputProblem
        Image and mask differ in shape, the mask is empty or a single row, the image has no finite
        values, or pyradiomics cannot measure the lesion.

    References
    ----------
    van Griethuysen JJM et al. Cancer Res 2017;77:e104. doi:10.1158/0008-5472.CAN-17-0339

    Examples
    --------
    >>> image = np.arange(400.0).reshape(20, 20)
    >>> mask = np.zeros((20, 20), dtype=bool)
    >>> mask[4:9, 5:12] = True
    >>> features = extract_features(image, mask)
    >>> len(features), float(features["original_firstorder_Mean"])
    (1561, 128.0)
    """
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    pixels = np.asarray(image, dtype=np.float64)
    region = np.asarray(mask, dtype=bool)
    _check_dimensions(pixels, spacing_mm, chosen)
    _check_content(pixels, region, spacing_mm)
    check_packages(chosen)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a flat region makes pyradiomics divide 0 by 0
        values = _measured(pixels, region, spacing_mm, chosen)
    _check_names(values, chosen, pixels.shape)
    return pd.Series(values, index=list(chosen.feature_names), dtype=np.float64)


def _measured(
    image: FloatArray, mask: BoolArray, spacing_mm: tuple[float, ...], preset: Preset
) -> Features:
    if preset.engine == "pyradiomics":
        depth_mm = (1.0,) * (3 - len(spacing_mm))
        shape = (-1, *image.shape[-2:])  # a slice becomes a volume one slice thick
        return pyradiomics_features(
            image.reshape(shape), mask.reshape(shape), (*depth_mm, *spacing_mm), preset.parameters
        )
    _check_extent(mask)
    lesion = SliceLesion(image, mask, (spacing_mm[0], spacing_mm[1]))
    if preset.engine == "plane":
        shape2d = plane_shape_features(lesion.inside, lesion.spacing_mm)
        features, filters = _prefixed("original_shape2D", shape2d), plane_filters
    else:
        measures = shape_features(lesion.inside, spacing_mm=lesion.spacing_mm)
        features, filters = _prefixed("original_shape", measures), volume_filters
    seen: dict[bytes, Features] = {}
    for image_type, values in filters(lesion):
        measured = _of_values(lesion, values, preset.bin_width(image_type), seen)
        features |= _prefixed(image_type, measured)
    return features


def _of_values(
    lesion: SliceLesion, values: Values, bin_width: float, seen: dict[bytes, Features]
) -> Features:
    """Return ``<family>_<feature>`` of one image type.

    Filtered images with the same grey levels (local patterns of a smooth lesion, mostly) share
    their texture: `seen` holds it by grey-level image.
    """
    if not np.isfinite(values).all():
        return features_of_values(values, lesion.inside, lesion.spacing_mm, bin_width)
    grey = digitise(values, lesion.inside, bin_width)
    key = grey.image.tobytes()
    if key not in seen:
        seen[key] = texture_features(grey)
    pixel_mm2 = lesion.spacing_mm[0] * lesion.spacing_mm[1]
    first_order = first_order_features(values, grey.counts, pixel_mm2)
    return _prefixed("firstorder", first_order) | seen[key]


def _prefixed(prefix: str, features: Features) -> Features:
    return {f"{prefix}_{name}": value for name, value in features.items()}


def _check_dimensions(pixels: FloatArray, spacing_mm: tuple[float, ...], preset: Preset) -> None:
    n = preset.n_dimensions
    if pixels.ndim != n or len(spacing_mm) != n:
        axes = "(H, W) and (row, column)" if n == 2 else "(Z, H, W) and (slice, row, column)"
        raise BadArgument(
            f"expected an image and a spacing {axes} for radiomics.preset {preset.name}, found "
            f"shape {pixels.shape} and spacing {spacing_mm}; choose a preset for these images"
        )


def _check_content(pixels: FloatArray, region: BoolArray, spacing_mm: tuple[float, ...]) -> None:
    if pixels.shape != region.shape:
        raise InputProblem(
            "M02",
            f"expected an image and a mask of one shape, found {pixels.shape} and {region.shape}",
            "export both from the same image",
        )
    if not region.any():
        raise InputProblem("M06", "the mask is empty", "draw the lesion again")
    if not np.isfinite(pixels).all():
        raise InputProblem("D48", "the image holds NaN or infinity", "export the image again")
    if not all(0 < mm < np.inf for mm in spacing_mm):
        raise InputProblem(
            "D45", f"expected a pixel spacing above 0 mm, found {spacing_mm}", "give the spacing"
        )


def _check_extent(region: BoolArray) -> None:
    """Refuse what pyradiomics refuses: a mask of one pixel, row or column."""
    extents = [int(np.ptp(indices)) + 1 for indices in np.nonzero(region)]
    if sum(extent > 1 for extent in extents) < 2:
        raise InputProblem(
            "M15",
            f"the mask spans {' x '.join(map(str, extents))} pixels, a single row or column",
            "draw the lesion again",
        )


def _check_names(values: Features, preset: Preset, shape: tuple[int, ...]) -> None:
    """Refuse an answer that lacks features: packages are there, so the image is too small."""
    missing = [name for name in preset.feature_names if name not in values]
    if missing:
        raise InputProblem(
            "M15",
            f"expected {len(preset.feature_names)} features of {preset.name}, found "
            f"{len(values)}: {missing[0]!r} and others cannot be measured in an image of {shape} "
            "pixels",
            "give the whole image, not a crop of the lesion",
        )
