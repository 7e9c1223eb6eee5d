"""The AUC of a study with an interval that holds, and the difference of two of them.

Held-out predictions vary with the patients who are predicted. Cross-validated ones also vary with
the patients who were learned from, which no variance of one sample of predictions contains
(Bengio & Grandvalet 2004), and their AUC lies below that of a model of all patients: folds learn
from fewer, and their probabilities are compared across models. `benchmarks/coverage.py` measures
what the answers given here are worth; docs/method.md has its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student_t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.clusters import patient_numbers, patient_variance, repeated_scores
from her2.stats.discrimination.auc import (
    Placements,
    hanley_mcneil_variance,
    limit_of_separation,
    placements,
)
from her2.stats.validation import BoolArray, FloatArray

_PRIOR_CASES = 5.0  # of the smaller class, whose weight the variance of a known shape has
_PRIOR_REPEATS = 2.0  # weight of what is known of the variance of learning before any repeat:
_LEARNING = 0.75  # times that of the cases (benchmarks/coverage.py)


@dataclass(frozen=True)
class AucEstimate:
    """An AUC with its interval.

    Attributes
    ----------
    auc, low, high
        Mean AUC over repeats, and its limits, in [0, 1].
    standard_error, dof
        Of the AUC, and the degrees of freedom that its estimate has; infinite for held-out cases.
    p_value
        One-sided: that chance ranks as well. The error is at least that of chance's own AUC.
    within_folds
        AUC of pairs of one fold, about which the interval lies; None without folds.
    per_repeat
        AUC of each repeat; how they differ is no standard error.
    """

    auc: float
    low: float
    high: float
    standard_error: float
    dof: float
    p_value: float
    within_folds: float | None
    per_repeat: tuple[float, ...]

    @property
    def sd_between_repeats(self) -> float | None:
        """Standard deviation of the repeats' AUCs; None for one repeat."""
        return float(np.std(self.per_repeat, ddof=1)) if len(self.per_repeat) > 1 else None


@dataclass(frozen=True)
class AucDifference:
    """A paired comparison of two AUCs.

    Attributes
    ----------
    difference, low, high
        First minus second, and its limits, which may leave [-1, 1].
    z
        Difference over its standard error.
    p_value
        Two-sided.
    """

    difference: float
    low: float
    high: float
    z: float
    p_value: float


def auc_estimate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | int | None = None,
    level: float = 0.95,
) -> AucEstimate:
    """AUC of held-out or of cross-validated predictions, with its interval.

    The variance of the sampled cases is DeLong's, of patients where these have several rows
    (Obuchowski), and is drawn towards that of Hanley & McNeil with the weight of five cases.
    Cross-validation adds how much the AUC moves when other patients are learned from: the variance
    between repeats times one fewer than there are folds, as a jackknife that leaves out a fold,
    drawn towards .75 times the variance of the cases with the weight of two repeats.

    The interval is Student's on the logit; for an AUC of 0 or 1 it is Newcombe's. Where there are
    folds it lies about the AUC within folds: pairs of two folds compare probabilities of two
    models, which lowers the AUC below that of any one model.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    y_score
        Shape (n,), or (n_repeats, n) of repeated cross-validation; finite, higher = more likely
        positive.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    folds
        Shape of `y_score`: the fold without which each score was learned; or only their number,
        and the interval lies about the AUC itself. None if no case took part in learning.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases or patients, a score is missing, or the scores of a
        repeat are all equal.
    BadArgument
        If the shapes differ or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Obuchowski (1997), Biometrics 53:567, doi:10.2307/2533958.
    Hanley & McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747.
    Newcombe (2006), Stat. Med. 25:559, doi:10.1002/sim.2324 (method 5).
    Bengio & Grandvalet (2004), https://www.jmlr.org/papers/v5/grandvalet04a.html.
    LeDell, Petersen & van der Laan (2015), doi:10.1214/15-EJS1035 (AUC within folds).

    Examples
    --------
    >>> found = auc_estimate([0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 6, 4, 5, 7, 8])
    >>> round(found.auc, 3), round(found.low, 3), round(found.high, 3)
    (0.875, 0.362, 0.989)
    """
    validation.check_level(level)
    fold = None
    if isinstance(folds, np.integer):
        folds = int(folds)
    elif not (folds is None or isinstance(folds, int)):
        fold = _numbered(folds, np.shape(y_score))
        folds = np.unique(fold).size  # whatever their numbers are
    of = Ranking.of(y_true, y_score, groups, folds)
    auc = float(of.per_repeat.mean())
    within = None if fold is None else of.within(fold)
    centre = auc if within is None else within
    error, dof = of.error(of.mean, of.per_repeat, shape=centre)
    low, high = of.limits(centre, error, float(student_t.ppf((1.0 + level) / 2.0, dof)))
    by_chance = chance_error(*of.n_patients, is_cross_validated=of.n_folds is not None)
    p_value = float(student_t.sf((auc - 0.5) / max(error, by_chance), dof))
    return AucEstimate(
        auc, min(low, auc), max(high, auc), error, dof, p_value, within,
        tuple(of.per_repeat.tolist()),
    )  # fmt: skip


