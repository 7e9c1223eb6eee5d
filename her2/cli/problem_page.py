"""Tables of all problem codes, made of the catalogue.

``python -m her2.cli.problem_page docs/problem_codes.md`` makes those of the page anew, and leaves
what is written around them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from her2.cohort import CATALOGUE
from her2.core.store import write_atomic

FIRST, LAST = "<!-- tables -->\n", "<!-- end of tables -->\n"
TITLES = {
    "A": "All lesions side by side",
    "D": "Images",
    "M": "Masks",
    "R": "Extraction of features",
    "S": "Paths",
    "C": "Table",
    "E": "Protocol",
}


def problem_page(page: str) -> str:
    """Return a page with the tables of the catalogue between its two marks."""
    before, mark, rest = page.partition(FIRST)
    _, end, after = rest.partition(LAST)
    if not (mark and end):
        raise ValueError(f"expected the lines {FIRST!r} and {LAST!r}, found a page without")
    return f"{before}{FIRST}\n" + "\n".join(_tables()) + f"\n{LAST}{after}"


def _tables() -> Iterator[str]:
    for letter, codes in groupby(CATALOGUE, key=lambda code: code[0]):
        yield f"## {TITLES[letter]}\n"
        yield "| code | severity | what it means | what to do |"
        yield "| --- | --- | --- | --- |"
        yield from (f"| {' | '.join((code, *CATALOGUE[code]))} |" for code in codes)
        yield ""


if __name__ == "__main__":
    named = Path(sys.argv[1])
    write_atomic(named, problem_page(named.read_text(encoding="utf-8")).encode())
