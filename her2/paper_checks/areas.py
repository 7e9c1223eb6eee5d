"""AUCs against a point of their curve, their interval, and their differences."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from her2.core.errors import BadArgument
from her2.paper_checks.claims import Area, AreaComparison, Brier, Curve, PrintedStudy
from her2.paper_checks.printed import Contradiction, Interval, Printed, Rule, corners, overlap
from her2.paper_checks.sizes import case_numbers
from her2.stats.validation import normal_quantile


def auc_bounds(sensitivity: float, specificity: float, *, curve: Curve = "concave") -> Interval:
    r"""Smallest and largest AUC of a ROC curve through one operating point.

    With f = 1 - specificity and t = sensitivity:

    * any curve: a case above the threshold beats every one below it, so the AUC is at least
      t (1 - f) and at most 1 - f (1 - t);
    * concave curve: it lies above the polygon (0, 0), (f, t), (1, 1), of area (1 + t - f) / 2,
      and below a line of slope m through (f, t) and below 1. The line must not be negative at 0
      nor below 1 at 1, so (1 - t) / (1 - f) <= m <= t / f, and the area under it is
      1 - ((1 - t) + m f)^2 / (2 m), which is largest at m = (1 - t) / f, there 1 - 2 f (1 - t);
      where that m is out of its range, the nearer end of the range is best;
    * point of the largest Youden index t - f = J: no point lies above x + J, so the AUC is at
      most 1 - (1 - J)^2 / 2, and at least t (1 - f). This needs no concave curve, so it holds
      for an empirical one.

    A point below the diagonal lies on no concave curve: it gets the bounds of any curve. A rate
    outside [0, 1] is a `BadArgument`.

    References
    ----------
    Metz & Pan (1999), J. Math. Psychol. 43:1, doi:10.1006/jmps.1998.1218: proper curves.

    Examples
    --------
    >>> [round(x, 3) for x in auc_bounds(19 / 30, 24 / 33)]
    [0.68, 0.8]
    >>> [round(x, 3) for x in auc_bounds(19 / 30, 24 / 33, curve="any")]
    [0.461, 0.9]
    """
    if not (0.0 <= sensitivity <= 1.0 and 0.0 <= specificity <= 1.0):
        raise BadArgument(
            f"sensitivity and specificity must lie in [0, 1], found {sensitivity} and "
            f"{specificity}; pass proportions"
        )
    t, f = sensitivity, 1.0 - specificity
    low, high = t * (1.0 - f), 1.0 - f * (1.0 - t)
    if curve == "youden":
        return low, min(high, 1.0 - (1.0 - (t - f)) ** 2 / 2.0)
    if curve == "any" or t < f:
        return low, high
    return (1.0 + t - f) / 2.0, _largest_concave(f, t)


def _largest_concave(f: float, t: float) -> float:
    """Largest area under min(1, a line through (f, t)), f <= t."""
    if f == 0.0 or t == 1.0:
        return 1.0
    slope = min(max((1.0 - t) / f, (1.0 - t) / (1.0 - f)), t / f)
    return float(1.0 - (1.0 - t + slope * f) ** 2 / (2.0 * slope))


def check_areas(study: PrintedStudy) -> list[Contradiction]:
    """AUCs against their interval and operating point, their differences, and Brier scores.

    Scaled Brier score, 1 - Brier / (prevalence (1 - prevalence)): Steyerberg et al. (2010),
    Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2.
    """
    found: list[Contradiction] = []
    for area in study.areas:
        found += [*_point(study, area), *_interval(area), *_width(study, area)]
    for comparison in study.comparisons:
        found += [*_difference(comparison), *_sign(comparison), *_difference_interval(comparison)]
    return [*found, *(x for claim in study.briers for x in _brier(study, claim))]


def _point(study: PrintedStudy, claim: Area) -> Iterator[Contradiction]:
    rates = _rates(study, claim)
    if rates is None:
        return
    (t_low, t_high), (s_low, s_high) = rates
    # both bounds rise with either rate (a concave curve's too, as its polygon and line do)
    low = auc_bounds(t_low, s_low, curve=claim.curve)[0]
    high = auc_bounds(t_high, s_high, curve=claim.curve)[1]
    if claim.auc.meets((low, high)):
        return
    t, s = (t_low + t_high) / 2.0, (s_low + s_high) / 2.0
    found = f"AUC {claim.auc} through sensitivity {t:.3f} and specificity {s:.3f}"
    curve = {"any": "any curve", "concave": "a concave curve", "youden": "Youden's point"}
    expected = f"{low:.3f} to {high:.3f} for {curve[claim.curve]}"
    yield Contradiction(claim.where, Rule.AUC_POINT, found, expected)


def _rates(study: PrintedStudy, claim: Area) -> tuple[Interval, Interval] | None:
    """Sensitivity and specificity, each as the values that can have been printed so."""
    if claim.matrix:
        measures = next(m for m in study.matrices if m.where == claim.matrix).right_measures
        t, s = measures["sensitivity"], measures["specificity"]
        return None if t is None or s is None else ((t, t), (s, s))
    if claim.sensitivity is None or claim.specificity is None:
        return None
    return claim.sensitivity.within(0.0, 1.0), claim.specificity.within(0.0, 1.0)


def _interval(claim: Area) -> Iterator[Contradiction]:
    if claim.low is None or claim.high is None:
        return
    found = f"AUC {claim.auc} in {claim.low} to {claim.high}"
    auc = (claim.auc.low, claim.auc.high)
    if not overlap(auc, (claim.low.low, claim.high.high)):
        yield Contradiction(claim.where, Rule.ESTIMATE_IN_INTERVAL, found, "one that holds it")
        return
    is_clipped = claim.low.admits(0.0) or claim.high.admits(1.0)
    if claim.is_wald and not is_clipped:
        yield from _symmetry(claim.where, claim.auc, claim.low, claim.high)


def _symmetry(
    where: str, estimate: Printed, low: Printed, high: Printed
) -> Iterator[Contradiction]:
    if not estimate.meets(((low.low + high.low) / 2.0, (low.high + high.high) / 2.0)):
        centre = (low.value + high.value) / 2.0
        expected = f"{centre:.{estimate.decimals}f}, the middle of the interval"
        found = f"{estimate} in {low} to {high}"
        yield Contradiction(where, Rule.INTERVAL_SYMMETRY, found, expected)


def _width(study: PrintedStudy, claim: Area) -> Iterator[Contradiction]:
    """Too wide: the variance of an AUC is at most A (1 - A) / (smaller class - 1).

    Dantzig's bound A (1 - A) / min(m, n) of the variance, with the estimate's n - 1.
    """
    if claim.low is None or claim.high is None or not claim.is_wald:
        return
    sides = [claim.auc.high - claim.low.high, claim.high.low - claim.auc.high]
    error = max(*sides, 0.0) / normal_quantile(claim.level)
    smaller = max((min(k, n - k) for k, n in case_numbers(study, claim.group)), default=0)
    if smaller < 2:
        return
    area = claim.auc.within(0.0, 1.0)
    product = 0.25 if area[0] <= 0.5 <= area[1] else max(a * (1.0 - a) for a in area)
    largest = sqrt(product / (smaller - 1))
    if error > largest:
        found = f"{claim.low} to {claim.high}, standard error {error:.3f}"
        expected = f"at most {largest:.3f} with {smaller} cases in the smaller class"
        yield Contradiction(claim.where, Rule.AUC_INTERVAL_WIDTH, found, expected)


def _difference(claim: AreaComparison) -> Iterator[Contradiction]:
    first, second, difference = claim.first, claim.second, claim.difference
    if first is None or second is None or difference is None:
        return
    if not difference.meets((first.low - second.high, first.high - second.low)):
        right = f"{first.value - second.value:.{difference.decimals}f}"
        found = f"{difference} for {first} - {second}"
        yield Contradiction(claim.where, Rule.AUC_DIFFERENCE, found, right)


def _sign(claim: AreaComparison) -> Iterator[Contradiction]:
    """Difference and z on different sides of 0."""
    difference, z = claim.difference, claim.z
    if difference is None or z is None:
        return
    if (difference.low > 0.0 and z.high < 0.0) or (difference.high < 0.0 and z.low > 0.0):
        found = f"z {z} for a difference of {difference}"
        yield Contradiction(claim.where, Rule.STATISTIC_P, found, "the same sign")


def _difference_interval(claim: AreaComparison) -> Iterator[Contradiction]:
    """Wald interval of the difference against the difference, and against z."""
    difference, low, high = claim.difference, claim.low, claim.high
    if difference is None or low is None or high is None:
        return
    asymmetric = list(_symmetry(claim.where, difference, low, high))
    yield from asymmetric
    if asymmetric or claim.z is None:
        return
    # difference = z standard errors, and the interval is twice the quantile of them wide
    quantile = normal_quantile(claim.level)
    width, z = (high.low - low.high, high.high - low.low), (claim.z.low, claim.z.high)
    implied = corners(lambda w, score: w * score / (2.0 * quantile), width, z)
    if not difference.meets(implied):
        found = f"z {claim.z} for {difference} in {claim.low} to {claim.high}"
        expected = f"a difference of {implied[0]:.3f} to {implied[1]:.3f} from z and the interval"
        yield Contradiction(claim.where, Rule.INTERVAL_LEVEL, found, expected)


def _brier(study: PrintedStudy, claim: Brier) -> Iterator[Contradiction]:
    if not claim.value.meets((0.0, 1.0)):
        yield Contradiction(claim.where, Rule.BRIER_RANGE, f"{claim.value}", "0 to 1")
        return
    mixed = [(k, n) for k, n in case_numbers(study, claim.group) if 0 < k < n]
    if claim.scaled is None or not mixed:
        return
    low, high = claim.value.within(0.0, 1.0)
    references = [k * (n - k) / n**2 for k, n in mixed]
    ranges = [(1.0 - high / reference, 1.0 - low / reference) for reference in references]
    if not any(claim.scaled.meets(interval) for interval in ranges):
        found = f"scaled {claim.scaled} for {claim.value}"
        expected = f"{ranges[0][0]:.3f} to {ranges[0][1]:.3f}"
        yield Contradiction(claim.where, Rule.BRIER_RANGE, found, expected)
