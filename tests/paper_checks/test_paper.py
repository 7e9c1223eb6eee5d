"""The numbers that Hu et al. (Sci. Rep. 2025) print, and every contradiction between them."""

from collections import Counter
from dataclasses import replace

import pytest

from her2.paper_checks import (
    Area,
    ConfusionMatrix,
    Contradiction,
    CountRow,
    Definition,
    FeatureSet,
    MeanRow,
    OddsRatio,
    Printed,
    PrintedStudy,
    Proportion,
    Rate,
    Rule,
    Size,
    Statistic,
    Total,
    VarianceShares,
    check,
    feasible_positives,
)

GROUPS = ("all", "train", "test")

# each level: count and percentage of all, train, test; p-value of the row
TABLE_1_COUNTS = {
    "ER": (("59 29.35 44 31.43 15 24.59", "142 70.65 96 68.57 46 75.41"), "0.418"),
    "PR": (("83 41.30 56 40.0 27 44.26", "118 58.70 84 60.00 34 55.74"), "0.577"),
    "lymph nodes": (("134 66.67 94 67.14 40 65.57", "67 33.33 46 32.86 21 34.43"), "0.957"),
    "calcification": (("121 60.20 81 57.86 40 65.57", "80 39.80 59 42.14 21 34.43"), "0.384"),
    "menopause": (("91 45.27 69 49.29 22 36.07", "110 54.73 71 50.71 39 63.93"), "0.115"),
    "family history": (("193 96.02 135 96.43 58 95.08", "8 3.98 5 3.57 3 4.92"), "0.955"),
}
# mean and SD of all, train, test; p-value
TABLE_1_MEANS = {
    "age": ("54.00 11.04 53.36 11.26 55.44 10.45", "0.221"),
    "Ki-67": ("38.78 23.31 38.83 22.80 38.67 24.62", "0.795"),
    "CEA": ("4.80 37.12 1.98 2.09 11.29 67.24", "0.174"),
    "CA125": ("65.24 38.06 65.94 36.87 63.63 40.95", "0.729"),
    "CA199": ("13.08 34.56 12.30 37.93 14.87 25.38", "0.42"),
    "CA153": ("9.19 7.71 9.00 4.93 9.65 11.90", "0.738"),
}
# odds ratio, limits, p-value; patients of the training cohort whose level is coded 1
UNIVARIABLE = {
    "ER": ("0.263 0.174 0.398 0", 96),
    "menopause": ("0.479 0.316 0.727 0.004", 71),
    "lymph nodes": ("0.533 0.32 0.888 0.042", 46),
    "PR": ("0.538 0.443 0.654 0", 84),
    "family history": ("0.667 0.149 2.992 0.657", 5),
    "calcification": ("0.686 0.444 1.061 0.155", 59),
    "CEA": ("0.775 0.674 0.891 0.003", None),
    "CA153": ("0.935 0.908 0.965 0", None),
    "CA199": ("0.95 0.923 0.978 0.003", None),
    "age": ("0.985 0.98 0.991 0", None),
    "Ki-67": ("0.99 0.983 0.996 0.011", None),
    "CA125": ("0.991 0.987 0.995 0", None),
}
MULTIVARIABLE = {
    "ER": "0.601 0.224 1.614 0.397",
    "menopause": "1.277 0.548 2.977 0.634",
    "lymph nodes": "1.062 0.516 2.184 0.891",
    "PR": "0.343 0.151 0.778 0.032",
    "CEA": "1.066 0.91 1.247 0.506",
    "CA153": "1.04 0.969 1.116 0.356",
    "CA199": "0.996 0.977 1.015 0.716",
    "age": "0.995 0.969 1.022 0.77",
    "Ki-67": "1.009 0.994 1.025 0.33",
    "CA125": "1.006 0.997 1.015 0.265",
}
# AUC and interval; sensitivity and specificity where printed
MODELS = {
    ("clinical", "train"): ("0.935 0.894 0.975", "76.7% 92.8%"),
    ("clinical", "test"): ("0.720 0.578 0.863", "60% 73.9%"),
    ("Rad", "train"): ("0.906 0.858 0.953", "93.0% 74.2%"),
    ("Rad", "test"): ("0.786 0.667 0.904", "80% 65.2%"),
    ("DL", "train"): ("0.925 0.8820 0.9679", ""),
    ("DL", "test"): ("0.870 0.7801 0.9605", ""),
    ("DLR", "train"): ("0.916 0.866 0.966", "88.4% 88.7%"),
    ("DLR", "test"): ("0.889 0.809 0.970", "86.7% 80.4%"),
    ("combined", "train"): ("0.942 0.9065 0.9782", ""),
    ("combined", "test"): ("0.877 0.7918 0.9618", ""),
}
MATRICES = {
    "DL": ConfusionMatrix("Results, DL matrix", "test", tp=19, fp=9, tn=24, fn=11),
    # Discussion; without a cohort's name, but 63 cases are not the training cohort
    "combined": ConfusionMatrix("Discussion, combined matrix", "test", tp=20, fp=14, tn=28, fn=1),
}


def numbers(text: str, *, decimals: int | None = None) -> tuple[Printed, ...]:
    return tuple(Printed.read(word, decimals=decimals) for word in text.split())


