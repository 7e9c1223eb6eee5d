"""The sentences of the first screen say what the numbers say."""

import copy

from her2.report.headline import (
    headline_alarms,
    headline_arms,
    headline_columns,
    headline_sentences,
    leading_arm,
)


def with_test_area(results, arm, value, low, high):
    changed = copy.deepcopy(results)
    changed["arms"][arm]["roles"]["test"].update(auc=value, auc_low=low, auc_high=high)
    return changed


def test_the_test_patients_do_not_choose_the_leading_arm(report):
    assert leading_arm(report.results) == "combined"
    assert leading_arm(with_test_area(report.results, "clinical", 0.99, 0.97, 1.0)) == "combined"


def without_repeats(results):
    changed = copy.deepcopy(results)
    for arm in changed["arms"].values():
        del arm["repeated_cv"]
    return changed


def test_repeated_cross_validation_leads_where_a_study_has_it(report):
    results = copy.deepcopy(report.results)
    results["arms"]["radiomics"]["repeated_cv"]["auc"] = 0.85
    assert leading_arm(results) == "radiomics"
    assert headline_columns(results) == ["Repeated cross-validation", "Test (single split)"]
    assert (
        "Over 20 repeats of 5-fold cross-validation the arm “Radiomics”"
        in headline_sentences(results)[1]
    )
    older = without_repeats(results)
    assert leading_arm(older) == "combined"
    assert headline_columns(older)[0] == "Training, out of fold"
    assert headline_sentences(older)[1].startswith(
        "Out of fold on the training patients the arm “Combined”"
    )


def test_an_arm_that_was_not_repeated_is_not_estimable_and_does_not_lead(report):
    results = copy.deepcopy(report.results)
    del results["arms"]["combined"]["repeated_cv"]
    assert leading_arm(results) == "dlr"
    combined = headline_arms(results)[-1]["estimates"][0]
    assert combined["cell"].is_missing and combined["whisker"] is None


def test_an_interval_that_includes_one_half_is_said(report):
    text = " ".join(
        headline_sentences(with_test_area(report.results, "combined", 0.6, 0.45, 0.75))
    )
    assert "includes 0.5" in text and "0.600 (95 % CI 0.450 to 0.750)" in text
    text = " ".join(headline_sentences(with_test_area(report.results, "combined", 0.3, 0.2, 0.4)))
    assert "lies below 0.5" in text


def test_comparisons_are_counted_after_correction(report):
    assert "None of the 10 comparisons" in " ".join(headline_sentences(report.results))
    changed = copy.deepcopy(report.results)
    next(c for c in changed["comparisons"] if c["role"] == "test")["p_holm"] = 0.02
    assert "1 of 10 comparisons" in " ".join(headline_sentences(changed))


def test_too_good_a_result_rings_an_alarm(report):
    assert headline_alarms(report.results) == []
    assert (
        "Clinical"
        in headline_alarms(with_test_area(report.results, "clinical", 0.96, 0.9, 1.0))[0]
    )
    results = copy.deepcopy(report.results)
    results["arms"]["dlr"]["repeated_cv"]["auc"] = 0.97
    assert "Deep learning radiomics" in headline_alarms(results)[0]


def test_nothing_estimable_is_said(sparse_report):
    results = copy.deepcopy(sparse_report.results)
    del results["arms"]["clinical"]
    assert leading_arm(results) is None
    assert "No arm has an out-of-fold AUC" in " ".join(headline_sentences(results))
    assert headline_arms(results)[0]["estimates"][1]["whisker"] is None


def test_whiskers_stay_inside_their_drawing(report):
    arm = headline_arms(with_test_area(report.results, "clinical", 0.2, 0.1, 1.0))[0]
    whisker = arm["estimates"][1]["whisker"]
    assert (whisker["low"], whisker["high"]) == (0.0, 100.0)
