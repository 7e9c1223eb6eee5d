"""Filling the checklists: a rule where evidence decides, the author where it cannot."""

from __future__ import annotations

import pandas as pd

from her2.report.checklists.facts import Answer, StudyFacts, needs_author, not_applicable, not_met
from her2.report.checklists.items import SOURCES, Item, checklist_items
from her2.report.checklists.registry import RULES

COLUMNS = ("number", "section", "item", "answer", "proof")


def fill_checklists(facts: StudyFacts) -> dict[str, pd.DataFrame]:
    """Return the three checklists, every item answered with its proof.

    An answer is ``met`` only on evidence that `facts` holds. Items about patients are never met
    by simulated ones.

    Parameters
    ----------
    facts
        What a finished run holds.

    Returns
    -------
    dict
        ``clear`` (58 rows), ``metrics`` (30 rows), ``tripod_ai`` (52 rows); columns number,
        section, item, answer (met, not met, not applicable, needs author), proof; all text.

    References
    ----------
    Kocak B et al. (2023), doi:10.1186/s13244-023-01415-8; Kocak B et al. (2024),
    doi:10.1186/s13244-023-01572-w; Collins GS et al. (2024), doi:10.1136/bmj-2023-078378.

    Examples
    --------
    >>> tables = fill_checklists(StudyFacts())
    >>> {name: len(table) for name, table in tables.items()}
    {'clear': 58, 'metrics': 30, 'tripod_ai': 52}
    >>> any((table["answer"] == "met").any() for table in tables.values())
    False
    """
    return {name: _filled(name, facts) for name in SOURCES}


def _filled(name: str, facts: StudyFacts) -> pd.DataFrame:
    rows = []
    for item in checklist_items(name):
        answer = _answer(name, item, facts)
        rows.append((item.number, item.section, item.text, answer.status, answer.proof))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answer(name: str, item: Item, facts: StudyFacts) -> Answer:
    simulated = facts.simulated
    if simulated is not None and item.about_patients:
        reason = f"the patients are simulated: {simulated}"
        return needs_author(reason) if name == "metrics" else not_applicable(reason)
    rule = RULES[name].get(item.number)
    answer = needs_author(item.hint) if rule is None else rule(facts)
    if name == "metrics" and answer.status == "not applicable" and not item.condition:
        # METRICS lets only conditional items leave the denominator
        return not_met(answer.proof)
    if simulated is not None and answer.status == "met":
        return Answer("met", f"{answer.proof}; of simulated patients")
    return answer
