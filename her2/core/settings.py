"""The settings of a study, one dataclass a config group: types and names are checked here.

The files of conf/ give the values; the command line turns them into these classes, and nothing
else in the package ever sees a config object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from her2.core.errors import BadConfig


def _check_choices(group: str, settings: object, **choices: tuple[object, ...]) -> None:
    """Refuse a setting that is not among its choices."""
    for name, known in choices.items():
        found = getattr(settings, name)
        if found not in known:
            raise BadConfig(
                f"expected {group}.{name} among {', '.join(map(str, known))}, found {found!r}"
            )


@dataclass(frozen=True)
class PlainSettings:
    """Settings that stand in no group; a command has those that it uses."""

    seed: int = 0
    cache: str | None = None
    port: int = 5000
    runs: list[str] = field(default_factory=list)
    arms: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    folder: str = "outputs"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise BadConfig(f"expected a seed of at least 0, found {self.seed}")


@dataclass(frozen=True)
class CohortSettings:
    """Group `cohort`: which patients, images and clinical variables."""

    reader: str
    root: str | None = None
    table: str | None = None
    positive: str | None = None
    clinical: list[str] | None = None
    features: str | None = None
    frame: str | None = None
    n_patients: int = 210
    seed: int = 0
    image_shape: list[int] = field(default_factory=lambda: [400, 500])
    max_quarantine: float = 0.0


@dataclass(frozen=True)
class SplitSettings:
    """Group `split`: share of the patients that is held out."""

    test_size: float = 0.3


ENHANCEMENTS = ("none", "bicubic", "srgan")


@dataclass(frozen=True)
class GeneratorSettings:
    """Section `enhance.generator`: the network that enlarges images.

    n_blocks: residual-in-residual blocks; n_channels: their width; back_projection: whether the
    result, shrunk, is exactly the image that went in.
    """

    n_blocks: int = 6
    n_channels: int = 64
    back_projection: bool = True


@dataclass(frozen=True)
class EnhanceLossSettings:
    """Section `enhance.loss`: weights of the losses beside L1's 1."""

    gradient: float = 0.5
    feature_matching: float = 0.5
    adversarial: float = 0.01

    def __post_init__(self) -> None:
        if min(self.gradient, self.feature_matching, self.adversarial) < 0:
            raise BadConfig(f"expected weights of enhance.loss of at least 0, found {self}")


@dataclass(frozen=True)
class EnhanceSettings:
    """Group `enhance`: what is done to images before features are read.

    method: none, bicubic (4 x), or srgan (4 x, fitted on training patients, or from `weights`);
    weights: a safetensors file that declares whose images it has seen; max_steps_pixel,
    max_steps_adversarial: length of the two stages; steps_per_epoch: between two checkpoints;
    patch_size: side of a small patch in pixels; ema: decay of the mean of the weights;
    tile_size: side of a tile of a frame; n_threads: of the CPU while fitting; n_evidence: most
    held-out lesions on which the table of evidence is measured; compare: fit all arms to native
    images as well (twice the work), for the AUC with and without.
    """

    method: str = "none"
    weights: str | None = None
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    discriminator_channels: int = 64
    loss: EnhanceLossSettings = field(default_factory=EnhanceLossSettings)
    max_steps_pixel: int = 10000
    max_steps_adversarial: int = 5000
    steps_per_epoch: int = 250
    patch_size: int = 32
    batch_size: int = 8
    learning_rate: float = 2e-4
    ema: float = 0.999
    tile_size: int = 256
    accelerator: str = "auto"
    n_threads: int = 1
    n_evidence: int = 60
    compare: bool = False

    def __post_init__(self) -> None:
        if self.method not in ENHANCEMENTS:
            raise BadConfig(
                f"expected enhance.method to be one of {', '.join(ENHANCEMENTS)}, found "
                f"{self.method!r}"
            )
        if self.weights is not None and self.method != "srgan":
            raise BadConfig(
                f"expected enhance.weights with enhance=srgan only, found enhance.method "
                f"{self.method}; leave it out"
            )
        if not (0 <= self.ema < 1 and self.learning_rate > 0):
            raise BadConfig(
                "expected enhance.ema of at least 0 and below 1 and a positive "
                f"enhance.learning_rate, found {self.ema:g} and {self.learning_rate:g}"
            )
        if self.n_evidence < 0:
            raise BadConfig(f"expected enhance.n_evidence of at least 0, found {self.n_evidence}")


