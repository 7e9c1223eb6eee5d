"""Whether the numbers that a study prints can all be right.

`read_numbers` reads them from a file, claim by claim, and `check` returns the contradictions.
Rounding is taken into account exactly, so a finding is arithmetic and not a matter of opinion.
The kinds of claims stand in `her2.paper_checks.claims`.
"""

from collections.abc import Callable

from her2.paper_checks.areas import auc_bounds, check_areas
from her2.paper_checks.baseline_rows import check_baseline_rows
from her2.paper_checks.claims import PrintedStudy
from her2.paper_checks.feature_tables import check_features
from her2.paper_checks.numbers_file import read_numbers
from her2.paper_checks.odds_ratios import check_odds_ratios
from her2.paper_checks.p_values import check_p_values
from her2.paper_checks.printed import Contradiction, Printed, Rule
from her2.paper_checks.sizes import check_proportions, check_sizes

__all__ = [
    "Contradiction", "Printed", "PrintedStudy", "Rule", "auc_bounds", "check", "read_numbers",
]  # fmt: skip

CHECKS: tuple[Callable[[PrintedStudy], list[Contradiction]], ...] = (
    check_sizes,
    check_proportions,
    check_areas,
    check_p_values,
    check_odds_ratios,
    check_baseline_rows,
    check_features,
)


def check(study: PrintedStudy) -> list[Contradiction]:
    """Every contradiction between the printed numbers of a study, in the order of the checks.

    Each number counts as everything that rounds to it, so that what is reported cannot be
    explained by rounding. An empty list says that the numbers can all be right, not that they
    are. Brown & Heathers (2017), Soc. Psychol. Personal. Sci. 8:363,
    doi:10.1177/1948550616673876; Nuijten et al. (2016), Behav. Res. Methods 48:1205,
    doi:10.3758/s13428-015-0664-2.
    """
    return list(dict.fromkeys(found for one_check in CHECKS for found in one_check(study)))
