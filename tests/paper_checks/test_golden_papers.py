"""Printed R results: proper ones never alarm, fits without an intercept always do."""

import pandas as pd
import pytest
from golden import FOLDER, close, entries, needs_golden

from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.baseline_rows import count_p_values
from her2.paper_checks.claims import CountRow, MeanRow, OddsRatio, Size, Statistic

pytestmark = needs_golden
TWO_SIDES = 0.05  # a p-value is printed to three decimals, and moved by this to be wrong


def printed(*values: float, digits: int = 3) -> tuple[Printed, ...]:
    return tuple(Printed.read(f"{value:.{digits}f}") for value in values)


def odds_ratio_rules(dataset: str, name: str, fitted: dict, *, digits: int = 3) -> list[Rule]:
    """Rules that a row of Table 2 breaks when it is printed with a 95 % interval."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    if "cohort" in table:
        table = table[table["cohort"] == "train"]
    known = table[["HER2", name]].dropna()
    margins: dict[str, object] = {}
    if set(known[name]) <= {0, 1}:
        margins = {"group": "train", "n_exposed": (int(known[name].sum()),)}
    size = Size("Table 1", "train", len(known), int(known["HER2"].sum()))
    numbers = (fitted[key] for key in ("OR", "OR_lo_wald", "OR_hi_wald", "p"))
    claim = OddsRatio("Table 2", *printed(*numbers, digits=digits), **margins)
    return [x.rule for x in check(PrintedStudy(sizes=(size,), odds_ratios=(claim,)))]


@pytest.mark.parametrize(("dataset", "name", "value"), entries("logit_univariable"))
def test_proper_fits_are_right(dataset, name, value):
    if name not in value or abs(value[name]["coef"]) > 10:
        pytest.skip("separated: nobody prints this odds ratio")
    assert odds_ratio_rules(dataset, name, value[name]) == []


@pytest.mark.parametrize(
    ("dataset", "name", "value"), entries("logit_univariable_nointercept_90ci")
)
def test_fits_without_intercept_are_found(dataset, name, value):
    found = odds_ratio_rules(dataset, name, value[name], digits=6)
    values = set(pd.read_csv(FOLDER / f"{dataset}.csv")[name].dropna())
    assert (Rule.NO_INTERCEPT in found) is (values <= {0, 1})
    if value[name]["p"] > 1e-4:  # printed as zero it determines no level
        assert Rule.INTERVAL_LEVEL in found


@pytest.mark.parametrize(
    ("dataset", "name", "value"),
    entries("table1_categorical_train_vs_test", "table1_categorical_her2"),
)
def test_p_values_of_counts(dataset, name, value):
    found = count_p_values(*value["table"])
    close(found["chi-square"], value["p"])
    close(found["chi-square (Yates)"], value["p_yates"])
    if "Fisher's exact" in found:
        close(found["Fisher's exact"], value["fisher_p"])
    first, second = map(tuple, value["table"])
    usual = [found[test] for test in found]
    for p, is_right in [(p, True) for p in usual] + [(max(usual) + TWO_SIDES, False)]:
        row = CountRow("a", {"train": first, "test": second}, p_value=printed(p)[0])
        assert (check(PrintedStudy(counts=(row,))) == []) is is_right


@pytest.mark.parametrize(("dataset", "name", "value"), entries("table1_continuous_train_vs_test"))
def test_p_values_of_means(dataset, name, value):
    sizes = tuple(Size("a", g, n) for g, n in zip(("train", "test"), value["n"], strict=True))
    cells = {
        group: printed(mean, sd)
        for group, mean, sd in zip(("train", "test"), value["mean"], value["sd"], strict=True)
    }
    for test in ("student", "welch"):
        p = value[test]["p"]
        for shown, is_right in ((p, True), (p + TWO_SIDES, False)):
            row = MeanRow("a", cells, p_value=printed(shown)[0], test=test)
            assert (check(PrintedStudy(sizes=sizes, means=(row,))) == []) is is_right


@pytest.mark.parametrize(("dataset", "name", "value"), entries("hosmer_lemeshow_g10"))
def test_hosmer_lemeshow_agrees_with_its_p_value(dataset, name, value):
    statistic, dof, p = (value.get(key) for key in ("chi2", "df_realised", "p_df_realised"))
    if not isinstance(statistic, float) or not dof:
        pytest.skip("not estimable")
    for shown, is_right in ((p, True), ((p + 0.3) % 1, False)):
        claim = Statistic("a", *printed(statistic), dof, *printed(shown))
        assert (check(PrintedStudy(statistics=(claim,))) == []) is is_right


def test_proper_odds_ratios_of_the_paper(shared):
    """The odds ratios that are reported in place of the paper's are R's."""
    ((_, _, value),) = (p.values for p in entries("table2_univariable"))
    exposed = {"ER": 96, "menopausal": 71, "lymph": 46, "calcification": 59, "family": 5}
    for name, row in value.items():
        ratio, low, high = (row["printed"][key] for key in ("OR", "lo", "hi"))
        claim = OddsRatio(
            name, *printed(ratio, low, high), group="train", n_exposed=(exposed[name],)
        )
        study = PrintedStudy(sizes=(Size("a", "train", 140, 43),), odds_ratios=(claim,))
        (found,) = check(study)
        expected = "{:.3f} ({:.3f} to {:.3f})".format(row["proper_OR"], *row["proper_95ci"])
        assert found.rule is Rule.NO_INTERCEPT
        assert found.expected.startswith(expected)
