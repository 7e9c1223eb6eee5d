from math import inf

import numpy as np
import pytest

from her2.core.errors import BadArgument
from her2.paper_checks import Printed
from her2.paper_checks.printed import corners, overlap


@pytest.mark.parametrize(
    ("text", "value", "decimals", "bound"),
    [
        ("0.263", 0.263, 3, "="),
        (".042", 0.042, 3, "="),
        ("76.7%", 0.767, 3, "="),
        ("60 %", 0.6, 2, "="),
        ("<.001", 0.001, 3, "<"),
        ("< 0.001", 0.001, 3, "<"),
        (">.999", 0.999, 3, ">"),
        ("\N{MINUS SIGN}0.019", -0.019, 3, "="),
        ("+0.039", 0.039, 3, "="),
        ("1,561", 1561.0, 0, "="),
        ("1\N{NARROW NO-BREAK SPACE}196", 1196.0, 0, "="),
        ("210", 210.0, 0, "="),
        ("1e-5", 1e-5, 5, "="),
    ],
)
def test_text_is_read(text, value, decimals, bound):
    found = Printed.read(text)
    assert (found.value, found.decimals, found.bound) == (value, decimals, bound)
    assert str(found) == text


@pytest.mark.parametrize("text", ["", "p", "0.1-0.2", "0,42", "1.2.3", "nan", "1,56", "--1", "."])
def test_text_that_is_no_number_is_refused(text):
    with pytest.raises(BadArgument, match=r"expected one number .*; type it as printed"):
        Printed.read(text)


def test_value_that_is_not_finite_is_refused():
    with pytest.raises(BadArgument, match="finite"):
        Printed(inf, 2)


def test_limits_are_half_a_unit_away():
    found = Printed.read("0.263")
    assert (found.low, found.high) == (0.2625, 0.2635)
    assert (Printed.read("76.7%").low, Printed.read("76.7%").high) == (0.7665, 0.7675)
    assert (Printed.read("<.001").low, Printed.read(">.999").high) == (-inf, inf)


def test_lost_zeros_are_given_back():
    assert Printed.read("0", decimals=3).high == 0.0005
    assert Printed.read("60%", decimals=1).high == 0.6005


def test_halves_may_have_been_rounded_either_way():
    for text in ("0.12", "0.13"):
        assert Printed.read(text).admits(0.125)
    assert not Printed.read("0.12").admits(0.12501)


def test_whatever_python_prints_admits_what_was_printed():
    rng = np.random.default_rng(0)
    for value, digits in zip(rng.normal(0, 20, 500), rng.integers(0, 6, 500), strict=True):
        assert Printed.read(f"{value:.{digits}f}").admits(value)
        assert Printed.read(f"{value:.{digits}%}").admits(value)


def test_without_text_the_number_is_shown():
    assert str(Printed(0.5, 3)) == "0.500"
    assert str(Printed(0.001, 3, "<")) == "<0.001"


def test_within_keeps_to_the_range():
    assert Printed.read("0.00").within(0, 1) == (0.0, 0.005)
    assert Printed.read(">.999").within(0, 1) == (0.999, 1.0)
    assert Printed.read("1.2").within(0, 1) == (1.0, 1.0)


def test_overlap_of_touching_and_endless_intervals():
    assert overlap((0.1, 0.2), (0.2, 0.3))
    assert overlap((-inf, 0.2), (0.1, inf))
    assert not overlap((0.1, 0.2), (0.2 + 1e-6, 0.3))


def test_corners_bound_a_monotone_function():
    assert corners(lambda a, b: a / b, (1.0, 2.0), (4.0, 8.0)) == (0.125, 0.5)
