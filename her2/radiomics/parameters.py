"""Which features a preset holds, name by name, independent of what the environment can compute.

pyradiomics drops a whole family with one log line when a package is missing; its output is
compared with the names listed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from her2.core.errors import BadConfig

SHAPE = (
    "Elongation", "Flatness", "LeastAxisLength", "MajorAxisLength", "Maximum2DDiameterColumn",
    "Maximum2DDiameterRow", "Maximum2DDiameterSlice", "Maximum3DDiameter", "MeshVolume",
    "MinorAxisLength", "Sphericity", "SurfaceArea", "SurfaceVolumeRatio", "VoxelVolume",
)  # fmt: skip
# the 16 statistics of sizes in their order; None where a family has no such feature
RUNS = (
    "ShortRunEmphasis", "LongRunEmphasis", "LowGrayLevelRunEmphasis", "HighGrayLevelRunEmphasis",
    "ShortRunLowGrayLevelEmphasis", "LongRunLowGrayLevelEmphasis",
    "ShortRunHighGrayLevelEmphasis", "LongRunHighGrayLevelEmphasis",
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized", "GrayLevelVariance", "RunVariance", "RunEntropy",
    "RunPercentage",
)  # fmt: skip
ZONES = (
    "SmallAreaEmphasis", "LargeAreaEmphasis", "LowGrayLevelZoneEmphasis",
    "HighGrayLevelZoneEmphasis", "SmallAreaLowGrayLevelEmphasis", "LargeAreaLowGrayLevelEmphasis",
    "SmallAreaHighGrayLevelEmphasis", "LargeAreaHighGrayLevelEmphasis",
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized", "GrayLevelVariance", "ZoneVariance", "ZoneEntropy",
    "ZonePercentage",
)  # fmt: skip
DEPENDENCES = (
    "SmallDependenceEmphasis", "LargeDependenceEmphasis", "LowGrayLevelEmphasis",
    "HighGrayLevelEmphasis", "SmallDependenceLowGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis", "SmallDependenceHighGrayLevelEmphasis",
    "LargeDependenceHighGrayLevelEmphasis", "GrayLevelNonUniformity", None,
    "DependenceNonUniformity", "DependenceNonUniformityNormalized", "GrayLevelVariance",
    "DependenceVariance", "DependenceEntropy", None,
)  # fmt: skip
FAMILIES: dict[str, tuple[str, ...]] = {
    "firstorder": (
        "10Percentile", "90Percentile", "Energy", "Entropy", "InterquartileRange", "Kurtosis",
        "Maximum", "MeanAbsoluteDeviation", "Mean", "Median", "Minimum", "Range",
        "RobustMeanAbsoluteDeviation", "RootMeanSquared", "Skewness", "TotalEnergy", "Uniformity",
        "Variance",
    ),
    "glcm": (
        "Autocorrelation", "JointAverage", "ClusterProminence", "ClusterShade", "ClusterTendency",
        "Contrast", "Correlation", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance",
        "JointEnergy", "JointEntropy", "Imc1", "Imc2", "Idm", "Idmn", "Id", "Idn",
        "InverseVariance", "MaximumProbability", "SumEntropy", "SumSquares",
    ),
    "glrlm": tuple(sorted(RUNS)),
    "glszm": tuple(sorted(ZONES)),
    "gldm": tuple(sorted(name for name in DEPENDENCES if name)),
    "ngtdm": ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength"),
}  # fmt: skip

IMAGE_TYPES = (
    "original", "wavelet-LLH", "wavelet-LHL", "wavelet-LHH", "wavelet-HLL", "wavelet-HLH",
    "wavelet-HHL", "wavelet-HHH", "wavelet-LLL", "square", "squareroot", "logarithm",
    "exponential", "gradient", "lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k",
)  # fmt: skip
PLANE_SHAPE = (
    "Elongation", "MajorAxisLength", "MaximumDiameter", "MeshSurface", "MinorAxisLength",
    "Perimeter", "PerimeterSurfaceRatio", "PixelSurface", "Sphericity",
)  # fmt: skip
LOG_SIGMAS_MM = (1.0, 2.0, 3.0)
LOG_TYPES = tuple(f"log-sigma-{sigma:.0f}-0-mm-3D" for sigma in LOG_SIGMAS_MM)
STACK_IMAGE_TYPES = (*IMAGE_TYPES[:9], *LOG_TYPES, *IMAGE_TYPES[9:])
PLANE_IMAGE_TYPES = (
    "original", "wavelet-LH", "wavelet-HL", "wavelet-HH", "wavelet-LL", *LOG_TYPES,
    "square", "squareroot", "logarithm", "exponential", "gradient", "lbp-2D",
)  # fmt: skip
SHAPE_FAMILIES = ("shape", "shape2D")
_ALL_FAMILIES = (*SHAPE_FAMILIES, *FAMILIES)
DEEP = "deep"
RING_PREFIX = "ring_"
OTHER = "other"
BIN_WIDTH = 25
_POINT_FILTERS = ("Square", "SquareRoot", "Logarithm", "Exponential", "Gradient")
# uniform patterns are 0 to 9: one bin of the usual width would hold them all
_PATTERN_BIN_WIDTH = 1

Engine = Literal["volume", "plane", "pyradiomics"]


@dataclass(frozen=True)
class Preset:
    """A named configuration of pyradiomics.

    Attributes
    ----------
    name
        Of the preset, or of the parameter file.
    parameters
        In pyradiomics' schema.
    feature_names
        What the extraction must return, in order.
    engine
        Which code measures: this package's kernels for a slice as a ``volume`` one slice thick or
        as a ``plane``, or ``pyradiomics`` itself.
    n_dimensions
        Of the images, 2 or 3.
    """

    name: str
    parameters: dict[str, Any]
    feature_names: tuple[str, ...]
    engine: Engine = "pyradiomics"
    n_dimensions: int = 2

    def bin_width(self, image_type: str) -> float:
        """Return the bin width of grey values of an image type."""
        own = self.parameters["imageType"].get("LBP2D", {}) if image_type == "lbp-2D" else {}
        return float(own.get("binWidth", self.parameters["setting"]["binWidth"]))


def paper_1561() -> Preset:
    """Return the paper's set on one slice: 14 shape + 17 image types x 91 = 1,561 features."""
    return _preset("paper_1561", IMAGE_TYPES, "volume")


