"""Whose image a DICOM file is by its own header, compared with the patient table.

Identifiers of patients and objects are compared by their hashes and never leave the process.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset

from her2.cohort.problems import Note

# what de-identification writes; a letter, 0 or 9 repeated is another such text
_NOBODY = (
    "anon", "anonymous", "anonymized", "anonymised", "deidentified", "removed", "unknown", "none",
    "patient", "patientid", "test", "na", "redacted", "pseudonymized", "hidden", "0", "",
)  # fmt: skip
_MANY = 5  # table ids with one DICOM patient, most of the cohort: it names nobody
_TEXTS = ("PatientID", "PatientName")
_DEFAULT = "iso8859"  # what pydicom takes for a header that names no repertoire: it is ASCII
_FIX = "compare the table with the archive"


class Identity(NamedTuple):
    """Hashes of what a DICOM header names; empty where it names none.

    Attributes
    ----------
    patient
        Of PatientID, without blanks, case and leading zeros.
    instance
        Of SOPInstanceUID.
    """

    patient: str = ""
    instance: str = ""


NOBODY = Identity()


class Conflict(NamedTuple):
    """Lesions whose identities contradict each other.

    Attributes
    ----------
    members
        Their positions.
    note
        What to say of each.
    joined
        Why they must stay together in every split; empty where they need not.
    """

    members: tuple[int, ...]
    note: Note
    joined: str = ""


def read_identity(dataset: Dataset) -> Identity:
    """Return the hashes of patient and object of a header."""
    patient = _plain(str(dataset.get("PatientID") or ""))
    letters = "".join(filter(str.isalnum, patient))
    is_repeated = len(letters) > 1 and len(set(letters)) == 1 and letters[0] not in "12345678"
    is_placeholder = letters in _NOBODY or is_repeated
    instance = str(dataset.get("SOPInstanceUID") or "")
    return Identity("" if is_placeholder else _hash(patient), _hash(instance) if instance else "")


def identity_notes(dataset: Dataset) -> list[Note]:
    """Note names and identifiers that the header's own character set does not decode."""
    charset = dataset.get("SpecificCharacterSet")
    several = not isinstance(charset, str) and charset is not None and len(charset) > 1
    codec = convert_encodings(charset)[0]
    codec = "ascii" if codec == _DEFAULT else codec
    for name in _TEXTS:
        item = dataset.get_item(name)
        value = getattr(item, "value", None)
        if not isinstance(value, bytes) or several:  # several: bytes switch between them
            continue
        try:
            value.decode(codec)
        except (UnicodeDecodeError, LookupError):
            what = f"{name} is not written in the header's character set"
            return [Note("D49", what, "nothing; identifiers are compared as they are")]
    return []


def conflicts(
    patient_ids: Sequence[str],
    identities: Sequence[Identity],
    images: Sequence[str],
    places: Sequence[tuple[str, int | None]],
) -> Iterator[Conflict]:
    """Yield where DICOM headers, images (by hash) and the table disagree on whose images they are.

    `places` are file and frame of every lesion: the frames of one file share its object.
    """
    by_patient: dict[str, list[int]] = defaultdict(list)
    by_object: dict[str, list[int]] = defaultdict(list)
    by_id: dict[str, list[int]] = defaultdict(list)
    for i, (identity, patient_id) in enumerate(zip(identities, patient_ids, strict=True)):
        if identity.patient:
            by_patient[identity.patient].append(i)
            by_id[patient_id].append(i)
        if identity.instance and images[i]:
            by_object[identity.instance].append(i)
    for members in by_patient.values():
        yield from _one_person(members, patient_ids, n_named=len(by_id))
    for members in by_id.values():
        if len({identities[i].patient for i in members}) > 1:
            what = "the DICOM files of this patient name different patients"
            yield Conflict(tuple(members), Note("D60", what, _FIX))
    yield from _exchanged(by_patient, patient_ids)
    for members in by_object.values():
        yield from _one_object(members, images, places)


def _one_person(
    members: Sequence[int], patient_ids: Sequence[str], *, n_named: int
) -> Iterator[Conflict]:
    """Yield lesions of one DICOM patient that the table gives to several."""
    n = len({patient_ids[i] for i in members})
    if n >= _MANY and 2 * n > n_named:
        what = f"{n} patients have the same DICOM PatientID, which is taken to name nobody"
        yield Conflict(tuple(members), Note("D60", what, _FIX))
    elif n > 1:
        what = "another patient of the table has the same DICOM PatientID; both stay together"
        yield Conflict(tuple(members), Note("D60", what, _FIX), "same DICOM patient as")


def _exchanged(by_patient: dict[str, list[int]], patient_ids: Sequence[str]) -> Iterator[Conflict]:
    """Yield lesions whose file names another patient of the table."""
    owner = {_hash(_plain(patient_id)): patient_id for patient_id in patient_ids}
    for patient, members in by_patient.items():
        others = [i for i in members if patient_ids[i] != owner.get(patient, patient_ids[i])]
        if others:
            what = "the DICOM file names another patient of the table"
            yield Conflict(tuple(others), Note("D60", what, _FIX))


def _one_object(
    members: Sequence[int], images: Sequence[str], places: Sequence[tuple[str, int | None]]
) -> Iterator[Conflict]:
    """Yield lesions of one DICOM object whose pixels differ, though they are one frame."""
    frames: dict[int | None, list[int]] = defaultdict(list)
    for i in members:
        frames[places[i][1]].append(i)
    for same in frames.values():
        if len({images[i] for i in same}) > 1:
            what = "another image has the same SOPInstanceUID and other pixels"
            fix = "find out which of the two the archive holds"
            yield Conflict(tuple(same), Note("D39", what, fix))


def _plain(patient_id: str) -> str:
    """Text without what is changed by accident: blanks, case, width, leading zeros."""
    text = "".join(unicodedata.normalize("NFKC", patient_id).split()).casefold()
    return text.lstrip("0") or text[:1]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
