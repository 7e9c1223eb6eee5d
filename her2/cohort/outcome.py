"""The outcome: HER2 status by immunohistochemistry and FISH, or a binary column.

References
----------
.. [1] Wolff AC, et al. Human epidermal growth factor receptor 2 testing in breast cancer:
   ASCO/CAP clinical practice guideline focused update. J Clin Oncol 2018;36:2105-2122.
   doi:10.1200/JCO.2018.77.8738
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from her2.cohort.problems import refuse, stop

HER2_POSITIVE = "HER2-positive"
MISSING_TOKENS = frozenset(("", "na", "n/a", "nan", "not available", "-", "unknown"))
_IHC = {
    "0": "0", "0+": "0", "1": "1+", "1+": "1+", "+": "1+", "2": "2+", "2+": "2+", "++": "2+",
    "equivocal": "2+", "3": "3+", "3+": "3+", "+++": "3+",
}  # fmt: skip
_FISH = {
    **dict.fromkeys(("positive", "pos", "+", "amplified", "amp", "1", "yes", "阳性", "扩增"), 1),
    **dict.fromkeys(
        ("negative", "neg", "not amplified", "non-amplified", "nonamplified", "unamplified", "0",
         "no", "阴性", "未扩增", "无扩增"), 0,
    ),
}  # fmt: skip
_NOT_DONE = MISSING_TOKENS - {"-"} | {"not done", "not performed", "未查"}
_BINARY = {"0": 0, "1": 1}


def clean(text: str) -> str:
    """Text as it is compared: compatibility forms unified, outer blanks and case removed.

    >>> clean(" ２＋ ")
    '2+'
    """
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def her2_status(ihc: str, fish: str) -> int:
    """HER2 status of one lesion: 1 positive, 0 negative.

    IHC 0 and 1+ are negative, 3+ is positive, 2+ is what FISH says. FISH never overrules a
    clear IHC, and never stands in for a missing one. A single ``-`` is no known level: it may
    mean negative or not done.

    >>> her2_status("3+", ""), her2_status("2+", "not amplified"), her2_status("1+", "neg")
    (1, 0, 0)
    """
    check_levels([ihc], [fish])
    level, amplified = _IHC.get(_bare(ihc)), _FISH.get(clean(fish))
    if level is None:
        raise refuse("C15", "IHC is missing", "add the IHC score; an outcome is never imputed")
    if level == "2+":
        if amplified is None:
            raise refuse("C12", "IHC 2+ without FISH", "add the FISH result")
        return amplified
    status = int(level == "3+")
    if amplified is not None and amplified != status:
        what = f"IHC {level} with FISH {'positive' if amplified else 'negative'}"
        raise refuse("C13", what, "have pathology review the case")
    return status


def check_levels(ihc: Iterable[str], fish: Iterable[str]) -> None:
    """Refuse a table in which IHC or FISH holds a level that is not known (`BadCohort` C10)."""
    columns = (
        ("IHC", ihc, _IHC, "0, 1+, 2+, 3+ or empty"),
        ("FISH", fish, _FISH, "positive, negative or empty"),
    )
    for name, cells, levels, expected in columns:
        known = {*levels, *_NOT_DONE}
        unknown = sorted({cell for cell in cells if _bare(cell) not in known})
        if unknown:
            raise stop(
                "C10",
                f"expected {name} to be {expected}, found {listed(unknown)}; "
                "correct these cells in the table",
            )


def binary_outcome(values: Sequence[str], positive: str | None) -> list[int | None]:
    """Outcome of every cell: 1 the `positive` level, 0 the other one, None where missing.

    `positive` is None where the column holds 0 and 1.
    """
    cells = [_number_free(clean(value)) for value in values]
    levels = sorted({cell for cell in cells if not is_missing(cell)})
    found = f"found {listed(levels) or 'no value at all'}"
    if len(levels) > 2:
        raise stop("C16", f"expected two outcomes, {found}; leave out the rows of the others")
    if positive is None:
        if not set(levels) <= set(_BINARY):
            raise stop(
                "C16", f"expected outcomes 0 and 1, {found}; name the positive one: positive=..."
            )
        return [_BINARY.get(cell) for cell in cells]
    wanted = _number_free(clean(str(positive)))
    if levels and wanted not in levels:
        raise stop(
            "C16", f"expected the positive outcome {positive!r}, {found}; name one of these"
        )
    return [None if is_missing(cell) else int(cell == wanted) for cell in cells]


def is_missing(text: str) -> bool:
    """Whether a cell says that its value is not known.

    >>> is_missing("N/A"), is_missing("0")
    (True, False)
    """
    return clean(text) in MISSING_TOKENS


def listed(values: Iterable[str], limit: int = 10) -> str:
    """Values for a message, quoted, the first few of many."""
    distinct = list(dict.fromkeys(values))
    text = ", ".join(repr(value) for value in distinct[:limit])
    return text + (f" and {len(distinct) - limit} more" if len(distinct) > limit else "")


def _bare(cell: str) -> str:
    """Level without brackets and without the ``.0`` that a spreadsheet adds."""
    return _number_free(clean(cell).strip("()"))


def _number_free(cell: str) -> str:
    return cell[:-2] if cell.endswith(".0") and cell[:-2].isdigit() else cell
