"""A run fitted on enhanced images and, where that is asked for, on native ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from her2.core.settings import (
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    RadiomicsSettings,
    TrackingSettings,
)
from her2.models.nested_cv import Signature
from her2.pipeline.enhance import Enhancement, enhanced_run
from her2.pipeline.enhancement_evidence import (
    compared,
    is_compared,
    judged_patients,
    with_evidence,
)
from her2.pipeline.run import OpenRun, Stopwatch


class FittedRun(Protocol):
    """A run without the lesions that it lost, and what its arms say."""

    @property
    def run(self) -> OpenRun:
        """The run."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signatures by arm."""


Found = TypeVar("Found", bound=FittedRun)


def enhanced_fit(
    run: OpenRun,
    fit: Callable[[OpenRun], Found],
    *,
    native: Callable[[OpenRun], Found],
    enhance: EnhanceSettings,
    radiomics: RadiomicsSettings | None,
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> tuple[Found, Enhancement]:
    """Return what was fitted on the run's images as `enhance` has them, with the evidence.

    fit, native: fit a run's arms; `native` is called first, with the images as they are, so that
    the run's own fit has the last word in every file; radiomics: None where no feature is read.
    """
    enlarged, made = enhanced_run(
        run, enhance, tracking=tracking, compute=compute, cache=cache, seed=seed
    )
    beside = native(replace(run, watch=Stopwatch())) if is_compared(run, enhance) else None
    found = fit(enlarged)
    made = with_evidence(
        found.run, made, enhance, radiomics, compute=compute, cache=cache, seed=seed
    )
    if beside is not None:
        made = compared(
            made, found.run.training, found.signatures, beside.run.training, beside.signatures,
            patients=judged_patients(found.run, evaluation.unit),
        )  # fmt: skip
    return found, made
