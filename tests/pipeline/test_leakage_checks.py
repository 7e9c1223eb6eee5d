"""Every check of the audit passes on an honest study and fails on the sin it is for."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_study import study

from her2.pipeline.leakage_checks import audit_notes, audit_table
from her2.pipeline.resampling_checks import Refits


def run_of(of, **changes):
    cohort = SimpleNamespace(lesions=of.lesions, clinical=of.clinical, thumbnails=None)
    parts = {"cohort": cohort, "split": of.split, "training": of.training, **changes}
    return SimpleNamespace(**parts)


@pytest.fixture(scope="module")
def honest():
    return study(seed=1, n=80)


REFITS = Refits(
    audited="dlr", shuffled=np.array([0.45, 0.52, 0.5]), unmoved={"dlr": True, "clinical": True}
)


def row(table: pd.DataFrame, words: str) -> pd.Series:
    found = table[table["check"].str.contains(words)]
    assert len(found) == 1
    return found.iloc[0]


def test_an_honest_study_passes(honest):
    table = audit_table(run_of(honest), REFITS)
    known = table["passed"].notna()
    assert table["passed"][known].all()
    assert table["check"][~known].str.contains("copies").tolist() == [True, True]  # no images
    assert len(table) == 7
    assert audit_notes(table) == []


def test_a_patient_on_both_sides_is_found(honest):
    counted = pd.Series([key.split("/")[0] for key in honest.split.train]).value_counts()
    several = [k for k in honest.split.train if k.startswith(f"{counted.index[0]}/")]
    assert len(several) > 1
    moved = several[0]
    split = replace(
        honest.split,
        train=tuple(k for k in honest.split.train if k != moved),
        test=(*honest.split.test, moved),
    )
    found = row(audit_table(run_of(honest, split=split), REFITS), "Overlap of the split")
    assert not found["passed"]
    assert found["found"].startswith("1 of")


def test_a_patient_in_two_folds_is_found(honest):
    training = honest.training
    groups, counts = np.unique(training.groups, return_counts=True)
    i = np.flatnonzero(training.groups == groups[counts > 1][0])[0]
    fold = training.fold.copy()
    fold[i] = (fold[i] + 1) % training.n_folds
    torn = replace(training, more_folds=(fold,))
    found = row(audit_table(run_of(honest, training=torn), REFITS), "Overlap of the folds")
    assert not found["passed"]


def test_a_model_that_moves_with_poison_is_found(honest):
    leaky = replace(REFITS, unmoved={"dlr": False, "clinical": True})
    found = row(audit_table(run_of(honest), leaky), "poisoned")
    assert not found["passed"]
    assert "dlr" in found["found"]


def test_shuffled_outcomes_that_are_predicted_are_found(honest):
    leaky = replace(REFITS, shuffled=np.array([0.8, 0.86, 0.84]))
    found = row(audit_table(run_of(honest), leaky), "Leak of the outcome")
    assert not found["passed"]
    assert audit_notes(audit_table(run_of(honest), leaky))[0].startswith("Leakage check: Leak")


def test_a_variable_that_knows_the_outcome_is_found(honest):
    outcome = pd.Series({lesion.key: lesion.outcome for lesion in honest.lesions})
    told = honest.clinical.assign(therapy=outcome.map({0: "none", 1: "trastuzumab"}))
    cohort = SimpleNamespace(lesions=honest.lesions, clinical=told, thumbnails=None)
    found = row(audit_table(run_of(honest, cohort=cohort), REFITS), "one clinical variable")
    assert not found["passed"]
    assert "therapy" in found["found"]


def test_every_feature_that_knows_the_outcome_is_named(honest):
    outcome = np.array([lesion.outcome for lesion in honest.lesions])
    told = honest.radiomics.assign(stage=outcome, receptor=outcome + 0.001 * honest.radiomics.r9)
    arm = replace(honest.arms()[1], features=told)
    found = row(audit_table(run_of(honest), REFITS, [arm]), "one radiomics feature")
    assert found["passed"] is False
    assert "stage (train, 1.000)" in found["found"] and "receptor (test" in found["found"]
    passed = row(audit_table(run_of(honest), REFITS, honest.arms()), "one radiomics feature")
    assert passed["passed"] is True and "(" not in passed["found"]


def test_a_feature_that_knows_held_out_outcomes_alone_is_named(honest):
    told = honest.radiomics.copy()
    test = list(honest.split.test)
    outcomes = {lesion.key: lesion.outcome for lesion in honest.lesions}
    told.loc[test, "r7"] += [20 * outcomes[key] for key in test]
    arm = replace(honest.arms()[1], features=told)
    found = row(audit_table(run_of(honest), REFITS, [arm]), "one radiomics feature")
    assert found["passed"] is False and "beyond chance: r7 (test, 1.000)" in found["found"]


def test_a_dozen_held_out_patients_are_separated_by_an_honest_feature(honest):
    test = list(honest.split.test[:12])
    outcomes = {lesion.key: lesion.outcome for lesion in honest.lesions}
    told = honest.radiomics.iloc[:, 3:8].copy()
    told.loc[test, "r7"] += [20 * outcomes[key] for key in test]
    train = (*honest.split.train, *honest.split.test[12:])
    split = replace(honest.split, train=train, test=tuple(test))
    arm = replace(honest.arms()[1], features=told)
    found = row(audit_table(run_of(honest, split=split), REFITS, [arm]), "one radiomics feature")
    assert found["passed"] is True


def copied(of, first, second):
    """Return the radiomics arm with the row of one lesion written over another's."""
    features = of.radiomics.copy()
    features.loc[second] = features.loc[first]
    return replace(of.arms()[1], features=features)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_patient_entered_twice_is_found_by_features(honest, held_out):
    first = honest.split.train[0]
    others = honest.split.test if held_out else honest.split.train
    second = next(key for key in others if key.split("/")[0] != first.split("/")[0])
    run = run_of(honest)
    found = row(audit_table(run, REFITS, [copied(honest, first, second)]), "feature rows")
    assert found["passed"] is False
    assert found["found"].startswith("1 of ")
    assert f"{int(held_out)} of them across roles" in found["found"]
    assert row(audit_table(run, REFITS, honest.arms()), "feature rows")["passed"] is True


def test_two_lesions_of_a_patient_may_be_alike(honest):
    counted = pd.Series([key.split("/")[0] for key in honest.split.train]).value_counts()
    first, second, *_ = [k for k in honest.split.train if k.startswith(f"{counted.index[0]}/")]
    table = audit_table(run_of(honest), REFITS, [copied(honest, first, second)])
    assert row(table, "feature rows")["passed"] is True


def test_checks_that_were_not_asked_for_are_not_said_to_pass(honest):
    table = audit_table(run_of(honest), Refits())
    assert not table["check"].str.contains("Leak of|poisoned").any()
