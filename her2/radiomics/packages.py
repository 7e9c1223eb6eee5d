"""Packages that a filter needs: one that is missing is told of by name and version.

pyradiomics itself leaves the whole family out, with one line in its log.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from her2.core.errors import BadConfig
from her2.radiomics.parameters import Preset


@dataclass(frozen=True)
class Need:
    """What a filter imports: name of module.attribute, of the package, and its versions."""

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
            f"expected {need.package} {need.versions} for {purpose}, found {_found(need)}; "
            "install it, or choose a set of features without it"
        ) from error


def _found(need: Need) -> str:
    try:
        installed = version(need.package)
        return f"{need.package} {installed}, which lacks {need.module}.{need.attribute}"
    except PackageNotFoundError:
        return "none"
