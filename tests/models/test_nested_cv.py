"""No patient is judged by anything that has seen that patient: the protocol, attacked."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from small_study import Study, study

from her2 import stats
from her2.core.seeds import generator
from her2.core.types import PREDICTION_COLUMNS
from her2.models.classifiers import Candidate, Search
from her2.models.nested_cv import (
    Arm,
    FittedArm,
    Signature,
    TrainingSet,
    _FoldFits,
    _out_of_fold,
    arm_signature,
    combine,
    combined_signature,
    fit_arms,
    n_searches,
)
from her2.models.predictions import predictions_table, repeats_table
from her2.models.splits import grouped_folds

MEMBERS = ("clinical", "dlr")


def poisoned(clean: Study) -> Study:
    """The same study with absurd features and the opposite outcomes in the held-out rows."""
    held_out = list(clean.held_out)
    lesions = [
        replace(lesion, outcome=1 - lesion.outcome) if lesion.key in held_out else lesion
        for lesion in clean.lesions
    ]
    tables = {}
    for name in ("clinical", "radiomics", "deep"):
        table = getattr(clean, name).copy()
        for column in table:
            number = table[column].dtype.kind == "f"
            table.loc[held_out, column] = 1e9 if number else "poison"
        tables[name] = table
    return replace(clean, lesions=lesions, **tables)


def fit(of: Study, training: TrainingSet | None = None, **settings) -> dict[str, FittedArm]:
    training = training or of.training
    return fit_arms(of.arms(), training, n_folds=2, seed=0, scoring="log_loss", **settings)


def signatures(of: Study, **settings) -> dict[str, Signature]:
    fitted = fit(of, **settings)
    found = {arm.name: arm_signature(fitted[arm.name], arm, of.held_out)
             for arm in of.arms()}  # fmt: skip
    found["combined"] = combined_signature(combine(fitted, MEMBERS, of.training), found)
    return found


def out_of_fold(of: Study, training: TrainingSet) -> dict[str, np.ndarray]:
    fitted = fit(of, training)
    found = {name: arm.out_of_fold for name, arm in fitted.items()}
    return found | {"combined": combine(fitted, MEMBERS, training).repeats[0]}


@pytest.fixture(scope="module")
def clean() -> Study:
    return study()


@pytest.fixture(scope="module")
def found(clean) -> dict[str, Signature]:
    return signatures(clean)


@pytest.fixture(scope="module")
def fitted(clean) -> dict[str, FittedArm]:
    return fit(clean)


@pytest.fixture(scope="module")
def honest(clean) -> dict[str, np.ndarray]:
    return out_of_fold(clean, clean.training)


def test_poisoned_test_patients_change_no_prediction_of_a_training_patient(clean, found):
    attacked = signatures(poisoned(clean))
    assert list(attacked) == ["clinical", "radiomics", "deep_learning", "dlr", "combined"]
    for name, signature in attacked.items():
        assert signature.out_of_fold.tobytes() == found[name].out_of_fold.tobytes()
        assert signature.in_sample.tobytes() == found[name].in_sample.tobytes()
        assert (signature.model, signature.n_features) == (
            found[name].model,
            found[name].n_features,
        )
    assert attacked["radiomics"].held_out != found["radiomics"].held_out


def test_what_is_said_of_a_held_out_patient_depends_on_no_other(clean, found, fitted):
    first, *others = clean.held_out
    for arm in clean.arms():
        alone = arm_signature(fitted[arm.name], arm, [first])
        assert alone.held_out[first] == pytest.approx(found[arm.name].held_out[first], abs=1e-12)
        assert list(alone.held_out) == [first]
    assert others


def test_the_result_does_not_depend_on_the_number_of_workers(clean, found):
    parallel = signatures(clean, n_workers=2)
    for name, signature in parallel.items():
        assert signature.out_of_fold.tobytes() == found[name].out_of_fold.tobytes()
        assert signature.in_sample.tobytes() == found[name].in_sample.tobytes()
        assert signature.held_out == found[name].held_out
        assert signature.model == found[name].model


def test_progress_is_told_of_every_search(clean):
    seen = []
    fit_arms(clean.arms()[:1], clean.training, n_folds=2, seed=0, advance=seen.append)
    assert seen == [1, 2, 3, 4]


def test_outcomes_change_no_out_of_fold_prediction_of_their_own_fold(clean, honest):
    """A positive and a negative row exchange outcomes, so that the prevalence stays."""
    training = clean.training
    mates = training.fold == 1
    y = training.y_true.copy()
    exchanged = [int(np.flatnonzero(mates & (y == level))[0]) for level in (0, 1)]
    y[exchanged] = 1 - y[exchanged]
    after = out_of_fold(clean, replace(training, y_true=y))
    for name, probability in honest.items():
        assert after[name][mates].tobytes() == probability[mates].tobytes()
        assert (after[name][~mates] != probability[~mates]).any()


def test_a_single_outcome_moves_its_fold_by_the_common_prevalence_only(clean, honest):
    training = clean.training
    mates = training.fold == 1
    y = training.y_true.copy()
    y[np.flatnonzero(mates)[0]] ^= 1
    changed = replace(training, y_true=y)
    after = out_of_fold(clean, changed)
    for name, probability in honest.items():
        found = changed.to_fold(1, after[name][mates])
        assert found == pytest.approx(training.to_fold(1, probability[mates]), abs=1e-12)
        assert (np.argsort(after[name][mates]) == np.argsort(probability[mates])).all()


def test_features_of_fold_mates_change_no_other_prediction_of_the_fold(clean, honest):
    training = clean.training
    fold = np.flatnonzero(training.fold == 1)
    changed, mates = fold[:3], fold[3:]
    keys = [training.keys[i] for i in changed]
    tables = {}
    for name in ("radiomics", "deep", "clinical"):
        tables[name] = getattr(clean, name).copy()
        numbers = tables[name].select_dtypes("number").columns
        tables[name].loc[keys, numbers] = 1e9
    after = out_of_fold(replace(clean, **tables), training)
    for name, probability in honest.items():
        assert after[name][mates] == pytest.approx(probability[mates], abs=1e-12)
        assert (after[name][changed] != probability[changed]).any()


def test_lesions_of_a_patient_are_judged_by_a_model_without_the_patient(clean, fitted):
    training = clean.training
    assert len(set(training.groups.tolist())) < len(training.keys)
    for unit in np.unique(training.groups):
        assert len(set(training.fold[training.groups == unit].tolist())) == 1
    X = clean.radiomics.loc[list(training.keys)].to_numpy()
    for k, search in enumerate(fitted["radiomics"].by_fold):
        judged = training.fold == k
        assert len(search.out_of_fold) == (~judged).sum()
        expected = fitted["radiomics"].out_of_fold[judged]
        found = training.from_fold(k, search.predict(X[judged]))
        assert found.tobytes() == expected.tobytes()
        assert training.to_fold(k, found) == pytest.approx(search.predict(X[judged]))


def test_every_training_row_has_one_prediction_of_each_kind(clean, fitted):
    for arm in fitted.values():
        for probability in (arm.out_of_fold, arm.in_sample):
            assert probability.shape == (len(clean.training.keys),)
            assert ((probability >= 0) & (probability <= 1)).all()
        assert (arm.out_of_fold != arm.in_sample).any()


def test_every_search_tells_its_selection_which_rows_are_a_patient_s(clean):
    training = clean.training
    assert len(np.unique(training.groups)) < len(training.groups)
    arm = clean.arm_that_knows_patients()
    assert np.isfinite(fit_arms([arm], training, n_folds=2, seed=0)["radiomics"].out_of_fold).all()


# ---- the combined arm


def test_in_sample_signatures_do_not_reach_the_combined_arm_s_weights(clean, fitted):
    honest = combine(fitted, MEMBERS, clean.training)
    perfect = clean.training.y_true.astype(float)
    flattered = {name: replace(arm, in_sample=perfect) for name, arm in fitted.items()}
    combined = combine(flattered, MEMBERS, clean.training)
    assert combined.repeats[0].tobytes() == honest.repeats[0].tobytes()
    assert combined.regression[-1].coef_.tobytes() == honest.regression[-1].coef_.tobytes()
    assert combined.in_sample.tobytes() != honest.in_sample.tobytes()


def first_repeat(arm: FittedArm, **changes) -> FittedArm:
    """The arm with changes in its first cross-validation."""
    return replace(arm, repeats=(replace(arm.repeats[0], **changes), *arm.repeats[1:]))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_weights_of_a_fold_come_from_signatures_that_never_saw_the_fold(clean, fitted, k):
    """Outer signatures of other folds were fitted with fold k's patients: they must not count."""
    training = clean.training
    honest = combine(fitted, MEMBERS, training)
    others = training.fold != k
    changed = {
        name: first_repeat(arm, out_of_fold=np.where(others, 1 - arm.out_of_fold, arm.out_of_fold))
        for name, arm in fitted.items()
    }
    combined = combine(changed, MEMBERS, training)
    assert combined.repeats[0][~others].tobytes() == honest.repeats[0][~others].tobytes()
    assert combined.regression[-1].coef_.tobytes() != honest.regression[-1].coef_.tobytes()


