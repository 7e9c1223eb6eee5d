import numpy as np
import pytest
from scipy.stats import chi2, norm
from scipy.stats import t as student_t

from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import HolmFamily, Statistic
from her2.paper_checks.p_values import p_value_range
from her2.stats import holm


def rules(*claims: Statistic) -> list[Rule]:
    return [x.rule for x in check(PrintedStudy(statistics=claims))]


def statistic(value: str, dof: float | None, p: str | None, reference="chi-square") -> Statistic:
    p_value = None if p is None else Printed.read(p)
    return Statistic("Results", Printed.read(value), dof, p_value, reference)


@pytest.mark.parametrize(("reference", "dof", "tail"), [
    ("chi-square", 8, lambda x: chi2.sf(x, 8)),
    ("normal", None, lambda x: 2 * norm.sf(abs(x))),
    ("t", 12.5, lambda x: 2 * student_t.sf(abs(x), 12.5)),
])  # fmt: skip
def test_statistics_with_their_p_value_agree(reference, dof, tail):
    rng = np.random.default_rng(0)
    values = rng.chisquare(8, 200) if reference == "chi-square" else rng.normal(0, 2, 200)
    for value in values:
        claim = statistic(f"{value:.2f}", dof, f"{tail(value):.3f}", reference)
        assert rules(claim) == []
        wrong = statistic(f"{value:.2f}", dof, f"{(tail(value) + 0.5) % 1:.3f}", reference)
        assert rules(wrong) == [Rule.STATISTIC_P]


def test_p_of_a_statistic_around_zero():
    assert p_value_range(Printed.read("0.0"), reference="normal")[1] == 1.0
    assert rules(statistic("0.00", None, ">.999", "normal")) == []
    assert rules(statistic("5.00", None, "<.001", "normal")) == []


def test_a_statistic_that_is_a_p_value():
    assert rules(statistic("0.071", 8, None)) == [Rule.STATISTIC_RANGE]
    assert rules(statistic("2.1", 8, None)) == []
    assert rules(statistic("0.071", 2, None)) == []
    # printed beside its p-value it is what it is
    assert rules(statistic("0.071", 8, ">.999")) == []
    assert rules(statistic("0.071", None, None)) == []
    assert rules(statistic("0.071", None, None, "normal")) == []


def family(p: list[float], adjusted: list[float], digits: int = 3) -> list[Rule]:
    members = tuple(
        (f"test {i}", Printed.read(f"{a:.{digits}f}"), Printed.read(f"{b:.{digits}f}"))
        for i, (a, b) in enumerate(zip(p, adjusted, strict=True))
    )
    return [x.rule for x in check(PrintedStudy(holm_families=(HolmFamily(members),)))]


def test_holm_of_rounded_p_values_never_alarms():
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = rng.beta(0.3, 2, int(rng.integers(1, 12)))
        assert family(p.tolist(), holm(p).tolist(), digits=int(rng.integers(1, 5))) == []


def test_bounds_of_holm_hold_between_the_corners():
    rng = np.random.default_rng(2)
    for _ in range(300):
        p = rng.uniform(0, 1, 6)
        raised = np.minimum(p + rng.uniform(0, 0.3, 6) * (rng.random(6) < 0.5), 1)
        assert ((holm(raised) - holm(p)) >= -1e-12).all()


def test_wrong_adjustments():
    p = [0.01, 0.04, 0.03]
    assert family(p, [0.03, 0.06, 0.06]) == []
    assert family(p, [0.03, 0.06, 0.03]) == [Rule.ADJUSTED_P]
    assert family(p, p) == [Rule.ADJUSTED_P] * 3
    assert family(p, [0.03, 0.12, 0.09]) == [Rule.ADJUSTED_P] * 2  # Bonferroni's


def test_adjusted_below_unadjusted():
    assert family([0.5], [0.4]) == [Rule.ADJUSTED_P]
