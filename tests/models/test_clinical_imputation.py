"""Medians, levels and scales of clinical variables come from training rows alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from her2.core.errors import BadArgument, BadCohort
from her2.models.clinical_imputation import (
    ClinicalEncoder,
    clinical_preparation,
    clinical_table,
    numeric_columns,
)


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


def many(n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    """Table in which a number and a category follow from another number, and what was hidden."""
    rng = np.random.default_rng(0)
    a = rng.normal(50, 10, size=n)
    b = 2 * a + rng.normal(0, 4, size=n)
    er = np.where(a + rng.normal(0, 3, size=n) > 48, "positive", "negative").astype(object)
    whole = pd.DataFrame({"a": a, "b": b, "er": er, "side": rng.choice(["l", "r"], size=n)})
    hidden = rng.random(whole.shape) < 0.15
    hidden[:, 0] = False
    return clinical_table(whole.mask(hidden)), whole["b"].to_numpy()


def test_multiple_imputation_fills_gaps_from_the_other_variables():
    table, truth = many()
    encoder = ClinicalEncoder("multiple").fit(table)
    names = encoder.get_feature_names_out().tolist()
    assert names == ["a", "b", "er[negative]", "side[l]"] or names[:2] == ["a", "b"]
    assert not any("missing" in name for name in names)
    found = pd.DataFrame(encoder.transform(table), columns=names)
    gap = table["b"].isna().to_numpy()
    assert np.abs(found["b"] - truth)[gap].mean() < 6 < np.abs(truth - np.median(truth)).mean()
    known = table["b"].notna().to_numpy()
    assert (found["b"][known] == table["b"][known]).all()
    of_er = found.loc[table["er"].isna(), [n for n in names if n.startswith("er[")]]
    assert ((of_er >= 0) & (of_er <= 1)).all().all()


def test_multiple_imputation_never_sees_the_outcome_nor_other_rows():
    table, _ = many()
    train, new = table.iloc[:80], table.iloc[80:]
    prepared = ClinicalEncoder("multiple").fit(train, np.zeros(80))
    other = ClinicalEncoder("multiple").fit(train, np.ones(80))
    together = prepared.transform(new)
    assert (together == other.transform(new)).all()
    poisoned = new.assign(a=new["a"].where(new.index > 85, 1e9))
    rows = np.flatnonzero(new.index > 85)
    assert (prepared.transform(poisoned)[rows] == together[rows]).all()
    for i in range(len(new)):
        assert (prepared.transform(new.iloc[[i]])[0] == together[i]).all()


def test_multiple_imputation_is_deterministic_and_can_be_cloned():
    table, _ = many()
    encoder = ClinicalEncoder(imputation="multiple", n_imputations=3, seed=7)
    copy = clone(encoder)
    assert copy.get_params() == {"imputation": "multiple", "n_imputations": 3, "seed": 7}
    assert (encoder.fit_transform(table) == copy.fit_transform(table)).all()
    another = clone(encoder).set_params(seed=8).fit_transform(table)
    assert (another != copy.transform(table)).any()


def test_multiple_imputation_of_gaps_that_training_did_not_have():
    table, truth = many()
    encoder = ClinicalEncoder("multiple").fit(table)
    new = table.iloc[:5].assign(a=np.nan)
    found = encoder.transform(new)[:, 0]
    assert np.isfinite(found).all()
    assert found == pytest.approx(truth[:5] / 2, abs=12)
    nothing = table.iloc[:1].assign(a=np.nan, b=np.nan, er=np.nan, side=np.nan)
    assert np.isfinite(encoder.transform(nothing)).all()


@pytest.mark.parametrize("kind", ["float64", "object"])
def test_multiple_imputation_survives_a_variable_without_any_value(kind):
    table, _ = many()
    train = table.assign(empty=pd.Series([np.nan] * len(table), dtype=kind), site="one")
    prepared = clinical_preparation("multiple").fit(train)
    assert np.isfinite(prepared.transform(train)).all()
    expected = clinical_preparation("multiple").fit(table).transform(table)
    assert prepared.transform(train) == pytest.approx(expected, rel=0.5, abs=1.0)


def test_without_gaps_both_ways_are_the_same():
    table = many()[0].dropna()
    median = ClinicalEncoder().fit(table).transform(table)
    assert (ClinicalEncoder("multiple").fit(table).transform(table) == median).all()


def test_an_unknown_imputation_is_refused():
    with pytest.raises(BadArgument, match="mean"):
        ClinicalEncoder("mean").fit(TRAINING)
    with pytest.raises(BadArgument, match="at least 1"):
        ClinicalEncoder("multiple", n_imputations=0).fit(TRAINING)


@pytest.mark.parametrize("imputation", ["median", "multiple"])
def test_a_fold_without_the_rare_level_of_the_only_variable_is_said(imputation):
    alike = table(family_history=["no"] * 5)
    with pytest.raises(BadCohort, match="varies among the training patients of every fold"):
        clinical_preparation(imputation).fit(alike, [0, 1, 0, 1, 0])
