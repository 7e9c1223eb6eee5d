"""Decodes every lesion once, before anything is fitted, and compares lesions with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from her2.cohort.catalogue import Severity
from her2.cohort.dicom import DecodedImage
from her2.cohort.duplicates import thumbnails
from her2.cohort.files import decode_each
from her2.cohort.identity import NOBODY, Identity, conflicts
from her2.cohort.images import colour_notes, decode_image, n_stacked
from her2.cohort.lesions import image_notes, lesion_spacing
from her2.cohort.masks import Mask, dice, largest_frame, read_mask
from her2.cohort.pixel_spacing import Spacing, diameter_mm
from her2.cohort.problems import Note, as_note, leaves_out
from her2.core.errors import InputProblem
from her2.core.store import content_key
from her2.core.types import Lesion

Read = TypeVar("Read")

_AGREEMENT = 0.7
_LESIONS_A_PROCESS = 500  # fewer are decoded by threads before another process has started


@dataclass(frozen=True)
class Draft:
    """A row of the table before it is verified.

    Attributes
    ----------
    row
        Its number in the file.
    patient_id, lesion_id
        As in `Lesion`.
    lesion
        None where outcome or files are not known.
    notes
        Problems so far.
    """

    row: int
    patient_id: str
    lesion_id: str
    lesion: Lesion | None
    notes: tuple[Note, ...] = ()

    @property
    def used(self) -> Lesion | None:
        """The lesion, unless something leaves it out."""
        return None if leaves_out(self.notes) else self.lesion

    def noted(self, *notes: Note) -> Draft:
        """Return the same row with more notes."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Verified:
    """What is known of a lesion when its files are decoded.

    Attributes
    ----------
    notes
        Problems, each with the path of its file.
    frame
        The analysed image of a stack.
    image_sha256, mask_sha256, reader2_sha256
        Hashes of the arrays; empty where there is none.
    spacing_mm, simulated, vendor
        As of `her2.cohort.images.DecodedImage`.
    diameter_mm
        Of the circle with the mask's area; None without a pixel size.
    levels, lesion_levels
        Lowest and highest grey level of the image, and of the lesion.
    thumbnails
        Small pictures by which copies are found; None where image or mask cannot be used.
    identity
        As of `her2.cohort.images.DecodedImage`.
    """

    notes: tuple[Note, ...]
    frame: int | None = None
    image_sha256: str = ""
    mask_sha256: str = ""
    reader2_sha256: str = ""
    spacing_mm: Spacing | None = None
    simulated: bool = False
    vendor: str | None = None
    diameter_mm: float | None = None
    levels: tuple[float, float] | None = None
    lesion_levels: tuple[float, float] | None = None
    thumbnails: NDArray[np.float32] | None = None
    identity: Identity = NOBODY

    @property
    def sha256(self) -> tuple[str, str, str]:
        """Hashes of image, mask and second reader's mask."""
        return self.image_sha256, self.mask_sha256, self.reader2_sha256


