"""Whether the numbers that a study prints can all be right.

A reader types what is printed (`Printed.read`), claim by claim, into a `PrintedStudy`; `check`
returns the contradictions. Rounding is taken into account exactly, so a finding is arithmetic
and not a matter of opinion.
"""

from her2.paper_checks.areas import auc_bounds
from her2.paper_checks.baseline_tests import count_p_values, mean_p_values
from her2.paper_checks.claims import (
    Area,
    AreaComparison,
    Brier,
    ConfusionMatrix,
    CountRow,
    Definition,
    FeatureSet,
    HolmFamily,
    MeanRow,
    OddsRatio,
    PrintedStudy,
    Proportion,
    Rate,
    Size,
    Statistic,
    Total,
    VarianceShares,
)
from her2.paper_checks.feature_tables import image_types
from her2.paper_checks.finding import Contradiction, Rule
from her2.paper_checks.odds_ratios import implied_level
from her2.paper_checks.p_values import p_value_range
from her2.paper_checks.printed import Printed
from her2.paper_checks.printed_study import check
from her2.paper_checks.proportions import feasible_counts, feasible_positives

__all__ = [
    "Area",
    "AreaComparison",
    "Brier",
    "ConfusionMatrix",
    "Contradiction",
    "CountRow",
    "Definition",
    "FeatureSet",
    "HolmFamily",
    "MeanRow",
    "OddsRatio",
    "Printed",
    "PrintedStudy",
    "Proportion",
    "Rate",
    "Rule",
    "Size",
    "Statistic",
    "Total",
    "VarianceShares",
    "auc_bounds",
    "check",
    "count_p_values",
    "feasible_counts",
    "feasible_positives",
    "image_types",
    "implied_level",
    "mean_p_values",
    "p_value_range",
]
