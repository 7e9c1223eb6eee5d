"""Sentences phrase the numbers of the tables, and are silent where there are none."""

import copy

import pandas as pd
import pytest

from her2.report.narrative import SENTENCES, failed_checks, in_words, narrative
from her2.report.report_tables import all_tables


@pytest.fixture(scope="module")
def tables(report):
    return all_tables(report)


def said(anchor, results, tables):
    return " ".join(narrative(anchor, results, tables))


@pytest.mark.parametrize(
    ("anchor", "sentence"),
    [
        ("flow", "Of 212 rows of the patient table 6 were not eligible and 5 could not be used"),
        ("baseline", "Training and test patients differ in pr (p < .05, variables tested: 3"),
        ("clinical", "pr (odds ratio 0.210, 95 % CI 0.090 to 0.489) and family history"),
        ("readers", "2 lesions need a third reader"),
        ("features", "Radiomics 12 of 1\u202f561, Deep learning 12 of 1\u202f561 and"),
        ("performance", "“Combined” ranked first in 20 repeats of 5-fold cross-validation"),
        ("performance", "large enough by 1 of 4 criteria"),
        ("roc", "AUC ran from 0.684 (Clinical) to 0.790 (Combined)."),
        ("calibration", "a calibration slope of 0.87, an intercept of −0.11 and an ICI"),
        (
            "individual-risks",
            "risk by “Combined” would move by about 0.10 on average, and 14 % of patients",
        ),
        (
            "individual-risks",
            "named one outcome for 36 of 60 (83 % of them rightly) among the test patients, and "
            "abstained on 40 %.",
        ),
        ("confusion", "11 of 15 positive ones and called 14 of 46 negative ones"),
        ("performance", "with an AUC of 0.823 (0.793 to 0.853); the split into folds alone"),
        (
            "performance",
            "1 of the 4 others cannot be told apart from it; corrected for the choice, the AUC is "
            "0.809 (95 % CI 0.771 to 0.843).",
        ),
        ("robustness", "Radiomics 0.41 and Deep learning radiomics 0.39."),
        ("robustness", "The p of interaction in subgroups is below .05 for no variable."),
        ("model-selection", "Clinical lightgbm"),
        ("audit", "4 of 4 checks of the protocol passed."),
    ],
)
def test_the_sentence_says_what_the_table_says(report, tables, anchor, sentence):
    assert sentence in said(anchor, report.results, tables)


def test_the_intercept_is_no_variable(report, tables):
    only = tables["odds_ratios"].iloc[[-1]].assign(adjusted_p_value=0.001)
    assert said("clinical", report.results, {**tables, "odds_ratios": only}) == ""
    none = tables["odds_ratios"].assign(adjusted_p_value=0.2)
    text = said("clinical", report.results, {**tables, "odds_ratios": none})
    assert text == "Adjusted for the others, no variable is associated with the outcome (p < .05)."


def test_a_failed_check_is_named_and_an_unknown_one_is_not_called_failed(report, tables):
    audit = tables["audit"].assign(passed=[True, False, None, True])
    changed = {**tables, "audit": audit}
    assert failed_checks(changed) == ["poisoned test patients"]
    text = said("audit", report.results, changed)
    assert text == "2 of 4 checks of the protocol passed; failed: poisoned test patients."


def test_an_interaction_is_named(report, tables):
    subgroups = tables["subgroups"].assign(interaction_p=0.01)
    text = said("robustness", report.results, {**tables, "subgroups": subgroups})
    assert "is below .05 for menopause and family history." in text


@pytest.mark.parametrize("anchor", sorted(SENTENCES))
def test_tables_without_rows_or_columns_leave_no_broken_sentence(sparse_report, anchor):
    given = all_tables(sparse_report)
    for sentence in narrative(anchor, sparse_report.results, given):
        assert sentence.endswith(".") and "nan" not in sentence and "None o" not in sentence[:4]
    names = set(given) - {"flow_counts", "model_selection"}
    empty = {name: pd.DataFrame() for name in names} | {
        k: given[k] for k in given if k not in names
    }
    narrative(anchor, sparse_report.results, empty)


def test_nothing_estimable_is_said(sparse_report):
    results = copy.deepcopy(sparse_report.results)
    del results["arms"]["clinical"]
    assert "No AUC could be estimated" in said("performance", results, all_tables(sparse_report))
    assert said("roc", results, {}) == said("confusion", results, {}) == ""


def test_a_list_of_names_reads_as_a_sentence():
    assert [in_words(list("abcdef"[:n])) for n in (0, 1, 2, 6)] == [
        "", "a", "a and b", "a, b, c, d, e and 1 other",
    ]  # fmt: skip
