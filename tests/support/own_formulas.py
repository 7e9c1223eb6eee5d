"""Statistics as textbooks define them, written without a look at those of the program.

Nothing of `her2` is imported: a mistake there must not be repeated here. None where a number is
not determined.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats
from sklearn.metrics import confusion_matrix, roc_curve
from skmisc.loess import loess
from statsmodels.api import GLM, families

Array: TypeAlias = NDArray[np.float64]
Estimate: TypeAlias = tuple[float, float, float]
Z = stats.norm.ppf(0.975)


def wins(y: Array, p: Array) -> Array:
    """Whether each positive (row) is placed above each negative (column), a tie one half."""
    positive, negative = p[y == 1][:, None], p[y == 0][None, :]
    return (positive > negative) + 0.5 * (positive == negative)


def delong_variance(won: Array) -> float:
    """Variance of the mean of a matrix of wins, or of their differences (DeLong 1988)."""
    m, n = won.shape
    return won.mean(axis=1).var(ddof=1) / m + won.mean(axis=0).var(ddof=1) / n


@dataclass(frozen=True)
class Auc:
    """An AUC with limits, its standard error and degrees of freedom, and p against chance."""

    value: float
    low: float
    high: float
    error: float
    dof: float
    centre: float
    p_value: float

    @property
    def estimate(self) -> Estimate:
        return self.value, self.low, self.high


def exponential_variance(area: float, m: int, n: int) -> float:
    """Variance of an AUC of exponential scores, both classes as large as their mean (2006)."""
    size = (m + n) / 2 - 1
    return area * (1 - area) * (1 + size * ((1 - area) / (2 - area) + area / (1 + area))) / m / n


def with_learning(variance: float, areas: Array, n_folds: int, n_smaller: int) -> Estimate:
    """Variance of sampled and of learned cases, degrees of freedom (Satterthwaite), the second."""
    dof = len(areas) - 1 + 2  # as if two more repeats had varied as is usual: .75 of the first
    of_repeats = (n_folds - 1) * np.sum((areas - areas.mean()) ** 2)
    learned = (of_repeats + 2 * 0.75 * variance) / dof
    total = variance + learned
    return total, total**2 / (learned**2 / dof + variance**2 / (n_smaller - 1)), learned


def within_folds(y: Array, p: Array, folds: Array) -> float:
    """Share of won pairs among those of one fold of one repeat."""
    pairs = [
        wins(y[f == k], x[f == k]).ravel() for x, f in zip(p, folds, strict=True) for k in set(f)
    ]
    return float(np.concatenate(pairs).mean())


def auc(y: Array, p: Array, folds: Array | int | None = None) -> Auc:
    """AUC of probabilities (repeats, n); of cross-validated ones, the folds or their number."""
    p = np.atleast_2d(p)
    each = np.array([wins(y, x) for x in p])
    won, areas = each.mean(axis=0), each.mean(axis=(1, 2))
    value, sizes = float(won.mean()), won.shape
    centre, n_folds = value, folds
    if isinstance(folds, np.ndarray):
        n_folds = len(set(folds.ravel()))
        centre = within_folds(y, p, folds)
    weight = 5 / (5 + min(sizes))
    variance = (1 - weight) * delong_variance(won) + weight * exponential_variance(centre, *sizes)
    dof, grown = np.inf, 1.0
    if n_folds is not None:
        variance, dof, _ = with_learning(variance, areas, n_folds, min(sizes))
        grown = 1.75
    error, t = np.sqrt(variance), stats.t.ppf(0.975, dof)
    low, high = _limits(centre, error, t, grown, sizes)
    chance = np.sqrt(grown * exponential_variance(0.5, *sizes))
    p_value = stats.t.sf((value - 0.5) / max(error, chance), dof)
    return Auc(value, min(low, value), max(high, value), error, dof, centre, float(p_value))


def _limits(
    centre: float, error: float, t: float, grown: float, sizes: tuple[int, int]
) -> tuple[float, float]:
    if 0 < centre < 1:
        return shifted(centre, centre, error, t)
    # Newcombe: the AUC from which it is as many standard errors away
    found = optimize.brentq(
        lambda x: (centre - x) ** 2 - t**2 * grown * exponential_variance(x, *sizes),
        *sorted((abs(centre - 1e-9), 0.5)),
    )
    return (found, 1.0) if centre == 1 else (0.0, found)


def shifted(middle: float, centre: float, error: float, t: float) -> tuple[float, float]:
    """Limits about another middle, as wide on the log odds as they are about the centre."""
    half = t * error / (centre * (1 - centre))
    low, high = special.expit(special.logit(middle) + np.array([-half, half]))
    return float(low), float(high)


def paired_test(
    y: Array, one: Array, two: Array, n_folds: int | None = None
) -> tuple[Estimate, float, float]:
    """Difference of two AUCs with its interval, z and two-sided p."""
    gaps = [wins(y, a) - wins(y, b) for a, b in zip(*map(np.atleast_2d, (one, two)), strict=True)]
    gap = np.mean(gaps, axis=0)
    variance = delong_variance(gap)
    if n_folds is not None and variance:
        areas = np.array([x.mean() for x in gaps])
        variance = with_learning(variance, areas, n_folds, min(gap.shape))[0]
    return wald(gap.mean(), variance)


def wald(value: float, variance: float) -> tuple[Estimate, float, float]:
    if variance == 0:
        return (value, value, value), 0.0, 1.0
    error = np.sqrt(variance)
    z = value / error
    return (value, value - Z * error, value + Z * error), z, 2 * stats.norm.sf(abs(z))


def luck_of_the_best(y: Array, scores: Sequence[Array], n_folds: int) -> float:
    """Mean of the largest error of arms that are equally good, by 200 000 draws."""
    placed, errors = [], []
    for p in scores:
        each = np.array([wins(y, x) for x in p])
        won = each.mean(axis=0)
        of_case = np.empty(len(y))
        for rows, values in ((y == 1, won.mean(axis=1)), (y == 0, won.mean(axis=0))):
            of_case[rows] = (values - won.mean()) / np.sqrt(rows.sum() * (rows.sum() - 1))
        placed.append(of_case)
        total = with_learning(
            delong_variance(won), each.mean(axis=(1, 2)), n_folds, min(won.shape)
        )[0]
        errors.append(np.sqrt(total))
    covariance = np.corrcoef(placed) * np.outer(errors, errors)
    drawn = np.random.default_rng(7).multivariate_normal(
        np.zeros(len(errors)), covariance, 200_000
    )
    return 0.83 * float(drawn.max(axis=1).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p: the largest of the multiplied p up to each in ascending order, at most 1."""
    m, ordered = len(p_values), sorted(p_values)
    stepped = [min(1.0, (m - i) * p) for i, p in enumerate(ordered)]
    return [max(stepped[: ordered.index(p) + 1]) for p in p_values]


