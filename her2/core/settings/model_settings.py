"""Settings of what is fitted, and of how a run is made: evaluation, audit, tracking, compute."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from her2.core.errors import BadConfig
from her2.core.settings.base import setting, settings
from her2.core.settings.data_settings import Share

Classifier = Literal["lr", "random_forest", "extra_trees", "xgboost", "lightgbm"]
Fusible = Literal["clinical", "radiomics", "deep_learning", "dlr"]


def _grid(name: str, fixed: dict[str, Any], **grid: list[Any]) -> Any:
    """Return the field of a classifier's parameters."""
    return setting(
        meaning=f"{name}: parameters that are fixed, and values that the grid search tries",
        factory=lambda: {"fixed": dict(fixed), "grid": {k: list(v) for k, v in grid.items()}},
    )


@settings("classifier")
class ClassifierSettings:
    """Group `classifier`: the candidates; the best by inner cross-validation is used."""

    candidates: list[Classifier] = setting(
        ["lr", "random_forest", "extra_trees", "xgboost", "lightgbm"],
        "which classifiers compete; the paper's five by default", min_length=1,
    )  # fmt: skip
    imbalance: Literal["none", "weights", "smote"] = setting(
        "none", "what is done about classes of unequal size, inside every fold, with recalibration"
    )
    lr: dict[str, Any] = _grid("logistic regression", {}, C=[0.01, 0.1, 1.0])
    random_forest: dict[str, Any] = _grid(
        "random forest", {"n_estimators": 100, "max_features": "sqrt"}, min_samples_leaf=[3, 10]
    )
    extra_trees: dict[str, Any] = _grid(
        "extremely randomised trees", {"n_estimators": 100, "max_features": "sqrt"},
        min_samples_leaf=[3, 10],
    )  # fmt: skip
    xgboost: dict[str, Any] = _grid(
        "XGBoost",
        {"n_estimators": 50, "subsample": 0.8, "reg_lambda": 5.0, "learning_rate": 0.1},
        max_depth=[1, 3],
    )
    lightgbm: dict[str, Any] = _grid(
        "LightGBM",
        {"n_estimators": 50, "min_child_samples": 10, "reg_lambda": 5.0, "learning_rate": 0.1},
        num_leaves=[3, 7],
    )

    @property
    def grids(self) -> dict[str, Any]:
        """The grids of the candidates by name, with ``imbalance`` beside them."""
        return {"imbalance": self.imbalance, **{x: getattr(self, x) for x in self.candidates}}


@settings("backbone")
class BackboneSettings:
    """Group `backbone`: network, weights, crop, and the head of the frozen features."""

    name: str = setting(
        "tf_efficientnet_lite0", "a network of timm, crossformer_tiny|small|base|large included",
        min_length=1,
    )  # fmt: skip
    weights: str = setting(
        "offline", "offline (EfficientNet-Lite0, installed), imagenet (downloaded once), none "
        "(random), or a file", min_length=1,
    )  # fmt: skip
    image_size: int = setting(224, "side of a crop in pixels", ge=1)
    margin_px: int = setting(10, "margin around the lesion's box in pixels", ge=0)
    margin_mm: float | None = setting(
        None, "the same in millimetres, for images whose spacing is known", ge=0
    )
    aspect: Literal["squash", "keep"] = setting(
        "squash", "whether a crop is squashed to a square, or padded"
    )
    in_chans: Literal[1, 3] = setting(
        3, "channels that the network sees; 1 adapts its first layer"
    )
    normalisation: Literal["backbone", "zscore"] = setting(
        "backbone", "mean and std of the network's training, or each crop's own"
    )
    mode: Literal["frozen", "finetune", "finetune_features"] = setting(
        "frozen", "features of the network as it is; a fine-tuned network is the deep learning "
        "arm; or it gives the features",
    )  # fmt: skip
    head: dict[str, Any] = setting(
        factory=lambda: {"lr": {"fixed": {}, "grid": {"C": [0.0001, 0.001, 0.01, 0.1]}}},
        meaning="penalised logistic regression on frozen features: its grid",
    )
    cam_layer: str | None = setting(
        None, "layer whose map Grad-CAM shows; null: the last one with places"
    )
    n_explained: int | None = setting(None, "most lesions with a Grad-CAM map; null: all", ge=1)


