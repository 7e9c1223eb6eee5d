"""The sentences of the first screen say what the numbers say."""

import copy
import dataclasses

import pandas as pd
import pytest

from her2.core.results import judged_roles
from her2.plots.text import arm_title
from her2.report.document import render_report
from her2.report.headline import (
    headline_alarms,
    headline_arms,
    headline_columns,
    headline_sentences,
    leading_arm,
    which_number,
)


def with_test_area(results, arm, value, low, high):
    changed = copy.deepcopy(results)
    changed["arms"][arm]["roles"]["test"].update(auc=value, auc_low=low, auc_high=high)
    return changed


def test_the_test_patients_do_not_choose_the_leading_arm(report):
    assert leading_arm(report.results) == "combined"
    assert leading_arm(with_test_area(report.results, "clinical", 0.99, 0.97, 1.0)) == "combined"


def with_primary(results, arm, value):
    changed = copy.deepcopy(results)
    changed["arms"][arm]["roles"]["out_of_fold"]["auc"] = value
    return changed


def test_the_cross_validated_auc_leads(report):
    results = with_primary(report.results, "radiomics", 0.85)
    assert leading_arm(results) == "radiomics"
    assert headline_columns(results) == ["Cross-validated", "Test (single split)"]
    sentence = headline_sentences(results)[1]
    assert "Over 20 repeats of 5-fold cross-validation of the 140 training patients" in sentence
    assert "the arm “Radiomics” ranked first, with an AUC of 0.850" in sentence
    results["arms"]["radiomics"]["repeated_cv"]["n_repeats"] = 1
    assert headline_sentences(results)[1].startswith(
        "In 5-fold cross-validation of the 140 training patients the arm “Radiomics”"
    )


def test_an_arm_without_a_cross_validated_auc_does_not_lead(report):
    results = with_primary(report.results, "combined", None)
    assert leading_arm(results) == "dlr"
    combined = headline_arms(results)[-1]["estimates"][0]
    assert combined["cell"].is_missing and combined["whisker"] is None


def test_the_first_screen_says_what_the_choice_has_added(report):
    results = copy.deepcopy(report.results)
    assert headline_sentences(results)[2] == (
        "It was chosen because its AUC was the largest, and 1 of the 4 others cannot be told "
        "apart from it; corrected for the choice, the AUC is 0.809 (95 % CI 0.771 to 0.843)."
    )
    results["best_arm"]["tied"] = ["combined"]
    assert headline_sentences(results)[2] == (
        "It can be told apart from the 4 others, so its AUC needs no correction for the choice."
    )
    results["best_arm"] |= {"n_arms": 2, "tied": ["combined", "dlr"]}
    assert "the largest, and the other arm cannot be told apart" in headline_sentences(results)[2]
    results["best_arm"]["n_arms"] = 1
    assert "choice" not in " ".join(headline_sentences(results))


def test_every_number_of_the_leading_arm_is_told_apart(report):
    table = which_number(of_centres(report.results))
    assert table["estimate"].tolist() == [
        "Cross-validated", "Cross-validated, corrected for the choice", "Test (single split)",
        "Lyon Sud", "Bern", "Training, in sample",
    ]  # fmt: skip
    assert table["auc"].tolist()[:3] == [0.823, 0.809, 0.79]
    assert table["n"].tolist() == [140, 140, 61, 61, 61, 140]
    assert table["meaning"].nunique() == 5
    alone = report.results | {"best_arm": None}
    assert len(which_number(alone)) == 3


def test_an_interval_that_includes_one_half_is_said(report):
    text = " ".join(
        headline_sentences(with_test_area(report.results, "combined", 0.6, 0.45, 0.75))
    )
    assert "includes 0.5" in text and "0.600 (95 % CI 0.450 to 0.750)" in text
    text = " ".join(headline_sentences(with_test_area(report.results, "combined", 0.3, 0.2, 0.4)))
    assert "lies below 0.5" in text


def test_comparisons_are_counted_after_correction(report):
    assert "0 of 10 on the test patients; no difference is no proof of equality" in " ".join(
        headline_sentences(report.results)
    )
    changed = copy.deepcopy(report.results)
    test = next(c for c in changed["comparisons"] if c["role"] == "test")
    test |= {"p_holm": 0.02, "auc_difference": -0.1}
    better, worse = (arm_title(test[name]) for name in ("second", "first"))
    assert (
        f"1 of 10 on the test patients (most clearly {better} above {worse}, p = .020)"
        in headline_sentences(changed)[-1]
    )


