"""Lesions whose files can no longer be read while a run works: each costs itself alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, cast

from her2.cohort import decode_each, load_lesion
from her2.cohort.problems import as_note
from her2.core.errors import InputProblem
from her2.core.types import Cohort, Lesion, Problem
from her2.pipeline.run import OpenRun, cohort_with, run_with

logger = logging.getLogger(__name__)

Held = TypeVar("Held", bound=OpenRun | Cohort)
Result = TypeVar("Result")


def on_readable(work: Callable[[Held], Result], held: Held, *, n_threads: int = 1) -> Result:
    """Return `work(held)`, done again without the lesions that can no longer be read.

    A file may vanish or change hours after it was verified. Every step of a run must have the
    same lesions, so the work begins again; its caches make that short. A problem that reading the
    lesions does not show is raised.
    """
    try:
        return work(held)
    except InputProblem:
        lost = lost_lesions(_cohort(held), n_threads=n_threads)
        if not lost:
            raise
    logger.warning("%d lesions can no longer be read; the others are gone on with", len(lost))
    left = cohort_with(held, lost) if isinstance(held, Cohort) else run_with(held, lost)
    return on_readable(work, cast(Held, left), n_threads=n_threads)


def _cohort(held: OpenRun | Cohort) -> Cohort:
    return held if isinstance(held, Cohort) else held.cohort


def lost_lesions(cohort: Cohort, *, n_threads: int = 1) -> list[Problem]:
    """Return the problem of every lesion that cannot be read, as it was when it was verified."""
    with_image = [lesion for lesion in cohort.lesions if lesion.image is not None]
    found = decode_each(_problem, with_image, n_threads=n_threads)
    return [problem for problem in found if problem is not None]


def _problem(lesion: Lesion) -> Problem | None:
    try:
        load_lesion(lesion)
    except InputProblem as problem:
        return as_note(problem).problem(lesion.patient_id, lesion.lesion_id)
    return None