@settings("fusion")
class FusionSettings:
    """Group `fusion`: how deep features and signatures are joined."""

    n_components: int = setting(64, "principal components of the deep features (dlr arm)", ge=1)
    members: list[Fusible] = setting(
        ["clinical", "dlr"], "signatures of the combined arm", min_length=1
    )


@settings("trainer")
class TrainerSettings:
    """Group `trainer`: fine-tuning of a network."""

    max_epochs: int = setting(5, "epochs of a network", ge=1)
    batch_size: int = setting(16, "crops in a step", ge=1)
    learning_rate: float = setting(
        3e-4, "of the head, after the warm-up; then down to 0 along a cosine", gt=0
    )
    weight_decay: float = setting(0.05, "none for biases and norms", ge=0)
    layer_decay: float = setting(
        0.75, "factor of the learning rate from a layer to the one before, for pretrained weights",
        gt=0, le=1,
    )  # fmt: skip
    warmup: float = setting(0.1, "share of the steps in which the rate rises", ge=0, lt=1)
    dropout: float = setting(0.2, "before the head", ge=0, lt=1)
    label_smoothing: float = setting(0.0, "smoothing of the outcome", ge=0, lt=1)
    ema: float = setting(
        0.99, "decay of the averaged weights, which judge; 0 for none", ge=0, lt=1
    )
    balance: Literal["weights", "sampler", "none"] = setting(
        "weights", "what is done about classes of unequal size; probabilities are moved back to "
        "the prevalence",
    )  # fmt: skip
    augmentation: Literal["default", "paper", "none"] = setting(
        "default", "random changes of the crops; paper: also vertical flips"
    )
    patience: int = setting(
        0, "epochs without a better loss on an inner fold before a network stops; 0: none stops",
        ge=0,
    )  # fmt: skip
    inner_folds: int = setting(5, "one of them is that inner fold (only with patience)", ge=2)
    n_seeds: int = setting(1, "networks a fold whose logits are averaged", ge=1)
    refit: Literal["all", "folds"] = setting(
        "all", "who judges the test role: a network of all training rows, or the average of the "
        "folds' networks",
    )  # fmt: skip
    keep: Literal["final", "all"] = setting(
        "final", "networks in model/: those that judge the test role, or all"
    )
    test_time_augmentation: bool = setting(False, "average over the crop and its mirror image")
    temperature: bool = setting(False, "scale logits by one number, fitted out of fold")
    accelerator: str = setting("auto", "auto, cpu or gpu")
    devices: int = setting(1, "devices that train one network together (ddp)", ge=1)
    strategy: Literal["auto", "ddp"] = setting("auto", "how several devices work")
    precision: Literal["auto", "32", "bf16-mixed"] = setting(
        "auto", "auto: bf16-mixed on a GPU, else 32"
    )
    compile: bool = setting(False, "torch.compile")
    n_threads: int = setting(1, "threads of torch on a CPU; the last bits depend on it", ge=1)

    @model_validator(mode="after")
    def _check(self) -> TrainerSettings:
        if self.batch_size < 2 * self.devices and self.devices > 1:
            raise BadConfig(
                f"expected trainer.batch_size of at least two rows a device, found "
                f"{self.batch_size} for {self.devices} devices; raise it or use fewer devices"
            )
        return self


