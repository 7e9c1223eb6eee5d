"""How the table of what super-resolution is worth is shown."""

from __future__ import annotations

from her2.report.columns import INTERVAL, TableSpec, decimal, estimate, name, whole, words

SUPER_RESOLUTION = TableSpec(
    "Super-resolution on patients that it was not fitted on",
    (
        words("Measure", "measure"),
        name("Family or arm", "family"),
        words("Method", "method"),
        whole("n", "n"),
        estimate(f"Value{INTERVAL}", "value"),
    ),
    note=(
        "psnr (dB) and ssim: held-out images, shrunk to a quarter by area and enlarged again, "
        "against what they were; the gain is over bicubic enlargement, image by image. "
        "consistency_psnr: the enlarged image, shrunk, against the one that went in. icc_share: "
        "share of a family's features with an ICC(2,1) of at least .75 between restored and "
        "native images (n features). auc: out of fold, with enhancement and without (none), and the "
        "paired gain (DeLong)."
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
