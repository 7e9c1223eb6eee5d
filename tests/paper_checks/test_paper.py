"""The numbers that Hu et al. (Sci. Rep. 2025) print, and every contradiction between them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from her2.commands.check_paper import check_paper
from her2.core.settings import CheckPaperSettings
from her2.paper_checks import Contradiction, PrintedStudy, Rule, check, read_numbers
from her2.paper_checks.claims import Size
from her2.paper_checks.sizes import feasible_positives

NUMBERS = Path(__file__).resolve().parents[2] / "docs/examples/hu_2025.yaml"
PAPER = read_numbers(NUMBERS)


@pytest.fixture(scope="module")
def found() -> list[Contradiction]:
    return check(PAPER)


def places(found: list[Contradiction], rule: Rule) -> list[str]:
    return [x.where for x in found if x.rule is rule]


def only(found: list[Contradiction], rule: Rule, where: str = "") -> Contradiction:
    (one,) = [x for x in found if x.rule is rule and where in x.where]
    return one


def test_nothing_else_is_found(found):
    # beyond the seven items: the row of PR, whose percentages, p-value and odds ratio belong to
    # no table with its counts
    assert Counter(x.rule for x in found) == {
        Rule.COHORT_SIZE: 1,
        Rule.PERCENTAGE: 2,
        Rule.CASE_NUMBERS: 2,
        Rule.MATRIX_TOTAL: 2,
        Rule.MATRIX_POSITIVES: 1,
        Rule.AUC_POINT: 1,
        Rule.STATISTIC_RANGE: 1,
        Rule.INTERVAL_LEVEL: 12,
        Rule.NO_INTERCEPT: 5,
        Rule.ODDS_RATIO_COUNTS: 1,
        Rule.BASELINE_TEST: 1,
        Rule.FEATURE_TOTAL: 1,
        Rule.FEATURE_FAMILY: 1,
        Rule.VARIANCE_SHARE: 1,
        Rule.DEFINITION: 1,
    }


def test_1_patients(found):
    size = only(found, Rule.COHORT_SIZE)
    assert size.where == "Methods, patients"
    assert size.found == "210 cases of all"
    assert size.expected.startswith("201 (")


def test_1_positive_patients_follow_from_the_rates(found):
    def solutions(group, n):
        points = [a for a in PAPER.areas if a.group == group and a.sensitivity]
        return feasible_positives(
            [a.sensitivity for a in points], [a.specificity for a in points], n
        )

    assert solutions("train", 140) == (43,)
    assert solutions("test", 61) == (15,)
    assert solutions("train", 147) == solutions("test", 63) == ()  # 7:3 of 210 fits neither
    expected = "15 of 61, from the rates"
    assert [x.expected for x in found if x.rule is Rule.CASE_NUMBERS] == [expected, expected]


def test_1_confusion_matrices(found):
    totals = [x for x in found if x.rule is Rule.MATRIX_TOTAL]
    assert [(x.found, x.expected) for x in totals] == [("63 cases", "61"), ("63 cases", "61")]
    positives = only(found, Rule.MATRIX_POSITIVES)
    assert positives.found == "21 positive cases of test"
    assert positives.expected == "30 (Results, DL matrix)"


def test_2_features(found):
    assert "GLDM too" in only(found, Rule.FEATURE_TOTAL).expected
    family = only(found, Rule.FEATURE_FAMILY)
    assert family.found == "360 first-order features"
    assert family.expected == "306, 18 for each of the 17 image types of 1561"


def test_3_odds_ratios_without_intercept(found):
    rows = places(found, Rule.NO_INTERCEPT)
    names = ("ER", "menopause", "lymph nodes", "family history", "calcification")
    assert rows == [f"Table 2, univariable {name}" for name in names]
    assert places(found, Rule.ODDS_RATIO_COUNTS) == ["Table 2, univariable PR"]
    calcification = only(found, Rule.NO_INTERCEPT, "calcification").expected
    assert calcification.startswith("2.238 (1.078 to 4.647) from the same counts")
    assert calcification.endswith("odds 24/35 of the exposed, 90 % interval")


def test_3_intervals_are_90_percent(found):
    rows = [x for x in found if x.rule is Rule.INTERVAL_LEVEL]
    assert {x.expected for x in rows} == {"a 90 % interval"}
    # of a p-value of 0 or a ratio near 1 too many levels are possible
    undecided = {"ER", "PR", "CA153", "age", "Ki-67", "CA125"}
    named = {x.where.split("univariable ")[1] for x in rows if "univariable" in x.where}
    univariable = [x.where for x in PAPER.odds_ratios if "univariable" in x.where]
    assert {where.split("univariable ")[1] for where in univariable} - named <= undecided


def test_4_hosmer_lemeshow(found):
    assert "probability 6e-08" in only(found, Rule.STATISTIC_RANGE).expected


def test_5_auc_and_confusion_matrix(found):
    area = only(found, Rule.AUC_POINT)
    assert area.where == "Results, DL test"
    assert "0.680 to 0.800 for a concave curve" in area.expected


def test_6_variance_shares(found):
    assert only(found, Rule.VARIANCE_SHARE).expected == "Rad 96 %, DL 4 %"


def test_7_combined_model(found):
    assert only(found, Rule.DEFINITION).found == "combined = DLR + clinical"


def test_pr_row(found):
    assert set(places(found, Rule.PERCENTAGE)) == {"Table 1, PR, all"}
    assert places(found, Rule.BASELINE_TEST) == ["Table 1, PR"]


def test_means_fit_a_t_test_for_age_only():
    sizes = (Size("Table 1", "train", 140), Size("Table 1", "test", 61))
    rows = tuple(replace(row, test="t-test") for row in PAPER.means)
    found = check(PrintedStudy(sizes=sizes, means=rows))
    others = [row.where for row in PAPER.means if row.where != "Table 1, age"]
    assert places(found, Rule.BASELINE_TEST) == others


def test_repaired_paper_has_no_contradiction():
    features = PAPER.feature_sets[0]
    listed = replace(
        features,
        per_image={**features.per_image, **features.unlisted},
        unlisted={},
        claimed={"first-order": 306, "shape": 14},
    )
    repaired = replace(
        PAPER,
        sizes=(Size("Methods, patients", "all", 201),),
        counts=tuple(row for row in PAPER.counts if row.where != "Table 1, PR"),
        matrices=(),
        odds_ratios=tuple(replace(row, level=0.9, n_exposed=()) for row in PAPER.odds_ratios),
        statistics=(),
        areas=tuple(replace(area, matrix="") for area in PAPER.areas),
        feature_sets=(listed,),
        variance_shares=(),
        definitions=PAPER.definitions[1:],
    )
    assert check(repaired) == []


def test_the_command_prints_a_line_a_contradiction(found, capsys):
    assert check_paper(CheckPaperSettings(numbers=str(NUMBERS)), NUMBERS.parent) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [str(x) for x in found]
    assert last == "55 claims checked: 33 contradictions of 15 kinds"
