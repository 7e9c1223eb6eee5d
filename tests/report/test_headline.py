"""The sentences of the first screen say what the numbers say."""

import copy

from her2.report.headline import alarms, headline_arms, leading_arm, sentences


def with_test_area(results, arm, value, low, high):
    changed = copy.deepcopy(results)
    changed["arms"][arm]["roles"]["test"].update(auc=value, auc_low=low, auc_high=high)
    return changed


def test_the_test_patients_do_not_choose_the_leading_arm(report):
    assert leading_arm(report.results) == "combined"
    assert leading_arm(with_test_area(report.results, "clinical", 0.99, 0.97, 1.0)) == "combined"


def test_an_interval_that_includes_one_half_is_said(report):
    text = " ".join(sentences(with_test_area(report.results, "combined", 0.6, 0.45, 0.75)))
    assert "includes 0.5" in text and "0.600 (95 % CI 0.450 to 0.750)" in text
    text = " ".join(sentences(with_test_area(report.results, "combined", 0.3, 0.2, 0.4)))
    assert "lies below 0.5" in text


def test_comparisons_are_counted_after_correction(report):
    assert "None of the 10 comparisons" in " ".join(sentences(report.results))
    changed = copy.deepcopy(report.results)
    next(c for c in changed["comparisons"] if c["role"] == "test")["p_holm"] = 0.02
    assert "1 of 10 comparisons" in " ".join(sentences(changed))


def test_too_good_a_result_rings_an_alarm(report):
    assert alarms(report.results) == []
    assert "Clinical" in alarms(with_test_area(report.results, "clinical", 0.96, 0.9, 1.0))[0]


def test_nothing_estimable_is_said(sparse_report):
    results = copy.deepcopy(sparse_report.results)
    del results["arms"]["clinical"]
    assert leading_arm(results) is None
    assert "No arm has an out-of-fold AUC" in " ".join(sentences(results))
    assert headline_arms(results)[0].test_whisker is None


def test_whiskers_stay_inside_their_drawing(report):
    arm = headline_arms(with_test_area(report.results, "clinical", 0.2, 0.1, 1.0))[0]
    assert (arm.test_whisker.low, arm.test_whisker.high) == (0.0, 100.0)
