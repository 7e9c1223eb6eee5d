"""Printed numbers of a published paper, checked for contradictions."""

from __future__ import annotations

import sys
from pathlib import Path

from her2.core.errors import BadConfig
from her2.core.settings import CheckPaperSettings
from her2.paper_checks import check, read_numbers


def check_paper(settings: CheckPaperSettings, run_dir: Path) -> int:
    """Print and count the contradictions between a paper's numbers; 1 if there are any.

    The file of the claims is as docs/check_paper.md describes it; nothing is written.
    """
    if settings.numbers is None:
        raise BadConfig(
            "expected a file of printed numbers, found none; name it: "
            "her2 check-paper NUMBERS.yaml"
        )
    study = read_numbers(settings.numbers)
    found = check(study)
    for contradiction in found:
        sys.stdout.write(f"{contradiction}\n")
    checked = f"{_counted(len(study.claims), 'claim')} checked"
    if not found:
        sys.stdout.write(f"{checked}: no contradiction; the numbers can all be right\n")
        return 0
    n_rules = len({contradiction.rule for contradiction in found})
    kinds = f"{_counted(len(found), 'contradiction')} of {_counted(n_rules, 'kind')}"
    sys.stdout.write(f"{checked}: {kinds}\n")
    return 1


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