@pytest.mark.parametrize("k", [0, 1, 2])
def test_inner_signatures_make_the_weights_of_their_own_fold_only(clean, fitted, k):
    training = clean.training
    honest = combine(fitted, MEMBERS, training)

    def inverted(arm: FittedArm) -> FittedArm:
        searches = list(arm.by_fold)
        searches[k] = replace(searches[k], out_of_fold=1 - searches[k].out_of_fold)
        return first_repeat(arm, searches=tuple(searches))

    changed = combine({n: inverted(a) for n, a in fitted.items()}, MEMBERS, training)
    same = training.fold != k
    assert changed.repeats[0][same].tobytes() == honest.repeats[0][same].tobytes()
    assert (changed.repeats[0][~same] != honest.repeats[0][~same]).all()


def made_up(name: str, training: TrainingSet, inner: np.ndarray, memorised: bool) -> FittedArm:
    """An arm whose signatures are given: `inner` everywhere, in sample the outcomes if asked."""
    point = Candidate("lr", (), ())
    searches = tuple(
        Search(point, None, inner[training.fold != k], pd.DataFrame())
        for k in range(training.n_folds)
    )
    seen = training.y_true.astype(float) if memorised else inner
    return FittedArm(name, searches[0], (_FoldFits(searches, inner),), seen)


