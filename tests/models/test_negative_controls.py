"""Controls of a protocol: an honest one passes each, one that leaks fails the one for its leak."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from small_study import LR, study

from her2.commands.audit import protocol_checks
from her2.core.settings import (
    ControlSettings,
    EvaluationSettings,
    FusionSettings,
    StudySettings,
)
from her2.core.types import split_groups
from her2.models.negative_controls import (
    Control,
    changed_held_out,
    changed_predictions,
    noise,
    planted,
    poisoned,
    rearranged,
    run_controls,
    selected_before_split,
    shuffled,
    unchanged,
)
from her2.models.nested_cv import Arm
from her2.models.splits import Rows
from her2.pipeline.fit_arms import study_signatures
from her2.selection import no_selection, paper_chain

SEED = 0
N_FEATURES = 200
SETTINGS = StudySettings(
    controls=ControlSettings(n_noise=3, n_planted=3, n_leaking=3),
    evaluation=EvaluationSettings(n_inner_folds=2, n_shuffles=3),
    fusion=FusionSettings(members=["clinical", "radiomics"]),
    seed=SEED,
)
PROTOCOL = partial(study_signatures, SETTINGS)
_known = {}


def honest(control):
    """Return what the study's protocol finds; several tests ask for the same controls."""
    numbers = [arm.features.select_dtypes("number").to_numpy().tobytes() for arm in control.arms]
    rows = [control.training.y_true.tobytes(), control.training.keys, control.held_out.keys]
    key = hash((*numbers, *rows))
    if key not in _known:
        _known[key] = PROTOCOL(control)
    return _known[key]


def material(seed=3, n=110):
    """Return a control with a clinical arm and a radiomic one of many columns."""
    made = study(seed=seed, n=n, signal=1.0)
    rng = np.random.default_rng(seed)
    keys = [lesion.key for lesion in made.lesions]
    radiomics = pd.DataFrame(rng.normal(size=(n, N_FEATURES)), index=keys)
    chain = paper_chain(lasso_folds=3).set_params(lassofilter__n_alphas=12)
    position = {key: i for i, key in enumerate(keys)}
    rows = np.array([position[key] for key in made.held_out])
    y = np.array([lesion.outcome for lesion in made.lesions])
    arms = (replace(made.arms()[0], points=LR[1:]), Arm("radiomics", radiomics, chain, LR[1:]))
    held_out = Rows(made.held_out, y[rows], split_groups(made.lesions)[rows])
    return Control(arms, made.training, held_out, SEED)


@pytest.fixture(scope="module")
def control():
    return material()


@pytest.fixture(scope="module")
def narrow(control):
    """The same control with fewer columns, for what does not need many."""
    clinical, radiomics = control.arms
    few = replace(radiomics, features=radiomics.features.iloc[:, :30])
    return replace(control, arms=(clinical, few))


def with_shuffles(n):
    return replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, n_shuffles=n))


def failed(protocol, control, n_shuffles=3):
    """Return the checks that fail, as one text."""
    rows, _ = protocol_checks(protocol, control, settings=with_shuffles(n_shuffles))
    assert len(rows) == 10
    return "\n".join(check for check, _, _, passed in rows if not passed)


def scaled_by_all(control):
    """Leak: scale by rows that include the held-out ones."""
    keys = [*control.training.keys, *control.held_out.keys]

    def scaled(arm):
        if arm.is_table:
            return arm
        own = arm.features.loc[keys]
        return replace(arm, features=(own - own.mean()) / own.std())

    return honest(replace(control, arms=tuple(scaled(arm) for arm in control.arms)))


def centred_together(control):
    """Leak: centre the held-out predictions of a batch, so each depends on the others."""
    found = dict(honest(control))
    for name, signature in found.items():
        p = np.array(list(signature.held_out.values()))
        together = dict(zip(signature.held_out, (p - p.mean()).tolist(), strict=True))
        found[name] = replace(signature, held_out=together)
    return found


def judged_in_sample(control):
    """Leak: report predictions of rows that the model has learned from."""
    return {
        name: replace(s, repeats=np.tile(s.in_sample, (len(s.repeats), 1)))
        for name, s in honest(control).items()
    }


def reads_held_out_outcomes(control):
    """Leak: weigh the held-out signatures by held-out outcomes."""
    found = dict(honest(control))
    for name, signature in found.items():
        y = dict(zip(control.held_out.keys, control.held_out.y_true.tolist(), strict=True))
        told = {key: 0.8 * p + 0.2 * y[key] for key, p in signature.held_out.items()}
        found[name] = replace(signature, held_out=told)
    return found


def blind(control):
    """No leak, but a protocol that finds nothing at all; its nulls say nothing."""
    shuffled_features = tuple(
        replace(arm, features=arm.features.sample(frac=1, random_state=1).set_axis(
            arm.features.index)) for arm in control.arms
    )  # fmt: skip
    return honest(replace(control, arms=shuffled_features))


def test_an_honest_protocol_passes_every_check(control):
    assert failed(honest, control) == ""


