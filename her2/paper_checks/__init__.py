"""Whether the numbers that a study prints can all be right.

`read_numbers` reads them from a file, claim by claim, and `check` returns the contradictions.
Rounding is taken into account exactly, so a finding is arithmetic and not a matter of opinion.
The kinds of claims stand in `her2.paper_checks.claims`.
"""

from her2.paper_checks.all_checks import check
from her2.paper_checks.areas import auc_bounds
from her2.paper_checks.claims import PrintedStudy
from her2.paper_checks.finding import Contradiction, Rule
from her2.paper_checks.numbers_file import read_numbers
from her2.paper_checks.printed import Printed

__all__ = [
    "Contradiction",
    "Printed",
    "PrintedStudy",
    "Rule",
    "auc_bounds",
    "check",
    "read_numbers",
]
