"""What a cell says: one reading of text for clinical variables, outcome, IHC and FISH.

A cell is compared after `clean`; `is_missing` and `answer` know the words of several languages.
What one reading cannot decide is decided by the column as a whole or refused, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from her2.core.settings import VariableSettings

Cells = Sequence[tuple[int, str]]  # (row in the file, text)
Answer = Literal["positive", "negative", "yes", "no"]


def words(text: str) -> list[str]:
    """Words of a text; vocabularies are written as one.

    >>> words("ja nein")
    ['ja', 'nein']
    """
    return text.split()


MISSING_TOKENS = frozenset(words(
    """
    na n/a n.a. n.a nan <na> nat null - -- --- . .. ... ? ?? / // #n/a #na #nv #n/d missing unknown
    unk n.d. n.d nd n.b. n/d k.a. k.a ka unbekannt fehlt fehlend inconnu inconnue desconocido
    desconocida sconosciuto desconhecido неизвестно 未查 未知 不详 不明 未检 未测 未做 缺失
    """
)) | {
    "", "not available", "not applicable", "not known", "not done", "not performed",
    "not determined", "not tested", "not assessed", "not reported", "not evaluated", "no data",
    "keine angabe", "keine angaben", "k. a.", "n. d.", "n. b.", "n. a.", "nicht bestimmt",
    "nicht bekannt", "nicht untersucht", "nicht durchgeführt", "nicht verfügbar",
    "non disponible", "non fait", "non connu", "no disponible", "no realizado", "non eseguito",
    "non noto", "non disponibile", "не определено", "нет данных",
}  # fmt: skip
# words that mean missing or none: the reader of the cohort must say
_DOUBTFUL = frozenset(words("none nil tbd pending 待查"))
_FAULT = re.compile(r"#\S+[!?]")  # of a spreadsheet, in its language: #REF!, #BEZUG!, #VALEUR!
_WORDS: dict[Answer, str] = {
    "positive": "positive pos pos. + positiv positif positivo positiva positief pozitif pozitivni "
    "dodatni положительный положительно положительная полож. 阳性 阳 陽性 양성 θετικο ايجابي",
    "negative": "negative neg neg. - negativ negatif negativo negativa negatief negativni ujemny "
    "отрицательный отрицательно отрицательная отриц. 阴性 阴 陰性 음성 αρνητικο سلبي",
    "yes": "yes ja oui si sim da да true wahr vrai verdadero vero waar 真 tak evet ano "
    "igen ναι 是 有 はい あり 예 네 유 نعم",
    "no": "no nein non nao nee nej нет false falsch faux falso onwaar 假 nie hayır nem "
    "οχι 否 无 無 没有 いいえ なし 아니오 아니요 무 لا",
}
_LETTERS: dict[Answer, str] = {"yes": "y j o s t", "no": "n f", "positive": "p", "negative": ""}


def _unaccented(text: str) -> str:
    """Latin and Greek letters without accents; other scripts as they are."""
    return "".join(
        c for c in unicodedata.normalize("NFD", text)
        if not "\u0300" <= c <= "\u036f"
    ) if text and text[0] < "\u0600" else text  # fmt: skip


_ANSWERS: dict[str, Answer] = {
    _unaccented(w): k for k, text in _WORDS.items() for w in words(text)
}
_ONE_LETTER: dict[str, Answer] = {w: k for k, text in _LETTERS.items() for w in words(text)}
_SAME = str.maketrans(
    dict.fromkeys("‐‑‒–—―−﹣", "-") | dict.fromkeys("’‘`´′ʼ", "'") | {"≦": "≤", "≧": "≥", "٫": "."}
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff")
    | {mark: f"^{n}" for n, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "^-"}
)  # fmt: skip
_BRACKETS = re.compile(r"[()\[\]【】]")
_GRADE = re.compile(r"(?:([0-4]) ?\+|\+ ?([1-4])|(\+{1,4}))")
_WITH_ZEROS = re.compile(r"([+-]*\d+)(?:\.0+|,00?)")
_INNER = re.compile(r"(?<=\w)[\s_.\-]+(?=\w)")
_HER2 = re.compile(r"^(?:her-?2|c-?erb-?b-?2)(?:/neu)?(?=.)")


@dataclass(frozen=True)
class CellRules:
    """What the settings of a cohort say about its cells.

    Attributes
    ----------
    missing
        Further texts or numbers that mean missing.
    below_limit
        What ``<5`` is: half of the limit, the limit, or missing; None: refused.
    decimal
        What stands before decimals throughout: "point" or "comma"; None: the cells decide.
    approximate
        Whether ``ca. 20`` is 20 and ``30-40`` is 35; else these are refused.
    variables
        What is declared of variables, by name.
    """

    missing: tuple[str, ...] = ()
    below_limit: Literal["half", "limit", "missing"] | None = None
    decimal: Literal["point", "comma"] | None = None
    approximate: bool = False
    variables: Mapping[str, VariableSettings] = field(default_factory=dict)

    def is_missing(self, cell: str) -> bool:
        """Whether a cell is declared, or well known, to mean that a value is missing."""
        return is_missing(cell) or self.is_declared(cell)

    def is_declared(self, cell: str) -> bool:
        """Whether a cell is one of the declared texts, or equals one of the declared numbers.

        >>> CellRules(("999", "tbd")).is_declared("999.0"), CellRules(("9",)).is_declared("99")
        (True, False)
        """
        text = without_zeros(clean(cell))
        return any(text == without_zeros(clean(token)) for token in self.missing)


PLAIN_RULES = CellRules()


def clean(text: str) -> str:
    """Text as it is compared.

    Compatibility forms, minus signs, apostrophes and digits of all scripts are unified; outer
    blanks, invisible characters, case and the apostrophe by which spreadsheets keep text are
    removed. A raised digit keeps a mark: ``5²`` is no 52.

    >>> clean(" ２＋ "), clean("−9"), clean("5²")
    ('2+', '-9', '5^2')
    """
    same = unicodedata.normalize("NFKC", text.translate(_SAME)).translate(_SAME)
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in same)
    return " ".join(digits.split()).casefold().lstrip("' ")


def without_zeros(text: str) -> str:
    """Return a whole number without the ``.0`` or ``,0`` that programs add.

    >>> without_zeros("1.0"), without_zeros("-9.00"), without_zeros("1.50"), without_zeros("a.0")
    ('1', '-9', '1.50', 'a.0')
    >>> without_zeros("1,0"), without_zeros("1,000")
    ('1', '1,000')
    """
    found = _WITH_ZEROS.fullmatch(text)
    return found[1] if found else text


def is_missing(text: str) -> bool:
    """Whether a cell says that its value is not known.

    >>> is_missing("N/A"), is_missing("未查"), is_missing("0")
    (True, True, False)
    """
    return clean(text) in MISSING_TOKENS


def is_doubtful(text: str) -> bool:
    """Whether a cell may say that its value is not known, or is a fault of a spreadsheet.

    >>> is_doubtful("pending"), is_doubtful("#BEZUG!"), is_doubtful("#1")
    (True, True, False)
    """
    return clean(text) in _DOUBTFUL or bool(_FAULT.fullmatch(clean(text)))


def answer(cell: str, *, letters: bool = False) -> Answer | None:
    """Return what a cell answers, in any of the known languages; None if it is no such word.

    Parts in brackets must say the same. A single letter counts with `letters` only.

    >>> answer("（＋）"), answer("Négatif"), answer("阳性 (+)"), answer("Nein"), answer("n")
    ('positive', 'negative', 'positive', 'no', None)
    """
    parts = [_unaccented(part) for part in _BRACKETS.split(clean(cell)) if part.strip()]
    known = _ANSWERS | _ONE_LETTER if letters else _ANSWERS
    found = {known.get(part.strip()) or known.get(part.strip(" .,;")) for part in parts}
    return found.pop() if len(found) == 1 else None


def grade(cell: str) -> int | None:
    """Return the grade of ``++``, ``2+``, ``+2`` or ``(++)``; None if a cell is none of these.

    >>> grade("＋＋"), grade("(3+)"), grade("+"), grade("0"), grade("+5")
    (2, 3, 1, None, None)
    """
    found = _GRADE.fullmatch(clean(cell).strip("()[] "))
    if found is None:
        return None
    return int(found[1] or found[2] or len(found[3]))


def level_key(cell: str) -> str:
    """Text by which the spellings of one level are equal.

    >>> level_key("HER2 low") == level_key("HER-2-low"), level_key("T_1") == level_key("t1")
    (True, False)
    """
    text = without_zeros(clean(cell).rstrip(".,;") or clean(cell))
    named = _HER2.match(text)
    if named is None:
        return _INNER.sub(" ", text)
    rest = text[named.end() :].strip()
    rest = rest if answer(rest) else rest.lstrip(" :_-") or rest
    return f"her2 {answer(rest) or _INNER.sub(' ', rest)}"


def listed(values: Iterable[str], limit: int = 10) -> str:
    """Values for a message, quoted, the first few of many."""
    distinct = list(dict.fromkeys(values))
    text = ", ".join(repr(value) for value in distinct[:limit])
    return text + (f" and {len(distinct) - limit} more" if len(distinct) > limit else "")


def named_cells(cells: Cells, limit: int = 20) -> str:
    """Cells for a message, by their text and their rows.

    >>> named_cells([(2, "x"), (5, "y"), (7, "x")])
    "'x' (rows 2, 7), 'y' (row 5)"
    """
    rows: dict[str, list[int]] = {}
    for row, text in cells:
        rows.setdefault(text, []).append(row)
    shown = [f"{text!r} ({_rows(found)})" for text, found in list(rows.items())[:limit]]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return ", ".join(shown) + more


def _rows(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:10]))
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{more}"