def test_an_arm_that_memorises_its_patients_is_not_trusted():
    n, rng = 300, generator(0, "made up")
    y, groups = np.arange(n) % 3 // 2, np.arange(n)
    fold = grouped_folds(y, groups, n_folds=5, seed=0, name="outer")
    training = TrainingSet(tuple(f"p{i}/1" for i in groups), y, groups, fold)
    noise = rng.uniform(0.2, 0.8, n)
    useful = np.clip(0.4 + 0.2 * y + 0.15 * rng.standard_normal(n), 0.02, 0.98)
    fitted = {
        "clinical": made_up("clinical", training, useful, False),
        "dlr": made_up("dlr", training, noise, True),
    }
    combined = combine(fitted, MEMBERS, training)
    of_useful, of_noise = combined.regression[-1].coef_[0]
    assert of_useful > 1
    assert abs(of_noise) < of_useful / 3
    assert stats.auc(y, combined.repeats[0]) == pytest.approx(stats.auc(y, useful), abs=0.02)


# ---- noise and signal


def test_a_planted_signal_is_found():
    strong = study(seed=1, n=120, signal=2.5, several=False)
    training, found = strong.training, signatures(strong)
    outcome = {lesion.key: lesion.outcome for lesion in strong.lesions}
    for name, signature in found.items():
        assert stats.auc(training.y_true, signature.out_of_fold) > 0.8, name
        y = [outcome[key] for key in signature.held_out]
        assert stats.auc(y, list(signature.held_out.values())) > 0.8, name


@pytest.mark.slow
def test_shuffled_outcomes_are_not_predicted():
    """Ten studies of pure noise: a leak of any kind lifts the mean AUC of its arm."""
    aucs: dict[str, list[float]] = {}
    for seed in range(10):
        noise = study(seed=seed, n=86, signal=0.0)
        training = noise.training
        for name, probability in out_of_fold(noise, training).items():
            aucs.setdefault(name, []).append(stats.auc(training.y_true, probability))
    means = {name: float(np.mean(values)) for name, values in aucs.items()}
    assert set(means) == {"clinical", "radiomics", "deep_learning", "dlr", "combined"}
    assert means == pytest.approx(dict.fromkeys(means, 0.5), abs=0.06)
    assert min(len(values) for values in aucs.values()) == 10


def test_models_that_know_no_more_than_the_prevalence_have_no_auc():
    """Else rounding errors of the folds' prevalences would be ranked."""
    y_true = np.array([1] * 8 + [0] * 14)
    fold = np.arange(22) % 5
    training = TrainingSet(tuple(map(str, range(22))), y_true, np.arange(22), fold)
    features = pd.DataFrame({"f": np.zeros(22)}, index=list(training.keys))
    arm = Arm("radiomics", features, make_pipeline(), ())

    class Prior:
        """Says the prevalence that it has seen, as exactly as float32 has it."""

        def __init__(self, k: int) -> None:
            self.prevalence = y_true[fold != k].mean() * (1 + 1e-9 * k)

        def predict(self, X):
            return np.full(len(X), self.prevalence)

    found = _out_of_fold(arm, training, [Prior(k) for k in range(5)]).out_of_fold
    assert np.ptp(found) == 0
    assert found[0] == pytest.approx(8 / 22)


