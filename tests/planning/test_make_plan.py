"""A plan: its sizes are those of her2.stats, and it says what it left out."""

import dataclasses

import numpy as np
import pytest
from drawn import assert_readable, texts

import her2
from her2 import stats
from her2.core.errors import BadConfig, NotEstimable
from her2.core.settings import ComputeSettings, PlanSettings
from her2.planning.assumptions import Pilot, assumptions_of
from her2.planning.make_plan import _first_reaching, _n_cohorts, make_plan
from her2.planning.plan_outputs import headline, plan_figure
from her2.planning.study_plan import AssurancePoint, read_plan, write_plan

GIVEN = {"prevalence": 0.3, "auc": 0.85, "n_parameters": 4, "slope_width": 0.6, "n_cohorts": 20,
         "compute": ComputeSettings(n_workers=1)}  # fmt: skip


def planned(**changes):
    return make_plan(PlanSettings(**{**GIVEN, **changes}))


@pytest.fixture(scope="module")
def plan():
    return planned(auc_low=0.75, n=150, threshold=0.3)


def sizes(plan, stage, case):
    found = [x for x in plan.requirements if (x.stage, x.case) == (stage, case)]
    return {x.criterion: x.n_required for x in found}


@pytest.mark.parametrize(("case", "auc"), [("expected", 0.85), ("pessimistic", 0.75)])
def test_the_sizes_are_those_of_the_statistics(plan, case, auc):
    riley = stats.sample_size_for_prediction(4, 0.3, c_statistic=auc)["n_required"].tolist()
    error = stats.sample_size_for_prediction_error(4, 0.3)
    assert list(sizes(plan, "development", case).values()) == [*riley, error]
    targets = stats.PrecisionTargets(calibration_slope=0.6)
    table = stats.sample_size_for_validation(0.3, auc, targets=targets, threshold=0.3)
    by_name = dict(zip(table["criterion"], table["n_required"], strict=True))
    assert sizes(plan, "validation", case) == by_name


def test_the_largest_criterion_decides_and_is_said(plan):
    decides = plan.deciding("validation")
    assert decides.n_required == max(sizes(plan, "validation", "expected").values())
    assert f"{round(decides.n_required * 0.3)} positive" in headline(plan)[1].replace("\u202f", "")
    assert decides.criterion in headline(plan)[1]
    assert plan.deciding("development", "pessimistic").n_required >= 323


def test_what_is_supported_and_other_numbers_of_candidates(plan):
    assert plan.n_parameters_supported == stats.largest_n_parameters(150, 45, c_statistic=0.85)
    assert [x.n_parameters for x in plan.alternatives] == [1, 2, 4, 5, 10, 20, 50]
    needed = [x.n_required for x in plan.alternatives]
    assert needed == sorted(needed)
    assert all(x.n_pessimistic >= x.n_required for x in plan.alternatives)


def test_models_learn_from_more_patients_and_validations_show_more(plan):
    areas = [x.auc for x in plan.learning_curve]
    assert areas[0] < areas[-1] < 0.85
    assert all(x.auc_low <= x.auc <= x.auc_high for x in plan.learning_curve)
    usual = [x for x in plan.assurance if x.case == "expected"]
    assert usual[0].auc_width > usual[-1].auc_width
    assert usual[-1].above_required == 1.0
    assert usual[-1].slope_shown > 0.5 > usual[0].slope_shown


def test_fewer_patients_for_a_better_model():
    def largest(auc):
        return planned(auc=auc, slope_width=1.0).deciding("development").n_required

    assert largest(0.7) > largest(0.75)


def test_the_same_seed_is_the_same_plan_and_comes_back_from_its_file(plan, tmp_path):
    again = planned(auc_low=0.75, n=150, threshold=0.3)
    assert again == plan
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan


def test_what_does_not_apply_is_said():
    made = planned(n_parameters=40, slope_width=2.0)
    left_out = [x for x in made.requirements if x.n_required is None]
    assert [x.criterion for x in left_out] == ["error of the risks"]
    assert any("at most 30 candidate coefficients, found 40" in note for note in made.notes)
    assert any("no threshold is given" in note for note in made.notes)
    assert "error of the risks" not in texts(plan_figure(made))
    with pytest.raises(NotEstimable, match="expect less of the model"):
        planned(auc=0.9, shrinkage=0.2)


def test_large_developments_are_simulated_less_often():
    of = PlanSettings(**GIVEN | {"n_cohorts": 300})
    assert _n_cohorts(500, 4, of) == 300
    assert _n_cohorts(3000, 100, of) == 20


@pytest.mark.parametrize(
    ("shares", "n"),
    [([0.2, 0.7, 0.9], 150), ([0.9, 1.0, 1.0], 50), ([0.0, 0.1, 0.2], None)],
)
def test_the_size_that_is_sure_enough_lies_between_the_simulated_ones(shares, n):
    sizes = (50, 100, 200)
    points = [
        AssurancePoint("expected", size, 0.1, 1.0, share, 0.0)
        for size, share in zip(sizes, shares, strict=True)
    ]
    assert _first_reaching(points, 0.8) == n


PILOT = Pilot(
    name="mine, dlr", prevalence=0.25, auc=0.78, auc_low=0.7, n_parameters=9, n=120,
    calibration=(0.1, 0.8), log_odds=np.array([-2.0, -1.0, 0.0, 1.0]),
)  # fmt: skip


def test_what_is_given_goes_before_what_the_pilot_says():
    found, notes = assumptions_of(PlanSettings(run="x", n_parameters=3), PILOT)
    assert (found.n_parameters, found.prevalence, found.auc, found.auc_low) == (3, 0.25, 0.78, 0.7)
    assert (found.lp_mean, found.lp_sd) == pytest.approx((-0.5, np.sqrt(1.25)))
    assert notes == []
    found, _ = assumptions_of(PlanSettings(run="x", auc=0.9), PILOT)
    assert (found.auc, found.auc_low) == (0.9, None)


def test_a_pilot_near_chance():
    near = dataclasses.replace(PILOT, auc_low=0.48)
    found, notes = assumptions_of(PlanSettings(run="x"), near)
    assert found.auc_low is None and "no better than chance" in notes[0]
    useless = dataclasses.replace(PILOT, auc=0.55)
    with pytest.raises(BadConfig, match=r"above required_auc \(0.6\) and below 1, found 0.550"):
        assumptions_of(PlanSettings(run="x"), useless)
    with pytest.raises(BadConfig, match="expected n_parameters in the run, found none"):
        assumptions_of(PlanSettings(run="x"), dataclasses.replace(PILOT, n_parameters=None))


def test_the_picture_can_be_read(plan):
    figure = plan_figure(plan)
    assert_readable(figure)
    shown = texts(figure)
    assert "To validate externally" in shown and "AUC above 0.6" in shown
    assert_readable(plan_figure(dataclasses.replace(plan, learning_curve=[])))


def test_rules_hold_in_python_too(tmp_path):
    with pytest.raises(her2.BadConfig, match="required_auc below auc"):
        her2.plan_study(PlanSettings(**GIVEN | {"required_auc": 0.9, "run_dir": str(tmp_path)}))
    assert not list(tmp_path.iterdir())