def auc_difference(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_folds: int | None = None,
    level: float = 0.95,
) -> AucDifference:
    """Paired test of two AUCs of the same cases, with the standard error of `auc_estimate`.

    For held-out cases of one row a patient it is DeLong's test. The reference is normal here too:
    Student's would make differences of equally good arms significant too rarely.

    Parameters
    ----------
    y_true, groups, level
        As in `auc_estimate`.
    first, second
        As `y_score` there, with cases in the same order. Several rows of one may belong to each
        repeat of the other, in its order; if neither number divides the other, one repeat counts.
    n_folds
        Of the cross-validation; None if no case took part in learning.

    Returns
    -------
    AucDifference
        z = 0 and p = 1 for scores that rank every pair alike.

    Raises
    ------
    NotEstimable, BadArgument
        As `auc_estimate`, and if the AUCs differ while the variance of the difference is 0.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Obuchowski (1997), Biometrics 53:567, doi:10.2307/2533958.

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> test = auc_difference(y, [0.1, 0.4, 0.2, 0.3, 0.8, 0.9], [0.6, 0.4, 0.2, 0.3, 0.8, 0.5])
    >>> round(test.difference, 3), round(test.z, 3), round(test.p_value, 3)
    (0.222, 0.894, 0.371)
    """
    one, two = (Ranking.of(y_true, x, groups, n_folds) for x in (first, second))
    gaps = _by_repeat(one, two) - _by_repeat(two, one)
    gap = Placements(*(a - b for a, b in zip(one.mean, two.mean, strict=True)))
    error, _ = one.error(gap, gaps)
    difference = float(one.per_repeat.mean() - two.per_repeat.mean())
    if error == 0.0 and difference != 0.0:
        raise NotEstimable(
            f"the variance of an AUC difference must be positive, found 0 for {difference:g}; "
            "the sample is too small to compare these scores"
        )
    z = difference / error if error else 0.0
    half_width = validation.normal_quantile(level) * error
    limits = difference - half_width, difference + half_width
    return AucDifference(difference, *limits, z, float(2.0 * norm.sf(abs(z))))


