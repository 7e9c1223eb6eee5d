"""Settings of `her2 plan`: what is expected of the study, and how precise it is to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from her2.core.masking import masked
from her2.core.settings.base import setting, settings
from her2.core.settings.model_settings import ComputeSettings


@settings()
class PlanSettings:
    """Settings of `her2 plan`.

    Examples
    --------
    >>> PlanSettings(prevalence=0.25, auc=0.8, n_parameters=12).auc_width
    0.1
    """

    run_dir: str | None = setting(None, "folder of the run; null: outputs/COMMAND/TIME",
                                  min_length=1)  # fmt: skip
    seed: int = setting(0, "all random numbers of the run", ge=0)
    run: str | None = setting(
        None, "folder of a finished run, one's own pilot: what it says is expected, unless a "
        "setting says otherwise", min_length=1,
    )  # fmt: skip
    arm: str | None = setting(
        None, "arm of that run; null: combined, or its last arm", min_length=1
    )
    prevalence: float | None = setting(None, "expected share of positive patients", gt=0, lt=1)
    auc: float | None = setting(None, "expected AUC in new patients", gt=0.5, lt=1)
    auc_low: float | None = setting(
        None, "AUC of the pessimistic case; null: the lower limit of the run", gt=0.5, lt=1
    )
    n_parameters: int | None = setting(
        None, "candidate predictors before any selection; a category counts its levels but one",
        ge=1,
    )  # fmt: skip
    alternatives: list[int] = setting(
        [1, 2, 5, 10, 20, 50], "other numbers of candidate predictors"
    )
    n: int | None = setting(
        None, "patients that can be had, to say what they support; null: those of the run", ge=10
    )
    shrinkage: float = setting(
        0.9, "least factor by which overfitting shrinks the coefficients", gt=0, lt=1
    )
    error: float = setting(0.05, "largest mean absolute error of the risks", gt=0, lt=1)
    oe_width: float = setting(0.2, "width of the 95 % interval of observed/expected", gt=0)
    slope_width: float = setting(0.2, "width of that of the calibration slope", gt=0)
    auc_width: float = setting(0.1, "width of that of the AUC", gt=0, lt=1)
    net_benefit_width: float = setting(
        0.2, "width of that of the net benefit over the prevalence", gt=0
    )
    threshold: float | None = setting(
        None, "risk from which on a patient is treated; null: no net benefit", gt=0, lt=1
    )
    required_auc: float = setting(
        0.6, "what the lower limit of the AUC is to exceed in the validation", ge=0.5, lt=1
    )
    assurance: float = setting(0.8, "wanted probability that it does", gt=0, lt=1)
    n_cohorts: int = setting(300, "simulated cohorts of each size", ge=20)
    compute: ComputeSettings = setting(factory=ComputeSettings)

    def record(self) -> dict[str, Any]:
        """Return what config.yaml keeps."""
        plain = asdict(self)
        return {"command": "plan", **masked({k: v for k, v in plain.items() if k != "run_dir"})}


ASSUMED = ("prevalence", "auc", "n_parameters")


def nothing_assumed(of: PlanSettings) -> str:
    """Return the sentence for what is not given without a pilot; nothing where all of it is."""
    absent = [x for x in ASSUMED if getattr(of, x) is None]
    if of.run is not None or not absent:
        return ""
    return (
        f"expected {', '.join(absent)}, or the run of a pilot, found none; write her2 plan "
        "prevalence=.25 auc=.80 n_parameters=12, or her2 plan run=FOLDER"
    )


def plan_rules(of: PlanSettings) -> Iterator[str]:
    """Yield what `her2 plan` refuses, a sentence each; the bare command is refused by itself."""
    if any(getattr(of, x) is not None for x in ASSUMED) and (said := nothing_assumed(of)):
        yield said
    if of.run is None and of.arm is not None:
        yield f"expected run=FOLDER, whose arm is read, found arm={of.arm} alone; name the run"
    if bad := [x for x in of.alternatives if x < 1]:
        yield f"expected alternatives of at least 1, found {bad[0]}; leave it out"
    if of.auc is not None and of.auc_low is not None and of.auc_low >= of.auc:
        yield f"expected auc_low below auc ({of.auc:g}), found {of.auc_low:g}; lower it"
    if of.auc is not None and of.required_auc >= of.auc:
        yield f"expected required_auc below auc ({of.auc:g}), found {of.required_auc:g}; lower it"
