"""Conformal prediction sets: the outcomes that a patient's probability does not contradict.

A set holds one outcome, both (the model abstains) or none (unlike patients of either outcome).
Each outcome is calibrated among its own patients (class-wise, "Mondrian"), so that a rare outcome
is covered as often as a frequent one.

References
----------
.. [1] Vovk (2015), Ann. Math. Artif. Intell. 74:9, doi:10.1007/s10472-013-9368-4.
.. [2] Vovk (2013), Mach. Learn. 92:349, doi:10.1007/s10994-013-5355-6.
.. [3] Lee, Barber & Willett (2023), doi:10.48550/arXiv.2306.06342.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.shares import wilson_interval
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class SetCoverage:
    """How prediction sets did for some patients.

    Attributes
    ----------
    n, n_covered
        Patients, and those whose set holds the true outcome.
    low, high
        Wilson's interval of the covered share.
    n_abstained, n_empty
        Patients whose set holds both outcomes, or none.
    n_certain, n_right
        Patients whose set holds one outcome, and those of them whose it is.
    """

    n: int
    n_covered: int
    low: float
    high: float
    n_abstained: int
    n_empty: int
    n_certain: int
    n_right: int

    @property
    def covered(self) -> float:
        """Share of the patients whose set holds the true outcome."""
        return self.n_covered / self.n

    @property
    def abstained(self) -> float:
        """Share of the patients whose set holds both outcomes."""
        return self.n_abstained / self.n

    @property
    def empty(self) -> float:
        """Share of the patients whose set holds no outcome."""
        return self.n_empty / self.n

    @property
    def accuracy(self) -> float | None:
        """Share of right ones among the sets of one outcome; None without such a set."""
        return self.n_right / self.n_certain if self.n_certain else None


def conformal_p_values(
    y_true: ArrayLike, y_prob: ArrayLike, judged: ArrayLike, *, patients: ArrayLike | None = None
) -> FloatArray:
    """P values of both outcomes for judged rows, by calibrating rows of known outcome.

    The p value of an outcome is the share of the patients with it, the judged one counted among
    them, whose probability of it is not higher. Several rows of a patient share one vote.

    Parameters
    ----------
    y_true, y_prob
        Outcomes (0/1) and probabilities of the calibrating rows, (m,), by models that have not
        seen them.
    judged
        Probabilities of the judged rows, (n,).
    patients
        Whose each calibrating row is, (m,); one patient a row if None.

    Returns
    -------
    ndarray
        P values of outcome 0 and of outcome 1, (n, 2), in (0, 1].

    Raises
    ------
    NotEstimable
        If an outcome has no calibrating row.
    BadArgument
        If an outcome is not 0/1, a probability not in [0, 1], or shapes differ.

    References
    ----------
    Vovk (2013), Mach. Learn. 92:349, doi:10.1007/s10994-013-5355-6, class-conditional (Mondrian)
    p values; Lee, Barber & Willett (2023), doi:10.48550/arXiv.2306.06342, rows of a patient.

    Examples
    --------
    >>> y, prob = [0, 0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.9]
    >>> conformal_p_values(y, prob, [0.3, 0.95]).round(3).tolist()
    [[0.5, 0.333], [0.25, 1.0]]
    """
    positive, known = validation.outcome_and_probability(y_true, y_prob)
    of = validation.vector(judged, "judged")
    new = validation.probability(of, of.size)
    units = np.arange(known.size) if patients is None else np.asarray(patients)
    if units.shape != known.shape:
        raise BadArgument(
            f"patients must name one for each of {known.size} rows, found shape {units.shape}"
        )
    columns = [
        _p_values(sign * known[rows], units[rows], sign * new)
        for rows, sign in ((~positive, -1.0), (positive, 1.0))
    ]
    return np.column_stack(columns)


def cross_conformal_p_values(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    folds: ArrayLike,
    *,
    patients: ArrayLike | None = None,
) -> FloatArray:
    """P values of both outcomes for the patients of a repeated cross-validation.

    A fold's rows are judged among the rows of the other folds of the same repeat, all by models
    that have not seen them; p values are averaged over the repeats. Guaranteed is an error of at
    most about twice the nominal one (references); in practice it is near the nominal one.

    Parameters
    ----------
    y_true
        Outcomes (0/1), (n,).
    y_prob, folds
        Out-of-fold probabilities, and the fold of each row, (n_repeats, n).
    patients
        As `conformal_p_values`, (n,).

    Returns
    -------
    ndarray
        Shape (n, 2), in (0, 1].

    Raises
    ------
    NotEstimable
        If the other folds lack an outcome.
    BadArgument
        As `conformal_p_values`.

    References
    ----------
    Vovk (2015), Ann. Math. Artif. Intell. 74:9, doi:10.1007/s10472-013-9368-4; Barber et al.
    (2021), Ann. Stat. 49:486, doi:10.1214/20-AOS1965 (CV+); an average of p values: Vovk & Wang
    (2020), Biometrika 107:791, doi:10.1093/biomet/asaa027.

    Examples
    --------
    >>> y, prob = [0, 0, 1, 1], [[0.1, 0.4, 0.3, 0.8]]
    >>> cross_conformal_p_values(y, prob, [[0, 1, 0, 1]]).tolist()
    [[1.0, 0.5], [0.5, 1.0], [1.0, 0.5], [0.5, 1.0]]
    """
    y, prob, fold = np.asarray(y_true), np.asarray(y_prob, np.float64), np.asarray(folds)
    if prob.ndim != 2 or prob.shape != fold.shape or prob.shape[1:] != y.shape:
        raise BadArgument(
            f"y_prob and folds must have shape (n_repeats, {y.size}), found {prob.shape} and "
            f"{fold.shape}; align them by row"
        )
    units = np.arange(y.size) if patients is None else np.asarray(patients)
    found = np.zeros((len(prob), y.size, 2))
    for r, (p, of) in enumerate(zip(prob, fold, strict=True)):
        for k in np.unique(of):
            own = of == k
            found[r, own] = conformal_p_values(y[~own], p[~own], p[own], patients=units[~own])
    return np.asarray(found.mean(axis=0))


def prediction_sets(p_values: ArrayLike, *, alpha: float, n_smallest: int) -> BoolArray:
    """Whether each outcome is in each set: those whose p value exceeds alpha.

    Parameters
    ----------
    p_values
        P values of both outcomes, (n, 2).
    alpha
        Accepted share of sets without the true outcome, in (0, .5).
    n_smallest
        Calibrating patients of the rarer outcome.

    Returns
    -------
    ndarray
        Shape (n, 2), bool.

    Raises
    ------
    NotEstimable
        If fewer than 1 / alpha - 1 patients calibrate an outcome: no set could leave it out.
    BadArgument
        If alpha is not in (0, .5) or the shape is another one.

    References
    ----------
    Vovk (2013), Mach. Learn. 92:349, doi:10.1007/s10994-013-5355-6.

    Examples
    --------
    >>> prediction_sets([[0.5, 0.02], [0.3, 0.2]], alpha=0.1, n_smallest=30).tolist()
    [[True, False], [True, True]]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != 2:
        raise BadArgument(f"p_values must have shape (n, 2), found {p.shape}; one an outcome")
    if not 0 < alpha < 0.5:
        raise BadArgument(f"alpha must lie in (0, .5), found {alpha}; .1 is usual")
    needed = ceil(1 / alpha - 1 - 1e-9)
    if n_smallest < needed:
        raise NotEstimable(
            f"sets with an error of {alpha:g} need {needed} calibrating patients of each "
            f"outcome, found {n_smallest}; no set could leave that outcome out"
        )
    return np.asarray(p > alpha)


