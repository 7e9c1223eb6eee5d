"""What a check reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """Arithmetic that printed numbers must obey; the value is its name in reports."""

    COHORT_SIZE = "every statement of a group's size agrees"
    SUM_OF_PARTS = "parts add up to the whole"
    PERCENTAGE = "a percentage is that of its count"
    PROPORTION = "a proportion is a whole number of cases"
    PROPORTION_INTERVAL = "Wilson's interval is that of its count"
    CASE_NUMBERS = "one number of positives gives every sensitivity and specificity"
    MATRIX_TOTAL = "a confusion matrix has as many cases as its group"
    MATRIX_POSITIVES = "confusion matrices of a group have the same positives"
    MATRIX_METRIC = "a measure is that of its confusion matrix"
    ESTIMATE_IN_INTERVAL = "an estimate lies inside its interval"
    INTERVAL_SYMMETRY = "a Wald interval is symmetric about its estimate"
    INTERVAL_LEVEL = "interval and p-value agree at the named level"
    ODDS_RATIO_COUNTS = "an odds ratio is that of a table with its margins"
    NO_INTERCEPT = "an odds ratio is not the odds of one group"
    STATISTIC_P = "statistic, degrees of freedom and p-value agree"
    STATISTIC_RANGE = "a test statistic is not itself a p-value"
    ADJUSTED_P = "adjusted p-values follow from the unadjusted"
    AUC_POINT = "an AUC is possible given its operating point"
    AUC_INTERVAL_WIDTH = "an AUC interval is not wider than the cases allow"
    AUC_DIFFERENCE = "a difference of AUCs is that of the AUCs"
    BASELINE_TEST = "a p-value follows from the counts or means it compares"
    POOLED_SUMMARY = "mean and SD of the whole are those of its parts"
    FEATURE_TOTAL = "listed feature families give the total"
    FEATURE_FAMILY = "a family's count is its size times the image types"
    VARIANCE_SHARE = "variance shares are those of standardised features"
    BRIER_RANGE = "a Brier score is possible"
    DEFINITION = "a name means the same everywhere"


@dataclass(frozen=True)
class Contradiction:
    """Printed numbers that cannot all be right.

    Attributes
    ----------
    where
        Where they are printed.
    rule
        The rule that they break.
    found
        What is printed.
    expected
        What would fit.
    """

    where: str
    rule: Rule
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected} ({self.rule})"


def listed(places: Iterable[str], *, most: int = 3) -> str:
    """Places in one phrase, the first few by name: ``a; b; c and 2 more``."""
    names = list(dict.fromkeys(places))
    shown = "; ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