@pytest.mark.parametrize(
    ("protocol", "checks"),
    [
        (selected_before_split(honest), ["Leak in shuffled", "Leak in noise", "Poison"]),
        (judged_in_sample, ["Leak in shuffled", "Leak in noise"]),
        (centred_together, ["Leak between held-out rows"]),
        (reads_held_out_outcomes, ["Leak in shuffled outcomes, held out"]),
    ],
    ids=["selection", "in-sample", "batch", "outcomes"],
)
def test_a_protocol_that_leaks_fails_the_check_for_its_leak(control, protocol, checks):
    text = failed(protocol, control)
    for check in checks:
        assert check in text


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "check"), [(scaled_by_all, "Poison"), (blind, "Power")])
def test_scaling_by_all_rows_and_blindness_are_noticed(narrow, protocol, check):
    assert check in failed(protocol, narrow)


def test_select_then_split_finds_much_in_noise_and_split_then_select_nothing(control):
    leaky = selected_before_split(honest)
    plan = [(how, noise, i) for how in (honest, leaky) for i in range(4)]
    judged = run_controls(plan, control)
    ours, leaking = (
        np.mean([one.area("radiomics", "out_of_fold") for one in part])
        for part in (judged[:4], judged[4:])
    )
    assert ours == pytest.approx(0.5, abs=0.12)
    assert leaking > 0.75


@pytest.mark.slow
def test_results_do_not_depend_on_workers(narrow):
    plan = [(PROTOCOL, shuffled, 0), (PROTOCOL, noise, 1)]
    one, two = (run_controls(plan, narrow, n_workers=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert max(changed_predictions(a, b).values()) == 0
        assert a.training.y_true.tolist() == b.training.y_true.tolist()


def test_patients_swap_outcomes_and_rows_do_not(control):
    swapped = shuffled(control)
    for before, after in (
        (control.training, swapped.training),
        (control.held_out, swapped.held_out),
    ):
        assert (before.y_true != after.y_true).any()
        for group in np.unique(before.groups):
            assert len(set(after.y_true[before.groups == group].tolist())) == 1
    other = shuffled(replace(control, number=1))
    assert other.training.y_true.tolist() != swapped.training.y_true.tolist()
    assert shuffled(control).training.y_true.tolist() == swapped.training.y_true.tolist()


def test_noise_knows_no_outcome_and_a_planted_signal_does(control):
    y = np.concatenate([control.training.y_true, control.held_out.y_true])
    keys = [*control.training.keys, *control.held_out.keys]

    def differences(changed):
        values = changed.arms[1].features.loc[keys].to_numpy()
        return values[y == 1].mean(axis=0) - values[y == 0].mean(axis=0)

    empty, told = differences(noise(control)), differences(planted(control))
    added = np.flatnonzero(np.abs(told - empty) > 1e-9)
    assert len(added) == 10  # a twentieth of 200
    n_positive, n_negative = control.training.y_true.sum(), (1 - control.training.y_true).sum()
    shift = 6 * np.sqrt(1 / n_positive + 1 / n_negative)
    assert (told - empty)[added] == pytest.approx(np.full(10, shift))
    table = noise(control).arms[0].features
    assert list(table.columns) == list(control.arms[0].features.columns)
    assert table.notna().all().all()


def test_poison_reaches_every_held_out_row_and_no_training_row(control):
    spoilt = poisoned(control)
    assert (spoilt.held_out.y_true != control.held_out.y_true).all()
    for before, after in zip(control.arms, spoilt.arms, strict=True):
        training, held_out = list(control.training.keys), list(control.held_out.keys)
        pd.testing.assert_frame_equal(
            before.features.loc[training], after.features.loc[training], check_dtype=False
        )
        assert after.features.loc[held_out].isin([1e9, "poison"]).all().all()


def test_rearranged_rows_are_the_same_rows_but_one(control):
    moved = rearranged(control).held_out
    assert set(moved.keys) < set(control.held_out.keys)
    assert len(moved.keys) == len(control.held_out.keys) - 1
    assert moved.keys != tuple(key for key in control.held_out.keys if key in moved.keys)


def test_how_far_a_prediction_moved_is_told(control):
    before, after = run_controls(
        [(honest, unchanged, 0), (centred_together, rearranged, 0)], control
    )
    assert set(changed_held_out(before, after)) == {"clinical", "radiomics", "combined"}
    assert min(changed_held_out(before, after).values()) > 0.01
    assert max(changed_predictions(before, after).values()) == 0


def test_a_model_that_tells_nobody_apart_has_an_area_of_one_half(control):
    judged = run_controls([(honest, unchanged, 0)], control)[0]
    name = "clinical"
    constant = replace(
        judged.signatures[name], repeats=np.full((1, len(judged.training.y_true)), 0.3)
    )
    told = replace(judged, signatures={name: constant})
    assert told.area(name, "out_of_fold") == 0.5


def test_a_trial_without_a_selection_still_has_its_control(control):
    plain = replace(
        control, arms=(control.arms[0], replace(control.arms[1], preparation=no_selection()))
    )
    rows, _ = protocol_checks(honest, plain, settings=with_shuffles(2))
    control = next(row for row in rows if row[0].startswith("Control that leaks: selection"))
    assert "500 columns" in control[0] and control[3]
