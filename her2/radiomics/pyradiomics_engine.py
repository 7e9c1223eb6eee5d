"""pyradiomics as it is: stacks, parameter files, and grey values that no kernel here takes.

pyradiomics leaves a whole family out, with one line in its log, where a package is missing;
`check_packages` names the package and its version instead.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import getFeatureClasses, setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.core.errors import BadConfig, InputProblem
from her2.radiomics.parameters import Preset
from her2.radiomics.roi import BoolArray, FloatArray


@dataclass(frozen=True)
class Need:
    """What a filter imports.

    Attributes
    ----------
    module, attribute
        As in ``from module import attribute``.
    package, versions
        That have it.
    """

    module: str
    attribute: str
    package: str
    versions: str


# of pyradiomics; the plane engine has local patterns of its own
NEEDS = {
    "LBP3D": (
        Need("scipy.special", "sph_harm", "scipy", "below 1.17"),
        Need("trimesh.creation", "icosphere", "trimesh", "4.5 or later"),
    ),
    "LBP2D": (Need("skimage.feature", "local_binary_pattern", "scikit-image", "0.22 or later"),),
}


def pyradiomics_features(
    image: FloatArray,
    mask: BoolArray,
    *,
    spacing_mm: tuple[float, ...],
    parameters: dict[str, Any],
) -> dict[str, float]:
    """Return the features that pyradiomics computes with a set of parameters.

    Parameters
    ----------
    image, mask
        (z, y, x); a slice has one z.
    spacing_mm
        (z, y, x) millimetres per voxel.
    parameters
        In pyradiomics' schema.

    Raises
    ------
    InputProblem
        pyradiomics cannot measure this lesion.
    """
    label = parameters.get("setting", {}).get("label", 1)
    volumes = [
        _as_volume(image, spacing_mm), _as_volume(mask.astype(np.uint32) * label, spacing_mm)
    ]  # fmt: skip
    extractor = _extractor(json.dumps(parameters))
    try:
        measured = extractor.execute(*volumes)
    except (ValueError, RuntimeError) as error:
        raise _as_problem(error) from error
    return {k: float(v) for k, v in measured.items() if not k.startswith("diagnostics_")}


def features_of_values(
    values: NDArray[np.floating],
    inside: BoolArray,
    *,
    spacing_mm: tuple[float, float],
    families: dict[str, tuple[str, ...]],
    bin_width: float,
) -> dict[str, float]:
    """Return ``<family>_<feature>`` of the values (n_pixels,) at the true elements of (h, w).

    Raises
    ------
    InputProblem
        pyradiomics cannot measure them, most often because they are not finite.
    """
    filtered = np.zeros((1, *inside.shape), dtype=values.dtype)
    filtered[0, inside] = values
    spacing = (1.0, *spacing_mm)
    volumes = [_as_volume(filtered, spacing), _as_volume(inside[np.newaxis], spacing)]
    features: dict[str, float] = {}
    for family, names in families.items():
        try:
            kernel = getFeatureClasses()[family](*volumes, label=1, binWidth=bin_width)
            kernel.enabledFeatures = dict.fromkeys(names, True)
            measured = kernel.execute()
        except (ValueError, RuntimeError) as error:
            raise _as_problem(error) from error
        features |= {f"{family}_{name}": float(value) for name, value in measured.items()}
    return features


def _as_problem(error: Exception) -> InputProblem:
    """Return an error of pyradiomics as a problem of the lesion."""
    text = " ".join(str(error).split())
    code = "M15" if text.lower().startswith(("mask", "size of the roi")) else "D48"
    return InputProblem(
        code, f"pyradiomics cannot measure this lesion: {text}", "look at the image and its mask"
    )


def _as_volume(array: NDArray[np.generic], spacing_mm: tuple[float, ...]) -> sitk.Image:
    """Return an array as an image; spacing in the order of its axes."""
    plain = array.astype(np.uint8) if array.dtype == np.bool_ else array
    volume = sitk.GetImageFromArray(plain)
    volume.SetSpacing(spacing_mm[::-1])
    return volume


@lru_cache(maxsize=4)
def _extractor(parameters: str) -> RadiomicsFeatureExtractor:
    setVerbosity(logging.CRITICAL)
    return RadiomicsFeatureExtractor(json.loads(parameters), additionalInfo=False)


def check_packages(preset: Preset) -> None:
    """Refuse a preset with a filter that this environment lacks a package for.

    Raises
    ------
    BadConfig
        The sentence names the package, the versions that do, and the version that was found.
    """
    for image_type in preset.parameters.get("imageType", {}):
        if image_type == "LBP2D" and preset.engine == "plane":
            continue
        for need in NEEDS.get(image_type, ()):
            _check(need, f"image type {image_type} of radiomics.preset {preset.name}")


def _check(need: Need, purpose: str) -> None:
    try:
        getattr(import_module(need.module), need.attribute)
    except (ImportError, AttributeError) as error:
        raise BadConfig(
            f"expected {need.package} {need.versions} for {purpose}, found "
            f"{_installed_version(need)}; install it, or choose a set of features without it"
        ) from error


def _installed_version(need: Need) -> str:
    try:
        installed = version(need.package)
        return f"{need.package} {installed}, which lacks {need.module}.{need.attribute}"
    except PackageNotFoundError:
        return "none"
