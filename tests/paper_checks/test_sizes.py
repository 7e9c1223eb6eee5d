import pytest

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import CountRow, Size, Total
from her2.paper_checks.sizes import agreed_size, known_cases

PARTITION = {"all": ("train", "test")}


def row(name: str, **groups: tuple[int, ...]) -> CountRow:
    return CountRow(f"Table 1, {name}", groups)


def found(study: PrintedStudy) -> list[tuple[Rule, str, str]]:
    return [(x.rule, x.where, x.found) for x in check(study)]


def test_the_most_often_stated_size_is_right():
    rows = (row("er", all=(59, 142)), row("pr", all=(83, 118)))
    study = PrintedStudy(sizes=(Size("Methods", "all", 210),), counts=rows)
    assert agreed_size(study, "all") == 201
    assert found(study) == [(Rule.COHORT_SIZE, "Methods", "210 cases of all")]


def test_a_row_that_does_not_add_up_is_found():
    rows = (row("er", all=(59, 142)), row("pr", all=(83, 117)))
    study = PrintedStudy(sizes=(Size("Methods", "all", 201),), counts=rows)
    assert found(study) == [(Rule.COHORT_SIZE, "Table 1, pr", "200 cases of all")]


def test_every_level_must_add_up():
    cells = row("er", all=(59, 142), train=(45, 96), test=(15, 46))
    assert [(x.found, x.expected) for x in check(PrintedStudy(PARTITION, counts=(cells,)))] == [
        ("train + test = 202", "201"),
        ("level 1: 45 + 15 = 60", "59"),
    ]


def test_parts_that_a_row_lacks_are_not_checked():
    assert check(PrintedStudy(PARTITION, counts=(row("er", all=(59, 142), train=(1, 2)),))) == []


def test_missing_values_are_taken_off():
    size = Size("Methods", "all", 201)
    right = CountRow("Table 1, er", {"all": (58, 140)}, missing=3)
    wrong = CountRow("Table 1, er", {"all": (58, 141)}, missing=3)
    assert check(PrintedStudy(PARTITION, sizes=(size,), counts=(right,))) == []
    (one,) = check(PrintedStudy(PARTITION, sizes=(size,), counts=(wrong,)))
    assert (one.rule, one.found, one.expected) == (
        Rule.COHORT_SIZE,
        "199 of all",
        "201 less 3 missing",
    )


def test_a_part_holds_at_most_its_cases_and_lacks_at_most_the_missing():
    size = Size("Methods", "train", 140)
    for known, is_right in ((140, True), (137, True), (141, False), (136, False)):
        cells = CountRow("Table 1, er", {"train": (0, known)}, missing=3)
        study = PrintedStudy(PARTITION, sizes=(size,), counts=(cells,))
        assert (check(study) == []) is is_right


def test_positive_cases_add_up_and_agree():
    parts = (Size("a", "train", 140, 43), Size("b", "test", 61, 15))
    assert check(PrintedStudy(PARTITION, sizes=(Size("c", "all", 201, 58), *parts))) == []
    study = PrintedStudy(PARTITION, sizes=(Size("c", "all", 201, 59), *parts))
    assert found(study) == [
        (Rule.SUM_OF_PARTS, "groups of all", "positive cases: train + test = 58")
    ]
    study = PrintedStudy(sizes=(parts[1], Size("d", "test", 61, 16), Size("e", "test", 61, 15)))
    assert found(study) == [(Rule.COHORT_SIZE, "d", "16 positive cases of test")]


def test_more_positive_cases_than_cases():
    assert found(PrintedStudy(sizes=(Size("a", "test", 15, 61),))) == [
        (Rule.COHORT_SIZE, "a", "61 positive of 15")
    ]


def test_totals():
    right, wrong = Total("a", 1625, {"Rad": 1561, "DL": 64}), Total("b", 1626, {"x": 1625})
    assert found(PrintedStudy(totals=(right, wrong))) == [(Rule.SUM_OF_PARTS, "b", "x = 1625")]


def test_known_cases():
    sizes = tuple(Size("a", group, n) for group, n in (("train", 5), ("test", 1), ("external", 3)))
    study = PrintedStudy({"all": ("train", "test", "external")}, sizes=sizes)
    assert known_cases(study, ["train", "test"]) == [(5, 1)]
    # of two missing: both in one of train and external, or one in each of two
    assert known_cases(study, ["train", "test"], missing=2) == [
        (3, 1), (4, 0), (4, 1), (5, 0), (5, 1)
    ]  # fmt: skip
    assert known_cases(study, ["train", "other"], missing=2) == []
    assert known_cases(study, ["other"]) == []
    assert known_cases(study, ["train"], missing=99) == []


def test_a_row_with_a_level_too_few_is_refused():
    with pytest.raises(BadArgument, match="one cell a level"):
        CountRow("Table 1, er", {"all": (1, 2), "train": (1,)})
    with pytest.raises(BadArgument, match="one cell a level"):
        CountRow("Table 1, er", {"all": (1, 2)}, {"all": (Printed.read("33%"),)})
