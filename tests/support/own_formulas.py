"""Statistics as textbooks define them, written without a look at those of the program.

Nothing of `her2` is imported: a mistake there must not be repeated here. None where a number is
not determined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats
from sklearn.metrics import brier_score_loss, confusion_matrix, f1_score
from skmisc.loess import loess

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


def clipped_interval(won: Array) -> Estimate:
    area, half = won.mean(), Z * np.sqrt(delong_variance(won))
    return area, max(0.0, area - half), min(1.0, area + half)


def auc(y: Array, p: Array) -> Estimate:
    return clipped_interval(wins(y, p))


def paired_test(won: Array, lost: Array) -> tuple[Estimate, float, float]:
    """Difference of two AUCs with its interval, z and two-sided p."""
    difference, variance = (won - lost).mean(), delong_variance(won - lost)
    return wald(difference, variance)


def wald(value: float, variance: float) -> tuple[Estimate, float, float]:
    if variance == 0:
        return (value, value, value), 0.0, 1.0
    error = np.sqrt(variance)
    z = value / error
    return (value, value - Z * error, value + Z * error), z, 2 * stats.norm.sf(abs(z))


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


def counts(y: Array, p: Array, threshold: float) -> dict[str, int]:
    tn, fp, fn, tp = confusion_matrix(y, p >= threshold, labels=[0, 1]).ravel().tolist()
    return {"tp": tp, "fp": fp, "tn": tn, "fn": fn}


def share(hits: int, misses: int) -> Estimate | None:
    """Share of hits with Wilson's interval."""
    if not hits + misses:
        return None
    limits = stats.binomtest(hits, hits + misses).proportion_ci(method="wilson")
    return hits / (hits + misses), limits.low, limits.high


def classified(y: Array, p: Array, threshold: float) -> dict[str, object]:
    n = counts(y, p, threshold)
    return n | {
        "sensitivity": share(n["tp"], n["fn"]),
        "specificity": share(n["tn"], n["fp"]),
        "ppv": share(n["tp"], n["fp"]),
        "npv": share(n["tn"], n["fn"]),
        "accuracy": (n["tp"] + n["tn"]) / len(y),
        "f1": f1_score(y, p >= threshold) if n["tp"] + n["fp"] + n["fn"] else None,
    }


def brier(y: Array, p: Array) -> tuple[float, float]:
    """Brier score, and the share of the prevalence's own that it removes."""
    own = brier_score_loss(y, p)
    return own, 1 - own / brier_score_loss(y, np.full(len(y), y.mean()))


def logistic(y: Array, x: Array) -> tuple[float, ...] | None:
    """Intercept and coefficients by maximum likelihood; None if x separates the outcomes."""
    x = x.reshape(len(y), -1)
    design = np.column_stack([np.ones(len(y)), x])
    if x.shape[1] == 1 and (
        x[y == 1].min() >= x[y == 0].max() or x[y == 0].min() >= x[y == 1].max()
    ):
        return None

    def loss(beta: Array) -> tuple[float, Array]:
        line = design @ beta
        value = np.logaddexp(0, line).sum() - y @ line
        return value, design.T @ (special.expit(line) - y)

    found = optimize.minimize(loss, np.zeros(design.shape[1]), jac=True, tol=1e-12)
    return tuple(found.x)


def in_the_large(y: Array, line: Array) -> float:
    """Intercept that makes the mean prediction the prevalence, with the slope held at 1."""
    return optimize.brentq(lambda a: special.expit(a + line).sum() - y.sum(), -50, 50, xtol=1e-12)


def calibration_distances(y: Array, p: Array) -> tuple[float, float, float] | None:
    """ICI, E50, E90: mean and quantiles of the distances from a loess within [0, 1]."""
    smooth = loess(p, y, span=0.75, degree=2)
    with suppress(ValueError):  # also raised with a usable fit, by a pseudoinverse
        smooth.fit()
    distance = np.abs(np.clip(smooth.outputs.fitted_values, 0.0, 1.0) - p)
    if not np.isfinite(distance).all():
        return None
    return distance.mean(), np.quantile(distance, 0.5), np.quantile(distance, 0.9)


def hosmer_lemeshow(y: Array, p: Array) -> tuple[float, int, float] | None:
    """Statistic, degrees of freedom and p over groups by deciles, which ties make fewer."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, 11)))
    group = np.maximum(np.searchsorted(edges, p - 1e-12, side="left"), 1)
    rows = [(y[group == g].sum(), p[group == g].sum(), (group == g).sum()) for g in set(group)]
    if len(rows) < 3:
        return None
    statistic = sum((o - e) ** 2 / e + (o - e) ** 2 / (n - e) for o, e, n in rows)
    return statistic, len(rows) - 2, stats.chi2.sf(statistic, len(rows) - 2)


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


def heterogeneity(levels: Iterable[tuple[Array, Array]]) -> float:
    """Cochran's p of the hypothesis that the AUC is the same in all levels."""
    won = [wins(y, p) for y, p in levels]
    areas = np.array([w.mean() for w in won])
    weight = 1 / np.array([delong_variance(w) for w in won])
    pooled = np.average(areas, weights=weight)
    return float(stats.chi2.sf((weight * (areas - pooled) ** 2).sum(), len(areas) - 1))


def net_benefit(y: Array, p: Array, at: Array) -> Array:
    hits = np.array([(y[p >= t] == 1).sum() for t in at])
    alarms = np.array([(y[p >= t] == 0).sum() for t in at])
    return hits / len(y) - alarms / len(y) * at / (1 - at)
