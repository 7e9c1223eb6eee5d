import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import baseline_table
from her2.stats.association.baseline_table import baseline_by_outcome

GROUPS = np.repeat(["train", "test"], [140, 60])
TESTED = ["missing", "p_value", "test_name", "smd"]


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(54, 11, size=200).round()})
    table["er"] = rng.choice(["negative", "positive"], size=200, p=[0.3, 0.7])
    table["family"] = (np.arange(200) % 40 == 0).astype(int)
    table["grade"] = rng.choice(["I", "II", "III"], size=200)
    return table


def first_row(result: pd.DataFrame, variable: str) -> pd.Series:
    return result[result["variable"] == variable].iloc[0]


def test_columns_and_counts():
    result = baseline_table(cohort(), GROUPS)
    assert result.columns.tolist() == ["variable", "level", "all", "train", "test", *TESTED]
    assert result.iloc[0][["variable", "all", "train", "test"]].tolist() == [
        "n",
        "200",
        "140",
        "60",
    ]


def test_cells_by_hand():
    table = pd.DataFrame({"age": [40, 50, 60, 70, np.nan], "er": ["+", "+", "-", "+", None]})
    result = baseline_table(table, ["train", "train", "test", "test", "test"])
    age = result[result["variable"] == "age"]
    assert age["level"].tolist() == ["mean ± SD", "median [Q1, Q3]"]
    assert age["all"].tolist() == ["55.0 ± 12.9", "55.0 [47.5, 62.5]"]
    assert age["train"].tolist() == ["45.0 ± 7.1", "45.0 [42.5, 47.5]"]
    assert age["missing"].tolist() == [1, None]
    er = result[result["variable"] == "er"]
    assert er["level"].tolist() == ["+", "-"]
    assert er["all"].tolist() == ["3 (75.0%)", "1 (25.0%)"]
    assert er["test"].tolist() == ["1 (50.0%)", "1 (50.0%)"]
    assert er["missing"].tolist() == [1, None]


def test_each_kind_of_variable_has_its_test():
    table = cohort()
    result = baseline_table(table, GROUPS)
    train, test = table[GROUPS == "train"], table[GROUPS == "test"]
    age = first_row(result, "age")
    assert age["test_name"] == "Welch t"
    welch = ttest_ind(train["age"], test["age"], equal_var=False).pvalue
    assert age["p_value"] == pytest.approx(welch, abs=1e-12)
    expected = {
        "er": ("chi-square (Yates)", lambda counts: chi2_contingency(counts).pvalue),
        "family": ("Fisher exact", lambda counts: fisher_exact(counts).pvalue),
        "grade": ("chi-square", lambda counts: chi2_contingency(counts).pvalue),
    }
    for name, (test_name, p_value) in expected.items():
        row = first_row(result, name)
        assert row["test_name"] == test_name
        counts = pd.crosstab(GROUPS, table[name])
        assert row["p_value"] == pytest.approx(p_value(counts), abs=1e-12)


def test_missing_values_do_not_enter_percentages_or_tests():
    table = cohort()
    holes = table.assign(er=table["er"].where(np.arange(200) % 3 > 0))
    known = holes["er"].notna().to_numpy()
    with_holes = first_row(baseline_table(holes, GROUPS), "er")
    without = first_row(baseline_table(holes[known], GROUPS[known]), "er")
    assert with_holes["p_value"] == without["p_value"]
    assert with_holes["train"] == without["train"]
    assert with_holes["missing"] == 67


def test_outcome_comes_first():
    y = np.tile([0, 1], 100)
    result = baseline_table(cohort(), GROUPS, y_true=y)
    outcome = result[result["variable"] == "outcome"]
    assert result["variable"].tolist()[:3] == ["n", "outcome", "outcome"]
    assert outcome["train"].tolist() == ["70 (50.0%)", "70 (50.0%)"]


def test_external_cases_have_a_column_and_no_say_in_the_test():
    table = cohort()
    groups = GROUPS.astype(object)
    groups[130:140] = "external"
    result = baseline_table(table, groups)
    assert "external" in result.columns
    inside = groups != "external"
    alone = baseline_table(table[inside], groups[inside])
    assert first_row(result, "age")["p_value"] == first_row(alone, "age")["p_value"]
    assert result.iloc[0]["all"] == "200"


