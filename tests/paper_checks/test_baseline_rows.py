import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, ttest_ind

from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.baseline_rows import count_p_values
from her2.paper_checks.claims import CountRow, MeanRow, Size

SIZES = (Size("a", "train", 140), Size("b", "test", 61))
PARTITION = {"all": ("train", "test")}


def counts(p: str, test: str = "") -> list[Rule]:
    cells = {"train": (44, 96), "test": (15, 46)}
    row = CountRow("Table 1, er", cells, p_value=Printed.read(p), test=test)
    return [x.rule for x in check(PrintedStudy(sizes=SIZES, counts=(row,)))]


def test_any_usual_test_will_do_where_none_is_named():
    for p in ("0.418", "0.328", "0.400"):  # Yates, uncorrected, Fisher
        assert counts(p) == []
    assert counts("0.450") == [Rule.BASELINE_TEST]


def test_the_named_test_is_held_to():
    assert counts("0.418", "chi-square (Yates)") == []
    assert counts("0.328", "chi-square (Yates)") == [Rule.BASELINE_TEST]
    assert counts("0.328", "Chi-squared test") == []
    assert counts("0.400", "Fisher exact") == []
    assert counts("0.418", "Fisher exact") == [Rule.BASELINE_TEST]
    assert counts("0.999", "permutation test") == []  # not one that counts determine here


def test_more_than_two_levels():
    first, second = (10, 20, 30), (12, 9, 8)
    p = chi2_contingency([first, second]).pvalue
    assert count_p_values(first, second)["chi-square"] == p
    assert "Fisher's exact" not in count_p_values(first, second)


@pytest.mark.parametrize(("first", "second"), [((5, 0), (7, 0)), ((0, 0), (3, 4))])
def test_nothing_to_compare(first, second):
    assert count_p_values(first, second) == {}
    row = CountRow("a", {"train": first, "test": second}, p_value=Printed.read("0.5"))
    assert Rule.BASELINE_TEST not in [x.rule for x in check(PrintedStudy(counts=(row,)))]


def summaries(
    values: pd.Series, role: pd.Series, digits: int
) -> dict[str, tuple[Printed, Printed]]:
    parts = {"all": values, "train": values[role == "train"], "test": values[role == "test"]}
    return {
        group: (Printed.read(f"{v.mean():.{digits}f}"), Printed.read(f"{v.std():.{digits}f}"))
        for group, v in parts.items()
    }


def simulated(seed: int) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    role = pd.Series(["train"] * 140 + ["test"] * 61)
    spread = rng.uniform(0.5, 30) * np.where(role == "test", rng.uniform(0.5, 2), 1)
    return pd.Series(rng.normal(rng.uniform(-5, 50), spread)), role


@pytest.mark.parametrize(("test", "equal_var"), [("Welch t", False), ("Student's t-test", True)])
def test_means_of_data_agree_with_themselves(test, equal_var):
    for seed in range(60):
        values, role = simulated(seed)
        split = values[role == "train"], values[role == "test"]
        p = float(ttest_ind(*split, equal_var=equal_var).pvalue)
        cells = summaries(values, role, digits=seed % 3)
        row = MeanRow("Table 1, x", cells, p_value=Printed.read(f"{p:.3f}"), test=test)
        assert check(PrintedStudy(PARTITION, sizes=SIZES, means=(row,))) == []
        wrong = MeanRow("x", cells, p_value=Printed.read(f"{(p + 0.5) % 1:.3f}"), test=test)
        found = [x.rule for x in check(PrintedStudy(PARTITION, sizes=SIZES, means=(wrong,)))]
        assert found in ([Rule.BASELINE_TEST], []) and (found or seed % 3 == 0)


def test_p_of_means_is_not_judged_without_a_test_or_a_size():
    values, role = simulated(0)
    cells = summaries(values, role, 2)
    unnamed = MeanRow("x", cells, p_value=Printed.read("0.999"))
    named = MeanRow("x", cells, p_value=Printed.read("0.999"), test="t test")
    incomplete = MeanRow("x", cells, missing=2, p_value=Printed.read("0.999"), test="t test")
    assert check(PrintedStudy(sizes=SIZES, means=(unnamed, incomplete))) == []
    assert check(PrintedStudy(means=(named,))) == []
    assert len(check(PrintedStudy(sizes=SIZES, means=(named,)))) == 1


def test_whole_and_parts():
    values, role = simulated(3)
    cells = summaries(values, role, 2)
    mean, sd = cells["all"]
    for change, what in (((0.05, 0.0), "mean"), ((0.0, 0.05), "SD")):
        moved = (
            Printed.read(f"{mean.value + change[0]:.2f}"),
            Printed.read(f"{sd.value + change[1]:.2f}"),
        )
        row = MeanRow("x", {**cells, "all": moved})
        (one,) = check(PrintedStudy(PARTITION, sizes=SIZES, means=(row,)))
        assert (one.rule, one.found.split()[0]) == (Rule.POOLED_SUMMARY, what)


def test_missing_values_may_lie_in_any_group():
    for seed in range(40):
        values, role = simulated(seed)
        rng = np.random.default_rng(seed)
        values[rng.choice(201, int(rng.integers(1, 9)), replace=False)] = np.nan
        missing = int(values.isna().sum())
        split = [values[role == group].dropna() for group in ("train", "test")]
        p = float(ttest_ind(*split, equal_var=False).pvalue)
        cells = summaries(values, role, 2)
        named = {"p_value": Printed.read(f"{p:.3f}"), "test": "Welch t", "missing": missing}
        right = MeanRow("x", cells, **named)
        assert check(PrintedStudy(PARTITION, sizes=SIZES, means=(right,))) == []
        mean, sd = cells["all"]
        moved = Printed.read(f"{mean.value + sd.value / 5:.2f}"), sd
        wrong = MeanRow("x", {**cells, "all": moved}, **named)
        found = check(PrintedStudy(PARTITION, sizes=SIZES, means=(wrong,)))
        assert [x.rule for x in found] == [Rule.POOLED_SUMMARY]


def test_three_parts():
    rng = np.random.default_rng(5)
    parts = {name: pd.Series(rng.normal(i, 1 + i, 30 + i)) for i, name in enumerate("abc")}
    every = {"all": pd.concat(parts.values()), **parts}
    cells = {
        g: (Printed.read(f"{v.mean():.2f}"), Printed.read(f"{v.std():.2f}"))
        for g, v in every.items()
    }
    sizes = tuple(Size("x", name, len(v)) for name, v in parts.items())
    for change, expected in ((0.0, []), (0.05, [Rule.POOLED_SUMMARY])):
        mean, sd = cells["all"]
        moved = mean, Printed.read(f"{sd.value + change:.2f}")
        row = MeanRow("x", {**cells, "all": moved})
        study = PrintedStudy({"all": ("a", "b", "c")}, sizes=sizes, means=(row,))
        assert [x.rule for x in check(study)] == expected


def test_constant_values():
    cells = {g: (Printed.read("3.0"), Printed.read("0.0")) for g in ("all", "train", "test")}
    row = MeanRow("x", cells, p_value=Printed.read("1.000"), test="Student")
    assert check(PrintedStudy(PARTITION, sizes=SIZES, means=(row,))) == []
