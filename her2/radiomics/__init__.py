"""Radiomic features: presets, extraction of one lesion, and the table of a cohort."""

from her2.radiomics.extraction import extract_features
from her2.radiomics.parameter_file import read_parameter_file
from her2.radiomics.table import FeatureTable, extract_table

__all__ = ["FeatureTable", "extract_features", "extract_table", "read_parameter_file"]
