"""Rows of a text table (.csv, .tsv): its encoding, line ends and separator.

None of them is guessed where two readings are possible.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from itertools import islice

from her2.cohort.problems import Note, stop

Rows = list[tuple[int, list[str]]]
SEPARATORS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_LINE_END = re.compile("\r\n|\n\r|\r")
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)
_LEGACY = {"gb18030": "GB18030", "big5": "Big5", "cp1252": "Windows-1252"}
_CERTAIN = 0.9  # share of the characters beyond ASCII that are usual ones
_HEADER_LINES = 50
_WESTERN_SIGNS = "°±²³µ·×€–—‘’“”…«»§®™ªº"


def rows_of_text(payload: bytes, encoding: str | None = None) -> tuple[Rows, list[Note]]:
    r"""Return (line number, cells) of every line, blank ones included, and notes.

    Line ends may be those of any system, or mixed. A first line ``sep=;`` names the separator.

    Parameters
    ----------
    payload
        Content of the file.
    encoding
        Its encoding; None: UTF-8, what a byte order mark says, UTF-16, or (with a note) GB18030,
        Big5 or Windows-1252 where only one of these makes sense.

    Examples
    --------
    >>> rows_of_text(b"sep=;\rid;a\r1;2")[0]
    [(1, []), (2, ['id', 'a']), (3, ['1', '2'])]
    """
    text, notes = _decode(payload, encoding)
    if "\0" in text:
        line = _line(text[: text.index("\0")])
        raise stop("C06", f"expected text, found a NUL byte in line {line}; save the csv again")
    text = _LINE_END.sub("\n", text)
    first, _, rest = text.partition("\n")
    declared = _SEPARATOR_LINE.fullmatch(first)
    separator = declared.group(1) if declared else _separator(text)
    return _cut("\n" + rest if declared else text, separator), notes


def _cut(text: str, separator: str) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: Rows = []
    try:
        for cells in reader:
            rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise stop(
            "C07", f"expected a csv table, found {error} in line {reader.line_num}; correct it"
        ) from None
    return rows


def _separator(text: str) -> str:
    """Return the separator that cuts the header into most names.

    The header is the first line with ``patient_id`` in it, or the first one.
    """
    lines = list(islice((line for line in io.StringIO(text) if line.strip()), _HEADER_LINES))
    header = next((line for line in lines if "patient_id" in line.casefold()), None)
    header = header or next(iter(lines), "")
    cuts = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in SEPARATORS}
    return max(SEPARATORS, key=lambda mark: cuts[mark])


def _decode(payload: bytes, encoding: str | None) -> tuple[str, list[Note]]:
    named = encoding or next((name for mark, name in _MARKS if payload.startswith(mark)), None)
    named = named or _utf16_without_mark(payload)
    try:
        return payload.decode(named or "utf-8").removeprefix("\ufeff"), []
    except LookupError:
        raise stop(
            "C06", f"expected cohort.encoding=gb18030 or another encoding, found {named!r}; "
            "correct it",
        ) from None  # fmt: skip
    except UnicodeDecodeError as error:
        line = _line(payload[: error.start].decode(named or "utf-8", errors="ignore"))
        if named is not None:
            raise stop(
                "C06", f"expected {named}, found another encoding in line {line}; save the csv as "
                "UTF-8",
            ) from None  # fmt: skip
    return _legacy_text(payload, line)


def _utf16_without_mark(payload: bytes) -> str | None:
    """UTF-16 if every second byte of the text's ASCII characters, or most of them, is 0."""
    head = payload[:4096]
    if len(payload) % 2 or not head:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < 0.2 * len(head) / 2 or min(even, odd):
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _legacy_text(payload: bytes, line: int) -> tuple[str, list[Note]]:
    """Text in the one older encoding in which it makes sense; refused where none or two do."""
    loose = payload.decode("utf-8", errors="replace")
    n_wrong = loose.count("\ufffd")
    n_right = sum(character > "\x7f" for character in loose) - n_wrong
    possible = [name for name in _LEGACY if _usual_share(payload, name) >= _CERTAIN]
    # the bytes of common Chinese in GB 2312 are text in Big5 as well
    possible = [name for name in possible if name != "big5"] or possible
    if n_right > n_wrong or len(possible) != 1:
        found = " or ".join(_LEGACY[name] for name in possible) or "another encoding"
        raise stop(
            "C06",
            f"expected UTF-8, found {found} in line {line}; save the csv as UTF-8, or name its "
            "encoding: cohort.encoding=gb18030, big5 or cp1252",
        )
    what = f"the table is not UTF-8; it is read as {_LEGACY[possible[0]]}"
    fix = "check the names and levels, or save the table as UTF-8"
    return payload.decode(possible[0]), [Note("C06", what, fix, severity="normalised")]


def _usual_share(payload: bytes, encoding: str) -> float:
    r"""Share of the characters beyond ASCII that a text in this encoding usually has.

    >>> _usual_share("Größe".encode("cp1252"), "cp1252"), _usual_share(b"\x81", "cp1252")
    (1.0, 0.0)
    """
    try:
        text = payload.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    usual = _is_western if encoding == "cp1252" else _is_common_chinese
    found = [usual(text, i, encoding) for i, character in enumerate(text) if character > "\x7f"]
    return sum(found) / max(len(found), 1)


def _is_western(text: str, i: int, encoding: str) -> bool:
    """Whether a letter stands alone or beside one of ASCII, and a sign alone: Müller, 5 µm."""
    around = text[max(0, i - 1) : i] + text[i + 1 : i + 2]
    is_alone = not any(mark > "\x7f" for mark in around)
    if text[i].isalpha() and text[i] not in _WESTERN_SIGNS:
        return is_alone or any("a" <= mark.casefold() <= "z" for mark in around)
    return text[i] in _WESTERN_SIGNS and is_alone


def _is_common_chinese(text: str, i: int, encoding: str) -> bool:
    """Whether a character is a common one of GB 2312 or Big5, or punctuation.

    Two bytes beside letters of a word, as in ``gr(öß)e``, are no Chinese character.
    """
    lead, trail = [*text[i].encode(encoding), 0][:2]
    if encoding == "gb18030" and trail < 0xA1:
        return False
    around = text[i - 1 : i], text[i + 1 : i + 2]
    if all("a" <= mark.casefold() <= "z" for mark in around):
        return False
    first, last = (0xB0, 0xD7) if encoding == "gb18030" else (0xA4, 0xC6)
    is_wide = unicodedata.east_asian_width(text[i]) in "WFA"
    return is_wide and (0xA1 <= lead <= 0xA3 or first <= lead <= last)


def _line(before: str) -> int:
    return _LINE_END.sub("\n", before).count("\n") + 1
