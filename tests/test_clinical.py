"""Medians, levels and scales of clinical variables come from training rows alone."""

import numpy as np
import pandas as pd
import pytest

from her2.clinical import ClinicalEncoder, clinical_preparation, clinical_table, numeric_columns


def table(**columns: list) -> pd.DataFrame:
    return clinical_table(pd.DataFrame(columns))


TRAINING = table(
    age=[40.0, 50.0, np.nan, 60.0, 70.0],
    er=["positive", "positive", "negative", "positive", "negative"],
    grade=["2", "2", "3", "1", None],
)


def encoded(train: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    encoder = ClinicalEncoder().fit(train)
    return pd.DataFrame(encoder.transform(new), columns=encoder.get_feature_names_out())


def test_the_columns_are_the_variables_without_their_most_frequent_level():
    found = encoded(TRAINING, TRAINING)
    assert list(found) == ["age", "er[negative]", "grade[(missing)]", "grade[1]", "grade[3]"]
    assert found["er[negative]"].tolist() == [0, 0, 1, 0, 1]
    assert found["grade[(missing)]"].tolist() == [0, 0, 0, 0, 1]
    assert found["grade[3]"].tolist() == [0, 0, 1, 0, 0]


def test_gaps_are_filled_by_the_training_median():
    new = table(age=[np.nan, 900.0, 1000.0], er=["positive"] * 3, grade=["2"] * 3)
    assert encoded(TRAINING, new)["age"].tolist() == [55.0, 900.0, 1000.0]


def test_levels_are_learned_from_training_only():
    new = table(age=[50.0] * 3, er=["negative"] * 3, grade=["3", "3", "9"])
    assert list(encoded(TRAINING, new)) == list(encoded(TRAINING, TRAINING))


def test_an_unseen_level_counts_as_the_reference():
    new = table(age=[50.0] * 2, er=["unknown", "positive"], grade=["9", "2"])
    found = encoded(TRAINING, new)
    assert found.iloc[0].tolist() == found.iloc[1].tolist() == [50.0, 0, 0, 0, 0]


def test_a_gap_where_training_had_none_counts_as_the_reference():
    new = table(age=[50.0] * 2, er=[None, "positive"], grade=["2", "2"])
    found = encoded(TRAINING, new)
    assert found.iloc[0].tolist() == found.iloc[1].tolist()


def test_a_missing_value_is_a_level_however_it_is_written():
    column = pd.Series([None, np.nan, pd.NA, "a", "a", "a", "a"], dtype=object)
    found = encoded(clinical_table(pd.DataFrame({"x": column})), table(x=[None, "a", np.nan]))
    assert found["x[(missing)]"].tolist() == [1, 0, 1]


def test_equally_frequent_levels_have_the_first_name_as_reference():
    for values in (["b", "a"], ["a", "b"]):
        assert list(encoded(table(x=values), table(x=values))) == ["x[b]"]


@pytest.mark.parametrize("kind", ["float64", "object"])
def test_a_variable_without_any_value_carries_nothing_and_breaks_nothing(kind):
    train = TRAINING.assign(empty=pd.Series([np.nan] * 5, dtype=kind))
    assert np.isfinite(ClinicalEncoder().fit(train).transform(train)).all()
    prepared = clinical_preparation().fit(train)
    expected = clinical_preparation().fit(TRAINING).transform(TRAINING)
    assert prepared.transform(train) == pytest.approx(expected)
    later = train.assign(empty=pd.Series([1.0] * 5, dtype=kind))
    assert prepared.transform(later) == pytest.approx(expected)


def test_a_constant_variable_is_dropped():
    train = TRAINING.assign(site="one", visits=1.0)
    names = clinical_preparation().fit(train).get_feature_names_out()
    assert not {"visits", "site[one]"} & set(names)


def test_training_columns_are_z_scored_with_training_moments():
    prepared = clinical_preparation().fit(TRAINING)
    Z = prepared.transform(TRAINING)
    assert Z.mean(axis=0) == pytest.approx(np.zeros(Z.shape[1]), abs=1e-12)
    assert Z.std(axis=0) == pytest.approx(np.ones(Z.shape[1]))
    new = table(age=[155.0], er=["positive"], grade=["2"])
    filled = np.array([40.0, 50.0, 55.0, 60.0, 70.0])
    assert prepared.transform(new)[0, 0] == pytest.approx(100.0 / filled.std())


def test_what_is_said_of_a_row_does_not_depend_on_the_rows_beside_it():
    prepared = clinical_preparation().fit(TRAINING)
    alone = prepared.transform(TRAINING.iloc[:1])
    beside = table(age=[40.0, 1e9, np.nan], er=["positive", "x", None], grade=["2", "9", None])
    assert (prepared.transform(beside)[0] == alone[0]).all()


def test_fitting_does_not_change_the_table():
    before = TRAINING.copy(deep=True)
    clinical_preparation().fit(TRAINING)
    pd.testing.assert_frame_equal(TRAINING, before)


def test_whole_numbers_and_booleans_are_numbers_and_text_is_not():
    raw = pd.DataFrame(
        {
            "nodes": pd.array([1, None, 3], dtype="Int64"),
            "menopause": [True, False, True],
            "ki67": [10, 20, 30],
            "pr": ["+", None, "-"],
            "side": pd.Categorical(["l", "r", "l"]),
        }
    )
    found = clinical_table(raw)
    assert numeric_columns(found) == ["nodes", "menopause", "ki67"]
    assert found["menopause"].tolist() == [1.0, 0.0, 1.0]
    assert found["nodes"].isna().tolist() == [False, True, False]
    assert found["pr"].dtype == found["side"].dtype == object
    assert found["pr"].isna().tolist() == [False, True, False]