def verify_lesions(
    lesions: Sequence[Lesion], root: Path, *, largest: bool = False, n_workers: int = 1
) -> list[Verified]:
    """Return what decoding shows of every lesion, in order.

    `largest` analyses, of stacks without a frame, the image in which the mask is largest.
    """
    n_processes = min(n_workers, len(lesions) // _LESIONS_A_PROCESS)
    if n_processes > 1:
        jobs = (delayed(verify_lesion)(lesion, root, largest=largest) for lesion in lesions)
        return list(Parallel(n_jobs=n_processes)(jobs))
    verify = partial(verify_lesion, root=root, largest=largest)
    with threadpool_limits(1):  # threads of BLAS would only wait for each other beside these
        return decode_each(verify, lesions, n_threads=n_workers)


def verify_lesion(lesion: Lesion, root: Path, *, largest: bool = False) -> Verified:
    """Decode the image and the masks of one lesion and collect everything found."""
    path = lesion.image
    if path is None:
        return Verified(())
    findings = _Findings(root)
    if lesion.frame is not None or largest:
        lesion = replace(lesion, frame=findings.frame(lesion, path))
        if leaves_out(findings.notes):
            return Verified(tuple(findings.notes))
    image = findings.attempt(lambda: decode_image(path, lesion.frame), [path])
    if image is not None:
        findings.add(image_notes(image), [path])
    shape = (image.pixels.shape[0], image.pixels.shape[1]) if image else None
    choice = lesion.mask_choice
    read = findings.attempt(
        lambda: read_mask(lesion.masks, shape, lesion.frame, image=image, choice=choice),
        lesion.masks,
    )
    mask, mask_notes = read or (None, [])
    findings.add(mask_notes, lesion.masks)
    if image is not None and mask is not None:
        findings.add(colour_notes(image, mask), [path])
    spacing, about_pixels = lesion_spacing(lesion, image, mask) if image else (None, [])
    findings.add(about_pixels, [path])
    reader2 = findings.reader2(lesion, image, mask)
    return Verified(
        notes=tuple(findings.notes),
        frame=lesion.frame,
        image_sha256=_sha256(image.pixels if image else None),
        mask_sha256=_sha256(mask),
        reader2_sha256=_sha256(reader2),
        spacing_mm=spacing,
        simulated=bool(image and image.simulated),
        vendor=image.vendor if image else None,
        diameter_mm=None if mask is None or spacing is None else diameter_mm(mask, spacing),
        identity=image.identity if image else NOBODY,
        levels=_levels(image.pixels) if image else None,
        lesion_levels=_levels(image.pixels[mask]) if image and mask is not None else None,
        thumbnails=None if image is None or mask is None else thumbnails(image.pixels, mask),
    )


class _Findings:
    """Notes on one lesion, each with the path of the file it is about."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[Note] = []

    def add(self, notes: Iterable[Note], paths: Sequence[Path]) -> None:
        path = ";".join(path.relative_to(self.root).as_posix() for path in paths)
        self.notes += [replace(note, path=path) for note in notes]

    def attempt(
        self, read: Callable[[], Read], paths: Sequence[Path], severity: Severity | None = None
    ) -> Read | None:
        """Return what is read of some files; None, with a note, where it must not be used."""
        try:
            return read()
        except InputProblem as problem:
            self.add([as_note(problem, severity)], paths)
            return None

    def frame(self, lesion: Lesion, path: Path) -> int | None:
        """Image of a stack: the table's, or the one with the largest lesion; None of no stack."""
        length = self._length([path])
        n_masks = self._length(lesion.masks)
        if 1 < length != n_masks > 1:
            what = f"the image is a stack of {length}, its mask one of {n_masks} images"
            note = Note("M02", what, "export the mask as a stack of the image's length")
            self.add([note], lesion.masks)
        if lesion.frame is not None or n_masks == 1 or leaves_out(self.notes):
            return lesion.frame
        frame = self.attempt(lambda: largest_frame(lesion.masks, lesion.mask_choice), lesion.masks)
        if frame is not None:
            what = f"of {n_masks} images, number {frame} is analysed: there the lesion is largest"
            self.add([Note("M20", what, "nothing", severity="normalised")], lesion.masks)
        return frame

    def _length(self, paths: Sequence[Path]) -> int:
        """Images in the longest of some stacks; 1 where one of them cannot be read."""
        longest = self.attempt(lambda: max((n_stacked(path) for path in paths), default=1), paths)
        return 1 if longest is None else longest

    def reader2(
        self, lesion: Lesion, image: DecodedImage | None, first: Mask | None
    ) -> Mask | None:
        """Second reader's mask; without it only the agreement is missing, not the lesion."""
        paths = lesion.masks_reader2
        if not paths or image is None or first is None:
            return None
        choice = lesion.mask_choice
        read = self.attempt(
            lambda: read_mask(paths, first.shape, lesion.frame, image=image, choice=choice),
            paths, "warning",
        )  # fmt: skip
        if read is None:
            return None
        overlap = dice(first, read[0])
        if overlap < _AGREEMENT:
            what = f"Dice coefficient {overlap:.2f} between the readers"
            self.add([Note("M22", what, "have a third reader decide")], paths)
        return read[0]


def compare_lesions(drafts: Sequence[Draft], verified: Sequence[Verified]) -> list[Draft]:
    """Mark images and masks that two patients share; lesions of one image form one group.

    `drafts` all have a lesion. The same image cannot be on both sides of a split, so its lesions
    share a group. Where the outcomes differ, one of them is wrong and all are quarantined.
    """
    marked = list(drafts)
    images = [found.image_sha256 for found in verified]
    # files of which an image is one of several, as far as is known
    stacks = [str(d.lesion.image) if d.lesion and d.lesion.frame else "" for d in drafts]
    masks = [found.mask_sha256 for found in verified]
    for same in _shared(drafts, images):
        n_outcomes = len({lesion.outcome for i in same if (lesion := drafts[i].lesion)})
        severity: Severity = "quarantined" if n_outcomes > 1 else "warning"
        what = "another patient has the same image"
        what += " and the other outcome" * (n_outcomes - 1)
        _mark(marked, same, Note("D40", what, "find out whose image it is", severity=severity))
        marked = _in_one_group(marked, same)
    for same in _shared(drafts, stacks):
        what = "another patient has an image of the same stack"
        _mark(marked, same, Note("D40", what, "find out whose stack it is"))
        marked = _in_one_group(marked, same)
    for same in _shared(drafts, masks):
        what = "another patient has the same mask"
        _mark(marked, same, Note("M18", what, "check for a wrong copy"))
    patients, places = _whose(drafts)
    for found in conflicts(patients, [x.identity for x in verified], images, places):
        _mark(marked, found.members, found.note)
        if found.joined:
            marked = _in_one_group(marked, found.members, found.joined)
    return marked


def _whose(drafts: Sequence[Draft]) -> tuple[list[str], list[tuple[str, int | None]]]:
    """Patient of every draft, and file and frame of its image."""
    lesions = [draft.lesion for draft in drafts]
    places = [(str(x.image), x.frame) if x else ("", None) for x in lesions]
    return [draft.patient_id for draft in drafts], places


def _mark(drafts: list[Draft], members: Sequence[int], note: Note) -> None:
    for i in members:
        drafts[i] = drafts[i].noted(note)


def _shared(drafts: Sequence[Draft], hashes: Sequence[str]) -> list[list[int]]:
    """Return indices of drafts with the same hash, where more than one patient has it."""
    owners: dict[str, list[int]] = {}
    for i, value in enumerate(hashes):
        if value:
            owners.setdefault(value, []).append(i)
    return [same for same in owners.values() if len({drafts[i].patient_id for i in same}) > 1]


def _in_one_group(
    drafts: list[Draft], members: Sequence[int], why: str = "same image as"
) -> list[Draft]:
    """Return drafts in which the members, and all that share a group with them, have one group."""
    lesions = [draft.lesion for draft in drafts]
    joined = {lesion.group for i in members if (lesion := lesions[i]) and lesion.group}
    first = min(lesion.key for i in members if (lesion := lesions[i]))
    name = min(joined, default=f"{why} {first}")
    return [
        replace(draft, lesion=replace(draft.lesion, group=name))
        if draft.lesion and (i in members or draft.lesion.group in joined)
        else draft
        for i, draft in enumerate(drafts)
    ]


def _levels(pixels: NDArray[np.generic]) -> tuple[float, float] | None:
    return (float(pixels.min()), float(pixels.max())) if pixels.size else None


def _sha256(array: NDArray[np.generic] | None) -> str:
    return "" if array is None else content_key([array])
