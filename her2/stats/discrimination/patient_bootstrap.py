"""Draws of patients with replacement: all cases of a patient are drawn together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.clusters import IntArray as IntArray
from her2.stats.clusters import patient_numbers
from her2.stats.validation import BoolArray

Seed = int | np.random.SeedSequence | np.random.Generator

MAX_FAILED_SHARE = 0.05
_CASES_AT_ONCE = 2**21  # of all resamples together: some 16 MiB an array


class Patients(NamedTuple):
    """Which patient each case (n,) belongs to, numbered from 0, and which have a positive case."""

    of_case: IntArray
    is_positive: BoolArray

    def strata(self, stratified: bool) -> list[IntArray]:
        """Patients that are drawn for one another: of one outcome, or all."""
        if not stratified:
            return [np.arange(self.is_positive.size)]
        return [np.flatnonzero(~self.is_positive), np.flatnonzero(self.is_positive)]


def patients(positive: BoolArray, groups: ArrayLike | None) -> Patients:
    """Patients of the cases (n,); without identifiers in `groups` every case is a patient.

    Numbered by the sorted identifiers, so that the order of cases does not matter.
    """
    of_case = patient_numbers(positive.size, groups)
    return Patients(of_case, np.bincount(of_case, weights=positive) > 0)


def draws(of: Patients, n_resamples: int, seed: Seed, *, stratified: bool) -> Iterator[IntArray]:
    """How often each case is drawn, in blocks of shape (some resamples, n).

    Each resample draws as many patients as there are, with replacement; if stratified, as many
    of each outcome.
    """
    check_count(n_resamples, "n_resamples")
    rng = np.random.default_rng(seed)
    at_once = max(1, _CASES_AT_ONCE // of.of_case.size)
    for start in range(0, n_resamples, at_once):
        times = np.zeros((min(at_once, n_resamples - start), of.is_positive.size), dtype=np.intp)
        for stratum in of.strata(stratified):
            times[:, stratum] = _multiplicities(rng, len(times), stratum.size)
        yield times[:, of.of_case]


def rows(times: IntArray) -> IntArray:
    """Row numbers of a resample from how often each case is drawn, (n,)."""
    return np.repeat(np.arange(times.size), times)


def check_failures(n_failed: int, n_resamples: int, what: str = "resamples") -> None:
    """Raise `NotEstimable` if too many resamples did not determine the statistic."""
    if n_failed > MAX_FAILED_SHARE * n_resamples:
        raise NotEstimable(
            f"the statistic must be estimable in 95 % of {what}, found that {n_failed} of "
            f"{n_resamples} failed; the sample is too small for it"
        )


def check_count(n: int, name: str) -> None:
    """Raise `BadArgument` unless a number of repetitions is positive."""
    if n < 1:
        raise BadArgument(f"{name} must be at least 1, found {n}; 2000 is usual")


def _multiplicities(rng: np.random.Generator, n_resamples: int, n: int) -> IntArray:
    """How often each of n is drawn in n draws, shape (n_resamples, n)."""
    drawn = rng.integers(n, size=(n_resamples, n)) if n else np.empty((n_resamples, 0), np.intp)
    offset = n * np.arange(n_resamples)[:, None]
    counts = np.bincount((drawn + offset).ravel(), minlength=n * n_resamples)
    return counts.reshape(n_resamples, n)
