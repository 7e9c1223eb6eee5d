"""The HER2 rule over every combination, and binary outcome columns."""

import itertools

import pytest

from her2.cohort.outcome import binary_outcome, her2_outcomes, her2_status
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


@pytest.mark.parametrize(("ihc", "fish"), [("4+", ""), ("lower", ""), ("2+", "maybe"), ("-", ""),
                                           ("2+", "-")])  # fmt: skip
def test_unknown_and_ambiguous_levels_stop(ihc, fish):
    with pytest.raises(BadCohort, match="C10"):
        her2_status(ihc, fish)


@pytest.mark.parametrize(
    ("ihc", "fish", "expected"),
    [
        ("2+ (FISH-)", "", 0), ("2+/FISH+", "", 1), ("2+（FISH阴性）", "", 0),
        ("2+ (amplified)", "", 1), ("2+, FISH not amplified", "", 0), ("2+ ISH n.d.", "", "C12"),
        ("2+ (FISH-)", "+", "C13"), ("2+ (FISH-)", "neg", 0), ("HER2-low", "", 0),
        ("HER2-low", "neg", 0), ("HER2-low", "pos", "C13"), ("ultralow", "", 0), ("0/1+", "", 0),
        ("0-1+", "neg", 0), ("positive (3+)", "", 1), ("阴性(1+)", "", 0), ("2+", "-1", "C10"),
        ("c-erbB-2 (+++)", "", 1), ("HER-2/neu 1+", "", 0), ("equivocal", "1.0", 1),
        ("2+/3+", "", "C10"), ("++++", "", "C10"), ("2+", "2.3", "C10"), ("2+", "+/-", "C10"),
        ("2+", "keine Amplifikation", 0), ("2+", "non amplifié", 0), ("2+", "Ja", 1),
        ("2+", "FISH: negativ", 0), ("n.d.", "", "C15"), ("(-)", "", 0),
    ],
)  # fmt: skip
def test_notations(ihc, fish, expected):
    try:
        found = status(ihc, fish)
    except BadCohort as error:
        found = str(error)[:3]
    assert found == expected


def test_unknown_levels_are_named_with_their_rows_in_both_columns():
    with pytest.raises(BadCohort) as caught:
        her2_outcomes(["4+", "2+", "x"], ["", "2.3", ""], rows=[2, 3, 4])
    assert "'4+' (row 2), 'x' (row 4)" in str(caught.value)
    assert "'2.3' (row 3)" in str(caught.value)


def test_a_dash_is_negative_beside_plus():
    assert her2_outcomes(["-", "+", "+++"], ["", "", ""]) == [0, 0, 1]
    assert her2_outcomes(["2+", "2+"], ["-", "+"]) == [0, 1]
    assert binary_outcome(["+", "-", "−", "＋"], "+") == [1, 0, 0, 1]
    assert binary_outcome(["a", "b", "-"], "b") == [0, 1, None]
    with pytest.raises(BadCohort, match=r"C16: .*'-' \(row 2\)"):
        binary_outcome(["pos", "-"], "pos")


def test_outcomes_in_words():
    assert binary_outcome(["Yes", "y", "NO", "n"], "yes") == [1, 1, 0, 0]
    assert binary_outcome(["阳性", "阴性", "pos"], "positive") == [1, 0, 1]
    cells = ["HER2-low", "HER2 positive", "HER2-zero", "HER2-negative"]
    assert binary_outcome(cells, None) == binary_outcome(cells, "HER2-positive") == [
        0, 1, 0, 0,
    ]  # fmt: skip


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


@pytest.mark.parametrize(
    ("ihc", "fish", "expected"),
    [
        ("2+", "positive (amplified)", 1),
        ("2+", "amplified, ratio 4.5", 1),
        ("2+", "negative (ratio 1,2)", 0),
        ("2+", "无基因扩增", 0),
        ("2+", "no gene amplification", 0),
        ("2+", "WAHR", 1),
        ("2+", "FALSCH", 0),
        ("3+ (strong)", "", 1),
        ("3+ (90%)", "", 1),
        ("1+ weak", "", 0),
        ("1,0", "", 0),
        ("3+", "equivocal", 1),
        ("0", "not required", 0),
    ],
)
def test_words_beside_a_result(ihc, fish, expected):
    assert her2_status(ihc, fish) == expected


@pytest.mark.parametrize(("ihc", "fish"), [("2+", "equivocal"), ("2+ pending", ""),
                                           ("2+", "nicht auswertbar")])  # fmt: skip
def test_fish_without_a_result_leaves_its_own_case_out(ihc, fish):
    with pytest.raises(InputProblem, match="C12"):
        her2_status(ihc, fish)


@pytest.mark.parametrize("fish", ["ratio 2.3", "1.8", "HER2/CEP17: 2,1"])
def test_a_ratio_alone_is_no_result(fish):
    with pytest.raises(BadCohort, match="a ratio alone is no result"):
        her2_outcomes(["2+", "2+"], ["positive", fish])


@pytest.mark.parametrize(("ihc", "fish"), [("2+", "positive, not amplified"), ("weak", ""),
                                           ("90%", ""), ("strong (90%)", "")])  # fmt: skip
def test_words_that_decide_nothing_or_disagree_stop(ihc, fish):
    with pytest.raises(BadCohort, match="C10"):
        her2_outcomes([ihc], [fish])


def test_spellings_of_her2_levels():
    cells = ["HER2+", "HER2 -", "HER2阳性", "HER2-positive", "her2 neg."]
    assert binary_outcome(cells, None) == [1, 0, 1, 1, 0]
    assert binary_outcome(["low", "positive", "zero"], "positive") == [0, 1, 0]
    assert binary_outcome(["HER2-low", "HER2-zero"], "HER2-low") == [1, 0]
    with pytest.raises(BadCohort, match=r"name the positive one"):
        binary_outcome(["HER2-low", "HER2-zero"], None)


def test_truth_of_a_workbook_is_what_the_setting_calls_it():
    assert binary_outcome(["1", "0"], "WAHR") == [1, 0]
    assert binary_outcome(["1", "0"], "FALSE") == [0, 1]


def test_more_than_two_outcomes_have_a_way_out():
    with pytest.raises(BadCohort, match=r"'9'; name those that mean missing"):
        binary_outcome(["0", "1", "9"], None)
    with pytest.raises(BadCohort, match="bring IHC scores as her2_ihc"):
        binary_outcome(["0", "1+", "2+", "3+"], None)
