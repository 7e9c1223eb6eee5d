"""Test statistics against their p-values, and p-values against their adjustment."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.stats import chi2, norm
from scipy.stats import t as student_t

from her2.paper_checks.claims import HolmFamily, PrintedStudy, Reference, Statistic
from her2.paper_checks.printed import Contradiction, Interval, Printed, Rule, absolute
from her2.stats import holm

ABSURD = 1e-4  # a chi-square statistic below this quantile is taken for a p-value


def p_value_range(
    value: Printed, dof: float | None = None, *, reference: Reference = "chi-square"
) -> Interval:
    """P-values of every statistic that can have been printed so; two-sided for normal and t."""
    if reference == "chi-square":
        low, high = value.within(0.0, float("inf"))
        return float(chi2.sf(high, dof)), float(chi2.sf(low, dof))
    nearest, farthest = absolute((value.low, value.high))
    null = norm if reference == "normal" else student_t(dof)
    return float(2.0 * null.sf(farthest)), float(2.0 * null.sf(nearest))


def check_p_values(study: PrintedStudy) -> list[Contradiction]:
    """Statistics that disagree with their p-value, and p-values that Holm's method cannot give.

    A chi-square statistic printed without a p-value is taken for one itself, if a smaller one
    occurs with probability below `ABSURD`. Holm's adjusted p-values never fall when a p-value
    rises, so those of the smallest and of the largest p-values that can have been printed so are
    bounds: Holm (1979), Scand. J. Statist. 6:65.
    """
    found = [x for claim in study.statistics for x in _statistic(claim)]
    return [*found, *(x for family in study.holm_families for x in _family(family))]


def _statistic(claim: Statistic) -> Iterator[Contradiction]:
    needs_dof = claim.reference != "normal"
    if needs_dof and (claim.dof is None or claim.dof <= 0):
        return
    if claim.p_value is None:
        yield from _lone_chi_square(claim) if claim.reference == "chi-square" else ()
        return
    low, high = p_value_range(claim.value, claim.dof, reference=claim.reference)
    if not claim.p_value.meets((low, high)):
        dof = f" with {claim.dof:g} d.f." if needs_dof else ""
        found = f"p {claim.p_value} for {claim.value}{dof}"
        yield Contradiction(claim.where, Rule.STATISTIC_P, found, f"p {low:.2g} to {high:.2g}")


def _lone_chi_square(claim: Statistic) -> Iterator[Contradiction]:
    if chi2.cdf(max(0.0, claim.value.high), claim.dof) < ABSURD:
        probability = float(chi2.cdf(max(0.0, claim.value.value), claim.dof))
        expected = (
            f"a statistic near {claim.dof:g}: one as small has probability {probability:.0e}, "
            "so this is a p-value"
        )
        found = f"statistic {claim.value} with {claim.dof:g} d.f."
        yield Contradiction(claim.where, Rule.STATISTIC_RANGE, found, expected)


def _family(family: HolmFamily) -> Iterator[Contradiction]:
    ranges = [p.within(0.0, 1.0) for _, p, _ in family.members]
    lows, highs = (holm([r[end] for r in ranges]) for end in (0, 1))
    for (where, p, adjusted), low, high in zip(family.members, lows, highs, strict=True):
        if not adjusted.meets((low, high)):
            found = f"adjusted p {adjusted} of {p}"
            is_near = high - low < 0.01
            expected = f"{(low + high) / 2.0:.3f}" if is_near else f"{low:.3f} to {high:.3f}"
            yield Contradiction(where, Rule.ADJUSTED_P, found, expected)