def volume_1834() -> Preset:
    """Return the paper's set with LoG, for stacks: 14 shape + 20 image types x 91 = 1,834."""
    return _preset("volume_1834", STACK_IMAGE_TYPES, "pyradiomics", n_dimensions=3)


def us2d() -> Preset:
    """Return a set for a slice as a plane: 9 shape + 14 image types x 91 = 1,283 features.

    Four wavelet bands, LoG, and local patterns on a circle: no filter looks for a third dimension
    that is not there. ``parameters`` are for a two-dimensional image; pyradiomics' force2D on a
    volume one slice thick gives the same values, without LoG.
    """
    return _preset("us2d", PLANE_IMAGE_TYPES, "plane")


def _preset(
    name: str, image_types: tuple[str, ...], engine: Engine, n_dimensions: int = 2
) -> Preset:
    """Return a preset with new parameters in pyradiomics' schema."""
    in_plane = engine == "plane"
    filters: dict[str, dict[str, Any]] = {"Original": {}, "Wavelet": {}}
    if LOG_TYPES[0] in image_types:
        filters["LoG"] = {"sigma": list(LOG_SIGMAS_MM)}
    filters |= {point_filter: {} for point_filter in _POINT_FILTERS}
    filters |= {"LBP2D": {"binWidth": _PATTERN_BIN_WIDTH}} if in_plane else {"LBP3D": {}}
    shape, members = ("shape2D", PLANE_SHAPE) if in_plane else ("shape", SHAPE)
    feature_class = {shape: [], **{family: list(names) for family, names in FAMILIES.items()}}
    parameters = {
        "imageType": filters,
        "featureClass": feature_class,
        "setting": {"binWidth": BIN_WIDTH, "label": 1},
    }
    names = [f"original_{shape}_{member}" for member in members]
    names += [
        f"{x}_{family}_{y}" for x in image_types for family in FAMILIES for y in FAMILIES[family]
    ]
    return Preset(name, parameters, tuple(names), engine, n_dimensions)


PRESETS = {"paper_1561": paper_1561, "us2d": us2d, "volume_1834": volume_1834}


def find_preset(name: str) -> Preset:
    """Return a preset by name; an unknown one is refused with the known ones.

    Examples
    --------
    >>> len(find_preset("paper_1561").feature_names)
    1561
    """
    if name not in PRESETS:
        raise BadConfig(
            f"expected radiomics.preset to be one of {', '.join(PRESETS)}, found {name!r}"
        )
    return PRESETS[name]()


def image_type_and_family(name: str) -> tuple[str, str]:
    """Return (image type, family) of a feature's name.

    Names are those of pyradiomics, with ``ring_`` in front for the ring around the lesion; a
    component of deep features is ``deep_pc_<number>``; anything else belongs to
    the family ``other``.

    Examples
    --------
    >>> image_type_and_family("wavelet-LLH_glcm_Contrast")
    ('wavelet-LLH', 'glcm')
    >>> image_type_and_family("deep_pc_7"), image_type_and_family("tumour_grade")
    (('deep', 'deep'), ('other', 'other'))
    >>> image_type_and_family("ring_original_glcm_Contrast")
    ('ring_original', 'glcm')
    """
    if name.startswith(RING_PREFIX):
        image_type, family = image_type_and_family(name.removeprefix(RING_PREFIX))
        return (f"{RING_PREFIX}{image_type}" if family in _ALL_FAMILIES else OTHER), family
    image_type, _, rest = name.partition("_")
    if image_type == DEEP and rest.startswith("pc_"):
        return DEEP, DEEP
    family = rest.partition("_")[0]
    return (image_type, family) if family in _ALL_FAMILIES else (OTHER, OTHER)


def family_counts(names: Sequence[str]) -> pd.DataFrame:
    """Return the number of features by image type and family, in the order of the names.

    Examples
    --------
    >>> family_counts(["original_glcm_A", "original_glcm_B", "mine"]).to_numpy().tolist()
    [['original', 'glcm', 2], ['other', 'other', 1]]
    """
    pairs = pd.DataFrame(
        [image_type_and_family(name) for name in names], columns=["image_type", "family"]
    )
    return pairs.groupby(["image_type", "family"], sort=False).size().reset_index(name="n")
