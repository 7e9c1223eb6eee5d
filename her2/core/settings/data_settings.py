"""Settings of what is studied: cohort, split, enhancement, radiomic features, selection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from her2.core.errors import BadConfig
from her2.core.settings.base import setting, settings

Share = Annotated[float, Field(gt=0, lt=1)]
Perturbed = Literal["erosion", "dilation", "shift", "contour", "gain", "noise"]

# clinical variables of a reader that names none itself; of a folder they must be named
CLINICAL = {
    "phantom": [
        "age", "ki67", "cea", "ca125", "ca199", "ca153", "er", "pr", "lymph_node_metastasis",
        "calcification", "menopause", "family_history",
    ],
    "breast_lesions_usg": ["age"],
    "folder": [],
}  # fmt: skip


@settings("cohort")
class CohortSettings:
    """Group `cohort`: which patients, images and clinical variables."""

    reader: Literal["folder", "breast_lesions_usg", "phantom"] = setting(
        "folder",
        description="how the cohort is laid out: a folder with a table, the public data set "
        "BrEaST-Lesions-USG as published, or a simulated cohort",
    )
    root: str | None = setting(
        None, min_length=1, description="the folder; a simulated cohort needs none"
    )
    table: str | None = setting(
        None, description="another name of the table than cohort.csv or cohort.xlsx"
    )
    positive: str | None = setting(
        None, description="the text of a positive outcome, for example malignant"
    )
    clinical: list[str] | None = setting(
        None,
        description="columns of the table that are clinical variables; null: the reader's own "
        "(none of a folder)",
    )
    features: str | None = setting(
        None, description="a csv or parquet file with features that were extracted elsewhere"
    )
    frame: Literal["largest_lesion"] | None = setting(
        None,
        description="which image of a stack is taken where the table has no column frame; null: "
        "stacks are refused",
    )
    n_patients: int = setting(210, ge=2, description="size of a simulated cohort")
    seed: int = setting(0, ge=0, description="random numbers of a simulated cohort")
    image_shape: list[Annotated[int, Field(ge=128)]] = setting(
        [400, 500], min_length=2, max_length=2,
        description="height and width of simulated images in pixels",
    )  # fmt: skip
    max_quarantine: float = setting(
        0.0, ge=0, le=1,
        description="share of lesions that may be left out before the exit status is 1",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> CohortSettings:
        if self.reader != "phantom" and self.root is None:
            raise BadConfig(
                f"expected cohort.root=DIR with cohort={self.reader}, found none; name the folder"
            )
        if self.reader == "breast_lesions_usg":
            for name in ("table", "frame"):
                if getattr(self, name) is not None:
                    raise BadConfig(
                        f"expected no cohort.{name} for breast_lesions_usg, found one; leave it "
                        "out"
                    )
        return self

    @property
    def clinical_names(self) -> tuple[str, ...]:
        """Columns that are clinical variables."""
        return tuple(CLINICAL[self.reader] if self.clinical is None else self.clinical)


@settings("split")
class SplitSettings:
    """Group `split`: share of the patients that is held out."""

    test_size: float = setting(
        0.3, gt=0, lt=1,
        description="share of the patients that is held out, stratified by outcome, grouped by "
        "patient",
    )  # fmt: skip


@settings("enhance.generator")
class GeneratorSettings:
    """Section `enhance.generator`: the network that enlarges images."""

    n_blocks: int = setting(
        6, ge=1, description="residual-in-residual blocks (4.4 million parameters; ESRGAN has 23)"
    )
    n_channels: int = setting(64, ge=1, description="width of the blocks")
    back_projection: bool = setting(
        True, description="whether the result, shrunk, is exactly the image that went in"
    )


@settings("enhance.loss")
class EnhanceLossSettings:
    """Section `enhance.loss`: weights of the losses beside L1's 1."""

    gradient: float = setting(0.5, ge=0, description="weight of the loss of grey-level gradients")
    feature_matching: float = setting(
        0.5, ge=0, description="weight of the distance of the discriminator's features"
    )
    adversarial: float = setting(0.01, ge=0, description="weight of the adversarial loss")


