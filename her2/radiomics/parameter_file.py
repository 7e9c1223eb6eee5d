"""A preset from a parameter file of pyradiomics, in its own schema (YAML or JSON)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pykwalify.errors import PyKwalifyException
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.core.errors import BadConfig, InputProblem, MissingInput
from her2.radiomics.parameters import PRESETS, Preset
from her2.radiomics.pyradiomics_engine import check_packages, pyradiomics_features

_PHANTOM_SIDE = 64
_LEFT_OUT = {
    "LoG": "it needs 4 voxels on every axis and a slice has one: choose radiomics.preset us2d",
}


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
    if not path.is_file():
        raise MissingInput(
            f"expected a parameter file of pyradiomics, found nothing at {str(path)!r}; set "
            "radiomics.params to a YAML or JSON file"
        )
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


_PREFIXES = {
    "Original": "original_", "Wavelet": "wavelet", "LoG": "log-sigma", "Square": "square_",
    "SquareRoot": "squareroot_", "Logarithm": "logarithm_", "Exponential": "exponential_",
    "Gradient": "gradient_", "LBP2D": "lbp-2D", "LBP3D": "lbp-3D",
}  # fmt: skip