def test_without_test_cases_training_is_compared_with_all_centres_together():
    table = cohort()
    groups = np.array(["train"] * 120 + ["Lyon"] * 30 + ["Bern"] * 50)
    result = baseline_table(table, groups)
    assert result.columns.tolist()[2:6] == ["all", "train", "Bern", "Lyon"]
    together = baseline_table(table, np.where(groups == "train", "train", "test"))
    assert first_row(result, "age")["p_value"] == first_row(together, "age")["p_value"]


@pytest.mark.parametrize("values", [[1.0, 2, 3, 4], [5.0, 5, 5, 5], [np.nan] * 4, ["a"] * 4])
def test_what_cannot_be_tested_has_a_reason_and_no_p_value(values):
    result = baseline_table(pd.DataFrame({"x": values}), ["train"] * 4)
    row = first_row(result, "x")
    assert row["p_value"] is None
    assert row["test_name"].startswith("not estimable")
    assert "test" not in result.columns


def test_constant_within_groups_has_no_t_test():
    table = pd.DataFrame({"x": [1.0, 1, 1, 2, 2, 2, 7]})
    result = baseline_table(table, ["train"] * 3 + ["test"] * 3 + ["external"])
    assert "do not vary" in first_row(result, "x")["test_name"]


def test_no_characteristics_still_counts_patients():
    assert len(baseline_table(pd.DataFrame(index=range(3)), ["train", "train", "test"])) == 1


def test_bad_arguments():
    with pytest.raises(BadArgument, match="groups"):
        baseline_table(cohort(), ["train"])
    with pytest.raises(BadArgument, match="y_true"):
        baseline_table(cohort(), GROUPS, y_true=[0, 1])
    with pytest.raises(NotEstimable, match="at least one case"):
        baseline_table(cohort().iloc[:0], [])


def test_standardised_differences_by_hand():
    table = pd.DataFrame({"age": [40.0, 50, 60, 50, 60, 70], "er": list("++-+--")})
    result = baseline_table(table, ["train"] * 3 + ["test"] * 3)
    assert first_row(result, "age")["smd"] == pytest.approx(-1.0)  # training - test
    p, q = 2 / 3, 1 / 3
    expected = (p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert first_row(result, "er")["smd"] == pytest.approx(expected)
    assert result["smd"].notna().sum() == 2


def test_groups_without_a_common_level_have_a_test_and_no_difference():
    table = pd.DataFrame({"er": ["+"] * 6 + ["-"] * 6})
    row = first_row(baseline_table(table, ["train"] * 6 + ["test"] * 6), "er")
    assert row["p_value"] < 0.01
    assert row["smd"] is None


def test_by_outcome_compares_positive_with_negative():
    table = cohort()
    y = (np.arange(200) % 3 == 0).astype(int)
    result = baseline_by_outcome(table, y)
    assert result.columns.tolist() == [
        "variable",
        "level",
        "all",
        "negative",
        "positive",
        *TESTED,
    ]
    assert result.iloc[0][["all", "negative", "positive"]].tolist() == ["200", "133", "67"]
    as_groups = baseline_table(table, np.where(y == 1, "train", "test"))
    for name in ("p_value", "test_name", "smd", "missing", "level", "variable"):
        assert result[name].tolist() == as_groups[name].tolist()
    assert result["positive"].tolist() == as_groups["train"].tolist()
    assert result["negative"].tolist() == as_groups["test"].tolist()


def test_by_outcome_counts_what_is_missing_and_says_what_cannot_be_tested():
    table = pd.DataFrame({"age": [40.0, np.nan, 60, 70], "er": ["+", None, "-", None]})
    result = baseline_by_outcome(table, [1, 1, 1, 1])
    assert first_row(result, "age")["missing"] == 1
    assert first_row(result, "er")["missing"] == 2
    assert first_row(result, "age")["test_name"].startswith("not estimable")
    assert first_row(result, "age")["negative"] == "–"
    with pytest.raises(BadArgument, match="y_true"):
        baseline_by_outcome(table, [0, 1])


def test_an_infinite_value_is_neither_averaged_nor_tested():
    table = pd.DataFrame({"x": [1.0, 2, 3, np.inf, 5, 6]})
    result = baseline_table(table, ["train"] * 3 + ["test"] * 3)
    assert first_row(result, "x")["train"] == "2.00 ± 1.00"
    assert first_row(result, "x")["test"] == "–"
    assert first_row(result, "x")["test_name"] == "not estimable: an infinite value"
