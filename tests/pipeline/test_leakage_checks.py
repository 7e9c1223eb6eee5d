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
    assert table["check"][~known].str.contains("copies").tolist() == [True]  # no images
    assert len(table) == 6
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


def test_checks_that_were_not_asked_for_are_not_said_to_pass(honest):
    table = audit_table(run_of(honest), Refits())
    assert not table["check"].str.contains("Leak of|poisoned").any()
