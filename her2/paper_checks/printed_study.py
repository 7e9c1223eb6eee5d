"""All checks of a printed study."""

from __future__ import annotations

from collections.abc import Callable

from her2.paper_checks.areas import check_area_comparisons, check_areas, check_briers
from her2.paper_checks.baseline_tests import check_baseline_tests
from her2.paper_checks.claims import PrintedStudy
from her2.paper_checks.feature_tables import (
    check_definitions,
    check_features,
    check_variance_shares,
)
from her2.paper_checks.finding import Contradiction
from her2.paper_checks.matrices import check_matrices
from her2.paper_checks.odds_ratios import check_odds_ratios
from her2.paper_checks.p_values import check_holm, check_statistics
from her2.paper_checks.pooled import check_pooled_summaries
from her2.paper_checks.proportions import (
    check_case_numbers,
    check_percentages,
    check_proportions,
)
from her2.paper_checks.sizes import check_parts, check_sizes

CHECKS: tuple[Callable[[PrintedStudy], list[Contradiction]], ...] = (
    check_sizes,
    check_parts,
    check_percentages,
    check_proportions,
    check_case_numbers,
    check_matrices,
    check_areas,
    check_area_comparisons,
    check_briers,
    check_statistics,
    check_holm,
    check_odds_ratios,
    check_baseline_tests,
    check_pooled_summaries,
    check_features,
    check_variance_shares,
    check_definitions,
)


def check(study: PrintedStudy) -> list[Contradiction]:
    """Every contradiction between the printed numbers of a study, in the order of the checks.

    Each number counts as everything that rounds to it, so that what is reported cannot be
    explained by rounding. An empty list says that the numbers can all be right, not that they
    are.

    References
    ----------
    Brown & Heathers (2017), Soc. Psychol. Personal. Sci. 8:363, doi:10.1177/1948550616673876.
    Nuijten et al. (2016), Behav. Res. Methods 48:1205, doi:10.3758/s13428-015-0664-2.

    Examples
    --------
    >>> from her2.paper_checks import Printed, PrintedStudy, Statistic
    >>> claim = Statistic("Results, Hosmer-Lemeshow", Printed.read("0.071"), dof=8)
    >>> [x.rule.name for x in check(PrintedStudy(statistics=(claim,)))]
    ['STATISTIC_RANGE']
    """
    return [found for one_check in CHECKS for found in one_check(study)]
