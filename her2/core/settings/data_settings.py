"""Settings of what is studied: cohort, split, enhancement, radiomic features, selection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from her2.core.errors import BadConfig
from her2.core.settings.base import setting, settings

Share = Annotated[float, Field(gt=0, lt=1)]
Level = Annotated[int, Field(ge=0, le=255)]
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


@settings("cohort.variables")
class VariableSettings:
    """An entry of `cohort.variables`: what is declared of one clinical variable."""

    label: str | None = setting(None, "its name in tables and figures", min_length=1)
    unit: str | None = setting(None, "its unit, for cells that name none", min_length=1)
    kind: Literal["number", "category"] | None = setting(
        None, "what it is; null: its cells decide"
    )
    levels: dict[str, list[str]] | list[str] | None = setting(
        None, "its levels, or each level with the texts that mean it; no other is accepted"
    )
    range: list[float] | None = setting(
        None, "smallest and largest value; no other is accepted", min_length=2, max_length=2
    )

    @property
    def is_category(self) -> bool:
        """Whether it is declared a category."""
        return self.kind == "category" or self.levels is not None

    @model_validator(mode="after")
    def _check(self) -> VariableSettings:
        if self.levels is not None and (self.kind == "number" or self.range is not None):
            raise BadConfig(
                "expected levels of a category or a range of a number in cohort.variables, found "
                "both of one variable; leave out one"
            )
        if self.range is not None and not self.range[0] < self.range[1]:
            raise BadConfig(
                f"expected range in cohort.variables as [smallest, largest], found {self.range}; "
                "correct it"
            )
        return self


@settings("cohort")
class CohortSettings:
    """Group `cohort`: which patients, images and clinical variables."""

    reader: Literal["folder", "breast_lesions_usg", "phantom"] = setting(
        "folder", "how the cohort is laid out: a folder with a table, the public data set "
        "BrEaST-Lesions-USG as published, or a simulated cohort",
    )  # fmt: skip
    root: str | None = setting(None, "the folder; a simulated cohort needs none", min_length=1)
    table: str | None = setting(None, "another name of the table than cohort.csv or cohort.xlsx")
    sheet: str | None = setting(
        None, "the sheet of a workbook; null: the only visible one with the column patient_id",
        min_length=1,
    )  # fmt: skip
    encoding: str | None = setting(
        None, "encoding of a csv table, for example gb18030 or cp1252; null: as the file shows it",
        min_length=1,
    )  # fmt: skip
    positive: str | None = setting(None, "the text of a positive outcome, for example malignant")
    clinical: list[str] | None = setting(
        None, "columns of the table that are clinical variables; null: the reader's own (none of "
        "a folder)",
    )  # fmt: skip
    missing_tokens: list[str] = setting(
        [], "texts or numbers that mean missing, such as [999,tbd], beside the well-known ones"
    )
    below_limit: Literal["half", "limit", "missing"] | None = setting(
        None, "what <5.0 is: half of it, itself, or missing (>5.0: itself, or missing); null: "
        "such cells are refused",
    )  # fmt: skip
    decimal: Literal["point", "comma"] | None = setting(
        None, "what stands before decimals; null: the cells decide where they can"
    )
    approximate: bool = setting(
        False, "whether ca. 20 is 20 and 30-40 is 35; false: such cells are refused"
    )
    variables: dict[str, VariableSettings] = setting(
        {}, "what is declared of clinical variables, by name: label, unit, kind (number or "
        "category), levels, range",
    )  # fmt: skip
    features: str | None = setting(
        None, "a csv or parquet file with features that were extracted elsewhere"
    )
    frame: Literal["largest_lesion"] | None = setting(
        None, "which image of a stack is taken where the table has no column frame; null: stacks "
        "are refused",
    )  # fmt: skip
    mask_label: int | None = setting(
        None, "of masks with several labels, the one of the lesion; null: these are left out", ge=1
    )
    mask_segment: str | None = setting(
        None, "of masks with named segments (3D Slicer, DICOM), the name of the lesion's",
        min_length=1,
    )  # fmt: skip
    mask_colour: list[Level] | None = setting(
        None, "of masks in several colours, the lesion's: [red,green,blue], each 0 to 255",
        min_length=3, max_length=3,
    )  # fmt: skip
    mask_scale: int | None = setting(
        None, "masks that are so many times as large as their image are reduced to it", ge=2
    )
    n_patients: int = setting(210, "size of a simulated cohort", ge=2)
    seed: int = setting(0, "random numbers of a simulated cohort", ge=0)
    image_shape: list[Annotated[int, Field(ge=128)]] = setting(
        [400, 500], "height and width of simulated images in pixels", min_length=2, max_length=2
    )
    max_quarantine: float = setting(
        0.0, "share of lesions that may be left out before the exit status is 1", ge=0, le=1
    )

    @model_validator(mode="after")
    def _check(self) -> CohortSettings:
        if self.reader != "phantom" and self.root is None:
            raise BadConfig(
                f"expected cohort.root=DIR with cohort={self.reader}, found none; name the folder"
            )
        if self.reader == "breast_lesions_usg":
            for name in (
                "table", "frame", "sheet", "encoding", "mask_label", "mask_segment",
                "mask_colour", "mask_scale",
            ):  # fmt: skip
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
    """Group `split`: who is held out, and by what."""

    test_size: float = setting(
        0.3, "share of the patients that is held out, stratified by outcome, grouped by patient; "
        "0: nobody, where external centres or cross-validation judge",
        ge=0, lt=1,
    )  # fmt: skip
    external: str | None = setting(
        None, "column of the table with the centre of every patient: one centre develops the "
        "models, every other one judges them",
        min_length=1,
    )  # fmt: skip
    development: list[str] | None = setting(
        None, "with split.external, the centres that train; null: the one with most patients"
    )
    leave_out: str | None = setting(
        None, "column of the table with the centre of every patient: each centre in turn is "
        "judged by models of the others (internal-external cross-validation)",
        min_length=1,
    )  # fmt: skip

    @property
    def centre(self) -> str | None:
        """The table's column with the centres, if one is read."""
        return self.external or self.leave_out