def thresholds(y: Array, p: Array) -> dict[str, float]:
    """Threshold of every rule on the training patients' out-of-fold probabilities."""
    scores = np.unique(p)
    between = (scores[1:] + scores[:-1]) / 2
    every = np.concatenate([[scores[0]], between, [np.nextafter(scores[-1], np.inf)]])
    n_true = np.array([(p[y == 1] >= t).sum() for t in every])
    n_false = np.array([(p[y == 0] >= t).sum() for t in every])
    n_positive, n_negative = (y == 1).sum(), (y == 0).sum()
    j = n_true[1:-1] * n_negative - n_false[1:-1] * n_positive
    return {
        "Youden": between[np.argmax(j)],
        "sensitivity ≥ .90": every[n_true / n_positive >= 0.9].max(),
        "specificity ≥ .90": every[(n_negative - n_false) / n_negative >= 0.9].min(),
    }


def thresholds_of_others(y: Array, p: Array, folds: Array, rule: str) -> Array:
    """Threshold of every row (repeats, n): by the rows of the other folds of its repeat."""
    found = np.empty(p.shape)
    for x, f, of in zip(p, folds, found, strict=True):
        for k in set(f):
            of[f == k] = thresholds(y[f != k], x[f != k])[rule]
    return found


def counts(y: Array, called: Array) -> dict[str, float]:
    """Mean counts over the repeats of who was called positive, (repeats, n)."""
    tables = np.array([confusion_matrix(y, x, labels=[0, 1]).ravel() for x in called])
    return dict(zip(("tn", "fp", "fn", "tp"), tables.mean(axis=0).tolist(), strict=True))


