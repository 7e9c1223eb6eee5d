"""Radiomic features: presets, extraction of one lesion, the table of a cohort, robustness."""

from her2.radiomics.extraction import extract_features
from her2.radiomics.feature_table import FeatureTable, extract_table
from her2.radiomics.perturbation import Perturbation
from her2.radiomics.pyradiomics_engine import read_parameter_file
from her2.radiomics.recipe import Recipe
from her2.radiomics.region import Length, peritumoural_ring
from her2.radiomics.robustness import feature_robustness

__all__ = [
    "FeatureTable", "Length", "Perturbation", "Recipe", "extract_features", "extract_table",
    "feature_robustness", "peritumoural_ring", "read_parameter_file",
]  # fmt: skip
