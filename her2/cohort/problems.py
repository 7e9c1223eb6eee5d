"""Bad input: what leaves a case out, stops a cohort or is noted, each with a code.

A case that cannot be trusted raises `InputProblem` (see `refuse`); a cohort that cannot be
studied at all raises `BadCohort` (see `stop`); what is used nevertheless leaves a `Note`.
`write_quarantine` lists them for the person who repairs the data.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from her2.cohort.catalogue import CATALOGUE, Severity
from her2.core.errors import BadCohort, InputProblem
from her2.core.store import write_atomic
from her2.core.types import Problem

SEVERITIES = ("stop", "quarantined", "excluded", "warning", "normalised")
COLUMNS = ("code", "severity", "patient_id", "lesion_id", "path", "message", "fix")
_SENTENCE = re.compile(r"([A-Z]\d\d): (.*?)(?:; ([^;]*))?", re.DOTALL)
Found = TypeVar("Found")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
LEFT_OUT: tuple[Severity, ...] = ("quarantined", "excluded")


@dataclass(frozen=True)
class Note:
    """A problem of a case that is noted and not raised.

    Attributes
    ----------
    code
        Of the `CATALOGUE`.
    what, fix
        What was found, and what to do about it.
    path
        Relative to the cohort's folder; filled in by the caller that knows it.
    severity
        Replaces the catalogue's where the same problem is graver or lighter.
    """

    code: str
    what: str
    fix: str
    path: str = ""
    severity: Severity | None = None

    @property
    def level(self) -> Severity:
        """Severity that applies."""
        listed = CATALOGUE[self.code].severity
        if self.severity is not None:
            return self.severity
        if listed == "stop":
            raise ValueError(f"{self.code} stops a study; raise it with `stop`")
        return listed

    def problem(self, patient_id: str, lesion_id: str) -> Problem:
        """Line of `quarantine.csv` for this note."""
        return Problem(
            self.code, self.level, patient_id, lesion_id, self.path, self.what, self.fix
        )


def refuse(code: str, what: str, fix: str) -> InputProblem:
    """Error for one case that must not enter the study, whatever the code's severity elsewhere."""
    assert refusal_severity(code) in LEFT_OUT
    return InputProblem(code, what, fix)


def refusal_severity(code: str) -> Severity:
    """Severity of a refusal: the catalogue's, but never lighter than ``quarantined``.

    A code may be normalised where the file can be used, and refused where it cannot.

    >>> refusal_severity("M08"), refusal_severity("C15")
    ('quarantined', 'excluded')
    """
    listed = CATALOGUE[code].severity
    assert listed != "stop", f"{code} stops a study; raise it with `stop`"
    return listed if listed in LEFT_OUT else "quarantined"


def as_note(problem: InputProblem, severity: Severity | None = None) -> Note:
    """Note of a refusal, which leaves its case out unless `severity` says otherwise.

    A lighter one is for what a lesion can do without, as the second reader's mask.
    """
    level = severity or refusal_severity(problem.code)
    return Note(problem.code, problem.what, problem.fix, severity=level)


def stop(code: str, sentence: str, listed: Iterable[Problem] = ()) -> BadCohort:
    """Error for a cohort that cannot be studied; `sentence` names no patient, `listed` may."""
    assert code in CATALOGUE, code
    return BadCohort(f"{code}: {sentence}", listed=tuple(listed))


class Stops:
    """What stops a cohort, collected so that all of it is said at once.

    Attributes
    ----------
    found
        One error a reason.
    """

    def __init__(self, found: Iterable[BadCohort] = ()) -> None:
        self.found = list(found)

    def attempt(self, check: Callable[[], Found]) -> Found | None:
        """Return what a check returns; None, with the error kept, where it stops the cohort."""
        try:
            return check()
        except BadCohort as error:
            self.found.append(error)
            return None

    def raise_all(self, listed: Sequence[Problem] = ()) -> None:
        """Raise one error with every sentence, if there is any; `listed` are more lines."""
        if self.found:
            sentences = [sentence for error in self.found for sentence in error.problems]
            lines = [problem for error in self.found for problem in error.listed]
            raise BadCohort(*dict.fromkeys(sentences), listed=[*lines, *listed])


def stop_problems(error: BadCohort, table: str = "") -> tuple[Problem, ...]:
    """Lines of `quarantine.csv` of an error: its sentences, and what it lists.

    >>> stop_problems(stop("C17", "expected both, found one; bring more"))[0].fix
    'bring more'
    """
    lines = []
    for sentence in error.problems:
        said = _SENTENCE.fullmatch(sentence)
        if said:
            code, what, fix = said.groups()
            lines.append(Problem(code, "stop", "", "", table, what, fix or ""))
    return (*lines, *error.listed)


def leaves_out(notes: Iterable[Note]) -> bool:
    """Whether any of the notes keeps its lesion out of the study."""
    return any(note.level in LEFT_OUT for note in notes)


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems by severity, then patient, lesion, code and path."""
    names = attrgetter("patient_id", "lesion_id", "code", "path", "what")
    return tuple(sorted(problems, key=lambda p: (SEVERITIES.index(p.severity), *names(p))))


def neutralise(text: str) -> str:
    """Text that a spreadsheet shows and does not run.

    >>> neutralise("=HYPERLINK(1)"), neutralise("P01")
    ("'=HYPERLINK(1)", 'P01')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def write_quarantine(path: Path, problems: Iterable[Problem]) -> None:
    """Write the problems as csv, the gravest first; the file names patients."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for problem in sort_problems(problems):
        writer.writerow([neutralise(cell) for cell in astuple(problem)])
    write_atomic(path, buffer.getvalue().encode())
