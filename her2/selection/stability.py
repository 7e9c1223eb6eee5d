"""Stability selection: features that the LASSO lets in first in most halves of the patients."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument
from her2.core.seeds import generator
from her2.selection.filters import (
    FloatArray,
    SupervisedFilter,
    correlation_with,
    patients_of,
    unit_columns,
)
from her2.selection.lasso import first_on_path


class StabilityFilter(SupervisedFilter):
    """Keep features that are among the first on the LASSO's path in enough half samples.

    The patients are split at random into two halves, within each outcome, `n_pairs` times; in each
    half the first q features of the exact path count. Whatever the features' distribution, the
    expected number of kept features that are selected less often than a random one would be is at
    most q^2 / ((2 threshold - 1) p); q (`n_first_`) is the largest number that keeps it at
    `max_false`. `threshold`, above .5 and up to 1, is the smallest share of the halves
    (`frequency_`) that select a kept feature. When fewer than `min_features` reach it, the most
    frequent are kept (of equals, those with the larger correlation with the outcome).

    References
    ----------
    Meinshausen & Buehlmann (2010), J. R. Stat. Soc. B 72:417,
    doi:10.1111/j.1467-9868.2010.00740.x, theorem 1.
    Shah & Samworth (2013), J. R. Stat. Soc. B 75:55, doi:10.1111/j.1467-9868.2011.01034.x,
    theorem 1: complementary pairs.
    """

    def __init__(
        self,
        n_pairs: int = 50,
        threshold: float = 0.6,
        max_false: float = 1.0,
        min_features: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_pairs = n_pairs
        self.threshold = threshold
        self.max_false = max_false
        self.min_features = min_features
        self.seed = seed

    def fit(
        self, X: FloatArray, y: NDArray[np.int64], groups: ArrayLike | None = None
    ) -> StabilityFilter:
        """Learn which columns of X (n, p), z-scored, to keep for y (n,) in {0, 1}.

        groups: the patient of each row, (n,); None where each row is a patient.
        """
        if not 0.5 < self.threshold <= 1:
            raise BadArgument(f"threshold must be above .5 and at most 1, found {self.threshold}")
        X, y = self._checked(X, y)
        p = X.shape[1]
        self.n_first_ = max(1, isqrt(int(self.max_false * (2 * self.threshold - 1) * p)))
        counts = np.zeros(p)
        for rows in self._halves(y, groups):
            outcome = (y[rows] == np.max(y)).astype(np.float64)
            counts[first_on_path(X[rows], outcome, self.n_first_)] += 1
        self.frequency_ = counts / (2 * self.n_pairs)
        self.support_ = self.frequency_ >= self.threshold
        strength = np.abs(correlation_with(unit_columns(X), y))
        self._keep_at_least(np.lexsort((np.arange(p), -strength, -self.frequency_)))
        return self

    def _halves(
        self, y: NDArray[np.int64], groups: ArrayLike | None = None
    ) -> list[NDArray[np.intp]]:
        """Return the rows of every half, the two of a pair after each other."""
        patient, level = patients_of(y, groups)
        if len(level) < 2:
            raise BadArgument("halves need at least two patients, found one; bring more")
        by_patient = np.argsort(patient, kind="stable")
        rows = np.split(by_patient, np.cumsum(np.bincount(patient))[:-1])
        rng, halves = generator(self.seed, "halves"), []
        for _ in range(self.n_pairs):
            # shuffled, then sorted by outcome: every second patient takes half of each class
            shuffled = rng.permutation(len(level))
            by_outcome = shuffled[np.argsort(level[shuffled], kind="stable")]
            for half in (by_outcome[::2], by_outcome[1::2]):
                halves.append(np.concatenate([rows[i] for i in half]))
        return halves