def share(hits: Array, cases: Array, n_folds: int | None = None) -> Estimate | None:
    """Share of hits among cases, both (repeats, n), with Wilson's interval.

    As many cases count as would give the variance of the patients' own parts and, of a
    cross-validation, of its repeats.
    """
    if not cases.any():
        return None
    hit, case = hits.mean(axis=0), cases.mean(axis=0)
    total = case.sum()
    value = hit.sum() / total
    variance = np.sum((hit - value * case) ** 2) / total**2
    if n_folds is not None:
        each = [h.sum() / c.sum() for h, c in zip(hits, cases, strict=True) if c.any()]
        variance += (n_folds - 1) * np.var(each, ddof=1) if len(each) > 1 else 0.0
    n = min(total, (case > 0).sum())
    if variance > 1e-12:
        n = min(value * (1 - value) / variance, total)
    return value, *wilson(value, n)


def wilson(value: float, n: float) -> tuple[float, float]:
    """Shares from which the value is Z of their own standard errors away, of n cases."""
    a, b, c = 1 + Z**2 / n, -(2 * value + Z**2 / n), value**2
    root = np.sqrt(max(b * b - 4 * a * c, 0.0))
    return max((-b - root) / 2 / a, 0.0), min((-b + root) / 2 / a, 1.0)


def classified(
    y: Array, p: Array, threshold: Array | float, n_folds: int | None = None
) -> dict[str, object]:
    p = np.atleast_2d(p)
    called, positive = p >= threshold, np.tile(y == 1, (len(p), 1))
    jaccard = share(called & positive, called | positive, n_folds)
    parts = {
        "sensitivity": (called & positive, positive),
        "specificity": (~called & ~positive, ~positive),
        "ppv": (called & positive, called),
        "npv": (~called & ~positive, ~called),
        "accuracy": (called == positive, np.ones_like(called)),
    }
    found = {name: share(*of, n_folds) for name, of in parts.items()}
    f1 = jaccard and tuple(2 * x / (1 + x) for x in jaccard)
    return counts(y, called) | found | {"f1": f1, "prevalence": y.mean()}


def brier(y: Array, p: Array) -> tuple[Estimate, Estimate]:
    """Brier score, and the share of the prevalence's own that it removes, by the delta method."""
    error, n, q = ((np.atleast_2d(p) - y) ** 2).mean(axis=0), len(y), y.mean()
    own, reference = error.mean(), q * (1 - q)
    covariance = np.cov(error, y) / n
    gradient = np.array([-1 / reference, own * (1 - 2 * q) / reference**2])
    t, scaled = stats.t.ppf(0.975, n - 1), 1 - own / reference
    half = t * np.sqrt(covariance[0, 0])
    wide = t * np.sqrt(gradient @ covariance @ gradient)
    return (
        (own, max(own - half, 0.0), min(own + half, 1.0)),
        (scaled, scaled - wide, min(scaled + wide, 1.0)),
    )


def calibration_line(y: Array, p: Array) -> list[Estimate] | None:
    """Intercept and slope of the outcome on the log odds; None if these separate outcomes."""
    up, down = p[:, y == 1], p[:, y == 0]
    if up.min() >= down.max() or down.min() >= up.max():
        return None
    return _fitted(y, p, slope=True)


def in_the_large(y: Array, p: Array) -> Estimate:
    """Intercept that makes the mean prediction the prevalence, with the slope held at 1."""
    return _fitted(y, p, slope=False)[0]


def _fitted(y: Array, p: Array, *, slope: bool) -> list[Estimate]:
    """Coefficients of stacked repeats (repeats, n); of several, errors between patients.

    Probabilities of 0 and 1 have no log odds and are left out.
    """
    inside = (p > 0) & (p < 1)
    line, outcome = special.logit(p[inside]), np.tile(y, (len(p), 1))[inside]
    one = np.ones(line.size)
    design, offset = (np.column_stack([one, line]), None) if slope else (one, line)
    model = GLM(outcome, design, offset=offset, family=families.Binomial())
    options = {}
    if len(p) > 1:
        patients = {"groups": np.nonzero(inside)[1], "use_correction": False}
        options = {"cov_type": "cluster", "cov_kwds": patients}
    fit = model.fit(tol=1e-12, **options)
    t = stats.t.ppf(0.975, len(y) - 1) if len(p) > 1 else Z
    return [(b, b - t * e, b + t * e) for b, e in zip(fit.params, fit.bse, strict=True)]


