"""What shows only across lesions: copies, centres, order; labels and settings through a folder."""

import numpy as np
import pandas as pd
import pytest

from her2.cohort import read_folder_cohort
from her2.cohort.cells import CellRules
from her2.cohort.clinical_checks import (
    copied_patients,
    refuse_mixed_units,
    telling_order,
    unseen_levels,
)
from her2.core.errors import BadCohort, BadConfig
from her2.core.settings import VariableSettings
from her2.core.types import Lesion


def lesions(n, first=0):
    return [Lesion(f"P{first + i}", "1", i % 2) for i in range(n)]


def test_an_order_that_tells_the_outcome_is_noted():
    outcomes = [0] * 20 + [1] * 20
    (note,) = telling_order(outcomes, lesions(40), range(2, 42))
    assert note.code == "C24"
    assert "AUC 1.00" in note.what
    assert telling_order([0, 1] * 20, lesions(40), range(2, 42)) == []
    assert telling_order([0, 0, 1, 1], lesions(4), range(4)) == []  # p = .33: chance


def test_noise_rarely_has_an_order():
    rng, n_noted = np.random.default_rng(0), 0
    patients = lesions(20)
    for _ in range(1000):
        outcomes = (rng.random(20) < 0.3).astype(int).tolist()
        order = rng.permutation(20)
        n_noted += bool(telling_order(outcomes, [patients[i] for i in order], range(20)))
    assert n_noted <= 15  # .95 % expected of 2,000


def test_numbers_in_identifiers_may_tell_it_where_rows_do_not():
    rows = np.random.default_rng(0).permutation(40)
    (note,) = telling_order([0] * 20 + [1] * 20, lesions(40), rows.tolist())
    assert "patient_id" in note.what


def test_a_number_of_other_units_at_one_centre_stops():
    values = pd.DataFrame({"cea": [1.0, 2, 3, 4, 5, 1000, 2000, 3000, 4000, 5000]})
    centres = ["A"] * 5 + ["B"] * 5
    with pytest.raises(BadCohort, match=r"^C19: expected 'cea' in one unit .* 3 \(A\) .* 3000"):
        refuse_mixed_units(values, centres)
    refuse_mixed_units(values, [""] * 10)
    refuse_mixed_units(values[:5], centres[:5])


def test_a_level_without_training_patients_is_noted():
    table = pd.DataFrame({"er": ["a", "b", "c", "c"]}, dtype=object)
    (note,) = unseen_levels(table, ["train", "train", "test", "A"])
    assert (note.code, note.what) == (
        "C11", "'c' of 'er' in 2 lesions, and in no training lesion",
    )  # fmt: skip
    assert unseen_levels(table, [None] * 4) == []


def test_copied_patients_are_found_and_chance_is_not():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(30, 4)), columns=list("abcd"))
    table.iloc[7] = table.iloc[3]
    found = copied_patients(table, lesions(30), range(2, 32))
    assert sorted(found) == [5, 9]
    assert "row 9" in found[5][0].what
    coarse = pd.DataFrame(rng.integers(0, 3, size=(30, 3)), columns=list("abc")).astype(float)
    assert copied_patients(coarse, lesions(30), range(30)) == {}


@pytest.mark.parametrize("text", ["1e308", "1" * 309, "-1e120"])
def test_a_huge_value_stops_the_cohort(text, make_folder):
    with pytest.raises(BadCohort, match=r"^C18: expected 'age' below 1e\+15, found .*row 2\)"):
        read_folder_cohort(make_folder(8, age={0: text}), clinical=["age"])


def test_labels_are_the_names_of_the_cohort(make_folder):
    rules = CellRules(variables={"age": VariableSettings(label="Age at diagnosis", unit="years")})
    cohort = read_folder_cohort(make_folder(8), clinical=["age"], cells=rules)
    assert list(cohort.clinical.columns) == ["Age at diagnosis"]
    assert cohort.units == {"Age at diagnosis": "years"}
    plain = read_folder_cohort(make_folder(8, name="other"), clinical=["age"])
    assert plain.data_sha256 == cohort.data_sha256


def test_labels_differ(make_folder):
    label = VariableSettings(label="size")
    root = make_folder(8, size=[str(i) for i in range(8)])
    rules = CellRules(variables={"age": label})
    with pytest.raises(BadConfig, match=r"found 'size' twice"):
        read_folder_cohort(root, clinical=["age", "size"], cells=rules)


@pytest.mark.parametrize(
    ("ihc", "fish", "outcomes"),
    [
        (("3+", "2+", "0", "2+"), ("", "1.0", "", "0.0"), [1, 1, 0, 0]),
        (("+++", "++", "-", "++"), ("", "+", "", "-"), [1, 1, 0, 0]),
        (("3＋", "2+ (FISH+)", "HER2-low", "2+（FISH阴性）"), ("",) * 4, [1, 1, 0, 0]),
        (
            ("(3+)", "HER2 (2+)", "0/1+", "2+"),
            ("", "amplifiziert", "n.d.", "未扩增"),
            [1, 1, 0, 0],
        ),
    ],
)
def test_check_and_decision_read_ihc_and_fish_alike(ihc, fish, outcomes, make_folder):
    root = make_folder(4, outcome=None, her2_ihc=list(ihc), her2_fish=list(fish))
    cohort = read_folder_cohort(root)
    assert [lesion.outcome for lesion in cohort.lesions] == outcomes
    assert cohort.problems == ()
