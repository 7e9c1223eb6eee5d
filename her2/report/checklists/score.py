"""The METRICS score of a filled table."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from her2.core.errors import BadArgument
from her2.report.checklists.facts import STATUSES
from her2.report.checklists.items import Item, checklist_items

# lower bound in percent, name; the upper bound belongs to the next band
BANDS = ((80.0, "excellent"), (60.0, "good"), (40.0, "moderate"), (20.0, "low"), (0.0, "very low"))


@dataclass(frozen=True)
class MetricsScore:
    """METRICS score in percent.

    score: with every open item taken as not met; n_applicable: items in the denominator;
    quality_category: the band of `score`; n_met, n_open: items met, items that need the author;
    attainable: the score if the author could answer every open item with ``met``.
    """

    score: float
    n_applicable: int
    quality_category: str
    n_met: int
    n_open: int
    attainable: float


def metrics_score(table: pd.DataFrame) -> MetricsScore:
    """Return the weighted share of applicable METRICS items that are met.

    Parameters
    ----------
    table
        Columns number and answer, one row for each of the 30 items.

    Returns
    -------
    MetricsScore
        Percent, 0 to 100.

    Raises
    ------
    BadArgument
        An item is missing or answered with another word, or an item that belongs to no condition
        is called not applicable: only the conditional items may leave the denominator.

    References
    ----------
    Kocak B et al. (2024), doi:10.1186/s13244-023-01572-w, Table 1: score = sum of the weights of
    the items met / sum of the weights of the applicable items. The five bands of 20 percentage
    points each are for reading the score and not part of that table.

    Examples
    --------
    >>> from her2.report.checklists import StudyFacts, fill_checklists
    >>> table = fill_checklists(StudyFacts())["metrics"]
    >>> metrics_score(table).score
    0.0
    """
    items = checklist_items("metrics")
    answers = _checked_answers(table, items)
    applicable = [item for item in items if answers[item.number] != "not applicable"]
    met = [item for item in applicable if answers[item.number] == "met"]
    still_open = [item for item in applicable if answers[item.number] == "needs author"]
    whole = _weight(applicable)
    score = 100 * _weight(met) / whole
    return MetricsScore(
        score=score,
        n_applicable=len(applicable),
        quality_category=quality_category(score),
        n_met=len(met),
        n_open=len(still_open),
        attainable=100 * _weight([*met, *still_open]) / whole,
    )


def quality_category(score: float) -> str:
    """Return the name of a METRICS score's band.

    Parameters
    ----------
    score
        Percent, 0 to 100.

    Raises
    ------
    BadArgument
        The score lies outside.

    Examples
    --------
    >>> quality_category(19.9), quality_category(20.0), quality_category(100.0)
    ('very low', 'low', 'excellent')
    """
    # sums of weights may exceed the whole by a rounding error
    if not 0 <= score <= 100 + 1e-9:
        raise BadArgument(f"expected a METRICS score in percent, 0 to 100, found {score}")
    return next(name for bound, name in BANDS if score >= bound)


def _weight(items: list[Item]) -> float:
    return sum(item.weight for item in items)


def _checked_answers(table: pd.DataFrame, items: tuple[Item, ...]) -> dict[str, str]:
    answers = dict(zip(table["number"].astype(str), table["answer"].astype(str), strict=True))
    for item in items:
        answer = answers.get(item.number)
        if answer not in STATUSES:
            raise BadArgument(
                f"expected METRICS item {item.number} to be answered with one of "
                f"{', '.join(STATUSES)}, found {answer!r}; correct the table"
            )
        if answer == "not applicable" and not item.condition:
            raise BadArgument(
                f"expected METRICS item {item.number} to apply, because it belongs to no "
                "condition, found not applicable; answer it with met or not met"
            )
    return answers