@settings("enhance.generator")
class GeneratorSettings:
    """Section `enhance.generator`: the network that enlarges images."""

    n_blocks: int = setting(
        6, "residual-in-residual blocks (4.4 million parameters; ESRGAN has 23)", ge=1
    )
    n_channels: int = setting(64, "width of the blocks", ge=1)
    back_projection: bool = setting(
        True, "whether the result, shrunk, is exactly the image that went in"
    )


@settings("enhance.loss")
class EnhanceLossSettings:
    """Section `enhance.loss`: weights of the losses beside L1's 1."""

    gradient: float = setting(0.5, "weight of the loss of grey-level gradients", ge=0)
    feature_matching: float = setting(
        0.5, "weight of the distance of the discriminator's features", ge=0
    )
    adversarial: float = setting(0.01, "weight of the adversarial loss", ge=0)


@settings("enhance")
class EnhanceSettings:
    """Group `enhance`: what is done to images before features are read."""

    method: Literal["none", "bicubic", "srgan"] = setting(
        "none", "images as they are, 4 x bicubic, or 4 x by a generative network fitted on the "
        "training patients",
    )  # fmt: skip
    weights: str | None = setting(
        None, "a safetensors file that declares whose images it has seen, in place of a fit"
    )
    generator: GeneratorSettings = setting(factory=GeneratorSettings)
    discriminator_channels: int = setting(64, "width of the discriminator", ge=1)
    loss: EnhanceLossSettings = setting(factory=EnhanceLossSettings)
    max_steps_pixel: int = setting(
        10000, "steps of the first stage, with the pixel losses alone", ge=0
    )
    max_steps_adversarial: int = setting(
        5000, "steps of the second stage, with the discriminator", ge=0
    )
    steps_per_epoch: int = setting(250, "steps between two checkpoints and previews", ge=1)
    patch_size: int = setting(32, "side of a small patch in pixels", ge=1)
    batch_size: int = setting(8, "patches in a step", ge=1)
    learning_rate: float = setting(2e-4, "step size of both networks", gt=0)
    ema: float = setting(0.999, "decay of the averaged weights", ge=0, lt=1)
    tile_size: int = setting(256, "side of a tile of a frame in pixels", ge=1)
    accelerator: str = setting("auto", "auto, cpu or gpu")
    n_threads: int = setting(
        1, "threads of the CPU while fitting; the last bits depend on it", ge=1
    )
    n_evidence: int = setting(
        60, "most held-out lesions on which the table of evidence is measured; 0: none", ge=0
    )
    compare: bool = setting(
        False, "fit every arm to native images as well: the AUC with and without, paired (twice "
        "the work)",
    )  # fmt: skip

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
        "paper_1561", "14 shape features and 17 image types x 91 of one slice, or 9 and 14 x 91 "
        "of a true 2-D image",
    )  # fmt: skip
    params: str | None = setting(
        None, "a parameter file of pyradiomics (YAML or JSON) in place of the preset"
    )
    region: Literal["lesion", "ring", "both"] = setting(
        "lesion", "what is measured: the lesion, the tissue around it, or both"
    )
    ring_mm: float = setting(
        3.0, "width of the ring in millimetres: best of 1, 3 and 5 in "
        "doi:10.1186/s40001-025-03698-7", gt=0,
    )  # fmt: skip
    ring_px: float | None = setting(
        None, "width of the ring in pixels, for images without a pixel size", gt=0
    )
    harmonise: Literal["none", "combat"] = setting(
        "none", "ComBat takes the vendor's effect out, learned from training patients"
    )
    robustness: list[Perturbed] = setting(
        [], "changes of mask and image under which the features are measured again"
    )


@settings("selection")
class SelectionSettings:
    """Group `selection`: the chain of filters that is fitted inside every fold."""

    method: Literal["paper", "lasso", "mrmr", "boruta", "stability", "none"] = setting(
        "paper", "t-test, correlation and LASSO (paper), LASSO alone, mRMR, Boruta, stability "
        "selection, or z-scores alone",
    )  # fmt: skip
    alpha: float = setting(
        0.05, "level of the t-test (paper) or of Boruta's binomial tests", gt=0, le=1
    )
    equal_variance: bool = setting(True, "Student's t-test; false: Welch's (paper)")
    correlation: float = setting(
        0.8, "of two features with a larger |r| one is dropped (paper, boruta, stability)",
        gt=0, le=1,
    )  # fmt: skip
    lasso_folds: int = setting(10, "folds that choose the LASSO's penalty (paper, lasso)", ge=2)
    reader_icc: Share | None = setting(
        None, "smallest lower limit of the ICC between two readers' features; .75 is usual"
    )
    robust_icc: Share | None = setting(
        None,
        "smallest lower limit of the ICC under the changes of radiomics.robustness; .75 is usual",
    )
    n_features: int = setting(20, "features to choose (mrmr)", ge=1)
    n_rounds: int = setting(60, "forests (boruta)", ge=1)
    n_trees: int = setting(50, "trees in a forest (boruta)", ge=1)
    n_pairs: int = setting(50, "pairs of complementary halves (stability)", ge=1)
    threshold: float = setting(
        0.6, "share of halves that select a kept feature (stability)", gt=0.5, le=1
    )
    max_false: float = setting(
        1.0, "bound on the expected number of falsely kept features (stability)", gt=0
    )