def of_centres(results, *, with_test=True):
    """Results with two external centres, one of them with a name as hospitals have it."""
    changed = copy.deepcopy(results)
    for arm in changed["arms"].values():
        test = arm["roles"]["test"] if with_test else arm["roles"].pop("test")
        arm["roles"] |= {"Lyon Sud": copy.deepcopy(test), "Bern": copy.deepcopy(test)}
    for c in [c for c in changed["comparisons"] if c["role"] == "test"]:
        changed["comparisons"].append(c | {"role": "Bern", "p_holm": 0.0003})
    changed["cohort"] |= {"centres": {"Lyon Sud": 88, "Bern": 118}, "n_external": 206}
    if not with_test:
        changed["comparisons"] = [c for c in changed["comparisons"] if c["role"] != "test"]
        changed["cohort"]["n_test"] = 0
    return changed


@pytest.mark.parametrize("with_test", [True, False])
def test_the_first_screen_shows_every_role_with_its_area_and_shares(report, with_test):
    results = of_centres(report.results, with_test=with_test)
    sentences = headline_sentences(results)
    text = " ".join(sentences)
    assert headline_columns(results)[-2:] == ["Lyon Sud", "Bern"]
    assert "88 of Lyon Sud judged them from outside" in sentences[0]
    for role in ("Lyon Sud", "Bern"):
        assert f"On the patients of {role} its AUC was" in text
        assert f"it had, on the patients of {role}: sensitivity" in text
    assert "10 of 10 on the patients of Bern" in sentences[-1]
    assert ("test patients" in text) is with_test
    html = render_report(dataclasses.replace(report, results=results))
    first_screen = html.split('<section id="headline">')[1].split("</section>")[0]
    for role in judged_roles(results):
        assert role in first_screen or role in ("out_of_fold", "test")


def test_too_good_a_result_rings_an_alarm(report):
    results = copy.deepcopy(report.results)
    results["cohort"]["n_quarantined"] = 0
    assert headline_alarms(results) == []
    assert "Clinical" in headline_alarms(with_test_area(results, "clinical", 0.96, 0.9, 1.0))[0]
    results = with_primary(results, "dlr", 0.97)
    assert "Deep learning radiomics" in headline_alarms(results)[0]


def test_everything_to_know_before_believing_is_said(report):
    tables = {
        "audit": pd.DataFrame(
            {"check": ["poison", "folds"], "found": ["2 changed", "0"], "passed": [False, True]}
        ),
        "shortcut_controls": pd.DataFrame({"alarm": ["An outline does it all.", ""]}),
        "problems": pd.DataFrame({"code": ["C23", "M01"]}),
        "sample_size": pd.DataFrame(
            {"arm": ["dlr", "clinical"], "criterion": "shrinkage", "supported": [False, True]}
        ),
        "stability": pd.DataFrame({"arm": ["dlr"], "nogueira": [0.31]}),
    }
    said = headline_alarms(report.results, tables)
    for found in (
        "failed: poison, found 2 changed.", "An outline does it all.", "only after biopsy",
        "sample size: Deep", "unstable", "Deep learning radiomics 0.31", "5 lesions were left out",
    ):  # fmt: skip
        assert any(found in text for text in said), found
    assert len(said) == 6


def test_nothing_estimable_is_said(sparse_report):
    results = copy.deepcopy(sparse_report.results)
    del results["arms"]["clinical"]
    assert leading_arm(results) is None
    assert "No arm has a cross-validated AUC" in " ".join(headline_sentences(results))
    assert headline_arms(results)[0]["estimates"][1]["whisker"] is None


def test_whiskers_stay_inside_their_drawing(report):
    arm = headline_arms(with_test_area(report.results, "clinical", 0.2, 0.1, 1.0))[0]
    whisker = arm["estimates"][1]["whisker"]
    assert (whisker["low"], whisker["high"]) == (0.0, 100.0)


def test_limits_beside_chance_show_on_which_side_they_lie(report):
    results = copy.deepcopy(report.results)
    for arm in results["arms"].values():
        arm["roles"]["test"] |= {"auc": 0.61, "auc_low": 0.50002, "auc_high": 0.72}
    text = next(x for x in headline_sentences(results) if x.startswith("On the test patients"))
    assert "0.610 (95 % CI 0.50002 to 0.720); the interval lies above 0.5." in text


def test_an_index_below_the_limit_is_not_printed_as_the_limit(report):
    weak = pd.DataFrame({"arm": ["radiomics"], "nogueira": [0.7498]})
    assert "Radiomics 0.7498." in " ".join(headline_alarms(report.results, {"stability": weak}))