def set_coverage(y_true: ArrayLike, sets: ArrayLike, *, level: float = 0.95) -> SetCoverage:
    """Coverage of prediction sets, and how often they abstain.

    Parameters
    ----------
    y_true
        Outcomes (0/1), (n,).
    sets
        Whether outcome 0 and outcome 1 are in each set, (n, 2).
    level
        Confidence level of Wilson's interval.

    Returns
    -------
    SetCoverage
        Counts and shares.

    Raises
    ------
    NotEstimable
        If there is no patient.
    BadArgument
        If shapes differ, or an outcome is not 0/1.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22:209, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> found = set_coverage([0, 1, 1], [[True, False], [True, False], [True, True]])
    >>> found.n_covered, found.n_abstained, found.n_certain, found.n_right
    (2, 1, 2, 1)
    """
    positive = validation.outcome(y_true, both_classes=False)
    held = np.asarray(sets)
    if held.shape != (positive.size, 2) or held.dtype != np.bool_:
        raise BadArgument(
            f"sets must be boolean of shape ({positive.size}, 2), found {held.dtype} {held.shape}"
        )
    is_covered = held[np.arange(positive.size), positive.astype(int)]
    size = held.sum(axis=1)
    n_covered = int(is_covered.sum())
    low, high = wilson_interval(n_covered, positive.size, level=level)
    return SetCoverage(
        positive.size, n_covered, low, high, int((size == 2).sum()), int((size == 0).sum()),
        int((size == 1).sum()), int((is_covered & (size == 1)).sum()),
    )  # fmt: skip


def _p_values(known: FloatArray, units: NDArray[np.generic], new: FloatArray) -> FloatArray:
    """Return the p value of each new conformity among the known ones of one outcome."""
    _, unit, n_rows = np.unique(units, return_inverse=True, return_counts=True)
    order = np.argsort(known, kind="stable")
    below = np.concatenate([[0.0], np.cumsum((1.0 / n_rows[unit])[order])])
    n_not_higher = below[np.searchsorted(known[order], new, side="right")]
    return np.asarray((n_not_higher + 1.0) / (n_rows.size + 1.0))