@dataclass(frozen=True)
class RadiomicsSettings:
    """Group `radiomics`: feature set and region.

    params: a parameter file of pyradiomics in place of the preset; region: lesion, ring (the
    tissue around it) or both; ring_mm: its width (ring_px, if given, in pixels instead);
    harmonise: none, or combat to take the vendor's effect out of the features; robustness:
    changes of mask and image under which the features are measured again.
    """

    preset: str = "paper_1561"
    params: str | None = None
    region: str = "lesion"
    ring_mm: float = 3.0
    ring_px: float | None = None
    harmonise: str = "none"
    robustness: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SelectionSettings:
    """Group `selection`: the chain of filters; a method reads those that its file has.

    n_features: of mrmr; n_rounds, n_trees: of boruta; n_pairs, threshold, max_false: of
    stability; reader_icc: smallest lower limit of the ICC between two readers' features, None
    for no such filter; robust_icc: the same of a lesion and its versions (radiomics.robustness);
    the others: of paper, and where a method has the same step.
    """

    method: str = "paper"
    alpha: float = 0.05
    equal_variance: bool = True
    correlation: float = 0.8
    lasso_folds: int = 10
    reader_icc: float | None = None
    robust_icc: float | None = None
    n_features: int = 20
    n_rounds: int = 60
    n_trees: int = 50
    n_pairs: int = 50
    threshold: float = 0.6
    max_false: float = 1.0

    def __post_init__(self) -> None:
        if not 0.5 < self.threshold <= 1:
            raise BadConfig(
                f"expected selection.threshold above .5 and at most 1, found {self.threshold}"
            )
        for name, least in (("lasso_folds", 2), ("n_features", 1), ("n_rounds", 1),
                            ("n_trees", 1), ("n_pairs", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise BadConfig(
                    f"expected selection.{name} of at least {least}, found {getattr(self, name)}"
                )


@dataclass(frozen=True)
class BackboneSettings:
    """Group `backbone`: network, weights, crop, and the head of the frozen features.

    margin_mm: margin of the crop in millimetres, in place of margin_px; in_chans: channels that
    the network sees (1 or 3); normalisation: backbone (mean and std that it was trained with) or
    zscore (each crop's own); mode: frozen (features of the network as it is), finetune (the deep
    learning arm is a fine-tuned network), finetune_features (features of networks that were
    fine-tuned without the fold that they describe); cam_layer: layer whose map Grad-CAM shows,
    None for the last one; n_explained: most lesions with a Grad-CAM map, None for all.
    """

    name: str
    weights: str
    image_size: int = 224
    margin_px: int = 10
    margin_mm: float | None = None
    aspect: str = "squash"
    in_chans: int = 3
    normalisation: str = "backbone"
    mode: str = "frozen"
    head: dict[str, Any] = field(default_factory=dict)
    cam_layer: str | None = None
    n_explained: int | None = None

    def __post_init__(self) -> None:
        _check_choices(
            "backbone",
            self,
            aspect=("squash", "keep"),
            in_chans=(1, 3),
            normalisation=("backbone", "zscore"),
            mode=("frozen", "finetune", "finetune_features"),
        )
        if self.image_size < 1 or self.margin_px < 0 or (self.margin_mm or 0.0) < 0:
            raise BadConfig(
                "expected backbone.image_size of at least 1 and margins of at least 0, found "
                f"{self.image_size}, margin_px={self.margin_px} and margin_mm={self.margin_mm}; "
                "224 pixels and a margin of 10 are the paper's"
            )
        if self.n_explained is not None and self.n_explained < 1:
            raise BadConfig(
                f"expected backbone.n_explained of at least 1, or null for all, found "
                f"{self.n_explained}; evaluation.grad_cam=false leaves Grad-CAM out"
            )


@dataclass(frozen=True)
class FusionSettings:
    """Group `fusion`: size of the compressed deep features, members of the combined arm."""

    n_components: int = 64
    members: list[str] = field(default_factory=lambda: ["clinical", "dlr"])


@dataclass(frozen=True)
class EvaluationSettings:
    """Group `evaluation`: the repeated nested cross-validation, and how much is resampled.

    n_resamples: for bootstrap intervals; n_permutations: of outcomes among predictions;
    n_stability, n_shuffles: refits for the stability of the selection and for the leakage audit;
    n_optimism: whole searches in bootstrap samples, arm by arm (long: a search each);
    n_importance: how often each feature is shuffled for its importance, 0 for neither that nor
    SHAP values; grad_cam: maps of where the network looks, and whether it uses the places;
    learning_curve: shares of the training patients to learn from, [] for none; stepwise: how the
    variables of the multivariable odds ratios are chosen (none, aic, p); imputation: how gaps of
    clinical variables are filled inside the folds (median, multiple); unit: what is judged, each
    lesion (row of the table) or each patient by the mean probability of his or her images.
    """

    n_repeats: int = 5
    n_folds: int = 5
    n_inner_folds: int = 5
    scoring: str = "log_loss"
    n_resamples: int = 1000
    n_permutations: int = 1000
    n_stability: int = 50
    n_shuffles: int = 10
    n_optimism: int = 0
    n_importance: int = 10
    grad_cam: bool = True
    learning_curve: list[float] = field(default_factory=lambda: [0.4, 0.6, 0.8])
    stepwise: str = "none"
    imputation: str = "median"
    unit: str = "lesion"


@dataclass(frozen=True)
class TrialSettings:
    """Section `trials` of the audit: repetitions of each trial beside the shuffles.

    n_noise: features replaced by noise; n_planted: a planted signal; n_control: a protocol that
    leaks on purpose, which must be flagged.
    """

    n_noise: int = 8
    n_planted: int = 2
    n_control: int = 3

    def __post_init__(self) -> None:
        if min(self.n_noise, self.n_planted, self.n_control) < 1:
            raise BadConfig(
                "expected trials.n_noise, n_planted and n_control of at least 1, found "
                f"{self.n_noise}, {self.n_planted} and {self.n_control}; an audit without its "
                "controls shows nothing"
            )


@dataclass(frozen=True)
class TrainerSettings:
    """Group `trainer`: fine-tuning of a network.

    learning_rate: of the head; layer_decay: its factor from a layer to the one before, for
    pretrained weights; warmup: share of the steps in which the rate rises; ema: decay of the
    averaged weights, 0 for none; balance: weights (of the loss), sampler or none;
    patience: epochs without a better loss on an inner fold after which a network stops, 0 for
    none; inner_folds: of the rows that a network learns from, one is that inner fold;
    n_seeds: networks of different seeds whose logits are averaged; refit: the test role is
    judged by a network of all training rows, or by those of the folds; keep: which networks
    stay in model/ (final, or all); precision: auto is bf16-mixed on a GPU, else 32; devices,
    strategy: more devices train one network together (ddp); n_threads: of torch on a CPU, the
    last bits depend on it.
    """

    max_epochs: int = 5
    batch_size: int = 16
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    layer_decay: float = 0.75
    warmup: float = 0.1
    dropout: float = 0.2
    label_smoothing: float = 0.0
    ema: float = 0.99
    balance: str = "weights"
    augmentation: str = "default"
    patience: int = 0
    inner_folds: int = 5
    n_seeds: int = 1
    refit: str = "all"
    keep: str = "final"
    test_time_augmentation: bool = False
    temperature: bool = False
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    compile: bool = False
    n_threads: int = 1

    def __post_init__(self) -> None:
        _check_choices(
            "trainer",
            self,
            augmentation=("default", "paper", "none"),
            balance=("weights", "sampler", "none"),
            refit=("all", "folds"),
            keep=("final", "all"),
            strategy=("auto", "ddp"),
            precision=("auto", "32", "bf16-mixed"),
        )
        for name, least in (("max_epochs", 1), ("batch_size", 1), ("patience", 0),
                            ("inner_folds", 2), ("n_seeds", 1), ("devices", 1),
                            ("n_threads", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise BadConfig(
                    f"expected trainer.{name} of at least {least}, found {getattr(self, name)}"
                )
        self._check_shares()
        if self.batch_size < 2 * self.devices and self.devices > 1:
            raise BadConfig(
                f"expected trainer.batch_size of at least two rows a device, found "
                f"{self.batch_size} for {self.devices} devices; raise it or use fewer devices"
            )

    def _check_shares(self) -> None:
        if not self.learning_rate > 0 or self.weight_decay < 0 or not 0 < self.layer_decay <= 1:
            raise BadConfig(
                "expected trainer.learning_rate above 0, weight_decay of at least 0 and "
                f"layer_decay in (0, 1], found {self.learning_rate:g}, {self.weight_decay:g} and "
                f"{self.layer_decay:g}"
            )
        for name in ("warmup", "dropout", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise BadConfig(
                    f"expected trainer.{name} from 0 to below 1, found {getattr(self, name):g}"
                )


@dataclass(frozen=True)
class TrackingSettings:
    """Group `tracking`: where MLflow keeps the runs.

    models: register the model of every arm; system_metrics: measure the machine while networks
    are trained.
    """

    enabled: bool = True
    uri: str | None = None
    experiment: str = "her2"
    models: bool = True
    system_metrics: bool = True


@dataclass(frozen=True)
class ComputeSettings:
    """Group `compute`: engine and number of worker processes (0 = one a core).

    timeout_s: most seconds that one lesion's features may take, None for no limit; scheduler:
    address of a dask scheduler, None to start one here; gpus: devices that the worker processes
    of a launcher share out among them, one each, 0 where every one sees all.
    """

    engine: str = "local"
    n_workers: int = 0
    timeout_s: float | None = 900.0
    scheduler: str | None = None
    gpus: int = 0
