"""`quarantine.csv` opens in a spreadsheet without running anything."""

import csv

from her2.cohort import write_quarantine
from her2.cohort.problems import COLUMNS, neutralise
from her2.core.types import Problem


def test_gravest_first_and_formulas_are_text(tmp_path):
    problems = [
        Problem("D42", "warning", "b", "1", "i.png", "w", "f"),
        Problem("M06", "quarantined", "=cmd|' /C calc'!A0", "+1", "-x.png", "@what", 'a, "b"\nc'),
    ]
    path = tmp_path / "run" / "quarantine.csv"
    write_quarantine(path, problems)
    with path.open(newline="", encoding="utf-8") as stream:
        header, first, second = csv.reader(stream)
    assert tuple(header) == COLUMNS
    assert first == [
        "M06", "quarantined", "'=cmd|' /C calc'!A0", "'+1", "'-x.png", "'@what", 'a, "b"\nc'
    ]  # fmt: skip
    assert second[0] == "D42"


def test_every_trigger_is_neutralised():
    for trigger in "=+-@\t\r\n\0":
        assert neutralise(f"{trigger}1") == f"'{trigger}1"
    assert neutralise("a=1") == "a=1"


def test_no_problem_leaves_the_header(tmp_path):
    write_quarantine(tmp_path / "q.csv", [])
    assert (tmp_path / "q.csv").read_text() == ",".join(COLUMNS) + "\n"