def calibration_distances(y: Array, p: Array) -> tuple[float, float, float] | None:
    """ICI, E50, E90: mean and quantiles of the distances from a loess within [0, 1]."""
    y, p = np.tile(y, len(p)), p.ravel()
    smooth = loess(p, y, span=0.75, degree=2)
    with suppress(ValueError):  # also raised with a usable fit, by a pseudoinverse
        smooth.fit()
    distance = np.abs(np.clip(smooth.outputs.fitted_values, 0.0, 1.0) - p)
    if not np.isfinite(distance).all():
        return None
    return distance.mean(), np.quantile(distance, 0.5), np.quantile(distance, 0.9)


def hosmer_lemeshow(y: Array, p: Array, lost: int) -> tuple[float, int, float] | None:
    """Statistic, degrees of freedom and p over groups by deciles, which ties make fewer.

    `lost`: degrees of freedom of a model that was fitted on the rows. Of several repeats the one
    with the median statistic.
    """
    found = []
    for x in p:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, 11)))
        group = np.maximum(np.searchsorted(edges, x - 2 * np.spacing(x), side="left"), 1)
        groups = [group == g for g in set(group)]
        if len(groups) < 3:
            return None
        sums = [(of[g].sum(), q[g].sum()) for g in groups for of, q in ((y, x), (1 - y, 1 - x))]
        value = sum((o - e) ** 2 / e for o, e in sums if o != e)
        found.append((value, len(groups) - lost, stats.chi2.sf(value, len(groups) - lost)))
    return sorted(found)[len(found) // 2]


def idi(y: Array, old: Array, new: Array) -> tuple[Estimate, float, float]:
    """Gain of the mean of positives plus fall of the mean of negatives (Pencina 2008)."""
    gain = new - old
    up, down = gain[y == 1], -gain[y == 0]
    variance = up.var(ddof=1) / len(up) + down.var(ddof=1) / len(down)
    return wald(up.mean() + down.mean(), variance)


def nri(y: Array, old: Array, new: Array) -> tuple[Estimate, float, float]:
    """Share of positives moved up less down, plus that of negatives moved down less up."""
    move = np.sign(new - old)
    up, down = move[y == 1], -move[y == 0]
    return wald(up.mean() + down.mean(), up.var() / len(up) + down.var() / len(down))


def heterogeneity(levels: Sequence[Auc]) -> float:
    """Cochran's p of the hypothesis that the AUC is the same in all levels."""
    areas = np.array([level.value for level in levels])
    weight = np.array([level.error for level in levels]) ** -2
    pooled = np.average(areas, weights=weight)
    return float(stats.chi2.sf((weight * (areas - pooled) ** 2).sum(), len(areas) - 1))


def mean_roc(y: Array, p: Array) -> Array:
    """Mean over repeats of the lower and upper sensitivity at each false positive rate, (2, m)."""
    rates = np.arange((y == 0).sum() + 1)
    ends = []
    for x in p:
        false, true, _ = roc_curve(y, x, drop_intermediate=False)
        false = np.rint(false * rates[-1])
        line = np.interp(rates, false, true)
        at = [true[false == k] for k in rates]
        ends.append(
            [
                [of.min() if of.size else on for of, on in zip(at, line, strict=True)],
                [of.max() if of.size else on for of, on in zip(at, line, strict=True)],
            ]
        )
    return np.mean(ends, axis=0)


def net_benefit(y: Array, p: Array, at: Array) -> dict[str, Array]:
    """Net benefit and its gain over treating all, (3, m) each: the mean over cases, its limits."""
    n, t = len(y), stats.t.ppf(0.975, len(y) - 1)
    worth = np.where(y[:, None] == 1, 1.0, -at / (1 - at))
    treated = np.mean([x[:, None] >= at for x in p], axis=0)
    found = {}
    for name, of in {"net_benefit": treated * worth, "over_all": (treated - 1) * worth}.items():
        half = t * of.std(axis=0, ddof=1) / np.sqrt(n)
        found[name] = of.mean(axis=0) + np.array([0.0, -1.0, 1.0])[:, None] * half
    return found