@dataclass(frozen=True)
class Ranking:
    """Scores of the cases, and how each case is placed among those of the other class.

    Attributes
    ----------
    positive, patient
        Outcomes and numbers of the patients, (n,).
    scores
        By repeat, (n_repeats, n).
    n_folds
        Of the cross-validation; None for held-out cases.
    mean, per_repeat
        Placements averaged over the repeats, and the AUC of each repeat, (n_repeats,).
    """

    positive: BoolArray
    scores: FloatArray
    patient: NDArray[np.intp]
    n_folds: int | None
    mean: Placements
    per_repeat: FloatArray

    @classmethod
    def of(
        cls, y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None, n_folds: int | None
    ) -> Ranking:
        """Return the ranking of checked scores, of (n_repeats, n) or (n,)."""
        validation.check_folds(n_folds)
        positive = validation.outcome(y_true)
        scores = repeated_scores(y_score, positive.size)
        for row in scores:
            validation.score(row, positive.size, name="y_score")
        each = [placements(positive, row) for row in scores]
        mean = Placements(*(np.mean(of_class, axis=0) for of_class in zip(*each, strict=True)))
        patient = patient_numbers(positive.size, groups)
        per_repeat = np.array([placed.auc for placed in each])
        return cls(positive, scores, patient, n_folds, mean, per_repeat)

    @property
    def n_patients(self) -> tuple[int, int]:
        """Patients with a positive case, and with a negative one."""
        of_class = (self.patient[rows] for rows in (self.positive, ~self.positive))
        n_positive, n_negative = (np.unique(of).size for of in of_class)
        return n_positive, n_negative

    def within(self, fold: NDArray[np.intp]) -> float | None:
        """AUC of the pairs of one fold, over all folds and repeats; None where there is no pair.

        A pair of two folds compares probabilities of two models, and counts chance of calibration.
        """
        won = n_pairs = 0.0
        for scores, folds in zip(self.scores, fold, strict=True):
            for k in np.unique(folds):
                rows = folds == k
                positive = self.positive[rows]
                if 0 < positive.sum() < positive.size:
                    wins = placements(positive, scores[rows]).of_positives
                    won += float(wins.sum())
                    n_pairs += wins.size * (positive.size - wins.size)
        return won / n_pairs if n_pairs else None

    def error(
        self, placed: Placements, per_repeat: FloatArray, *, shape: float | None = None
    ) -> tuple[float, float]:
        """Return standard error and degrees of freedom of an AUC or a difference of placements.

        shape: AUC whose variance by Hanley & McNeil has the weight of some cases.
        """
        variance, smaller = self._of_sample(placed), min(self.n_patients)
        if shape is not None:
            known = hanley_mcneil_variance(shape, *self.n_patients)
            variance += _PRIOR_CASES / (smaller + _PRIOR_CASES) * (known - variance)
        if self.n_folds is None:
            return sqrt(variance), inf
        squares = (self.n_folds - 1) * float(((per_repeat - per_repeat.mean()) ** 2).sum())
        weight = len(per_repeat) - 1 + _PRIOR_REPEATS
        learning = (squares + _PRIOR_REPEATS * _LEARNING * variance) / weight
        total = variance + learning
        if total == 0.0:
            return 0.0, inf
        parts = learning**2 / weight + variance**2 / (smaller - 1)
        return sqrt(total), total**2 / parts

    def _of_sample(self, placed: Placements) -> float:
        """DeLong's variance; Obuchowski's where patients have several cases."""
        if min(self.n_patients) < 2:
            raise NotEstimable(
                "the variance of an AUC needs 2 patients in each class, found "
                f"{self.n_patients[0]} positive and {self.n_patients[1]} negative; report the "
                "AUC without an interval or collect more"
            )
        return patient_variance(self.influence(placed), self.patient)

    def influence(self, placed: Placements) -> FloatArray:
        """Return what each case adds to the error of an AUC, (n,), as DeLong's variance counts."""
        influence = np.empty(self.positive.size)
        for rows, values, n_other in (
            (self.positive, placed.of_positives, placed.of_negatives.size),
            (~self.positive, placed.of_negatives, placed.of_positives.size),
        ):
            n = values.size
            error = (values - values.mean()) / n_other / n
            influence[rows] = error * sqrt(n / (n - 1))
        return influence

    def limits(self, centre: float, error: float, quantile: float) -> tuple[float, float]:
        """Limits about an AUC, on the logit; by Newcombe's equation where that is infinite."""
        if 0.0 < centre < 1.0:
            half_width = quantile * error / (centre * (1.0 - centre))
            low, high = expit(logit(centre) + np.array([-half_width, half_width])).tolist()
            return low, high
        factor = 1.0 if self.n_folds is None else 1.0 + _LEARNING
        away = quantile * sqrt(factor)
        limit = limit_of_separation(centre, *self.n_patients, quantile=away)
        return (limit, 1.0) if centre else (0.0, limit)


def _by_repeat(of: Ranking, beside: Ranking) -> FloatArray:
    """AUC of each repeat that two rankings share; of one, if these do not fit."""
    shared = min(len(of.per_repeat), len(beside.per_repeat))
    fits = max(len(of.per_repeat), len(beside.per_repeat)) % shared == 0
    return np.asarray(of.per_repeat.reshape(shared if fits else 1, -1).mean(axis=1))


def chance_error(n_positive: int, n_negative: int, *, is_cross_validated: bool) -> float:
    """Return the standard error of the AUC of a ranking by chance.

    Parameters
    ----------
    n_positive, n_negative
        Cases, at least 1 each.
    is_cross_validated
        Whether models were learned from the other cases, in one repeat, as `auc_estimate` adds it.

    References
    ----------
    Mann & Whitney (1947), Ann. Math. Stat. 18:50, doi:10.1214/aoms/1177730491.

    Examples
    --------
    >>> round(chance_error(58, 143, is_cross_validated=True), 3)
    0.06
    """
    variance = hanley_mcneil_variance(0.5, n_positive, n_negative)
    return sqrt(variance * (1.0 + _LEARNING if is_cross_validated else 1.0))


def _numbered(folds: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.intp]:
    fold = np.asarray(folds)
    if fold.shape != shape or not np.issubdtype(fold.dtype, np.integer):
        raise BadArgument(
            f"folds must have a whole number for each score, found shape {fold.shape} for "
            f"{shape}; pass the fold that each score was learned without"
        )
    return np.atleast_2d(fold).astype(np.intp)
