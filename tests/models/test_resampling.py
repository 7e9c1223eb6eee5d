"""Refits: on training patients only, reproducible, and able to see a leak."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_study import study

from her2 import stats
from her2.core.errors import NotEstimable
from her2.models.classifiers import SearchPlan, fit_pipeline, positive_probability
from her2.models.nested_cv import fit_arms
from her2.models.resampling import (
    learning_curve,
    optimism_of_pipelines,
    refitted_in_resamples,
    selected_features,
    shuffled_aucs,
    unmoved_by_poison,
)

SEED = 0


@pytest.fixture(scope="module")
def strong():
    return study(seed=3, n=120, signal=1.5)


@pytest.fixture(scope="module")
def fitted(strong):
    return fit_arms(strong.arms(), strong.training, n_folds=2, seed=SEED, scoring="log_loss")


def by_name(of, name):
    return next(arm for arm in of.arms() if arm.name == name)


def test_the_learning_curve_rises_with_the_patients(strong, fitted):
    arms = [by_name(strong, "radiomics")]
    curve = learning_curve(arms, fitted, strong.training, shares=[0.2, 0.9], seed=SEED)
    y = strong.training.y_true
    areas = {share: stats.auc(y, p) for (_, share), p in curve.items()}
    assert areas[0.2] < areas[0.9]
    assert all(np.isfinite(p).all() for p in curve.values())


def test_refits_do_not_depend_on_workers_and_repeat_exactly(strong, fitted):
    arms, training = strong.arms(), strong.training
    one = learning_curve(arms, fitted, training, shares=[0.5], seed=SEED)
    two = learning_curve(arms, fitted, training, shares=[0.5], seed=SEED, n_workers=2)
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in two.items()}
    other = learning_curve(arms, fitted, training, shares=[0.5], seed=SEED + 1)
    assert any(one[key].tobytes() != other[key].tobytes() for key in one)


def test_no_refit_reads_a_held_out_row(strong, fitted):
    """Without the held-out rows at all, everything comes out the same."""
    arm, training = by_name(strong, "radiomics"), strong.training
    bare = replace(arm, features=arm.features.loc[list(training.keys)])
    for made in (
        lambda a: learning_curve([a], fitted, training, shares=[0.5], seed=SEED),
        lambda a: vars(
            refitted_in_resamples(a, fitted[a.name], training, n_resamples=2, seed=SEED)
        ),
        lambda a: {"": shuffled_aucs(a, fitted[a.name], training, n_shuffles=2, seed=SEED)},
    ):
        whole, alone = made(arm), made(bare)
        assert [v.tobytes() for v in whole.values()] == [v.tobytes() for v in alone.values()]


def test_features_that_carry_the_outcome_are_selected_most(strong, fitted):
    arm = by_name(strong, "radiomics")
    kept = refitted_in_resamples(
        arm, fitted[arm.name], strong.training, n_resamples=8, seed=SEED
    ).supports
    assert kept.shape == (8, arm.features.shape[1])
    share = kept.mean(axis=0)
    assert share[:3].min() > share[3:].mean()


def test_shuffled_outcomes_are_not_found(strong, fitted):
    arm = by_name(strong, "radiomics")
    areas = shuffled_aucs(arm, fitted["radiomics"], strong.training, n_shuffles=12, seed=SEED)
    assert areas.mean() == pytest.approx(0.5, abs=0.1)
    assert areas.std() > 0


def test_poison_is_seen_by_a_model_that_reads_held_out_rows(strong, fitted):
    arm, training = by_name(strong, "radiomics"), strong.training
    assert unmoved_by_poison(arm, fitted["radiomics"], training, strong.held_out, seed=SEED)

    class Leaky(type(arm)):
        """Scales its rows by all lesions, held-out ones included: the leak the check is for."""

        def rows(self, keys):
            return super().rows(keys) / self.features.abs().max().to_numpy()

    leaky = Leaky(arm.name, arm.features, arm.preparation, arm.points)
    model = fit_pipeline(
        leaky.rows(training.keys), training.y_true, training.groups,
        preparation=arm.preparation, candidate=fitted["radiomics"].final.best, seed=SEED,
    )  # fmt: skip
    in_sample = positive_probability(model, leaky.rows(training.keys))
    as_fitted = replace(fitted["radiomics"], in_sample=in_sample)
    assert not unmoved_by_poison(leaky, as_fitted, training, strong.held_out, seed=SEED)


def test_selected_features_follow_the_columns_through_the_chain(strong):
    arm, training = by_name(strong, "radiomics"), strong.training
    chain = arm.preparation.fit(arm.rows(training.keys), training.y_true)
    support = selected_features(chain, arm.features.shape[1])
    assert support.sum() == chain[-1].support_.sum()
    assert support[:3].any()


def test_components_are_no_input_features(strong):
    arm, training = by_name(strong, "dlr"), strong.training
    chain = make_pipeline(*(s for _, s in arm.preparation.steps))
    chain.fit(arm.rows(training.keys), training.y_true)
    with pytest.raises(NotEstimable, match="makes new columns"):
        selected_features(chain, arm.features.shape[1])


def test_every_refit_tells_its_selection_which_rows_are_a_patient_s(strong, fitted):
    arm, training = strong.arm_that_knows_patients(), strong.training
    learning_curve([arm], fitted, training, shares=[0.5], seed=SEED)
    shuffled_aucs(arm, fitted["radiomics"], training, n_shuffles=1, seed=SEED)
    again = refitted_in_resamples(arm, fitted["radiomics"], training, n_resamples=1, seed=SEED)
    assert again.supports.all()
    table = optimism_of_pipelines([arm], training, n_resamples=2, plan=SearchPlan(2, SEED))
    assert len(table)