@settings("enhance")
class EnhanceSettings:
    """Group `enhance`: what is done to images before features are read."""

    method: Literal["none", "bicubic", "srgan"] = setting(
        "none",
        description="images as they are, 4 x bicubic, or 4 x by a generative network fitted on "
        "the training patients",
    )
    weights: str | None = setting(
        None,
        description="a safetensors file that declares whose images it has seen, in place of a fit",
    )
    generator: GeneratorSettings = setting(factory=GeneratorSettings)
    discriminator_channels: int = setting(64, ge=1, description="width of the discriminator")
    loss: EnhanceLossSettings = setting(factory=EnhanceLossSettings)
    max_steps_pixel: int = setting(
        10000, ge=0, description="steps of the first stage, with the pixel losses alone"
    )
    max_steps_adversarial: int = setting(
        5000, ge=0, description="steps of the second stage, with the discriminator"
    )
    steps_per_epoch: int = setting(
        250, ge=1, description="steps between two checkpoints and previews"
    )
    patch_size: int = setting(32, ge=1, description="side of a small patch in pixels")
    batch_size: int = setting(8, ge=1, description="patches in a step")
    learning_rate: float = setting(2e-4, gt=0, description="step size of both networks")
    ema: float = setting(0.999, ge=0, lt=1, description="decay of the averaged weights")
    tile_size: int = setting(256, ge=1, description="side of a tile of a frame in pixels")
    accelerator: str = setting("auto", description="auto, cpu or gpu")
    n_threads: int = setting(
        1, ge=1, description="threads of the CPU while fitting; the last bits depend on it"
    )
    n_evidence: int = setting(
        60, ge=0,
        description="most held-out lesions on which the table of evidence is measured; 0: none",
    )  # fmt: skip
    compare: bool = setting(
        False,
        description="fit every arm to native images as well: the AUC with and without, paired "
        "(twice the work)",
    )

    @model_validator(mode="after")
    def _check(self) -> EnhanceSettings:
        if self.weights is not None and self.method != "srgan":
            raise BadConfig(
                f"expected enhance.weights with enhance=srgan only, found enhance.method "
                f"{self.method}; leave it out"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Steps of both stages."""
        return self.max_steps_pixel + self.max_steps_adversarial


@settings("radiomics")
class RadiomicsSettings:
    """Group `radiomics`: feature set and region."""

    preset: Literal["paper_1561", "us2d"] = setting(
        "paper_1561",
        description="14 shape features and 17 image types x 91 of one slice, or 9 and 14 x 91 of "
        "a true 2-D image",
    )
    params: str | None = setting(
        None, description="a parameter file of pyradiomics (YAML or JSON) in place of the preset"
    )
    region: Literal["lesion", "ring", "both"] = setting(
        "lesion", description="what is measured: the lesion, the tissue around it, or both"
    )
    ring_mm: float = setting(
        3.0, gt=0,
        description="width of the ring in millimetres: best of 1, 3 and 5 in "
        "doi:10.1186/s40001-025-03698-7",
    )  # fmt: skip
    ring_px: float | None = setting(
        None, gt=0, description="width of the ring in pixels, for images without a pixel size"
    )
    harmonise: Literal["none", "combat"] = setting(
        "none",
        description="ComBat takes the vendor's effect out, learned from training patients",
    )
    robustness: list[Perturbed] = setting(
        [], description="changes of mask and image under which the features are measured again"
    )


@settings("selection")
class SelectionSettings:
    """Group `selection`: the chain of filters that is fitted inside every fold."""

    method: Literal["paper", "lasso", "mrmr", "boruta", "stability", "none"] = setting(
        "paper",
        description="t-test, correlation and LASSO (paper), LASSO alone, mRMR, Boruta, stability "
        "selection, or z-scores alone",
    )
    alpha: float = setting(
        0.05, gt=0, le=1, description="level of the t-test (paper) or of Boruta's binomial tests"
    )
    equal_variance: bool = setting(True, description="Student's t-test; false: Welch's (paper)")
    correlation: float = setting(
        0.8, gt=0, le=1,
        description="of two features with a larger |r| one is dropped (paper, boruta, stability)",
    )  # fmt: skip
    lasso_folds: int = setting(
        10, ge=2, description="folds that choose the LASSO's penalty (paper, lasso)"
    )
    reader_icc: Share | None = setting(
        None,
        description="smallest lower limit of the ICC between two readers' features; .75 is usual",
    )
    robust_icc: Share | None = setting(
        None,
        description="smallest lower limit of the ICC under the changes of radiomics.robustness; "
        ".75 is usual",
    )
    n_features: int = setting(20, ge=1, description="features to choose (mrmr)")
    n_rounds: int = setting(60, ge=1, description="forests (boruta)")
    n_trees: int = setting(50, ge=1, description="trees in a forest (boruta)")
    n_pairs: int = setting(50, ge=1, description="pairs of complementary halves (stability)")
    threshold: float = setting(
        0.6, gt=0.5, le=1, description="share of halves that select a kept feature (stability)"
    )
    max_false: float = setting(
        1.0, gt=0,
        description="bound on the expected number of falsely kept features (stability)",
    )  # fmt: skip