@settings("evaluation")
class EvaluationSettings:
    """Group `evaluation`: the repeated nested cross-validation, and how much is resampled."""

    n_repeats: int = setting(
        5, "repeats of the outer folds: all together are the primary estimate", ge=1
    )
    n_folds: int = setting(5, "outer folds: out-of-fold signatures, thresholds", ge=2)
    n_inner_folds: int = setting(5, "folds of the grid search inside each of them", ge=2)
    scoring: Literal["log_loss", "roc_auc"] = setting(
        "log_loss", "what the grid search chooses by; roc_auc as in the paper"
    )
    n_permutations: int = setting(
        1000, "of outcomes among held-out patients: the p value of each AUC", ge=0
    )
    n_stability: int = setting(
        50, "resamples of the training patients in which features are selected and arms fitted "
        "again; 0: no stability, nor instability of risks", ge=0
    )  # fmt: skip
    conformal_alpha: float = setting(
        0.1, "share of prediction sets that may miss the true outcome, of each outcome", gt=0,
        lt=0.5,
    )  # fmt: skip
    n_shuffles: int = setting(
        10, "refits with shuffled outcomes, which must not predict (leakage checks)", ge=0
    )
    n_optimism: int = setting(
        0, "whole searches in bootstrap samples, arm by arm; 200 are usual, and long", ge=0
    )
    n_importance: int = setting(
        10, "how often each feature is shuffled for its importance; 0: none, nor SHAP", ge=0
    )
    shortcut_controls: bool = setting(
        True, "models that see only the outline, the surroundings or the frame of an image stand "
        "beside the arms"
    )  # fmt: skip
    grad_cam: bool = setting(
        True, "maps of where the network looks, and whether it uses these places"
    )
    learning_curve: list[Share] = setting(
        [0.4, 0.6, 0.8], "shares of the training patients to learn from; [] for none"
    )
    stepwise: Literal["none", "aic", "p"] = setting(
        "none", "how variables of the multivariable odds ratios are chosen"
    )
    imputation: Literal["median", "multiple"] = setting(
        "median", "how gaps of clinical variables are filled, inside the folds"
    )
    unit: Literal["auto", "lesion", "patient"] = setting(
        "auto",
        "what is judged: each row, or each patient by the mean probability of his or her images; "
        "auto: patients where any has several rows and all have one outcome",
    )


@settings("controls")
class ControlSettings:
    """Section `controls` of the audit: repetitions of each control beside the shuffles."""

    n_noise: int = setting(8, "features replaced by noise", ge=1)
    n_planted: int = setting(2, "a planted signal, which must be found", ge=1)
    n_leaking: int = setting(3, "a protocol that leaks on purpose, which must be flagged", ge=1)


@settings("tracking")
class TrackingSettings:
    """Group `tracking`: where MLflow keeps the runs."""

    enabled: bool = setting(True, "whether MLflow keeps the run")
    uri: str | None = setting(
        None, "null: $MLFLOW_TRACKING_URI, else mlruns/mlflow.db of the project"
    )
    experiment: str = setting("her2", "name of the experiment", min_length=1)
    models: bool = setting(True, "each arm's model in the registry, as her2-<arm>")
    system_metrics: bool = setting(
        True, "processor, memory and GPU every 10 s while networks are trained"
    )


@settings("compute")
class ComputeSettings:
    """Group `compute`: engine and number of worker processes."""

    engine: Literal["local", "dask"] = setting(
        "local", "processes of this machine, or dask's workers for the features"
    )
    n_workers: int = setting(0, "worker processes; 0: one a core", ge=0)
    timeout_s: float | None = setting(
        900.0, "most seconds that one lesion's features may take; then it is left out", gt=0
    )
    scheduler: str | None = setting(
        None, "tcp://HOST:8786 of a dask scheduler whose workers see the same folders; null: one "
        "is started here",
    )  # fmt: skip
    gpus: int = setting(
        0, "devices that the workers of hydra/launcher=joblib share out, one each; 0: each sees "
        "all", ge=0,
    )  # fmt: skip
