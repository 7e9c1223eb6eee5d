"""Columns of numbers as people write them: units, percent, thousands, commas, limits, ranges."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from her2.cohort.cells import CellRules, Cells, clean, named_cells, words
from her2.cohort.problems import Note, stop
from her2.core.errors import BadCohort
from her2.core.settings import VariableSettings

_UNITS: dict[str, dict[str, float]] = {  # by dimension: how much of the first unit each one is
    "length": {"mm": 1, "millimeter": 1, "millimetre": 1, "毫米": 1, "cm": 10, "centimeter": 10,
               "centimetre": 10, "厘米": 10, "µm": 1e-3, "um": 1e-3, "m": 1e3},
    "mass concentration": {
        "ng/ml": 1, "µg/l": 1, "ug/l": 1, "mcg/l": 1, "pg/ml": 1e-3, "ng/l": 1e-3, "µg/ml": 1e3,
        "ug/ml": 1e3, "mg/l": 1e3, "ng/dl": 1e-2, "µg/dl": 10, "ug/dl": 10, "mg/dl": 1e4,
        "mg/ml": 1e6, "g/l": 1e6, "g/dl": 1e7},
    "activity": {"u/ml": 1, "iu/ml": 1, "ie/ml": 1, "e/ml": 1, "ku/l": 1, "kiu/l": 1, "u/l": 1e-3,
                 "iu/l": 1e-3, "ie/l": 1e-3, "mu/ml": 1e-3, "miu/ml": 1e-3, "mu/l": 1e-6,
                 "miu/l": 1e-6, "µiu/ml": 1e-6, "uiu/ml": 1e-6},
    "substance concentration": {"nmol/l": 1, "pmol/l": 1e-3, "µmol/l": 1e3, "umol/l": 1e3,
                                "mmol/l": 1e6},
    "time": {
        **dict.fromkeys(words("years year yrs yr y y.o. yo jahre jahr j j. ans an años año anni "
                              "anos 岁 歳 年 세 лет lat jaar"), 1.0),
        **dict.fromkeys(words("months month mo monate monat mois meses mesi 月 个月"), 1 / 12),
        **dict.fromkeys(words("weeks week wochen woche semaines 周"), 7 / 365.25),
        **dict.fromkeys(words("days day d tage tag jours días giorni 天"), 1 / 365.25)},
    "weight": {"kg": 1, "公斤": 1, "g": 1e-3, "lb": 0.45359237, "lbs": 0.45359237},
    "share": dict.fromkeys(("%", "percent", "prozent", "pct", "procent", "por ciento"), 1.0),
    "volume": {"ml": 1, "cm3": 1, "cm^3": 1, "cc": 1, "mm^3": 1e-3, "l": 1e3},
    "velocity": {"cm/s": 1, "m/s": 100, "mm/s": 0.1},
    "pressure": {"mmhg": 1, "kpa": 7.50062},
    "body mass index": {"kg/m2": 1, "kg/m^2": 1, "kg/m²": 1},
    "count": {"10^9/l": 1, "10^3/µl": 1, "g/nl": 1, "/nl": 1, "/µl": 1e-3, "/mm^3": 1e-3},
}  # fmt: skip
_UNIT = {clean(u): (kind, size) for kind, of in _UNITS.items() for u, size in of.items()}
_NUMBER = r"[+-]?(?:\d[\d.,' ]*|[.,]\d+)(?:e[+-]?\d+)?"
_LIMITS = {
    **dict.fromkeys((*words("< <= ≤ =< unter below under 小于 低于 inf."), "less than"), -1),
    **dict.fromkeys((*words("> >= ≥ => über above over 大于 高于 sup."), "more than"), 1),
}
_CELL = re.compile(
    rf"(?P<limit>{'|'.join(sorted(map(re.escape, _LIMITS), key=len, reverse=True))})?\s*"
    r"(?P<about>ca\.?|circa|approx\.?|about|etwa|env\.?|environ|around|c\.|约|[~≈≒±])?\s*"
    rf"(?P<low>{_NUMBER})"
    rf"(?:\s*(?P<between>%)?\s*(?:-|to|bis|à|~|至|/-)\s*(?P<high>{_NUMBER}))?"
    r"\s*(?P<unit>[^\d\s.,'<>+-].*)?"
)
_GROUPED = re.compile(r"\d{1,3}(?:(?P<t>[ '.,])\d{3})(?P<more>(?:(?P=t)\d{3})*)(?P<d>[.,]\d+)?")
_SIMPLE = re.compile(r"(?:\d+(?:\.\d*|,\d+)?|[.,]\d+)(?:e[+-]?\d+)?")
_SENTINEL = re.compile(r"-?(?:9{1,6}|8{2,6}|7{3,6}|9{2,4}\.9{1,2})|-1")
_FEWEST_VALUES = 3  # beside one that is far from them; fewer show no spread
_MOST = 1e15  # of any quantity of a patient; squares and cubes of it do not overflow
_SHARES = re.compile(
    r"%|percent|prozent|pct|ki-?_?67|proportion|tils?$|(?<![a-z])(?:er|pr)(?![a-z])", re.IGNORECASE
)
Mark = Literal[".", ","]


@dataclass(frozen=True)
class Written:
    """A number as it is written.

    Attributes
    ----------
    row, text
        Where it stands, and all of it.
    low, high
        Digits with their separators; `high` is empty but for a range.
    limit
        -1 below a limit, 1 above one, 0 a value.
    is_about
        Whether it is approximate.
    unit
        As written; empty where none is.
    """

    row: int
    text: str
    low: str
    high: str = ""
    limit: int = 0
    is_about: bool = False
    unit: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether it is one value and no limit, range or estimate."""
        return not (self.high or self.limit or self.is_about)


