"""The three checklists: their items in our own words, their answers, and the METRICS score.

The numbering is the publications'. A rule answers an item where evidence decides; where it
cannot, the author does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

from her2.core.errors import BadArgument
from her2.report.checklists import evaluation_rules, feature_rules, model_rules, patient_rules
from her2.report.checklists.study_facts import (
    STATUSES,
    Answer,
    StudyFacts,
    needs_author,
    not_applicable,
    not_met,
)

SOURCES = {
    "clear": "Kocak B et al. (2023), doi:10.1186/s13244-023-01415-8",
    "metrics": "Kocak B et al. (2024), doi:10.1186/s13244-023-01572-w",
    "tripod_ai": "Collins GS et al. (2024), doi:10.1136/bmj-2023-078378",
}
COLUMNS = ("number", "section", "item", "answer", "proof")
RULE_MODULES = {
    "evaluation_rules": evaluation_rules,
    "feature_rules": feature_rules,
    "model_rules": model_rules,
    "patient_rules": patient_rules,
}
# lower bound in percent, name; the upper bound belongs to the next band
BANDS = ((80.0, "excellent"), (60.0, "good"), (40.0, "moderate"), (20.0, "low"), (0.0, "very low"))


@dataclass(frozen=True)
class _Item:
    """One item of a checklist."""

    number: str
    section: str
    text: str
    hint: str = ""  # what a person has to write, and which file helps, where no rule decides
    rule: str = ""  # module and function that answers it
    about_patients: bool = False  # simulated patients can never meet it
    weight: float = 0.0  # METRICS only
    condition: str = ""  # what a study must include for a METRICS item to count; empty: it does


@cache
def checklist_items(name: str) -> tuple[_Item, ...]:
    """Return the items of the checklist of this name in the order of its publication.

    References
    ----------
    CLEAR: Kocak B et al. (2023), doi:10.1186/s13244-023-01415-8 (58 items). METRICS: Kocak B et
    al. (2024), doi:10.1186/s13244-023-01572-w (30 items, 9 categories, weights of Table 1).
    TRIPOD+AI: Collins GS et al. (2024), BMJ 385:e078378, doi:10.1136/bmj-2023-078378 (27 items,
    52 with their parts).

    Examples
    --------
    >>> [len(checklist_items(name)) for name in ("clear", "metrics", "tripod_ai")]
    [58, 30, 52]
    """
    if name not in SOURCES:
        raise BadArgument(f"expected one of {', '.join(SOURCES)}, found {name!r}")
    text = files("her2.report.checklists").joinpath("items", f"{name}.yaml").read_text("utf-8")
    return tuple(
        _Item(section=section, **item)
        for section, items in yaml.safe_load(text).items()
        for item in items
    )


def fill_checklists(facts: StudyFacts) -> dict[str, pd.DataFrame]:
    """Return the three checklists, every item answered with its proof.

    An answer is ``met`` only on evidence that `facts` holds. Items about patients are never met
    by simulated ones. Columns: number, section, item, answer, proof; all text.

    Examples
    --------
    >>> tables = fill_checklists(StudyFacts())
    >>> {name: len(table) for name, table in tables.items()}
    {'clear': 58, 'metrics': 30, 'tripod_ai': 52}
    >>> any((table["answer"] == "met").any() for table in tables.values())
    False
    """
    tables = {}
    for name in SOURCES:
        rows = []
        for item in checklist_items(name):
            answer = _answer(name, item, facts)
            rows.append((item.number, item.section, item.text, answer.status, answer.proof))
        tables[name] = pd.DataFrame(rows, columns=list(COLUMNS))
    return tables


def _answer(name: str, item: _Item, facts: StudyFacts) -> Answer:
    simulated = facts.simulated
    if simulated is not None and item.about_patients:
        reason = f"the patients are simulated: {simulated}"
        return needs_author(reason) if name == "metrics" else not_applicable(reason)
    if not item.rule:
        return needs_author(item.hint)
    module, _, rule = item.rule.partition(".")
    answer: Answer = getattr(RULE_MODULES[module], rule)(facts)
    if name == "metrics" and answer.status == "not applicable" and not item.condition:
        # METRICS lets only conditional items leave the denominator
        return not_met(answer.proof)
    if simulated is not None and answer.status == "met":
        return Answer("met", f"{answer.proof}; of simulated patients")
    return answer


@dataclass(frozen=True)
class MetricsScore:
    """METRICS score in percent.

    Attributes
    ----------
    score
        With every open item taken as not met.
    n_applicable
        Items in the denominator.
    quality_category
        The band of `score`.
    n_met, n_open
        Items met, and items that need the author.
    attainable
        The score if the author could answer every open item with ``met``.
    """

    score: float
    n_applicable: int
    quality_category: str
    n_met: int
    n_open: int
    attainable: float


def metrics_score(table: pd.DataFrame) -> MetricsScore:
    """Return the weighted share of applicable METRICS items that are met, in percent.

    The table needs the columns number and answer, and a row for each of the 30 items; only
    conditional items may leave the denominator.

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
    whole = sum(item.weight for item in applicable)
    score = 100 * sum(item.weight for item in met) / whole
    return MetricsScore(
        score=score,
        n_applicable=len(applicable),
        quality_category=quality_category(score),
        n_met=len(met),
        n_open=len(still_open),
        attainable=100 * sum(item.weight for item in [*met, *still_open]) / whole,
    )


def quality_category(score: float) -> str:
    """Return the name of the band of a METRICS score in percent.

    Examples
    --------
    >>> quality_category(19.9), quality_category(20.0), quality_category(100.0)
    ('very low', 'low', 'excellent')
    """
    # sums of weights may exceed the whole by a rounding error
    if not 0 <= score <= 100 + 1e-9:
        raise BadArgument(f"expected a METRICS score in percent, 0 to 100, found {score}")
    return next(name for bound, name in BANDS if score >= bound)


def _checked_answers(table: pd.DataFrame, items: tuple[_Item, ...]) -> dict[str, str]:
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
