"""Settings of how a run is made: evaluation, audit, tracking, compute."""

from __future__ import annotations

from typing import Literal

from her2.core.settings.base import setting, settings
from her2.core.settings.data_settings import Share


@settings("evaluation")
class EvaluationSettings:
    """Group `evaluation`: the repeated nested cross-validation, and how much is resampled."""

    n_repeats: int = setting(
        5, ge=1, description="repeats of the outer folds: all together are the primary estimate"
    )
    n_folds: int = setting(5, ge=2, description="outer folds: out-of-fold signatures, thresholds")
    n_inner_folds: int = setting(
        5, ge=2, description="folds of the grid search inside each of them"
    )
    scoring: Literal["log_loss", "roc_auc"] = setting(
        "log_loss", description="what the grid search chooses by; roc_auc as in the paper"
    )
    n_resamples: int = setting(
        1000, ge=0,
        description="bootstrap of patients: bands of decision curves, intervals of F1 and NRI",
    )  # fmt: skip
    n_permutations: int = setting(
        1000, ge=0, description="of outcomes among predictions: the p value of each AUC"
    )
    n_stability: int = setting(
        50, ge=0,
        description="resamples of the training patients in which features are selected again",
    )  # fmt: skip
    n_shuffles: int = setting(
        10, ge=0,
        description="refits with shuffled outcomes, which must not predict (leakage checks)",
    )  # fmt: skip
    n_optimism: int = setting(
        0, ge=0,
        description="whole searches in bootstrap samples, arm by arm; 200 are usual, and long",
    )  # fmt: skip
    n_importance: int = setting(
        10, ge=0,
        description="how often each feature is shuffled for its importance; 0: none, nor SHAP",
    )  # fmt: skip
    grad_cam: bool = setting(
        True, description="maps of where the network looks, and whether it uses these places"
    )
    learning_curve: list[Share] = setting(
        [0.4, 0.6, 0.8], description="shares of the training patients to learn from; [] for none"
    )
    stepwise: Literal["none", "aic", "p"] = setting(
        "none", description="how variables of the multivariable odds ratios are chosen"
    )
    imputation: Literal["median", "multiple"] = setting(
        "median", description="how gaps of clinical variables are filled, inside the folds"
    )
    unit: Literal["lesion", "patient"] = setting(
        "lesion",
        description="what is judged: each row, or each patient by the mean probability of his or "
        "her images",
    )


@settings("controls")
class ControlSettings:
    """Section `controls` of the audit: repetitions of each control beside the shuffles."""

    n_noise: int = setting(8, ge=1, description="features replaced by noise")
    n_planted: int = setting(2, ge=1, description="a planted signal, which must be found")
    n_leaking: int = setting(
        3, ge=1, description="a protocol that leaks on purpose, which must be flagged"
    )


@settings("tracking")
class TrackingSettings:
    """Group `tracking`: where MLflow keeps the runs."""

    enabled: bool = setting(True, description="whether MLflow keeps the run")
    uri: str | None = setting(
        None, description="null: $MLFLOW_TRACKING_URI, else mlruns/mlflow.db of the project"
    )
    experiment: str = setting("her2", min_length=1, description="name of the experiment")
    models: bool = setting(True, description="each arm's model in the registry, as her2-<arm>")
    system_metrics: bool = setting(
        True, description="processor, memory and GPU every 10 s while networks are trained"
    )


@settings("compute")
class ComputeSettings:
    """Group `compute`: engine and number of worker processes."""

    engine: Literal["local", "dask"] = setting(
        "local", description="processes of this machine, or dask's workers for the features"
    )
    n_workers: int = setting(0, ge=0, description="worker processes; 0: one a core")
    timeout_s: float | None = setting(
        900.0, gt=0,
        description="most seconds that one lesion's features may take; then it is left out",
    )  # fmt: skip
    scheduler: str | None = setting(
        None,
        description="tcp://HOST:8786 of a dask scheduler whose workers see the same folders; "
        "null: one is started here",
    )
    gpus: int = setting(
        0, ge=0,
        description="devices that the workers of hydra/launcher=joblib share out, one each; 0: "
        "each sees all",
    )  # fmt: skip