def written(row: int, text: str) -> Written | None:
    """Return the number of a cell with a known unit or none; None where it is no number.

    >>> written(2, "< 0,5 ng/mL"), written(3, "4b")
    (Written(row=2, text='< 0,5 ng/mL', low='0,5', high='', limit=-1, is_about=False, \
unit='ng/ml'), None)
    """
    found = _CELL.fullmatch(clean(text))
    if found is None:
        return None
    unit = (found["unit"] or found["between"] or "").strip(" .")
    unit = unit if unit in _UNIT else (found["unit"] or found["between"] or "").strip()
    digits = [found[end].strip() for end in ("low", "high") if found[end]]
    if (unit and unit not in _UNIT) or any(_marks(number) is None for number in digits):
        return None
    limit = _LIMITS.get(found["limit"] or "", 0)
    return Written(
        row, text, digits[0], digits[1] if len(digits) > 1 else "", limit, bool(found["about"]),
        unit,
    )  # fmt: skip


def heading_unit(name: str) -> str:
    """Return the unit that a heading names; empty if none.

    >>> heading_unit("Alter (Jahre)"), heading_unit("size_mm"), heading_unit("ER %")
    ('jahre', 'mm', '%')
    >>> heading_unit("CA 15-3, U/mL"), heading_unit("stage_m")
    ('u/ml', '')
    """
    text = clean(name)
    inside = re.findall(r"[(\[]\s*(?:in )?([^)\]]+?)\s*[)\]]", text)
    last = [part for part in re.split(r"[\s_,;]+", text)[1:] if len(part) > 1 or part == "%"]
    ends = ["%"] if text.endswith("%") else []
    return next((unit for unit in (*inside, *last[-1:], *ends) if unit in _UNIT), "")


def number_column(
    name: str, cells: Sequence[Written], rules: CellRules, declared: VariableSettings
) -> tuple[dict[int, float], str, list[Note]]:
    """Values by row, their unit, and what was changed in reading them.

    Raises
    ------
    BadCohort
        With every sentence about the column, where any cell can be read in two ways.
    """
    wrong: list[BadCohort] = []
    notes: list[Note] = []
    _refuse_inexact(name, cells, rules, wrong)
    mark, changed = _decimal_mark(name, cells, rules, wrong)
    unit, sizes = _units(name, cells, declared, wrong, notes)
    notes += _substituted(name, cells, rules)
    if wrong:
        raise BadCohort(*(sentence for error in wrong for sentence in error.problems))
    values = {}
    for cell, size in zip(cells, sizes, strict=True):
        value = _value(cell, mark, rules)
        values[cell.row] = value if size == 1 else round(value * size, 10)
    _refuse_huge(name, cells, values)
    is_share = unit == "%" or bool(_SHARES.search(name))
    _refuse_markers(name, [(c.row, c.text) for c in cells], values, declared, is_share=is_share)
    if is_share:
        _refuse_two_scales(name, cells, values)
    return values, unit, notes + changed


def _marks(number: str) -> tuple[Mark | None, bool] | None:
    """Return the decimal mark that a number shows, None if either; and whether it is in doubt.

    None where it is no number. ``1,234`` is in doubt, ``1,5`` and ``1,234.5`` are not.
    """
    text = number.lstrip("+-")
    grouped = _GROUPED.fullmatch(text)
    if grouped and grouped["t"] != (grouped["d"] or "x")[0]:
        if grouped["d"]:
            return ("," if grouped["d"][0] == "," else "."), False
        if grouped["t"] in " '":
            return None, False
        if grouped["more"]:
            return ("." if grouped["t"] == "," else ","), False
        if not text.startswith("0"):
            return None, True
    if not _SIMPLE.fullmatch(text) or text in ".,":
        return None
    if "," in text:
        return ",", False
    return ("." if "." in text else None), False


