"""Leaks of known size are planted where the checks see them, and found as small as is said."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_study import study

from her2.pipeline.audit_power import AREAS, COPIES, NOT_SEEN, audit_power

LEAKS = ("Control that leaks: selection before the split, on noise", "flagged: above .6")


@pytest.fixture(scope="module")
def honest():
    return study(seed=1, n=120)


def power(of, *, arms=None, thumbnails=None, rows=()):
    """Return the smallest leak seen by the words of the leak."""
    cohort = SimpleNamespace(lesions=of.lesions, clinical=of.clinical, thumbnails=thumbnails)
    run = SimpleNamespace(cohort=cohort, split=of.split, training=of.training, seed=0)
    return audit_power(run, of.arms() if arms is None else arms, rows)


def seen(table, words):
    (found,) = table.loc[table["leak"].str.contains(words), "seen"]
    return found


def test_one_patient_who_stands_twice_is_seen(honest):
    table = power(honest)
    assert seen(table, "with the same features") == str(min(COPIES)) == "1"
    assert float(seen(table, "noise .of a column's")) >= 0.01


def test_copied_images_are_seen(honest):
    n = len(honest.lesions)
    pictures = np.random.default_rng(0).normal(size=(n, 2, 32, 32)).astype(np.float32)
    table = power(honest, thumbnails=pictures)
    assert seen(table, "with mirrored images") == "1"
    assert float(seen(table, "the small picture's")) >= 0.05
    assert not power(honest)["leak"].str.contains("images").any()


def test_a_column_is_seen_by_its_area(honest):
    least = float(seen(power(honest), "One column"))
    assert min(AREAS) < least <= 0.99


def test_moved_patients_are_seen_in_a_role_and_not_in_one_fold(honest):
    table = power(honest)
    assert 0.5 < float(seen(table, ": train$")) < 3
    assert seen(table, "one fold") == NOT_SEEN


def test_more_patients_let_a_smaller_leak_be_seen(honest):
    few = float(seen(power(honest), "One column"))
    many = float(seen(power(study(seed=1, n=400)), "One column"))
    assert many < few


def test_a_control_that_was_not_flagged_is_not_seen(honest):
    for passed, expected in ((True, "AUC .9"), (False, NOT_SEEN)):
        table = power(honest, arms=(), rows=[(*LEAKS, "AUC .9", passed)])
        assert table["seen"].tolist() == [expected]
        assert table["leak"].tolist() == ["Selection before the split, on noise"]


def test_columns_that_are_missing_are_left_alone(honest):
    arm = honest.arms()[1]
    features = arm.features.assign(absent=np.nan, endless=np.inf)
    features.iloc[:5, 3] = np.nan
    table = power(honest, arms=[replace(arm, features=features)])
    assert seen(table, "with the same features") == "1"


def test_a_column_that_tells_already_hides_no_miss(honest):
    arm = honest.arms()[1]
    outcome = [lesion.outcome for lesion in honest.lesions]
    table = power(honest, arms=[replace(arm, features=arm.features.assign(told=outcome))])
    assert seen(table, "one fold") == NOT_SEEN
