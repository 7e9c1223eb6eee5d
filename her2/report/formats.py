"""Values as table cells: what a reader sees, and the number by which a table sorts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from her2.plots.text import NOT_ESTIMABLE, arm_title, count, is_missing, number, role_title
from her2.report.page_parts import Cell

DECIMALS = ((10.0, 3), (1000.0, 2))  # (limit, digits of a ratio below it); none above
STATUS = {"met": "good", "not met": "bad", "needs author": "open", "not applicable": ""}
_TALLIED = {"needs author": "need the author"}
MEASURES = {
    "psnr": "PSNR, dB",
    "psnr_gain": "PSNR, gain over bicubic",
    "ssim": "SSIM",
    "ssim_gain": "SSIM, gain over bicubic",
    "consistency_psnr": "PSNR of the enlarged image, shrunk",
    "icc_share": "Share of features with an ICC of at least .75",
    "auc": "AUC, cross-validated",
    "auc_gain": "AUC, gain over native images",
}
METHODS = {"none": "native", "bicubic": "bicubic", "srgan": "super-resolution"}


def text_cell(value: Any) -> Cell:
    """Any value as a cell; an unknown one is blank.

    >>> [text_cell(value).text for value in (None, 3, 0.25, True, {"C": 1.0}, "a")]
    ['', '3', '0.250', 'yes', 'C = 1.0', 'a']
    """
    if is_missing(value):
        return Cell("")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(count(value) if isinstance(value, int) else number(value), value=float(value))
    if isinstance(value, Mapping):
        return Cell(", ".join(f"{key} = {item}" for key, item in value.items()))
    text = str(value)
    return Cell(text, is_code="\n" in text)


def number_cell(
    value: Any, show: Callable[[float], str] = number, absent: str = NOT_ESTIMABLE
) -> Cell:
    """Return a number in the form of `show`; text that a table has in its place stays text.

    >>> number_cell(0.25).text, number_cell(None).text, number_cell(None, absent="").text
    ('0.250', 'not estimable', '')
    """
    if is_missing(value):
        return Cell(absent, is_missing=absent == NOT_ESTIMABLE)
    if isinstance(value, str):
        return Cell(value)
    return Cell(show(float(value)), value=float(value))


def ratio(value: float) -> str:
    """Return an odds ratio with the fewer decimals the larger it is.

    >>> ratio(0.4217), ratio(1.0204), ratio(12.345)
    ('0.422', '1.020', '12.35')
    """
    digits = next((digits for limit, digits in DECIMALS if abs(value) < limit), 0)
    return number(value, digits) if digits else count(value)


def interval_cell(
    value: Any,
    low: Any,
    high: Any,
    show: Callable[[float], str] = number,
    absent: str = NOT_ESTIMABLE,
) -> Cell:
    """Estimate, with its interval as the detail.

    >>> interval_cell(0.72, 0.578, 0.863)
    Cell(text='0.720', detail='(0.578 to 0.863)', value=0.72, is_missing=False, is_code=False, \
status='')
    >>> interval_cell(0.72, None, None).detail
    '(interval not estimable)'
    """
    cell = number_cell(value, show, absent)
    if cell.value is None:
        return cell
    known = not (is_missing(low) or is_missing(high))
    detail = f"({show(low)} to {show(high)})" if known else f"(interval {NOT_ESTIMABLE})"
    return Cell(cell.text, detail, cell.value)


def interval_text(value: Any, low: Any, high: Any) -> str:
    """Estimate and interval in one text.

    >>> interval_text(0.72, 0.578, 0.863), interval_text(None, None, None)
    ('0.720 (0.578 to 0.863)', 'not estimable')
    """
    cell = interval_cell(value, low, high)
    return f"{cell.text} {cell.detail}".strip()


def name_cell(value: Any) -> Cell:
    """Name of a variable: its underscores are spaces, so that a narrow column can break it."""
    return Cell(text_cell(value).text.replace("_", " "))


def arm_cell(value: Any) -> Cell:
    """Title of an arm."""
    return Cell("" if is_missing(value) else arm_title(str(value)))


def role_cell(value: Any) -> Cell:
    """Role without the group it is about, for a narrow column.

    >>> [role_cell(role).text for role in ("out_of_fold", "test", "centre B", None)]
    ['Cross-validated', 'Test', 'centre B', '']
    """
    role = "" if is_missing(value) else str(value)
    title = role_title(role)
    short = title.split(", ")[-1]
    return Cell(title if title == role else short[:1].upper() + short[1:])


def passed_cell(value: Any) -> Cell:
    """Outcome of a check."""
    if is_missing(value):
        return Cell("not checked", status="open")
    return Cell("passed", status="good") if value else Cell("failed", status="bad")


CONTROLS = {
    "outline_shape": "Outline only: shape features of the masks",
    "outline_network": "Outline only: a network that sees the mask",
    "surroundings": "Surroundings only: a network that sees the image without the lesion",
    "frame": "Frame only: a network that sees the border of the image",
}


def control_cell(value: Any) -> Cell:
    """Title of a control of shortcuts: all that it sees."""
    return Cell(CONTROLS.get(str(value), str(value)))


def alarm_cell(value: Any) -> Cell:
    """Whether a control is an alarm; its sentence stands on the first screen."""
    return Cell("yes", status="bad") if value else Cell("no", status="good")


def supported_cell(value: Any) -> Cell:
    """Whether something holds."""
    if is_missing(value):
        return Cell("")
    return Cell("yes", status="good") if value else Cell("no", status="bad")


def answer_cell(value: Any) -> Cell:
    """Answer to an item of a checklist."""
    text = "needs author" if is_missing(value) else str(value)
    return Cell(text, status=STATUS.get(text, ""))


def tally(answers: Iterable[Any]) -> str:
    """Count of each answer to a checklist.

    >>> tally(["met", "needs author", None, "met"])
    '2 met, 2 need the author'
    """
    found = Counter(answer_cell(value).text for value in answers)
    ordered = [answer for answer in STATUS if answer in found]
    ordered += sorted(answer for answer in found if answer not in STATUS)
    return ", ".join(f"{count(found[a])} {_TALLIED.get(a, a)}" for a in ordered)


def rule_cell(value: Any) -> Cell:
    r"""Rule of an operating point, its limit kept on one line.

    >>> rule_cell("sensitivity >= .90").text
    'sensitivity ≥\xa0.90'
    """
    return Cell(text_cell(value).text.replace(">= ", "≥\N{NO-BREAK SPACE}"))


def _titled_cell(value: Any, *, titles: Mapping[str, str]) -> Cell:
    return text_cell(titles.get(str(value), value))


measure_cell = partial(_titled_cell, titles=MEASURES)
method_cell = partial(_titled_cell, titles=METHODS)