def _decimal_mark(
    name: str, cells: Sequence[Written], rules: CellRules, wrong: list[BadCohort]
) -> tuple[Mark, list[Note]]:
    """Return the mark before decimals of cells that alone could be read in two ways."""
    numbers = [(c.row, c.text, n) for c in cells for n in (c.low, c.high) if n]
    shown = [(row, text, n, *(_marks(n) or (None, False))) for row, text, n in numbers]
    certain: set[Mark] = {mark for *_, mark, _ in shown if mark is not None}
    doubtful = [(row, text, n) for row, text, n, _, in_doubt in shown if in_doubt]
    declared: Mark | None = {"point": ".", "comma": ","}.get(rules.decimal or "")  # type: ignore[assignment]
    odd = [(row, text) for row, text, _, mark, _ in shown if mark and declared not in (mark, None)]
    if odd:
        wrong.append(
            stop(
                "C08",
                f"expected {name!r} to have decimals after a {rules.decimal}, as "
                f"cohort.decimal says, found {named_cells(odd)}; write all in one way",
            )
        )
    mark = declared or (next(iter(certain)) if len(certain) == 1 else None)
    if mark is None and doubtful and not certain and _all_three_decimals(shown):
        mark = "."
    if mark is None and doubtful:
        cells_ = [(row, text) for row, text, _ in doubtful]
        wrong.append(
            stop(
                "C08",
                f"expected {name!r} to show what its commas and points are, found "
                f"{named_cells(cells_)}, thousands or decimals; write these without "
                "thousands' separators, or set cohort.decimal=point or comma",
            )
        )
    changed = [(row, text) for row, text, n in numbers if re.search(r"[,' ]", n)]
    changed += [(row, text) for row, text, n in doubtful if mark == "," and "." in n]
    what = f"decimal commas or thousands in {name!r} are read as such: {named_cells(changed, 3)}"
    said = Note("C08", what, "look at the range", severity="normalised")
    return mark or ".", [said] if changed else []


def _all_three_decimals(
    shown: Sequence[tuple[int, str, str, Mark | None, bool]],
) -> bool:
    """Whether all cells are like ``22.345``, as programs print three decimals."""
    texts = [number for _, _, number, _, _ in shown]
    return all("." in n for n in texts) and not all(n.endswith("0") for n in texts)


def _units(
    name: str, cells: Sequence[Written], declared: VariableSettings, wrong: list[BadCohort],
    notes: list[Note],
) -> tuple[str, list[float]]:  # fmt: skip
    """Return the column's unit and by what each cell is multiplied."""
    usual = clean(declared.unit) if declared.unit else heading_unit(name)
    given = Counter(cell.unit for cell in cells if cell.unit)
    unit = usual or min(given, key=lambda u: (-given[u], u), default="")
    bare = [(cell.row, cell.text) for cell in cells if not cell.unit]
    if given and bare and not usual:
        wrong.append(
            stop(
                "C19",
                f"expected one unit in {name!r}, found some cells with "
                f"{listed_units(given)} and {named_cells(bare)} without; give the "
                f"unit of these as cohort.variables.{name}.unit",
            )
        )
        return unit, [1.0] * len(cells)
    kind = _UNIT.get(unit, ("", 1.0))
    other = [(c.row, c.text) for c in cells if c.unit and _UNIT[c.unit][0] != kind[0]]
    if other:
        wrong.append(
            stop(
                "C19",
                f"expected {name!r} in {unit}, found {named_cells(other)}; give "
                "all cells in one unit",
            )
        )
        return unit, [1.0] * len(cells)
    sizes = [_UNIT[cell.unit][1] / kind[1] if cell.unit else 1.0 for cell in cells]
    if any(size != 1 for size in sizes):
        notes.append(Note("C19", f"cells of {name!r} in {listed_units(given)} are converted to "
                          f"{unit}", "look at the range", severity="normalised"))  # fmt: skip
    return (declared.unit or unit), sizes


def listed_units(given: Counter[str]) -> str:
    """Units and how often each stands, for a message."""
    return ", ".join(f"{unit} ({n} x)" for unit, n in sorted(given.items()))


def _refuse_inexact(
    name: str, cells: Sequence[Written], rules: CellRules, wrong: list[BadCohort]
) -> None:
    limits = [(cell.row, cell.text) for cell in cells if cell.limit]
    if limits and rules.below_limit is None:
        wrong.append(
            stop(
                "C09",
                f"expected numbers in {name!r}, found limits of detection: "
                f"{named_cells(limits)}; set cohort.below_limit to half, limit or "
                "missing",
            )
        )
    rough = [(cell.row, cell.text) for cell in cells if cell.high or cell.is_about]
    if rough and not rules.approximate:
        wrong.append(
            stop(
                "C09",
                f"expected numbers in {name!r}, found ranges or estimates: "
                f"{named_cells(rough)}; write one number in each, or set "
                "cohort.approximate=true (the middle)",
            )
        )


