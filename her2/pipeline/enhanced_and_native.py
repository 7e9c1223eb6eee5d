"""A run fitted on enhanced images and, where that is asked for, on native ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from her2.models.nested_cv import Signature
from her2.pipeline.enhance import Enhancement, enhanced_run
from her2.pipeline.enhancement_evidence import compared, is_compared, with_evidence
from her2.pipeline.run import OpenRun, Stopwatch


class FittedRun(Protocol):
    """A run without its excluded lesions, and the signatures of its arms."""

    @property
    def run(self) -> OpenRun:
        """The run."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signatures by arm."""


Fit = TypeVar("Fit", bound=FittedRun, covariant=True)


class FitRun(Protocol[Fit]):
    """Fits the arms of a run; networks are left in its folder where `keeps`."""

    def __call__(self, run: OpenRun, *, keeps: bool = True) -> Fit:
        """Return the fitted run."""


def enhanced_fit(
    run: OpenRun, fit: FitRun[Fit], *, reads_features: bool = True
) -> tuple[Fit, Enhancement]:
    """Return what was fitted on the run's images as `enhance` has them, with the evidence.

    Native images, where they are compared, are fitted first, so that the run's own fit has the
    last word in every file.

    Parameters
    ----------
    run
        The run, with its images as they are.
    fit
        What fits its arms.
    reads_features
        Whether radiomic features are read.
    """
    enlarged, made = enhanced_run(run)
    native = None
    if is_compared(run):
        apart = replace(run, settings=run.settings.untracked(), watch=Stopwatch())
        native = fit(apart, keeps=False)
    found = fit(enlarged)
    made = with_evidence(found.run, made, reads_features=reads_features)
    if native is not None:
        made = compared(
            made, found.run.training, found.signatures, native.run.training, native.signatures,
            patients=found.run.patients_judged,
        )  # fmt: skip
    return found, made
