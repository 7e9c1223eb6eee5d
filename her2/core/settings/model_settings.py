"""Settings of what is fitted: classifiers, networks, their fusion and their training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from her2.core.errors import BadConfig
from her2.core.settings.base import setting, settings

Classifier = Literal["lr", "random_forest", "extra_trees", "xgboost", "lightgbm"]
Fusible = Literal["clinical", "radiomics", "deep_learning", "dlr"]


def _grid(name: str, fixed: dict[str, Any], **grid: list[Any]) -> Any:
    """Return the field of a classifier's parameters."""
    return setting(
        factory=lambda: {
            "fixed": dict(fixed),
            "grid": {k: list(v) for k, v in grid.items()},
        },
        description=f"{name}: parameters that are fixed, and values that the grid search tries",
    )


@settings("classifier")
class ClassifierSettings:
    """Group `classifier`: the candidates; the best by inner cross-validation is used."""

    candidates: list[Classifier] = setting(
        ["lr", "random_forest", "extra_trees", "xgboost", "lightgbm"], min_length=1,
        description="which classifiers compete; the paper's five by default",
    )  # fmt: skip
    imbalance: Literal["none", "weights", "smote"] = setting(
        "none",
        description="what is done about classes of unequal size, inside every fold, with "
        "recalibration",
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
        "tf_efficientnet_lite0", min_length=1,
        description="a network of timm, crossformer_tiny|small|base|large included",
    )  # fmt: skip
    weights: str = setting(
        "offline", min_length=1,
        description="offline (EfficientNet-Lite0, installed), imagenet (downloaded once), none "
        "(random), or a file",
    )  # fmt: skip
    image_size: int = setting(224, ge=1, description="side of a crop in pixels")
    margin_px: int = setting(10, ge=0, description="margin around the lesion's box in pixels")
    margin_mm: float | None = setting(
        None, ge=0, description="the same in millimetres, for images whose spacing is known"
    )
    aspect: Literal["squash", "keep"] = setting(
        "squash", description="whether a crop is squashed to a square, or padded"
    )
    in_chans: Literal[1, 3] = setting(
        3, description="channels that the network sees; 1 adapts its first layer"
    )
    normalisation: Literal["backbone", "zscore"] = setting(
        "backbone", description="mean and std of the network's training, or each crop's own"
    )
    mode: Literal["frozen", "finetune", "finetune_features"] = setting(
        "frozen",
        description="features of the network as it is; a fine-tuned network is the deep learning "
        "arm; or it gives the features",
    )
    head: dict[str, Any] = setting(
        factory=lambda: {"lr": {"fixed": {}, "grid": {"C": [0.0001, 0.001, 0.01, 0.1]}}},
        description="penalised logistic regression on frozen features: its grid",
    )
    cam_layer: str | None = setting(
        None, description="layer whose map Grad-CAM shows; null: the last one with places"
    )
    n_explained: int | None = setting(
        None, ge=1, description="most lesions with a Grad-CAM map; null: all"
    )


@settings("fusion")
class FusionSettings:
    """Group `fusion`: how deep features and signatures are joined."""

    n_components: int = setting(
        64, ge=1, description="principal components of the deep features (dlr arm)"
    )
    members: list[Fusible] = setting(
        ["clinical", "dlr"], min_length=1, description="signatures of the combined arm"
    )


@settings("trainer")
class TrainerSettings:
    """Group `trainer`: fine-tuning of a network."""

    max_epochs: int = setting(5, ge=1, description="epochs of a network")
    batch_size: int = setting(16, ge=1, description="crops in a step")
    learning_rate: float = setting(
        3e-4, gt=0, description="of the head, after the warm-up; then down to 0 along a cosine"
    )
    weight_decay: float = setting(0.05, ge=0, description="none for biases and norms")
    layer_decay: float = setting(
        0.75, gt=0, le=1,
        description="factor of the learning rate from a layer to the one before, for pretrained "
        "weights",
    )  # fmt: skip
    warmup: float = setting(
        0.1, ge=0, lt=1, description="share of the steps in which the rate rises"
    )
    dropout: float = setting(0.2, ge=0, lt=1, description="before the head")
    label_smoothing: float = setting(0.0, ge=0, lt=1, description="smoothing of the outcome")
    ema: float = setting(
        0.99, ge=0, lt=1, description="decay of the averaged weights, which judge; 0 for none"
    )
    balance: Literal["weights", "sampler", "none"] = setting(
        "weights",
        description="what is done about classes of unequal size; probabilities are moved back to "
        "the prevalence",
    )
    augmentation: Literal["default", "paper", "none"] = setting(
        "default", description="random changes of the crops; paper: also vertical flips"
    )
    patience: int = setting(
        0, ge=0,
        description="epochs without a better loss on an inner fold before a network stops; 0: "
        "none stops",
    )  # fmt: skip
    inner_folds: int = setting(
        5, ge=2, description="one of them is that inner fold (only with patience)"
    )
    n_seeds: int = setting(1, ge=1, description="networks a fold whose logits are averaged")
    refit: Literal["all", "folds"] = setting(
        "all",
        description="who judges the test role: a network of all training rows, or the average of "
        "the folds' networks",
    )
    keep: Literal["final", "all"] = setting(
        "final", description="networks in model/: those that judge the test role, or all"
    )
    test_time_augmentation: bool = setting(
        False, description="average over the crop and its mirror image"
    )
    temperature: bool = setting(
        False, description="scale logits by one number, fitted out of fold"
    )
    accelerator: str = setting("auto", description="auto, cpu or gpu")
    devices: int = setting(1, ge=1, description="devices that train one network together (ddp)")
    strategy: Literal["auto", "ddp"] = setting("auto", description="how several devices work")
    precision: Literal["auto", "32", "bf16-mixed"] = setting(
        "auto", description="auto: bf16-mixed on a GPU, else 32"
    )
    compile: bool = setting(False, description="torch.compile")
    n_threads: int = setting(
        1, ge=1, description="threads of torch on a CPU; the last bits depend on it"
    )

    @model_validator(mode="after")
    def _check(self) -> TrainerSettings:
        if self.batch_size < 2 * self.devices and self.devices > 1:
            raise BadConfig(
                f"expected trainer.batch_size of at least two rows a device, found "
                f"{self.batch_size} for {self.devices} devices; raise it or use fewer devices"
            )
        return self
