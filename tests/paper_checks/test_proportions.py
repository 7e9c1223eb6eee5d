from itertools import product

import numpy as np
import pytest

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import CountRow, Proportion, Rate, Size
from her2.paper_checks.sizes import feasible_counts, feasible_positives
from her2.stats import wilson_interval


def by_hand(text: str, n: int) -> list[int]:
    value = Printed.read(text)
    return [x for x in range(n + 1) if n and value.low - 1e-12 <= x / n <= value.high + 1e-12]


@pytest.mark.parametrize("text", ["0%", "60%", "73.9%", "0.5", "100%", "33.33%", ">.9", "<.1"])
def test_feasible_counts_are_those_that_round_to_the_print(text):
    for n in range(80):
        assert list(feasible_counts(Printed.read(text), n)) == by_hand(text, n)


def test_no_case_gives_no_proportion():
    assert len(feasible_counts(Printed.read("0%"), 0)) == 0
    with pytest.raises(BadArgument, match="negative"):
        feasible_counts(Printed.read("0%"), -1)


def test_the_true_split_is_always_among_the_feasible_ones():
    rng = np.random.default_rng(1)
    for _ in range(50):
        n = int(rng.integers(20, 150))
        k = int(rng.integers(1, n))
        sensitivities = [Printed.read(f"{x / k:.1%}") for x in rng.integers(0, k + 1, 3)]
        specificities = [Printed.read(f"{x / (n - k):.1%}") for x in rng.integers(0, n - k + 1, 3)]
        assert k in feasible_positives(sensitivities, specificities, n)


def rates(group: str, *pairs: str) -> tuple[Rate, ...]:
    return tuple(
        Rate(f"model {i}", group, *map(Printed.read, pair.split())) for i, pair in enumerate(pairs)
    )


TEST_RATES = rates("test", "60% 73.9%", "80% 65.2%", "86.7% 80.4%")


def test_rates_that_fit_no_split_are_found():
    study = PrintedStudy(sizes=(Size("Table 1", "test", 63),), rates=TEST_RATES)
    (one,) = check(study)
    assert (one.rule, one.where) == (Rule.CASE_NUMBERS, "test")
    assert "60% and 73.9% (model 0)" in one.found


def test_stated_positives_must_be_those_of_the_rates():
    right = PrintedStudy(sizes=(Size("Table 1", "test", 61, 15),), rates=TEST_RATES)
    wrong = PrintedStudy(sizes=(Size("Table 1", "test", 61, 18),), rates=TEST_RATES)
    assert check(right) == []
    (one,) = check(wrong)
    assert (one.found, one.expected) == ("18 positive of 61 cases", "15 of 61, from the rates")


def test_rates_of_a_group_without_a_size_say_nothing():
    assert check(PrintedStudy(rates=TEST_RATES)) == []


def test_percentages_of_columns_rows_or_all_cases():
    counts = {"all": (60, 140), "train": (45, 95), "test": (15, 45)}
    shares = {
        "column": {"train": ("32.1%", "67.9%"), "test": ("25.0%", "75.0%")},
        "row": {"train": ("75.0%", "67.9%"), "test": ("25.0%", "32.1%")},
    }
    partition = {"all": ("train", "test")}
    for printed in shares.values():
        cells = {g: tuple(map(Printed.read, texts)) for g, texts in printed.items()}
        row = CountRow("Table 1, er", counts, cells)
        assert check(PrintedStudy(partition, counts=(row,))) == []
    # with two values missing the percentage may be of all 202 cases
    cells = {"all": (Printed.read("29.7%"), Printed.read("69.3%"))}
    row = CountRow("Table 1, er", {"all": (60, 140)}, cells, missing=2)
    assert check(PrintedStudy(sizes=(Size("a", "all", 202),), counts=(row,))) == []


def test_one_wrong_percentage_is_named():
    cells = {"all": (Printed.read("30.0%"), Printed.read("71.0%"))}
    row = CountRow("Table 1, er", {"all": (60, 140)}, cells)
    (one,) = check(PrintedStudy(counts=(row,)))
    assert (one.rule, one.found, one.expected) == (Rule.PERCENTAGE, "71.0% for 140/200", "70.0%")


def test_an_empty_group_has_no_percentage():
    row = CountRow(
        "Table 1, er", {"all": (0, 0)}, {"all": (Printed.read("0%"), Printed.read("0%"))}
    )
    assert [x.rule for x in check(PrintedStudy(counts=(row,)))] == [Rule.PERCENTAGE]


def test_proportions_with_and_without_their_count():
    value = Printed.read("0.767")
    for count, n, is_right in (
        (33, 43, True),
        (32, 43, False),
        (None, 43, True),
        (None, 44, False),
    ):
        found = check(PrintedStudy(proportions=(Proportion("a", value, n, count),)))
        assert (found == []) is is_right
        assert all(x.rule is Rule.PROPORTION for x in found)


def test_intervals_are_wilsons():
    for (count, n), shift in product(((0, 18), (10, 18), (18, 18)), (0.0, 0.002)):
        low, high = wilson_interval(count, n)
        texts = (f"{count / n:.3f}", f"{low:.3f}", f"{high + shift:.3f}")
        value, lower, upper = map(Printed.read, texts)
        claim = Proportion("a", value, n, count, lower, upper)
        found = [x.rule for x in check(PrintedStudy(proportions=(claim,)))]
        assert found == ([Rule.PROPORTION_INTERVAL] if shift else [])


def test_level_of_an_interval_is_checked():
    with pytest.raises(BadArgument, match="level"):
        Proportion("a", Printed.read("0.5"), 10, level=95)