def count_row(name: str) -> CountRow:
    levels, p_value = TABLE_1_COUNTS[name]
    words = [level.split() for level in levels]
    return CountRow(
        f"Table 1, {name}",
        {g: tuple(int(w[2 * i]) for w in words) for i, g in enumerate(GROUPS)},
        {g: tuple(Printed.read(f"{w[2 * i + 1]}%") for w in words) for i, g in enumerate(GROUPS)},
        p_value=Printed.read(p_value),
    )


def mean_row(name: str, test: str = "") -> MeanRow:
    cells, p_value = TABLE_1_MEANS[name]
    values = numbers(cells)
    summaries = {g: (values[2 * i], values[2 * i + 1]) for i, g in enumerate(GROUPS)}
    return MeanRow(f"Table 1, {name}", summaries, p_value=Printed.read(p_value), test=test)


def odds_ratios() -> tuple[OddsRatio, ...]:
    # the table drops trailing zeros of three decimals: its p-value "0" is 0.000
    univariable = [
        OddsRatio(
            f"Table 2, univariable {name}",
            *numbers(row, decimals=3),
            group="train",
            n_exposed=() if exposed is None else (exposed,),
        )
        for name, (row, exposed) in UNIVARIABLE.items()
    ]
    multivariable = [
        OddsRatio(f"Table 2, multivariable {name}", *numbers(row, decimals=3))
        for name, row in MULTIVARIABLE.items()
    ]
    return (*univariable, *multivariable)


def rates() -> tuple[Rate, ...]:
    measures = ("sensitivity", "specificity")
    return tuple(
        Rate(f"Results, {model}", group, measure, value)
        for (model, group), (_, text) in MODELS.items()
        for measure, value in zip(measures, numbers(text), strict=False)
    )


def areas() -> tuple[Area, ...]:
    claims = []
    for (model, group), (area, text) in MODELS.items():
        sensitivity, specificity = numbers(text) or (None, None)
        claims.append(
            Area(
                f"Results, {model} {group}",
                *numbers(area),
                is_wald=True,
                group=group,
                matrix=MATRICES.get(model) if group == "test" else None,
                sensitivity=sensitivity,
                specificity=specificity,
            )
        )
    return tuple(claims)


def features() -> FeatureSet:
    """Text of Methods and Results; sizes of the families as pyradiomics has them."""
    return FeatureSet(
        "Results, radiomic features",
        total=1561,
        once={"shape": 14},
        per_image={"first-order": 18, "GLCM": 22, "GLRLM": 16, "GLSZM": 16, "NGTDM": 5},
        unlisted={"GLDM": 14},
        claimed={"first-order": 360, "shape": 14},
    )


PAPER = PrintedStudy(
    partition={"all": ("train", "test")},
    sizes=(Size("Methods, patients", "all", 210),),
    counts=tuple(count_row(name) for name in TABLE_1_COUNTS),
    means=tuple(mean_row(name) for name in TABLE_1_MEANS),
    proportions=(
        Proportion("Results, split", Printed.read("70%"), n=201, count=140),
        Proportion("Results, split", Printed.read("30%"), n=201, count=61),
    ),
    rates=rates(),
    matrices=tuple(MATRICES.values()),
    odds_ratios=odds_ratios(),
    # degrees of freedom are not printed: ten groups, as by default
    statistics=(Statistic("Results, Hosmer-Lemeshow", Printed.read("0.071"), dof=8),),
    areas=areas(),
    totals=(Total("Methods, DLR features", 1625, {"DL": 64, "Rad": 1561}),),
    feature_sets=(features(),),
    variance_shares=(
        VarianceShares(
            "Methods, pre-fusion",
            {"Rad": Printed.read("52%"), "DL": Printed.read("48%")},
            {"Rad": 1561, "DL": 64},
        ),
    ),
    definitions=(
        Definition("Methods, clinical use", "combined", frozenset({"clinical", "DL"})),
        Definition("Results, clinical use", "combined", frozenset({"clinical", "DLR"})),
    ),
)


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
    values = {(r.group, r.measure): [] for r in PAPER.rates}
    for rate in PAPER.rates:
        values[rate.group, rate.measure].append(rate.value)

    def solutions(group, n):
        sensitivities, specificities = values[group, "sensitivity"], values[group, "specificity"]
        return feasible_positives(sensitivities, specificities, n)

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
    univariable = {x.where.split("univariable ")[1] for x in rows if "univariable" in x.where}
    assert {name for name in UNIVARIABLE if name not in univariable} <= undecided


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
    rows = tuple(mean_row(name, test="t-test") for name in TABLE_1_MEANS)
    found = check(PrintedStudy(sizes=sizes, means=rows))
    assert places(found, Rule.BASELINE_TEST) == [
        f"Table 1, {name}" for name in TABLE_1_MEANS if name != "age"
    ]


def test_repaired_paper_has_no_contradiction():
    repaired = replace(
        PAPER,
        sizes=(Size("Methods, patients", "all", 201),),
        counts=tuple(count_row(name) for name in TABLE_1_COUNTS if name != "PR"),
        matrices=(),
        odds_ratios=tuple(replace(row, level=0.9, n_exposed=()) for row in PAPER.odds_ratios),
        statistics=(),
        areas=tuple(replace(area, matrix=None) for area in PAPER.areas),
        feature_sets=(
            FeatureSet(
                "Results, radiomic features",
                total=1561,
                once={"shape": 14},
                per_image={**PAPER.feature_sets[0].per_image, "GLDM": 14},
                claimed={"first-order": 306, "shape": 14},
            ),
        ),
        variance_shares=(),
        definitions=PAPER.definitions[1:],
    )
    assert check(repaired) == []
