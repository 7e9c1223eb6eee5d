"""Words and numbers in one form for figures and report."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from her2.core.rounding import digits_beside
from her2.core.types import ARM_TITLES

NOT_ESTIMABLE = "not estimable"
MINUS = "\N{MINUS SIGN}"
ROLE_TITLES = {
    "train": "Training, in sample",
    "out_of_fold": "Training, cross-validated",
    "test": "Test",
    "external": "External",  # where a table has patients of other centres under no other name
}
OTHER_TITLES = {"held_out": "Held out"}  # test and external
DEEP_COMPONENT = "deep_pc_"
ABBREVIATIONS = {
    "GrayLevel": "GL", "Emphasis": "Emph.", "NonUniformity": "NonUnif.", "Normalized": "Norm.",
    "Dependence": "Dep.", "AbsoluteDeviation": "AbsDev.", "Interquartile": "IQ",
    "Diameter": "Diam.", "firstorder": "first", "wavelet": "wav.", "exponential": "exp.",
    "logarithm": "log.", " / ": "/",
}  # fmt: skip

Number: TypeAlias = float | int | None


def is_missing(value: Any) -> bool:
    """Whether there is no value: None, as in `results.json`, NA, NaN or an infinite number.

    >>> is_missing(None), is_missing(float("nan")), is_missing(""), is_missing(0)
    (True, True, False, False)
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating) and not math.isfinite(value)


def number(value: Number, digits: int = 3) -> str:
    """Value with a fixed number of decimals and a true minus sign.

    >>> number(0.88949), number(-0.5, 1), number(None), number(-0.0001)
    ('0.889', '−0.5', 'not estimable', '0.000')
    """
    if value is None or is_missing(value):
        return NOT_ESTIMABLE
    text = f"{abs(value):.{digits}f}"
    return MINUS + text if value < 0 and float(text) != 0 else text


def beside(value: Number, limit: float, digits: int = 3) -> str:
    """Value beside a limit, with enough decimals to show on which side it lies.

    >>> beside(0.74996, 0.75), beside(0.6, 0.75), beside(0.75, 0.75, 2), beside(None, 0.75)
    ('0.74996', '0.600', '0.75', 'not estimable')
    """
    if value is None or is_missing(value):
        return NOT_ESTIMABLE
    return number(value, digits_beside(value, limit, digits))


def signed(value: Number, digits: int = 3) -> str:
    """Value with its sign always written.

    >>> signed(0.02), signed(-0.02, 2)
    ('+0.020', '−0.02')
    """
    text = number(value, digits)
    return text if text.startswith((MINUS, NOT_ESTIMABLE)) else f"+{text}"


def interval(value: Number, low: Number, high: Number, digits: int = 3) -> str:
    """Estimate with its confidence interval.

    >>> interval(0.72, 0.578, 0.863), interval(0.5, None, None), interval(None, None, None)
    ('0.720 (0.578–0.863)', '0.500 (interval not estimable)', 'not estimable')
    """
    if is_missing(value):
        return NOT_ESTIMABLE
    if is_missing(low) or is_missing(high):
        return f"{number(value, digits)} (interval {NOT_ESTIMABLE})"
    return f"{number(value, digits)} ({number(low, digits)}–{number(high, digits)})"


def p_value(value: Number) -> str:
    """P value to three decimals, never ``.000``, ``1.000``, or ``.050`` for what is below it.

    >>> p_value(0.0421), p_value(2e-5), p_value(0.99996), p_value(0.04998), p_value(None)
    ('.042', '<.001', '>.999', '.04998', 'not estimable')
    """
    if value is None or is_missing(value):
        return NOT_ESTIMABLE
    if value < 0.001:
        return "<.001"
    if value >= 0.9995:
        return ">.999"
    return beside(value, 0.05).lstrip("0")


def p_statement(value: Number) -> str:
    """P value as a statement.

    >>> p_statement(0.3), p_statement(0.0), p_statement(None)
    ('p = .300', 'p < .001', 'p not estimable')
    """
    text = p_value(value)
    if text == NOT_ESTIMABLE:
        return f"p {text}"
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def count(value: Number) -> str:
    r"""Whole number with thin spaces between thousands.

    >>> count(61), count(12500), count(None)
    ('61', '12\u202f500', 'not estimable')
    """
    if value is None or is_missing(value):
        return NOT_ESTIMABLE
    return f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def mean_count(value: Number) -> str:
    """Count, or the mean of counts over repeats with one decimal.

    >>> mean_count(18), mean_count(41.0), mean_count(40.6), mean_count(None)
    ('18', '41', '40.6', 'not estimable')
    """
    if value is None or is_missing(value) or float(value).is_integer():
        return count(value)
    return number(value, 1)


def sentence_case(name: str) -> str:
    """Name of a file or table as words.

    >>> sentence_case("lasso_path_HER2")
    'Lasso path HER2'
    """
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def feature_title(feature: str, limit: int = 44) -> str:
    """Name of a feature as image type / family / feature, abbreviated where it is too long.

    >>> feature_title("wavelet-LLH_glcm_ClusterShade"), feature_title("deep_pc_7")
    ('wavelet-LLH / glcm / ClusterShade', 'deep / component 7')
    >>> feature_title("wavelet-LLH_glszm_SmallAreaHighGrayLevelEmphasis")
    'wavelet-LLH / glszm / SmallAreaHighGLEmph.'
    """
    if feature.startswith(DEEP_COMPONENT):
        return f"deep / component {feature.removeprefix(DEEP_COMPONENT)}"
    title = " / ".join(feature.split("_", 2))
    for word, short in ABBREVIATIONS.items():
        title = title.replace(word, short) if len(title) > limit else title
    return shortened(title, limit)


def shortened(text: str, limit: int) -> str:
    """Text of at most `limit` characters, with its middle left out where it is longer.

    >>> shortened("lymph node metastasis", 13)
    'lymph …stasis'
    """
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def wrapped(text: str, width: int) -> str:
    r"""Name on lines of at most `width` characters where it has places to break.

    >>> wrapped("efficientnet_lite0, seed=1", 14)
    'efficientnet_\nlite0, seed=1'
    """
    lines = [""]
    for part in re.findall(r"[^\s_=,/]*[\s_=,/]?", text):
        if lines[-1] and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def arm_title(arm: str) -> str:
    """Name of an arm for readers; an unknown arm keeps its own name."""
    return ARM_TITLES.get(arm, arm)


def role_key(role: str) -> str:
    """Role as a part of a file's name; of a centre's name only letters and digits stay.

    >>> role_key("out_of_fold"), role_key("St. Mary's, A/2")
    ('out_of_fold', 'St_Mary_s_A_2_eeed')
    """
    if role in ROLE_TITLES:
        return role
    kept = re.sub(r"\W+", "_", role).strip("_")
    return f"{kept}_{hashlib.sha256(role.encode()).hexdigest()[:4]}"  # other centres' may be equal


def role_title(role: str) -> str:
    """Name of a role, or of the repeated estimate; an unknown role keeps its own name."""
    return (ROLE_TITLES | OTHER_TITLES).get(role, role)
