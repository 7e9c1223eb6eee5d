"""The HER2 rule over every combination, and binary outcome columns."""

import itertools

import pytest

from her2.cohort.outcome import binary_outcome, her2_status
from her2.core.errors import BadCohort, InputProblem

RULE = {
    ("0", ""): 0, ("0", "negative"): 0, ("0", "positive"): "C13",
    ("1+", ""): 0, ("1+", "negative"): 0, ("1+", "positive"): "C13",
    ("2+", ""): "C12", ("2+", "negative"): 0, ("2+", "positive"): 1,
    ("3+", ""): 1, ("3+", "negative"): "C13", ("3+", "positive"): 1,
    ("", ""): "C15", ("", "negative"): "C15", ("", "positive"): "C15",
}  # fmt: skip


def status(ihc, fish):
    try:
        return her2_status(ihc, fish)
    except InputProblem as problem:
        return problem.code


@pytest.mark.parametrize(("cells", "expected"), RULE.items())
def test_rule(cells, expected):
    assert status(*cells) == expected


def test_rule_is_complete():
    combinations = itertools.product(("0", "1+", "2+", "3+", ""), ("", "negative", "positive"))
    assert set(RULE) == set(combinations)


@pytest.mark.parametrize("cell", ["2+", " 2+ ", "2", "2.0", "++", "２＋", "2＋", "(2+)", "＋＋"])
def test_spellings_of_two_plus(cell):
    assert status(cell, "not amplified") == 0
    assert status(cell, "Amplified ") == 1
    assert status(cell, "") == "C12"


@pytest.mark.parametrize("cell", ["positive", "POS", "+", "阳性", "1", "ＰＯＳ"])
def test_spellings_of_positive_fish(cell):
    assert status("2+", cell) == 1


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "not done", "unknown", "未查"])
def test_fish_not_done(cell):
    assert status("2+", cell) == "C12"
    assert status("3+", cell) == 1


@pytest.mark.parametrize(("ihc", "fish"), [("4+", ""), ("low", ""), ("2+", "maybe"), ("-", ""),
                                           ("2+", "-")])  # fmt: skip
def test_unknown_and_ambiguous_levels_stop(ihc, fish):
    with pytest.raises(BadCohort, match="C10"):
        her2_status(ihc, fish)


def test_binary_column():
    assert binary_outcome(["0", "1", "", "1.0", "NA"], None) == [0, 1, None, 1, None]
    cells = ["Malignant", "benign", " malignant ", "unknown"]
    assert binary_outcome(cells, "malignant") == [1, 0, 1, None]


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (["1", "2"], None),
        (["yes", "no"], None),
        (["0", "1", "2"], "1"),
        (["benign", "malignant", "normal"], "malignant"),
        (["benign", "malignant"], "maligant"),
    ],
)
def test_columns_that_are_not_binary(cells, positive):
    with pytest.raises(BadCohort, match="C16"):
        binary_outcome(cells, positive)