def _substituted(name: str, cells: Sequence[Written], rules: CellRules) -> list[Note]:
    """Note what stands for limits, ranges and estimates."""
    odd = [(cell.row, cell.text) for cell in cells if not cell.is_exact]
    if not odd:
        return []
    what = (
        f"{len(odd)} limits or estimates in {name!r} ({named_cells(odd, 3)}) are replaced as "
        f"cohort.below_limit={rules.below_limit} and cohort.approximate say"
    )
    return [Note("C09", what, "report it with the results", severity="normalised")]


def _value(cell: Written, mark: Mark, rules: CellRules) -> float:
    if cell.limit and rules.below_limit == "missing":
        return math.nan
    ends = [_float(number, mark) for number in (cell.low, cell.high) if number]
    value = sum(ends) / len(ends)
    return value / 2 if cell.limit < 0 and rules.below_limit == "half" else value


def _float(number: str, mark: Mark) -> float:
    own, in_doubt = _marks(number) or (None, False)
    decimal = mark if in_doubt or own is None else own
    thousands = "," if decimal == "." else "."
    bare = re.sub(r"[' ]", "", number).replace(thousands, "")
    return float(bare.replace(decimal, "."))


def _refuse_huge(name: str, cells: Sequence[Written], values: dict[int, float]) -> None:
    huge = [(cell.row, cell.text[:20]) for cell in cells if abs(values[cell.row]) > _MOST]
    if huge:
        raise stop("C18", f"expected {name!r} below {_MOST:g}, found {named_cells(huge)}; correct "
                   "these cells")  # fmt: skip


def _refuse_markers(
    name: str, cells: Cells, values: dict[int, float], declared: VariableSettings, *,
    is_share: bool,
) -> None:  # fmt: skip
    """Refuse values that look like markers of missing ones (999, -9), unless a range is declared.

    Such a value is the largest or smallest one and stands several times, or is all nines, and its
    distance to the others is larger than these are apart. No share is a marker for being 0.
    """
    known = sorted(value for value in values.values() if not math.isnan(value))
    if declared.range is not None:
        low, high = declared.range
        odd = [(row, text) for row, text in cells if not low <= values[row] <= high
               and not math.isnan(values[row])]  # fmt: skip
        if odd:
            raise stop("C18", f"expected {name!r} from {low:g} to {high:g} as declared, found "
                       f"{named_cells(odd)}; correct these cells")  # fmt: skip
        return
    markers = [value for value in known if _SENTINEL.fullmatch(f"{value:g}")]
    for value in dict.fromkeys([*known[:1], *known[-1:], *markers]):
        rest = [
            other
            for other in known
            if other != value and (other not in markers or 0 <= other < 20)
        ]
        if (
            (value == 0 and is_share)
            or len(set(rest)) < 2
            or not _is_marker(value, known.count(value), rest)
        ):
            continue
        odd = [(row, text) for row, text in cells if values[row] == value]
        raise stop("C09", f"expected {name!r} between {rest[0]:g} and {rest[-1]:g} like its other "
                   f"cells, found {named_cells(odd)}; if it means missing set "
                   f"cohort.missing_tokens=[{value:g}], else declare "
                   f"cohort.variables.{name}.range")  # fmt: skip


def _is_marker(value: float, n: int, rest: Sequence[float]) -> bool:
    spread = rest[-1] - rest[0]
    distance = value - rest[-1] if value > rest[-1] else rest[0] - value
    if not _SENTINEL.fullmatch(f"{value:g}"):
        is_far = value < rest[0] or value > 3 * rest[-1]
        return n > 1 and is_far and len(set(rest)) >= _FEWEST_VALUES and distance > 3 * spread
    if value < 0 <= rest[0]:
        return True
    return distance > (spread if n > 1 else 10 * spread)


def _refuse_two_scales(name: str, cells: Sequence[Written], values: dict[int, float]) -> None:
    """Refuse a share that is sometimes 0.35 and sometimes 35."""
    small = [(cell.row, cell.text) for cell in cells if 0 < values[cell.row] < 1]
    large = [value for value in values.values() if value > 1]
    if len(small) < 2 or not large:
        return
    if min(large) > 5 * max(values[row] for row, _ in small):
        raise stop("C18", f"expected {name!r} in per cent throughout, found {named_cells(small)} "
                   f"beside values from {min(large):g}; write shares of 1 as per cent, or declare "
                   f"cohort.variables.{name}.range if they are right")  # fmt: skip