# ---- the table


def test_the_predictions_table_has_a_row_for_every_signature_of_every_lesion(clean, found):
    training = clean.training
    table = predictions_table(list(found.values()), clean.lesions, clean.split.roles(), training)
    assert tuple(table.columns) == PREDICTION_COLUMNS
    assert len(table) == 5 * (2 * len(training.keys) + len(clean.held_out))
    assert not table.duplicated(["patient_id", "lesion_id", "kind", "arm"]).any()
    assert table["fold"].notna().eq(table["kind"].eq("out_of_fold")).all()
    key = table["patient_id"] + "/" + table["lesion_id"]
    assert (key.map(clean.split.roles()) == table["role"]).all()
    outcome = {lesion.key: lesion.outcome for lesion in clean.lesions}
    assert (key.map(outcome) == table["y_true"]).all()


def test_the_predictions_table_joins_by_key_whatever_the_order_of_lesions(clean, found):
    backwards = predictions_table(
        list(found.values()), clean.lesions[::-1], clean.split.roles(), clean.training
    )
    forwards = predictions_table(
        list(found.values()), clean.lesions, clean.split.roles(), clean.training
    )
    pd.testing.assert_frame_equal(backwards, forwards)
    rows = forwards[forwards["arm"].eq("dlr") & forwards["kind"].eq("held_out")]
    key = rows["patient_id"] + "/" + rows["lesion_id"]
    assert dict(zip(key, rows["y_prob"], strict=True)) == found["dlr"].held_out


def test_a_study_without_held_out_patients_has_training_rows_only(clean, fitted):
    signature = arm_signature(fitted["clinical"], clean.arms()[0], ())
    table = predictions_table([signature], clean.lesions, clean.split.roles(), clean.training)
    assert set(table["role"]) == {"train"}


# ---- repeats


def twice(training: TrainingSet) -> TrainingSet:
    y, groups = training.y_true, training.groups
    second = grouped_folds(y, groups, n_folds=3, seed=0, name="outer 1")
    return replace(training, more_folds=(second,))


@pytest.fixture(scope="module")
def repeated(clean):
    return fit(clean, twice(clean.training))


def test_the_first_repeat_is_what_one_cross_validation_gives(fitted, repeated):
    for name, arm in fitted.items():
        assert len(repeated[name].repeats) == 2
        assert repeated[name].out_of_fold.tobytes() == arm.out_of_fold.tobytes()
        assert repeated[name].in_sample.tobytes() == arm.in_sample.tobytes()


def test_a_repeat_has_its_own_folds_and_searches(clean, repeated):
    training = twice(clean.training)
    assert (training.repeat(0).fold != training.repeat(1).fold).any()
    for arm in repeated.values():
        second = arm.repeats[1]
        assert np.isfinite(second.out_of_fold).all()
        assert second.out_of_fold.tobytes() != arm.out_of_fold.tobytes()
        for k, search in enumerate(second.searches):
            assert len(search.out_of_fold) == (training.repeat(1).fold != k).sum()


def test_in_every_repeat_patients_stay_in_one_fold(clean):
    training = twice(clean.training)
    for r in range(training.n_repeats):
        for group in np.unique(training.groups):
            assert len(set(training.repeat(r).fold[training.groups == group])) == 1


def test_the_combined_arm_is_refitted_in_every_repeat(clean, fitted, repeated):
    combined = combine(repeated, MEMBERS, twice(clean.training))
    once = combine(fitted, MEMBERS, clean.training)
    assert combined.repeats.shape == (2, len(clean.training.keys))
    assert combined.repeats[0].tobytes() == once.repeats[0].tobytes()
    assert combined.repeats[1].tobytes() != combined.repeats[0].tobytes()
    assert combined.regression[-1].coef_.tobytes() == once.regression[-1].coef_.tobytes()


def test_the_number_of_searches_counts_every_fold_and_the_final_one(clean):
    assert n_searches(clean.training) == 4
    assert n_searches(twice(clean.training)) == 7


def test_the_table_of_repeats_has_every_training_lesion_once_a_repeat(clean, repeated):
    training = twice(clean.training)
    signature = arm_signature(repeated["clinical"], clean.arms()[0], ())
    table = repeats_table([signature], clean.lesions, training)
    assert list(table.columns) == [*PREDICTION_COLUMNS, "repeat"]
    assert table.groupby("repeat").size().tolist() == [len(training.keys)] * 2
    assert table.loc[table["repeat"] == 1, "fold"].tolist() == training.repeat(1).fold.tolist()
