"""The outcome: HER2 status by immunohistochemistry and FISH, or a binary column.

References
----------
.. [1] Wolff AC, et al. Human epidermal growth factor receptor 2 testing in breast cancer:
   ASCO/CAP clinical practice guideline focused update. J Clin Oncol 2018;36:2105-2122.
   doi:10.1200/JCO.2018.77.8738
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from her2.cohort.cells import MISSING_TOKENS as MISSING_TOKENS
from her2.cohort.cells import (
    PLAIN_RULES,
    CellRules,
    answer,
    clean,
    grade,
    level_key,
    named_cells,
    without_zeros,
    words,
)
from her2.cohort.cells import is_missing as is_missing
from her2.cohort.cells import listed as listed
from her2.cohort.problems import refuse, stop
from her2.core.errors import InputProblem

T = TypeVar("T")

HER2_POSITIVE = "HER2-positive"
_PREFIX = re.compile(
    r"^(?:(?:ihc|ihk|immun\w*|免疫组化|score|grade|(?:her-?2|c-?erb-?b-?2)(?:/neu)?)[\s:=_\-]*)+"
)
_ISH = re.compile(r"[\s(\[/,;+]*(?<![a-z])[fdcs]?ish(?![a-z])\s*[:=]?\s*")
_CUTS = re.compile(r"[()\[\],;:=|]+")
_SCORES = {
    "0": {0}, "zero": {0}, "null": {0}, "ultralow": {0}, "ultra low": {0}, "ultra-low": {0},
    "1": {1}, "2": {2}, "3": {3}, "0+": {0}, "low": {1, 2}, "equivocal": {2}, "borderline": {2},
    "grenzwertig": {2}, "equivoco": {2}, "équivoque": {2}, "不确定": {2}, "score": {0, 1, 2, 3},
    **{text: {0, 1} for text in words("0/1+ 0-1+ 1+/0 0/1 0-1 0/+")},
    "0 to 1+": {0, 1}, "0 or 1+": {0, 1},
}  # fmt: skip
_AMPLIFIED = frozenset(
    words(
        "amplified amp amplification amplifikation amplifiziert amplifié amplificado amplificada "
        "amplificato amplificata 扩增 有扩增 基因扩增"
    )
)
_AMPLIFIED_WORD = "|".join(sorted(_AMPLIFIED, key=len, reverse=True))
_NOT_AMPLIFIED = re.compile(
    r"(?:not|non|no|nicht|keine|pas|sans|un|sin|senza|未|无|未见|無)[\s\-]*(?:d'|gene )?"
    rf"(?:{_AMPLIFIED_WORD})"
)
_QUALIFIED = re.compile(  # what says how a score came about, and not which
    r"(?:very |partly )?(?:strong|weak|moderate|intense|faint|complete|incomplete|stark|schwach|"
    r"mässig|mäßig|vollständig|unvollständig)(?:ly)?(?: (?:membrane )?staining)?|pending|"
    r"[<>≤≥~]?\s*\d{1,3}(?:[.,]\d+)?\s*%(?: of (?:tumou?r )?cells)?"
)
_RATIO = re.compile(
    r"(?:(?:ratio|quotient|比值|her2/c[ea][np]1?7(?: ratio)?)[\s:=]*)?\d+(?:[.,]\d+)?"
)
_NO_RESULT = frozenset((
    "pending", "ausstehend", "待查", "equivocal", "borderline", "indeterminate", "inconclusive",
    "grenzwertig", "nicht eindeutig", "équivoque", "equivoco", "不确定", "not needed",
    "not required", "not necessary", "nicht erforderlich", "nicht nötig", "未做fish", "failed",
    "not evaluable", "nicht auswertbar",
))  # fmt: skip
_HER2_LEVELS = {"positive": 1, "negative": 0, "low": 0, "zero": 0, "null": 0, "0": 0,
                "ultralow": 0, "ultra low": 0}  # fmt: skip


@dataclass(frozen=True)
class Ihc:
    """What a cell says about immunohistochemistry.

    Attributes
    ----------
    scores
        0 to 3; several of one status, such as 0 and 1 of ``negative``.
    fish
        What it says about amplification: 1, 0, or None for nothing.
    """

    scores: frozenset[int]
    fish: int | None = None


def read_ihc(cell: str, *, dash_is_negative: bool = False) -> Ihc | None:
    """Return what a cell says; None if it is missing.

    A single ``-`` is no known level, unless the column shows that it means negative.

    Raises
    ------
    KeyError
        The cell holds no level that is known.

    Examples
    --------
    >>> read_ihc("2+ (FISH-)"), read_ihc("3＋"), read_ihc("HER2-low")
    (Ihc(scores=frozenset({2}), fish=0), Ihc(scores=frozenset({3}), fish=None), \
Ihc(scores=frozenset({1, 2}), fish=0))
    """
    text = without_zeros(clean(cell))
    if text == "-":
        if dash_is_negative:
            return Ihc(frozenset({0, 1}))
        raise KeyError(cell)
    if is_missing(text):
        return None
    ish = _ISH.search(text)
    fish = None
    if ish is not None and ish.start() > 0:
        fish = read_fish(text[ish.end() :].strip("()[] "), dash_is_negative=True)
        text = text[: ish.start()] + ("+" if "+" in ish.group() and "+" not in text[: ish.start()]
                                      else "")  # fmt: skip
    bare = re.sub(r"(\d) (?:\+|plus)", r"\1+", _PREFIX.sub("", text))
    scores = {0, 1, 2, 3}
    said = re.search(rf"{_NOT_AMPLIFIED.pattern}|(?<!\w)(?:{_AMPLIFIED_WORD})(?!\w)", bare)
    if said is not None and said.start() > 0:
        fish, bare = _amplified(said.group()), bare.replace(said.group(), " ")
    for part in filter(None, (part.strip(" .") for part in _CUTS.split(bare))):
        if scores != {0, 1, 2, 3} and _QUALIFIED.fullmatch(part):
            continue
        scores &= _scores(part)
        if part == "low":
            fish = 0 if fish is None else fish
    if len(scores) == 4 or not scores:
        raise KeyError(cell)
    return Ihc(frozenset(scores), fish)


def _scores(part: str) -> set[int]:
    """Scores that a word means; of several words those that all of them mean."""
    said = answer(part)
    own = grade(part)
    if own is not None and own <= 3:
        return {own}
    if without_zeros(part) in _SCORES:
        return _SCORES[without_zeros(part)]
    if said in ("positive", "negative"):
        return {3} if said == "positive" else {0, 1}
    words = part.split()
    words = words[:1] if _QUALIFIED.fullmatch(" ".join(words[1:])) else words
    if len(words) < 2 and words == part.split():
        raise KeyError(part)
    return set.intersection(*(set(_scores(word)) for word in words))


def _amplified(text: str) -> int | None:
    if text in _AMPLIFIED:
        return 1
    return 0 if _NOT_AMPLIFIED.fullmatch(text) else None


def read_fish(cell: str, *, dash_is_negative: bool = False) -> int | None:
    """Return 1 for amplified, 0 for not, None where not done; as `read_ihc`.

    >>> read_fish("1.0"), read_fish("nicht amplifiziert"), read_fish("n.d.")
    (1, 0, None)
    """
    text = without_zeros(clean(cell))
    if text == "-" and not dash_is_negative:
        raise KeyError(cell)
    if text != "-" and (is_missing(text) or text.rstrip(".") in _NO_RESULT):
        return None
    bare = _ISH.sub("", text, count=1).strip() or text
    if bare in ("0", "1"):
        return int(bare)
    parts = [bare] if answer(bare) else [part.strip(" .") for part in _CUTS.split(bare)]
    results = {_fish_word(part) for part in parts if part and not _RATIO.fullmatch(part)}
    if len(results) != 1 or None in results:
        raise KeyError(cell)
    return results.pop()


def _fish_word(part: str) -> int | None:
    said = {"positive": 1, "yes": 1, "negative": 0, "no": 0}
    amplified = _amplified(part.removeprefix("gene "))
    return said.get(answer(part) or "") if amplified is None else amplified


def her2_outcomes(
    ihc: Sequence[str],
    fish: Sequence[str],
    *,
    rules: CellRules = PLAIN_RULES,
    rows: Sequence[int] | None = None,
) -> list[int | InputProblem]:
    """HER2 status of every lesion, 1 positive, 0 negative, or the reason to exclude it.

    IHC 0 and 1+ are negative, HER2-low is negative, 3+ is positive, 2+ is what FISH says. FISH
    never overrules a clear IHC, and never stands in for a missing one. FISH may stand in the IHC
    cell: ``2+ (FISH-)``.

    Raises
    ------
    BadCohort
        C10, with all cells of either column that hold no known level.
    """
    rows = range(1, len(ihc) + 1) if rows is None else rows
    scores = _read_column(ihc, rules, read_ihc)
    amplified = _read_column(fish, rules, read_fish)
    unknown = []
    ratio = ""
    if any(isinstance(read, KeyError) and _RATIO.fullmatch(clean(cell))
           for read, cell in zip(amplified, fish, strict=True)):  # fmt: skip
        ratio = " (a ratio alone is no result: it needs the copy number)"
    expectations = (("IHC", scores, ihc, "0, 1+, 2+, 3+ or empty"),
                    ("FISH", amplified, fish, f"positive, negative or empty{ratio}"))  # fmt: skip
    for name, read, cells, expected in expectations:
        odd = [(row, cell) for row, cell, found in zip(rows, cells, read, strict=True)
               if isinstance(found, KeyError)]  # fmt: skip
        if odd:
            unknown.append(f"{name} to be {expected}, found {named_cells(odd)}")
    if unknown:
        raise stop(
            "C10",
            f"expected {'; and '.join(unknown)}; correct these cells, or name those that mean "
            "missing by cohort.missing_tokens",
        )
    return [
        _decided(score, found)
        for score, found in zip(scores, amplified, strict=True)
        if not isinstance(score, KeyError) and not isinstance(found, KeyError)
    ]


def her2_status(ihc: str, fish: str) -> int:
    """HER2 status of one lesion by `her2_outcomes`: 1 positive, 0 negative.

    >>> her2_status("3+", ""), her2_status("2+", "not amplified"), her2_status("1+", "neg")
    (1, 0, 0)
    """
    (status,) = her2_outcomes([ihc], [fish])
    if isinstance(status, InputProblem):
        raise status
    return status


def _read_column(
    cells: Sequence[str], rules: CellRules, read: Callable[..., T | None]
) -> list[T | KeyError | None]:
    """Return what every cell says or its error; ``-`` beside ``+`` is negative."""
    texts = ["" if rules.is_declared(cell) else cell for cell in cells]
    known = {clean(text).strip("()[] ") for text in texts}
    signs = any(re.fullmatch(r"\++", text) for text in known)
    negative = any(answer(text) == "negative" and text != "-" for text in known)
    found: list[T | KeyError | None] = []
    for text in texts:
        try:
            found.append(read(text, dash_is_negative=signs and not negative))
        except KeyError as error:
            found.append(error)
    return found


def _decided(ihc: Ihc | None, fish: int | None) -> int | InputProblem:
    if ihc is None:
        return refuse("C15", "IHC is missing", "add the IHC score; an outcome is never imputed")
    if None not in (ihc.fish, fish) and ihc.fish != fish:
        what = "FISH in the IHC cell contradicts the column of FISH"
        return refuse("C13", what, "have pathology review the case")
    amplified = fish if ihc.fish is None else ihc.fish
    scores = ihc.scores - {2} if len(ihc.scores) > 1 else ihc.scores  # low: 1+, or 2+ with FISH -
    if scores == {2}:
        if amplified is None:
            return refuse("C12", "IHC 2+ without FISH", "add the FISH result")
        return amplified
    status = int(scores == {3})
    if amplified is not None and amplified != status:
        named = "/".join("0" if score == 0 else f"{score}+" for score in sorted(scores))
        what = f"IHC {named} with FISH {'positive' if amplified else 'negative'}"
        return refuse("C13", what, "have pathology review the case")
    return status


def binary_outcome(
    values: Sequence[str],
    positive: str | None,
    *,
    rules: CellRules = PLAIN_RULES,
    rows: Sequence[int] | None = None,
) -> list[int | None]:
    """Outcome of every cell: 1 the `positive` level, 0 the other one, None where missing.

    `positive` is None where the column holds 0 and 1, or names HER2-positive and others:
    HER2-low and HER2-zero are negative.
    """
    rows = range(1, len(values) + 1) if rows is None else rows
    known = [cell for cell in values if not rules.is_missing(cell)]
    dashes = [(row, cell) for row, cell in zip(rows, values, strict=True) if clean(cell) == "-"]
    dash_is_level = bool(dashes) and _is_dash_a_level(known, positive, dashes)
    spelt = [*known, *(["-"] if dash_is_level else []), *([str(positive)] if positive else [])]
    letters = all(answer(cell, letters=True) for cell in spelt)
    keys = [
        (answer(cell, letters=letters) or level_key(cell))
        if not rules.is_missing(cell) or (dash_is_level and clean(cell) == "-") else None
        for cell in values
    ]  # fmt: skip
    wanted = None
    if positive is not None:
        wanted = answer(positive, letters=letters) or level_key(str(positive))
    return _coded(keys, wanted, positive, list(zip(rows, values, strict=True)))


def _is_dash_a_level(
    known: Sequence[str], positive: str | None, dashes: Sequence[tuple[int, str]]
) -> bool:
    """Whether ``-`` is an outcome: beside ``+``; else it is missing, or in doubt (C16)."""
    others = {answer(cell) or level_key(cell) for cell in known}
    signs = any(clean(cell).strip("()[] ") == "+" for cell in (*known, positive or ""))
    if signs and "negative" not in others:
        return True
    if len(others) < 2 or (signs and "negative" in others):
        raise stop(
            "C16",
            f"expected two outcomes whose names are certain, found {named_cells(dashes)}; write "
            "negative, or leave missing cells empty",
        )
    return False


def _coded(
    keys: Sequence[str | None], wanted: str | None, positive: str | None,
    cells: Sequence[tuple[int, str]],
) -> list[int | None]:  # fmt: skip
    levels = sorted({key for key in keys if key is not None})
    by_her2 = {level: _her2_level(level) for level in levels}
    names_her2 = any(level.startswith("her2 ") for level in levels)
    is_her2 = names_her2 or (len(levels) > 2 and "positive" in levels)
    whole = wanted in (None, "her2 positive", "positive") and 1 in by_her2.values()
    if is_her2 and None not in by_her2.values() and whole:
        return [None if key is None else by_her2[key] for key in keys]
    found = f"found {listed(_first_of(keys, cells)) or 'no value at all'}"
    if len(levels) > 2:
        raise stop(
            "C16",
            f"expected two outcomes, {found}; {_way_out(levels)}",
        )
    if set(levels) <= {"0", "1"} and wanted in ("yes", "no"):
        wanted = "1" if wanted == "yes" else "0"
    if wanted is None:
        if not set(levels) <= {"0", "1"}:
            raise stop(
                "C16", f"expected outcomes 0 and 1, {found}; name the positive one: "
                "cohort.positive=..."
            )  # fmt: skip
        return [None if key is None else int(key) for key in keys]
    if levels and wanted not in levels:
        raise stop(
            "C16", f"expected the positive outcome {positive!r}, {found}; name one of these"
        )
    return [None if key is None else int(key == wanted) for key in keys]


def _way_out(levels: Sequence[str]) -> str:
    """Return what to do about more than two outcomes."""
    if all(grade(level) or level in ("0", "1", "2", "3", "negative") for level in levels) and any(
        grade(level) for level in levels
    ):
        return "bring IHC scores as her2_ihc, and her2_fish for 2+"
    return ("name those that mean missing by cohort.missing_tokens, or leave out the rows of "
            "the others")  # fmt: skip


def _first_of(keys: Sequence[str | None], cells: Sequence[tuple[int, str]]) -> list[str]:
    """Return the first spelling of every level, the levels in order."""
    first: dict[str, str] = {}
    for key, (_, text) in zip(keys, cells, strict=True):
        if key is not None:
            first.setdefault(key, text)
    return [first[key] for key in sorted(first)]


def _her2_level(key: str) -> int | None:
    return _HER2_LEVELS.get(key.removeprefix("her2 "))
