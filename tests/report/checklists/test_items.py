from __future__ import annotations

import re
from collections import Counter
from inspect import signature

import pytest

from her2.core.errors import BadArgument
from her2.report.checklists import SOURCES, checklist_items
from her2.report.checklists.checklist import RULE_MODULES


def numbers(name: str) -> list[str]:
    return [item.number for item in checklist_items(name)]


def test_clear_has_58_items_in_order():
    assert numbers("clear") == [str(n) for n in range(1, 59)]


def test_metrics_has_30_items_in_9_categories():
    assert numbers("metrics") == [str(n) for n in range(1, 31)]
    sections = Counter(item.section for item in checklist_items("metrics"))
    assert list(sections.values()) == [3, 4, 3, 3, 4, 2, 6, 2, 3]


def test_tripod_ai_has_27_items_with_52_parts():
    parts = numbers("tripod_ai")
    several = {"3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg",
               "18": "abcdef", "20": "abc", "23": "ab", "27": "abc"}  # fmt: skip
    expected = [f"{n}{letter}" for n in range(1, 28) for letter in several.get(str(n), " ")]
    assert parts == [number.strip() for number in expected]
    assert len(parts) == 52
    assert len({re.match(r"\d+", number).group() for number in parts}) == 27


def test_weights_are_those_published():
    weights = {item.number: item.weight for item in checklist_items("metrics")}
    assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
    shown_by_the_tool = [
        0.037, 0.074, 0.092, 0.044, 0.029, 0.044, 0.029, 0.034, 0.022, 0.011, 0.062, 0.031, 0.041,
        0.02, 0.02, 0.03, 0.02, 0.06, 0.03, 0.035, 0.023, 0.018, 0.012, 0.029, 0.018, 0.037, 0.075,
        0.007, 0.007, 0.007,
    ]  # fmt: skip
    assert list(weights.values()) == pytest.approx(shown_by_the_tool, abs=5.1e-4)


def test_conditional_items_are_those_published():
    conditional = {item.number for item in checklist_items("metrics") if item.condition}
    assert conditional == {"8", "9", "10", "12", "14", "15", "16", "17"}


@pytest.mark.parametrize("name", SOURCES)
def test_an_item_has_a_rule_or_a_hint_and_never_both(name):
    for item in checklist_items(name):
        assert bool(item.hint) != bool(item.rule), item.number


def test_every_rule_is_there_and_takes_facts():
    rules = {item.rule for name in SOURCES for item in checklist_items(name)} - {""}
    assert len(rules) > 50
    for module, _, rule in (name.partition(".") for name in rules):
        assert list(signature(getattr(RULE_MODULES[module], rule)).parameters) == ["facts"]


@pytest.mark.parametrize("name", SOURCES)
def test_sources_are_cited_where_items_are_read(name):
    doi = SOURCES[name].rpartition("doi:")[2]
    assert doi.startswith("10.")
    assert doi in checklist_items.__doc__


def test_an_unknown_checklist_is_refused():
    with pytest.raises(
        BadArgument, match="expected one of clear, metrics, tripod_ai, found 'rqs'"
    ):
        checklist_items("rqs")
