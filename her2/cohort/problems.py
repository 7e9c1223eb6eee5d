"""The catalogue of bad input: every code that this package emits, how severe it is, its title.

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
from typing import Literal, NamedTuple, TypeVar

from her2.core.errors import BadCohort, InputProblem
from her2.core.store import write_atomic
from her2.core.types import Problem

Severity = Literal["quarantined", "excluded", "warning", "normalised"]
SEVERITIES = ("stop", "quarantined", "excluded", "warning", "normalised")
COLUMNS = ("code", "severity", "patient_id", "lesion_id", "path", "message", "fix")
_SENTENCE = re.compile(r"([A-Z]\d\d): (.*?)(?:; ([^;]*))?", re.DOTALL)
Found = TypeVar("Found")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
LEFT_OUT: tuple[Severity, ...] = ("quarantined", "excluded")


class Entry(NamedTuple):
    """What a code means; ``stop`` ends the study before anything is fitted."""

    severity: Severity | Literal["stop"]
    title: str


CATALOGUE: dict[str, Entry] = {
    # all lesions side by side
    "A01": Entry("warning", "grey levels of several scales"),
    "A02": Entry("warning", "the grey range of the images tells the outcome"),
    "A03": Entry("warning", "too few or too many grey-level bins"),
    "A04": Entry("warning", "impossible size of lesions"),
    "A05": Entry("warning", "pixel sizes of different units"),
    "A06": Entry("normalised", "one vendor under several names"),
    # images
    "D01": Entry("quarantined", "empty file"),
    "D02": Entry("quarantined", "content is not what the name says, or cannot be decoded"),
    "D03": Entry("quarantined", "DICOM data set without its file header"),
    "D04": Entry("quarantined", "DICOM file that starts like a program"),
    "D05": Entry("quarantined", "DICOM header cut off"),
    "D06": Entry("quarantined", "pixel data cut off"),
    "D07": Entry("quarantined", "more pixel data than Rows and Columns announce"),
    "D08": Entry("quarantined", "DICOM object without an image"),
    "D09": Entry("quarantined", "Rows missing"),
    "D10": Entry("quarantined", "Columns missing"),
    "D11": Entry("quarantined", "BitsAllocated missing"),
    "D12": Entry("quarantined", "PhotometricInterpretation missing"),
    "D13": Entry("quarantined", "SamplesPerPixel missing"),
    "D14": Entry("quarantined", "PixelRepresentation missing"),
    "D15": Entry("quarantined", "image without rows or columns"),
    "D16": Entry("quarantined", "larger than the limit"),
    "D17": Entry("quarantined", "more frames announced than the file holds"),
    "D18": Entry("warning", "NumberOfFrames of 0"),
    "D19": Entry("quarantined", "several frames, pages or slices"),
    "D20": Entry("normalised", "stored in colour; channel R is used"),
    "D21": Entry("quarantined", "colour inside the lesion"),
    "D22": Entry("normalised", "YBR colours converted to RGB"),
    "D23": Entry("quarantined", "4:2:2 colours by the header, 4:4:4 by length"),
    "D24": Entry("quarantined", "order of the colour planes"),
    "D25": Entry("normalised", "palette applied"),
    "D26": Entry("normalised", "MONOCHROME1 inverted"),
    "D27": Entry("quarantined", "unknown or contradictory colour model"),
    "D28": Entry("quarantined", "colour model and number of channels disagree"),
    "D29": Entry("quarantined", "grey levels outside the declared range"),
    "D30": Entry("quarantined", "unsupported bit depth"),
    "D31": Entry("quarantined", "compressed pixel data cannot be decoded"),
    "D32": Entry("stop", "no decoder installed for a compression"),
    "D33": Entry("quarantined", "video"),
    "D34": Entry("quarantined", "unknown transfer syntax"),
    "D35": Entry("warning", "header written otherwise than its transfer syntax says"),
    "D36": Entry("quarantined", "deflated DICOM"),
    "D37": Entry("quarantined", "sequences nested too deep"),
    "D38": Entry("quarantined", "SOP class not of ultrasound, or contradicted"),
    "D39": Entry("quarantined", "one SOPInstanceUID, different pixels"),
    "D40": Entry("warning", "same image for two patients"),
    "D41": Entry("normalised", "pixel spacing taken from the ultrasound region"),
    "D42": Entry("warning", "pixel spacing unknown"),
    "D43": Entry("quarantined", "two pixel spacings disagree"),
    "D44": Entry("quarantined", "no ultrasound region, or several, for the lesion"),
    "D45": Entry("quarantined", "impossible pixel spacing or size of the lesion"),
    "D46": Entry("warning", "only a pixel spacing of the detector"),
    "D47": Entry("warning", "screenshot"),
    "D48": Entry("quarantined", "constant or saturated image"),
    "D49": Entry("warning", "text not in the declared character set"),
    "D50": Entry("stop", "patient identifiers empty or easily confused"),
    "D51": Entry("quarantined", "ultrasound after the operation, or long before it"),
    "D52": Entry("quarantined", "not an ultrasound image"),
    "D53": Entry("quarantined", "not a readable regular file"),
    "D54": Entry("normalised", "picture turned as its orientation says"),
    "D55": Entry("warning", "pixels not as high as wide"),
    "D56": Entry("normalised", "grey levels converted as the header says"),
    "D57": Entry("quarantined", "rescaling or modality table damaged"),
    "D58": Entry("warning", "display setting not applied"),
    "D59": Entry("warning", "identifying text burnt into the picture"),
    "D60": Entry("warning", "DICOM patient and table disagree"),
    "D61": Entry("quarantined", "file changed after it was verified"),
    # masks
    "M01": Entry("quarantined", "no mask"),
    "M02": Entry("quarantined", "mask and image differ in shape"),
    "M03": Entry("warning", "rows and columns of the mask look exchanged"),
    "M04": Entry("warning", "mask looks flipped"),
    "M05": Entry("quarantined", "mask and image lie in different places"),
    "M06": Entry("quarantined", "empty mask"),
    "M07": Entry("quarantined", "mask covers the whole image"),
    "M08": Entry("normalised", "mask label changed to 1"),
    "M09": Entry("quarantined", "mask blurred by lossy compression"),
    "M10": Entry("normalised", "mask stored in colour"),
    "M11": Entry("warning", "palette mask; the indices are used"),
    "M12": Entry("warning", "mask of several pieces"),
    "M13": Entry("warning", "mask with holes"),
    "M14": Entry("warning", "lesion touches the border of the image"),
    "M15": Entry("quarantined", "lesion too small"),
    "M16": Entry("warning", "lesion covers most of the image"),
    "M17": Entry("quarantined", "mask looks inverted"),
    "M18": Entry("warning", "identical mask for two patients"),
    "M19": Entry("quarantined", "mask values are not labels"),
    "M20": Entry("quarantined", "mask of several slices"),
    "M21": Entry("quarantined", "contour instead of a filled mask"),
    "M22": Entry("warning", "two readers disagree"),
    "M23": Entry("quarantined", "mask drawn on an enlarged image"),
    "M24": Entry("quarantined", "header that points at another file"),
    "M25": Entry("quarantined", "several regions in the mask, and no choice"),
    # extraction of features
    "R01": Entry("quarantined", "worker process died while measuring the lesion"),
    "R02": Entry("quarantined", "measuring the lesion took longer than the limit"),
    "R03": Entry("quarantined", "pyradiomics cannot measure the lesion"),
    "R04": Entry("quarantined", "no room for the ring around the lesion"),
    "R05": Entry("warning", "ring cut off by the border of the image"),
    # paths
    "S13": Entry("quarantined", "path outside the cohort's folder"),
    # table
    "C01": Entry("warning", "repeated row"),
    "C02": Entry("stop", "two rows for one lesion that disagree"),
    "C03": Entry("stop", "patient or group on both sides of the given split"),
    "C04": Entry("quarantined", "no image or no features for a row"),
    "C05": Entry("warning", "identifiers that a spreadsheet may have changed"),
    "C06": Entry("stop", "table cannot be read"),
    "C07": Entry("stop", "rows that do not fit the header"),
    "C08": Entry("stop", "decimal commas or thousands' separators"),
    "C09": Entry("stop", "cell that is no number, or an undeclared missing value"),
    "C10": Entry("stop", "unknown level, or too many levels"),
    "C11": Entry("warning", "level that no training patient has"),
    "C12": Entry("excluded", "IHC 2+ without FISH"),
    "C13": Entry("excluded", "IHC and FISH contradict each other"),
    "C14": Entry("stop", "outcome column contradicts IHC and FISH"),
    "C15": Entry("excluded", "outcome missing"),
    "C16": Entry("stop", "outcome is not binary"),
    "C17": Entry("stop", "a single class"),
    "C18": Entry("warning", "value out of range, or on two scales"),
    "C19": Entry("stop", "units mixed, between cells or centres"),
    "C20": Entry("normalised", "clinical variable without information dropped"),
    "C21": Entry("warning", "clinical variable mostly missing"),
    "C22": Entry("stop", "variable that gives away the outcome"),
    "C23": Entry("warning", "variable that is known only after biopsy"),
    "C24": Entry("warning", "order of the rows, identifiers or dates tells the outcome"),
    "C25": Entry("stop", "duplicate or empty column name"),
    "C26": Entry("stop", "formulas without a value; hidden or merged cells"),
    "C27": Entry("stop", "dates that cannot be read with certainty"),
    "C28": Entry("stop", "column missing or of the wrong kind"),
    "C29": Entry("stop", "no rows, or too many"),
    "C30": Entry("warning", "same clinical values for two patients"),
    "E01": Entry("excluded", "no lesion"),
}


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
