"""pyradiomics as it is: stacks, parameter files, and grey values that no kernel here takes.

pyradiomics leaves a whole family out, with one line in its log, where a package is missing;
`check_packages` names the package and its version instead.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import yaml
from numpy.typing import NDArray
from pykwalify.errors import PyKwalifyException
from radiomics import getFeatureClasses, setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.core.errors import BadConfig, InputProblem
from her2.core.store import check_regular
from her2.radiomics.parameters import FAMILIES, PRESETS, Preset
from her2.radiomics.roi import BoolArray, FloatArray

# what filters of pyradiomics import, ``from module import attribute``, and which versions of a
# package have it; the plane engine has local patterns of its own
_NEEDS = {
    "LBP3D": (
        ("scipy.special", "sph_harm", "scipy", "below 1.17"),
        ("trimesh.creation", "icosphere", "trimesh", "4.5 or later"),
    ),
    "LBP2D": (("skimage.feature", "local_binary_pattern", "scikit-image", "0.22 or later"),),
}


_PHANTOM_SIDE = 64
_LEFT_OUT = {
    "LoG": "it needs 4 voxels on every axis and a slice has one: choose radiomics.preset us2d",
}
_PREFIXES = {
    "Original": "original_", "Wavelet": "wavelet", "LoG": "log-sigma", "Square": "square_",
    "SquareRoot": "squareroot_", "Logarithm": "logarithm_", "Exponential": "exponential_",
    "Gradient": "gradient_", "LBP2D": "lbp-2D", "LBP3D": "lbp-3D",
}  # fmt: skip


def pyradiomics_features(
    image: FloatArray, mask: BoolArray, spacing_mm: tuple[float, ...], parameters: dict[str, Any]
) -> dict[str, float]:
    """Return the features that pyradiomics computes; axes (z, y, x), one z for a slice."""
    label = parameters.get("setting", {}).get("label", 1)
    labels = mask.astype(np.uint32) * label
    volumes = [_as_volume(x, spacing_mm) for x in (image, labels)]
    try:
        measured = _extractor(json.dumps(parameters)).execute(*volumes)
    except (ValueError, RuntimeError) as error:
        raise _as_problem(error) from error
    return {k: float(v) for k, v in measured.items() if not k.startswith("diagnostics_")}


def features_of_values(
    values: NDArray[np.floating], inside: BoolArray, spacing_mm: tuple[float, float],
    bin_width: float,
) -> dict[str, float]:  # fmt: skip
    """Return ``<family>_<feature>`` of the values (n_pixels,) at the true elements of (h, w)."""
    filtered = np.zeros((1, *inside.shape), dtype=values.dtype)
    filtered[0, inside] = values
    spacing = (1.0, *spacing_mm)
    volumes = [_as_volume(filtered, spacing), _as_volume(inside[np.newaxis], spacing)]
    features: dict[str, float] = {}
    for family, names in FAMILIES.items():
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
    """Refuse a preset with a filter that this environment lacks a package for."""
    for image_type in preset.parameters.get("imageType", {}):
        if image_type == "LBP2D" and preset.engine == "plane":
            continue
        for module, attribute, package, versions in _NEEDS.get(image_type, ()):
            try:
                getattr(import_module(module), attribute)
            except (ImportError, AttributeError) as error:
                raise BadConfig(
                    f"expected {package} {versions} for image type {image_type} of "
                    f"radiomics.preset {preset.name}, found "
                    f"{_installed(package, f'{module}.{attribute}')}; install it, or choose a set "
                    "of features without it"
                ) from error


def _installed(package: str, lacking: str) -> str:
    try:
        return f"{package} {version(package)}, which lacks {lacking}"
    except PackageNotFoundError:
        return "none"


def read_parameter_file(path: str | Path) -> Preset:
    """Return the preset that a parameter file describes, for slices.

    A file that says what a preset of this package says is that preset. Otherwise pyradiomics
    itself measures, and the names of the features are those it gives for a phantom. `BadConfig`
    refuses a file of another schema, and what a slice or this environment does not have.

    References
    ----------
    https://pyradiomics.readthedocs.io/en/v3.0.1/customization.html#parameter-file
    """
    parameters = _parse(Path(path))
    _validate(parameters, Path(path))
    for make in PRESETS.values():
        if make().parameters == parameters and make().n_dimensions == 2:
            return make()
    preset = Preset(Path(path).name, parameters, ())
    check_packages(preset)
    names = _names_on_phantom(preset)
    _check_filters(preset, names)
    return Preset(preset.name, parameters, names)


def _parse(path: Path) -> dict[str, Any]:
    fix = "set radiomics.params to a YAML or JSON file"
    check_regular(path, "a parameter file of pyradiomics", fix)
    try:
        parameters = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _not_a_parameter_file(path, str(error)) from error
    if not isinstance(parameters, dict) or not parameters:
        raise _not_a_parameter_file(path, "no settings")
    return {str(key): value for key, value in parameters.items()}


def _validate(parameters: dict[str, Any], path: Path) -> None:
    """Refuse what pyradiomics' own schema refuses."""
    logging.getLogger("pykwalify").setLevel(logging.CRITICAL)
    try:
        RadiomicsFeatureExtractor(parameters)
    except (PyKwalifyException, ValueError, TypeError) as error:
        raise _not_a_parameter_file(path, str(error)) from error


def _not_a_parameter_file(path: Path, found: str) -> BadConfig:
    return BadConfig(
        f"expected {path.name!r} to be a parameter file of pyradiomics, found "
        f"{' '.join(found.split())[:300]}; see its documentation of customization"
    )


def _names_on_phantom(preset: Preset) -> tuple[str, ...]:
    """Return the names that pyradiomics gives for a disc of speckle on a slice."""
    rows, columns = np.indices((_PHANTOM_SIDE, _PHANTOM_SIDE))
    disc = np.hypot(rows - _PHANTOM_SIDE / 2, columns - _PHANTOM_SIDE / 2) < _PHANTOM_SIDE / 4
    speckle = np.random.default_rng(0).rayleigh(50.0, disc.shape)
    try:
        found = pyradiomics_features(
            speckle[np.newaxis], disc[np.newaxis], (1.0, 1.0, 1.0), preset.parameters
        )
    except InputProblem as error:
        raise BadConfig(
            f"expected {preset.name!r} to suit a slice, found that of a phantom {error.what}"
        ) from error
    return tuple(found)


def _check_filters(preset: Preset, names: tuple[str, ...]) -> None:
    """Refuse a file of which pyradiomics silently left out an image type or family."""
    for image_type in preset.parameters.get("imageType") or {}:
        prefix = _PREFIXES[image_type]
        if not any(name.startswith(prefix) and "_shape" not in name for name in names):
            reason = _LEFT_OUT.get(image_type, "leave it out of the file")
            raise BadConfig(
                f"expected features of image type {image_type} from {preset.name!r}, found none; "
                f"{reason}"
            )
    for family in preset.parameters.get("featureClass") or {}:
        if not any(f"_{family}_" in name for name in names):
            raise BadConfig(
                f"expected features of family {family} from {preset.name!r}, found none; "
                "shape2D needs force2D: true"
            )
