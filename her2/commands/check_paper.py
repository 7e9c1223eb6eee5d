"""Printed numbers of a published paper, checked for contradictions."""

from __future__ import annotations

from pathlib import Path

from her2.paper_checks import check, read_numbers


def check_paper(numbers: Path | str) -> int:
    """Print every contradiction between the numbers that a paper prints, and count them.

    Parameters
    ----------
    numbers
        YAML file of the claims, as docs/check_paper.md describes it.

    Returns
    -------
    int
        Exit status: 0 if the numbers can all be right, 1 if not.

    Raises
    ------
    MissingInput
        If there is no such file.
    BadConfig
        If the file cannot be understood.
    """
    study = read_numbers(numbers)
    found = check(study)
    for contradiction in found:
        print(contradiction)
    checked = f"{_counted(len(study.claims), 'claim')} checked"
    if not found:
        print(f"{checked}: no contradiction; the numbers can all be right")
        return 0
    n_rules = len({contradiction.rule for contradiction in found})
    print(f"{checked}: {_counted(len(found), 'contradiction')} of {_counted(n_rules, 'kind')}")
    return 1


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
