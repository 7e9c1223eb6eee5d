"""How the table of what super-resolution is worth is shown."""

from __future__ import annotations

from typing import Any

from her2.report.columns import INTERVAL, Shown, TableSpec, decimal, estimate, whole, words
from her2.report.formats import arm_cell, text_cell
from her2.report.page_parts import Cell

MEASURES = {
    "psnr": "PSNR, dB",
    "psnr_gain": "PSNR, gain over bicubic",
    "ssim": "SSIM",
    "ssim_gain": "SSIM, gain over bicubic",
    "consistency_psnr": "PSNR of the enlarged image, shrunk",
    "icc_share": "Share of features with an ICC of at least .75",
    "auc": "AUC, out of fold",
    "auc_gain": "AUC, gain over native images",
}
METHODS = {"none": "native", "bicubic": "bicubic", "srgan": "super-resolution"}


def measure_cell(value: Any, absent: str = "") -> Cell:
    """Name of a measure.

    Examples
    --------
    >>> measure_cell("psnr").text, measure_cell("mine").text
    ('PSNR, dB', 'mine')
    """
    return text_cell(MEASURES.get(str(value), value), absent)


def method_cell(value: Any, absent: str = "") -> Cell:
    """Name of a method."""
    return text_cell(METHODS.get(str(value), value), absent)


SUPER_RESOLUTION = TableSpec(
    "Super-resolution on patients that it was not fitted on",
    (
        Shown("Measure", ("measure",), measure_cell, is_numeric=False),
        Shown("Family or arm", ("family",), arm_cell, is_numeric=False),
        Shown("Method", ("method",), method_cell, is_numeric=False),
        whole("n", "n"),
        estimate(f"Value{INTERVAL}", "value"),
    ),
    note=(
        "PSNR and SSIM: held-out images, each once, shrunk to a quarter by area and enlarged "
        "again, against what they were; the mean of a patient's images first, then over patients "
        "(n patients), with Student's interval; the gain is taken image by image. Shares, where a "
        "run reads radiomic features: of restored against native lesions, ICC(2,1); n features, "
        "the interval is of patients drawn anew with all their lesions. AUC, where "
        "enhance.compare=true: with enhancement and without; the gain has DeLong's paired "
        "interval."
    ),
    empty="No evidence was measured (enhance.n_evidence=0).",
    blocks_by="measure",
)

HISTORY = TableSpec(
    "Fit of the generator",
    (
        words("Stage", "stage"),
        whole("Step", "step"),
        decimal("L1", "pixel", 4),
        decimal("Gradient", "gradient", 4),
        decimal("Feature matching", "feature_matching", 4, absent=""),
        decimal("Adversarial", "adversarial", 4, absent=""),
        decimal("Discriminator", "discriminator", 4, absent=""),
        decimal("PSNR", "psnr", 2, absent=""),
        decimal("PSNR, bicubic", "psnr_bicubic", 2, absent=""),
    ),
    note=(
        "Mean losses of the steps since the row before; PSNR of training patients' images that "
        "were not fitted on."
    ),
    is_folded=True,
)
