"""Which features a preset holds, name by name, independent of what the environment can compute.

pyradiomics drops a whole family with one log line when a package is missing; the names listed
here are what its output is held against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SHAPE = (
    "Elongation", "Flatness", "LeastAxisLength", "MajorAxisLength", "Maximum2DDiameterColumn",
    "Maximum2DDiameterRow", "Maximum2DDiameterSlice", "Maximum3DDiameter", "MeshVolume",
    "MinorAxisLength", "Sphericity", "SurfaceArea", "SurfaceVolumeRatio", "VoxelVolume",
)  # fmt: skip
FIRST_ORDER = (
    "10Percentile", "90Percentile", "Energy", "Entropy", "InterquartileRange", "Kurtosis",
    "Maximum", "MeanAbsoluteDeviation", "Mean", "Median", "Minimum", "Range",
    "RobustMeanAbsoluteDeviation", "RootMeanSquared", "Skewness", "TotalEnergy", "Uniformity",
    "Variance",
)  # fmt: skip
GLCM = (
    "Autocorrelation", "JointAverage", "ClusterProminence", "ClusterShade", "ClusterTendency",
    "Contrast", "Correlation", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance",
    "JointEnergy", "JointEntropy", "Imc1", "Imc2", "Idm", "Idmn", "Id", "Idn",
    "InverseVariance", "MaximumProbability", "SumEntropy", "SumSquares",
)  # fmt: skip
GLRLM = (
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance",
    "HighGrayLevelRunEmphasis", "LongRunEmphasis", "LongRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis", "LowGrayLevelRunEmphasis", "RunEntropy",
    "RunLengthNonUniformity", "RunLengthNonUniformityNormalized", "RunPercentage",
    "RunVariance", "ShortRunEmphasis", "ShortRunHighGrayLevelEmphasis",
    "ShortRunLowGrayLevelEmphasis",
)  # fmt: skip
GLSZM = (
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance",
    "HighGrayLevelZoneEmphasis", "LargeAreaEmphasis", "LargeAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis", "LowGrayLevelZoneEmphasis", "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized", "SmallAreaEmphasis", "SmallAreaHighGrayLevelEmphasis",
    "SmallAreaLowGrayLevelEmphasis", "ZoneEntropy", "ZonePercentage", "ZoneVariance",
)  # fmt: skip
GLDM = (
    "DependenceEntropy", "DependenceNonUniformity", "DependenceNonUniformityNormalized",
    "DependenceVariance", "GrayLevelNonUniformity", "GrayLevelVariance",
    "HighGrayLevelEmphasis", "LargeDependenceEmphasis", "LargeDependenceHighGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis", "LowGrayLevelEmphasis", "SmallDependenceEmphasis",
    "SmallDependenceHighGrayLevelEmphasis", "SmallDependenceLowGrayLevelEmphasis",
)  # fmt: skip
NGTDM = ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength")

IMAGE_TYPES = (
    "original", "wavelet-LLH", "wavelet-LHL", "wavelet-LHH", "wavelet-HLL", "wavelet-HLH",
    "wavelet-HHL", "wavelet-HHH", "wavelet-LLL", "square", "squareroot", "logarithm",
    "exponential", "gradient", "lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k",
)  # fmt: skip
FAMILIES = {
    "firstorder": FIRST_ORDER,
    "glcm": GLCM,
    "glrlm": GLRLM,
    "glszm": GLSZM,
    "gldm": GLDM,
    "ngtdm": NGTDM,
}
REQUIRED_BY = {"lbp-3D": "SciPy below 1.17 and trimesh", "wavelet": "PyWavelets"}


@dataclass(frozen=True)
class Preset:
    """A named configuration: what pyradiomics is told and the names it must answer with."""

    name: str
    parameters: dict[str, Any]
    feature_names: tuple[str, ...]


def paper_1561() -> Preset:
    """Return the paper's set on one slice: 14 shape + 17 image types x 91 = 1,561 features."""
    feature_class: dict[str, list[str]] = {"shape": []}
    feature_class |= {family: list(names) for family, names in FAMILIES.items()}
    parameters: dict[str, Any] = {
        "imageType": {
            name: {}
            for name in (
                "Original", "Wavelet", "Square", "SquareRoot", "Logarithm", "Exponential",
                "Gradient", "LBP3D",
            )
        },
        "featureClass": feature_class,
        "setting": {"binWidth": 25, "label": 1},
    }  # fmt: skip
    names = tuple(f"original_shape_{name}" for name in SHAPE) + tuple(
        f"{image_type}_{family}_{name}"
        for image_type in IMAGE_TYPES
        for family, members in FAMILIES.items()
        for name in members
    )
    return Preset("paper_1561", parameters, names)


PRESETS = {"paper_1561": paper_1561}


def family_of(feature_name: str) -> str:
    """Return the family of a feature by its name, for example ``glcm``."""
    return feature_name.split("_")[1]
