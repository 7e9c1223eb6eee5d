from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import OddsRatio, Size
from her2.paper_checks.odds_ratios import implied_level
from her2.stats import univariable_logistic

SIZE = Size("Table 1", "train", 140, 43)


def row(text: str, **claims: object) -> OddsRatio:
    return OddsRatio("Table 2", *(Printed.read(word) for word in text.split()), **claims)


def rules(claim: OddsRatio, *sizes: Size) -> list[Rule]:
    return [x.rule for x in check(PrintedStudy(sizes=sizes, odds_ratios=(claim,)))]


def printed(b: float, se: float, level: float, digits: int = 3) -> str:
    k = norm.isf((1 - level) / 2)
    p = 2 * norm.sf(abs(b) / se)
    return " ".join(f"{x:.{digits}f}" for x in (exp(b), exp(b - k * se), exp(b + k * se), p))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_level_of_an_interval_is_recovered(level):
    rng = np.random.default_rng(0)
    for b, se in zip(rng.normal(0, 1, 100), rng.uniform(0.1, 0.8, 100), strict=True):
        claim = row(printed(b, se, level), level=level)
        low, high = implied_level(claim)
        assert low <= level <= high
        assert rules(claim) == []


def test_90_percent_called_95_is_found():
    claim = row(printed(log(0.5), 0.4, 0.9))
    (one,) = check(PrintedStudy(odds_ratios=(claim,)))
    assert (one.rule, one.expected) == (Rule.INTERVAL_LEVEL, "a 90 % interval")


def test_level_is_unknown_without_p_or_with_a_limit_of_zero():
    assert implied_level(row("0.5 0.2 1.25")) == (0.0, 1.0)
    assert implied_level(row("0.05 0.00 1.25 0.070")) == (0.0, 1.0)


def test_a_ratio_of_one_with_p_one():
    assert rules(row("1.000 0.500 2.000 1.000")) == []
    assert rules(row("1.000 0.500 2.000 0.500")) == [Rule.INTERVAL_LEVEL]


def test_estimate_and_interval():
    assert rules(row("0.500 0.600 1.250")) == [Rule.ESTIMATE_IN_INTERVAL]
    assert rules(row("0.700 0.200 1.250")) == [Rule.INTERVAL_SYMMETRY]
    assert rules(row("0.700 0.200 1.250", is_wald=False)) == []  # profile likelihood
    assert rules(row("0.500 0.200 1.250")) == []


def test_exponentiated_print_of_logarithms_is_no_contradiction():
    # exp(-1.138) and exp(-0.119) of a printed summary; from the counts 0.321 and 0.887
    assert rules(row("0.533 0.320 0.888 0.042", level=0.9)) == []


def binary_row(a: int, exposed: int, n_positive: int, n: int) -> OddsRatio:
    b, c = exposed - a, n_positive - a
    d = n - exposed - c
    estimate = printed(log(a * d / (b * c)), sqrt(1 / a + 1 / b + 1 / c + 1 / d), 0.95)
    return row(estimate, group="train", n_exposed=(exposed,))


def test_proper_odds_ratios_of_counts_are_right():
    for a in range(3, 40, 4):
        assert rules(binary_row(a, 96, 43, 140), SIZE) == []


def test_odds_without_intercept_are_named_with_the_proper_ratio():
    claim = row("0.263 0.174 0.398 0.000", group="train", n_exposed=(96,))
    (one,) = check(PrintedStudy(sizes=(SIZE,), odds_ratios=(claim,)))
    assert one.rule is Rule.NO_INTERCEPT
    table = pd.DataFrame({"er": [0] * 44 + [1] * 96})
    y = [1] * 23 + [0] * 21 + [1] * 20 + [0] * 76
    proper = univariable_logistic(table, y, ["er"]).iloc[0]
    text = f"{proper.odds_ratio:.3f} ({proper.low:.3f} to {proper.high:.3f})"
    assert one.expected.startswith(text)


def test_either_level_may_be_coded_one():
    claim = row("0.263 0.174 0.398 0.000", group="train", n_exposed=(44, 96))
    assert rules(claim, SIZE) == [Rule.NO_INTERCEPT]


def test_no_table_gives_the_odds_ratio():
    claim = row("0.538 0.443 0.654 0.000", group="train", n_exposed=(84,))
    assert rules(claim, SIZE) == [Rule.ODDS_RATIO_COUNTS]


def test_a_changed_digit_is_found():
    right = binary_row(20, 96, 43, 140)
    ratio = Printed.read(f"{right.ratio.value + 0.004:.3f}")
    wrong = OddsRatio(
        "Table 2", ratio, right.low, right.high, group="train", n_exposed=right.n_exposed
    )
    assert Rule.INTERVAL_SYMMETRY in rules(wrong, SIZE)


def test_without_margins_the_counts_say_nothing():
    claim = row("0.263 0.174 0.398 0.000", group="train", n_exposed=(96,))
    assert rules(claim) == []
    assert rules(row("0.263 0.174 0.398 0.000", group="train"), SIZE) == []


def test_logarithm_is_refused():
    with pytest.raises(BadArgument, match="not its logarithm"):
        row("-0.5 -1.2 0.2")
    with pytest.raises(BadArgument, match="level"):
        row("0.5 0.2 1.25", level=95)
