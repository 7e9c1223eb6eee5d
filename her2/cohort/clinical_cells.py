"""One clinical variable from its cells: a number with a unit, or a category with levels."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from her2.cohort.cells import (
    CellRules,
    Cells,
    answer,
    clean,
    grade,
    is_doubtful,
    level_key,
    listed,
    named_cells,
)
from her2.cohort.number_cells import Written, number_column, written
from her2.cohort.problems import Note, stop
from her2.core.settings import VariableSettings

MAX_LEVELS = 10
FEWEST_KNOWN = 5  # cells of which each has a level of its own, which is then no category
_FEWEST_MEASURED = 3  # spellings; two may be groups such as "under 14 %" and "14 % or more"
_MEASURED = re.compile(r".*\d ?%.*|.*\d ?[a-z]{0,2} ?[x×*] ?\d.*")
_DATE = re.compile(r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{2,4})(?:[t ].*)?")
_SEPARATORS = re.compile(r"(?<=\w)[\s_.\-]+(?=\w)")
_SHORTEST_WORD = 3  # letters of an abbreviation
_LONGEST_WORD_FORM = 5  # letters of words that may differ in one and mean something else
_NOTHING = VariableSettings()


@dataclass(frozen=True)
class Variable:
    """A clinical variable.

    Attributes
    ----------
    values
        Float, or object with the level's text; NaN where missing; index the row of the table.
    unit
        Of a number; empty where unknown.
    notes
        What was changed in reading it.
    """

    values: pd.Series
    unit: str = ""
    notes: tuple[Note, ...] = ()


def read_variable(cells: pd.Series, rules: CellRules) -> Variable:
    """Return a variable whose name and cells are those of a column of text.

    Raises
    ------
    BadCohort
        With every cell that is no number among numbers (C09), that can be read in two ways (C08,
        C10), or a category of more levels than a model can use (C10).
    """
    name = str(cells.name)
    declared = rules.variables.get(name, _NOTHING)
    rows = list(zip(map(int, cells.index), map(str, cells), strict=True))
    dashes = [(r, t) for r, t in rows if clean(t) == "-" and not rules.is_declared(t)]
    known = [(r, t) for r, t in rows if not rules.is_missing(t)]
    found = [(cell, written(*cell)) for cell in known]
    numbers = [number for _, number in found if number is not None]
    texts = [cell for cell, number in found if number is None]
    notes: Sequence[Note] = ()
    if _is_number(numbers, texts, declared):
        _refuse_texts(name, [c for c in texts if clean(c[1]) not in ("none", "nil")])
        read, unit, notes = number_column(name, numbers, rules, declared)
        values = [read.get(row, math.nan) for row, _ in rows]
        made = pd.Series(values, index=cells.index, name=name, dtype=np.float64)
        return Variable(made, unit, tuple(notes))
    if not declared.is_category:
        _refuse_measured(name, texts)
    level_of, notes = _category(name, known, dashes, declared)
    levels = [level_of.get(row, math.nan) for row, _ in rows]
    return Variable(pd.Series(levels, cells.index, object, name), "", tuple(notes))


def _is_number(numbers: Sequence[Written], texts: Cells, declared: VariableSettings) -> bool:
    """Whether a column is one of numbers: some cell is one, and no grades stand beside it."""
    if declared.is_category:
        return False
    if declared.kind == "number" or declared.range is not None:
        return True
    graded = bool(texts) and all(grade(text) or answer(text) == "negative" for _, text in texts)
    scores = all(number.low in ("0", "1", "2", "3", "4") for number in numbers)
    return any(number.is_exact for number in numbers) and not (graded and scores)


def _refuse_texts(name: str, texts: Cells) -> None:
    if texts:
        raise stop(
            "C09",
            f"expected {name!r} to hold numbers, found {named_cells(texts)}; correct these cells, "
            "leave missing ones empty or name them by cohort.missing_tokens, or declare "
            f"cohort.variables.{name}.kind=category",
        )


def _refuse_measured(name: str, texts: Cells) -> None:
    """Refuse dates, two lengths in a cell, and per cent beside words: these are no levels."""
    dates = [(row, text) for row, text in texts if _DATE.fullmatch(clean(text))]
    if dates:
        raise stop(
            "C27",
            f"expected numbers or levels in {name!r}, found dates: {named_cells(dates, 5)}; give "
            "the age or the time between two dates instead",
        )
    measured = [(row, text) for row, text in texts if _MEASURED.fullmatch(clean(text))]
    if len({clean(text) for _, text in measured}) >= _FEWEST_MEASURED:
        raise stop(
            "C09",
            f"expected one number or one level in each cell of {name!r}, found "
            f"{named_cells(measured, 5)}; give each number its own column, without words",
        )


def _category(
    name: str, known: Cells, dashes: Cells, declared: VariableSettings
) -> tuple[dict[int, str], list[Note]]:
    """Level of every row that has one; spellings of one level are one."""
    own = _declared_levels(declared)
    meaning = "level" if "-" in own else _dash(known) if dashes else "missing"
    if meaning == "doubt" and not own:
        raise stop(
            "C10",
            f"expected {name!r} to say what - means, found {named_cells(dashes)} beside "
            f"{listed(text for _, text in known)}; write negative, or leave missing cells empty",
        )
    notes = []
    if meaning == "missing" and dashes and known:
        what = f"{named_cells(dashes)} of {name!r} is read as missing"
        notes.append(Note("C09", what, "write negative if that is meant", severity="normalised"))
    cells = [*known, *dashes] if meaning in ("level", "negative") else list(known)
    if declared.levels is not None:
        return _declared(name, cells, own), notes
    doubtful = [(row, text) for row, text in cells if is_doubtful(text)]
    if doubtful:
        raise stop(
            "C09",
            f"expected levels in {name!r}, found {named_cells(doubtful)}, which may mean missing; "
            "name them by cohort.missing_tokens, or give cohort.variables."
            f"{name}.levels",
        )
    level_of = _spelt(name, cells, declared)
    alike = [pair for pair in itertools.combinations(sorted(set(level_of.values())), 2)
             if _is_alike(*map(clean, pair))]  # fmt: skip
    if alike and not declared.is_category:
        what = f"levels of {name!r} that may be one: {listed(itertools.chain(*alike))}"
        fix = f"unite them by cohort.variables.{name}.levels, or declare its kind=category"
        notes.append(Note("C10", what, fix, severity="warning"))
    return level_of, notes


def _is_alike(one: str, other: str) -> bool:
    """Whether two levels differ in separators, in a letter inside a word, or by abbreviation.

    >>> _is_alike("post-menopausal", "postmenopausal"), _is_alike("pre", "premenopausal")
    (True, True)
    >>> _is_alike("positve", "positive"), _is_alike("t1", "t1c"), _is_alike("4er+", "4er-")
    (True, False, False)
    """
    short, long = sorted((_SEPARATORS.sub("", one), _SEPARATORS.sub("", other)), key=len)
    if short == long:
        return True
    if not (one.isalpha() and other.isalpha()) or len(short) < _SHORTEST_WORD:
        return False
    inside = range(1, len(long) - 1)
    is_typo = len(short) > _LONGEST_WORD_FORM and any(
        long[:i] + long[i + 1 :] == short for i in inside
    )
    return is_typo or (long.startswith(short) and long.isascii())


def _dash(known: Cells) -> Literal["negative", "missing", "doubt"]:
    """Return what ``-`` means beside these cells.

    Negative beside ``+`` where nothing else is; in doubt beside other answers, or a single level;
    else missing.
    """
    answers = {answer(text) for _, text in known} - {None}
    signs = any("+" in clean(text) for _, text in known)
    minus = any(answer(text) == "negative" and clean(text).strip("()") != "-" for _, text in known)
    if signs:
        return "doubt" if minus else "negative"
    if answers or len({level_key(text) for _, text in known}) == 1:
        return "doubt"
    return "missing"


def _spelt(name: str, cells: Cells, declared: VariableSettings) -> dict[int, str]:
    """Levels that the cells spell, each by its commonest spelling."""
    key_of = _keys(name, cells)
    spellings: dict[str, Counter[str]] = {}
    for _, text in cells:
        spellings.setdefault(key_of(text), Counter())[_shown(text)] += 1
    n_levels = len(spellings)
    each_its_own = n_levels == len(cells) >= FEWEST_KNOWN
    if each_its_own or (n_levels > MAX_LEVELS and not declared.is_category):
        found = "a level for every patient" if each_its_own else f"{n_levels} levels"
        raise stop(
            "C10",
            f"expected at most {MAX_LEVELS} levels in the category {name!r}, found {found} "
            f"({listed((_shown(text) for _, text in cells), 12)}); unite them by "
            f"cohort.variables.{name}.levels, or take it out of the variables",
        )
    names = {
        key: min(counts, key=lambda text, of=counts: (-of[text], text.swapcase()))  # type: ignore[misc]
        for key, counts in spellings.items()
    }
    names = {key: text if any(map(str.isalnum, text)) else _word(key, text)
             for key, text in names.items()}  # fmt: skip
    return {row: names[key_of(text)] for row, text in cells}


def _word(key: str, text: str) -> str:
    return key if key in ("positive", "negative") else text.strip("()[]")


def _keys(name: str, cells: Cells) -> Callable[[str], str]:
    """Return what gives two spellings of one level one key."""
    texts = list(dict.fromkeys(text for _, text in cells))
    letters = all(answer(text, letters=True) for text in texts)
    is_graded = any((grade(text) or 0) > 1 or ("1" in text and grade(text)) for text in texts)
    key_of = partial(_key, letters=letters, is_graded=is_graded)
    keys = {key_of(text) for text in texts}
    two = keys & {"yes", "no"} and keys & {"positive", "negative"}
    if two or (is_graded and "positive" in keys):
        known = ("positive", "negative", "yes", "no")
        odd = [(row, text) for row, text in cells if key_of(text) in known or grade(text)]
        raise stop(
            "C10",
            f"expected one way of answering in {name!r}, found {named_cells(odd)}; write all in "
            f"one way, or unite them by cohort.variables.{name}.levels",
        )
    return key_of


def _key(text: str, *, letters: bool, is_graded: bool) -> str:
    if is_graded and grade(text):
        return f"{grade(text)}+"
    return answer(text, letters=letters) or level_key(text)


def _shown(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _declared_levels(declared: VariableSettings) -> dict[str, str]:
    """Return the declared level of each text that means it, by its key."""
    levels = declared.levels or {}
    spelt = levels if isinstance(levels, dict) else {level: [] for level in levels}
    own = {level_key(text): level for level, texts in spelt.items() for text in texts}
    return {level_key(level): level for level in spelt} | own


def _declared(name: str, cells: Cells, own: dict[str, str]) -> dict[int, str]:
    by_answer = {answer(level): level for level in own.values() if answer(level)}
    found = {row: own.get(level_key(text), by_answer.get(answer(text))) for row, text in cells}
    unknown = [(row, text) for row, text in cells if found[row] is None]
    if unknown:
        near = get_close_matches(clean(unknown[0][1]), list(own), n=1)
        hint = f" (did you mean {own[near[0]]!r}?)" if near else ""
        raise stop(
            "C10",
            f"expected {name!r} to be one of {listed(dict.fromkeys(own.values()))} as declared, "
            f"found {named_cells(unknown)}{hint}; correct these cells, or add them to "
            f"cohort.variables.{name}.levels",
        )
    return {row: level for row, level in found.items() if level is not None}
