"""Where an image's pixels lie, and how a mask is brought onto the image's grid.

A mask is moved by index flips, transposition and whole pixels alone; what would need
interpolation is refused. Coordinates are those of DICOM and ITK: left, posterior, superior.
A header that holds what writers put when they know nothing (origin 0, pixels of 1 mm, or the
identity of NIfTI) decides nothing: rows and columns are then taken as stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from her2.cohort.problems import Note, refuse

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]
Shape = tuple[int, int]

_STEP_TOLERANCE = 1e-4  # of a pixel's length
_OFFSET_TOLERANCE = 1e-2  # pixels; 32-bit origins of NIfTI are off by up to 1e-3
_CENTRE_TOLERANCE = 0.5  # pixels, of a mask that was drawn on an enlarged image
_LOOK = "look at the mask on the image"
_SAVE_AGAIN = "save the mask in the geometry of the analysed image, or export both as PNG"


@dataclass(frozen=True)
class Geometry:
    """Grid of one image or slice in millimetres.

    Attributes
    ----------
    origin
        (3,), centre of the first pixel.
    steps
        (3, 2), what one row further and one column further are.
    through
        (3,), what one slice further is; None of a file without slices.
    pixel_known
        Whether the file says how large a pixel is.
    placed
        Whether the file says where the image lies; otherwise origin and directions are a default.
    is_nifti
        Whether rows and columns that run backwards are what a NIfTI writer puts by default.
    uid
        SOPInstanceUID of a DICOM image.
    """

    origin: Vector
    steps: NDArray[np.float64]
    through: Vector | None = None
    pixel_known: bool = True
    placed: bool = True
    is_nifti: bool = False
    uid: str = ""

    @property
    def lengths(self) -> NDArray[np.float64]:
        """(row, column) millimetres of a pixel."""
        return np.asarray(np.linalg.norm(self.steps, axis=0))

    @property
    def directions(self) -> NDArray[np.float64]:
        """(3, 2), `steps` of length 1."""
        return self.steps / self.lengths

    @property
    def is_turned(self) -> bool:
        """Whether rows do not run downwards and columns to the right, as in a picture."""
        return not np.allclose(self.directions, _UPRIGHT, atol=_STEP_TOLERANCE)

    @property
    def is_blank(self) -> bool:
        """Whether the header holds only what writers put when they know nothing."""
        if not self.placed:
            return True
        by_nifti = self.is_nifti and np.allclose(self.directions, -_UPRIGHT, atol=_STEP_TOLERANCE)
        unknown = not self.pixel_known and not self.is_turned
        return bool(not self.origin.any() and (by_nifti or unknown))


_UPRIGHT = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])


def volume_geometry(reader: sitk.ImageFileReader, index: int) -> Geometry:
    """Grid of the slice `index`, from 0, of a volume of which the header has been read."""
    n, axes = reader.GetDimension(), min(reader.GetDimension(), 3)
    directions = np.array(reader.GetDirection()).reshape(n, n)[:axes, :axes]
    lengths = np.array(reader.GetSpacing()[:axes])
    steps, origin = np.zeros((3, 3)), np.zeros(3)
    steps[:axes, :axes] = directions * lengths
    origin[:axes] = reader.GetOrigin()[:axes]
    through = steps[:, 2] if axes == 3 else None
    if through is not None:
        origin = origin + through * (index % int(reader.GetSize()[2]))
    known = tuple(lengths[:2]) != (1.0, 1.0)
    is_nifti = bool(reader.HasMetaDataKey("qform_code"))
    return Geometry(origin, steps[:, [1, 0]], through, known, is_nifti=is_nifti)


def dicom_geometry(dataset: Dataset, spacing_mm: tuple[float, float] | None) -> Geometry:
    """Grid of a DICOM image; without position and orientation a default one."""
    orientation, position = (
        np.array([float(x) for x in dataset.get(name) or ()])
        for name in ("ImageOrientationPatient", "ImagePositionPatient")
    )
    directions, origin, through = _UPRIGHT, np.zeros(3), None
    placed = orientation.size == 6 and position.size == 3
    if placed:
        directions, origin = orientation.reshape(2, 3)[::-1].T, position
        placed = np.allclose(directions.T @ directions, np.eye(2), atol=_STEP_TOLERANCE)
    if placed:
        thickness = float(dataset.get("SliceThickness") or 1.0)
        through = np.cross(directions[:, 1], directions[:, 0]) * thickness
    else:
        directions, origin = _UPRIGHT, np.zeros(3)
    known = spacing_mm not in (None, (1.0, 1.0))
    steps = directions * np.array(spacing_mm or (1.0, 1.0))
    uid = str(dataset.get("SOPInstanceUID", ""))
    return Geometry(origin, steps, through, known, bool(placed), uid=uid)


@dataclass(frozen=True)
class Placed:
    """A mask on the image's grid.

    Attributes
    ----------
    mask
        As brought; its shape is still the stored one where headers could not place it.
    notes
        What was done.
    doubtful
        Whether the order of rows and columns rests on no header.
    """

    mask: Mask
    notes: tuple[Note, ...] = ()
    doubtful: bool = False


def place(
    mask: Mask, of: Geometry | None, on: Geometry | None, shape: Shape, *, reduced: bool = False
) -> Placed:
    """Bring a mask (h, w) from its own grid `of` onto the image's `on`, of the shape (H, W).

    `reduced` masks were drawn on an enlarged image: their centres may lie half a pixel beside.

    Raises
    ------
    InputProblem
        M05 where the two headers cannot be brought together by whole pixels.
    """
    slack = _CENTRE_TOLERANCE if reduced else _OFFSET_TOLERANCE
    if of is None:
        return Placed(mask, doubtful=on is not None and on.is_turned and mask.shape == shape)
    if on is not None and of.pixel_known and on.pixel_known:
        _check_lengths(of, on)
    if on is None or (on.is_blank and (on.is_turned or of.pixel_known or of.is_blank)):
        return _on_unplaced(mask, of, on, shape, slack)
    if of.is_blank:
        what = "the mask's header says nothing of its place; it was taken pixel for pixel"
        return _as_stored(mask, _is_turned(of, on), what)
    _check_lengths(of, on)
    move = _move(of, on, mask.shape, slack)
    if isinstance(move, str):
        raise refuse("M05", move, _SAVE_AGAIN)
    return _moved(mask, of, move, shape)


@dataclass(frozen=True)
class _Move:
    """How indices of a mask become those of the image."""

    transposed: bool
    flips: tuple[bool, bool]
    corner: tuple[int, int]

    def oriented(self, mask: Mask) -> Mask:
        turned = mask.T if self.transposed else mask
        return turned[:: -1 if self.flips[0] else 1, :: -1 if self.flips[1] else 1]

    @property
    def text(self) -> str:
        reversed_ = [n for n, flip in zip(("rows", "columns"), self.flips, strict=True) if flip]
        done = ["rows and columns were exchanged"] if self.transposed else []
        done += [f"{' and '.join(reversed_)} were reversed"] if reversed_ else []
        done += [f"it begins at row {self.corner[0]}, column {self.corner[1]}"]
        return f"the mask was placed by its header: {', '.join(done)}"


def _on_unplaced(
    mask: Mask, of: Geometry, on: Geometry | None, shape: Shape, slack: float
) -> Placed:
    """Place a mask on an image of which no header says where it lies.

    Programs put the first pixel of such an image at 0. A mask that then lies on it exactly was
    drawn there; what would lie beside it was written by a program that knows another place.
    """
    grids = [_default_grid(of)] if on is None or not on.placed else [on, _default_grid(of)]
    turned = of.is_turned if on is None else _is_turned(of, on)
    for grid in grids:
        move = _move(of, grid, mask.shape, slack)
        if isinstance(move, _Move) and _is_inside(move, mask, shape):
            placed = _moved(mask, of, move, shape)
            return replace(placed, notes=(*placed.notes, *_size_notes(of, on)), doubtful=turned)
    what = "the mask's header names a place, the image's none; it was taken pixel for pixel"
    return _as_stored(mask, turned, what)


def _size_notes(of: Geometry, on: Geometry | None) -> tuple[Note, ...]:
    """Warn of a volume whose pixels of 1 mm its mask does not share: 1 mm often means unknown."""
    if on is None or not on.placed or _same_lengths(of, on):
        return ()
    return (Note("M05", _lengths_text(of, on), _SAVE_AGAIN, severity="warning"),)


def _as_stored(mask: Mask, turned: bool, what: str) -> Placed:
    """Return a mask in its own order; where headers speak of another, edges have to decide."""
    return Placed(mask, doubtful=True) if turned else Placed(mask, (_done(what),))


def _is_turned(of: Geometry, on: Geometry) -> bool:
    """Whether rows and columns of a mask run otherwise than those of the image."""
    return not np.allclose(of.directions, on.directions, atol=_STEP_TOLERANCE)


def _default_grid(of: Geometry) -> Geometry:
    """Grid of a picture whose pixels are as large as those of a mask."""
    along = np.abs(of.steps).max(axis=1)  # mm a pixel to the right, down
    lengths = np.array([along[1] or 1.0, along[0] or 1.0])
    return Geometry(np.zeros(3), _UPRIGHT * lengths)


def _move(of: Geometry, on: Geometry, shape: tuple[int, ...], slack: float) -> _Move | str:
    """Return the move of whole pixels from one grid onto the other, or why there is none."""
    inverse = np.linalg.pinv(on.steps)
    turn = inverse @ of.steps  # columns: rows and columns of the image that one step is
    whole = np.rint(turn)
    beside = np.linalg.norm(of.steps - on.steps @ whole, axis=0) / of.lengths
    if not _is_permutation(whole) or beside.max() > _STEP_TOLERANCE:
        return "the mask's rows and columns are turned against the image's"
    offset = inverse @ (of.origin - on.origin)
    if np.abs(offset - np.rint(offset)).max() > slack:
        rows, columns = offset
        return f"the mask begins between pixels, at row {rows:.3f}, column {columns:.3f}"
    if of.through is not None and on.through is not None:
        away = float(np.linalg.norm(of.origin - on.origin - on.steps @ offset))
        nearest = min(np.linalg.norm(of.through), np.linalg.norm(on.through)) / 2.0
        if away > nearest:
            return f"the mask lies {away:.4g} mm beside the plane of the image"
    signs = whole.sum(axis=1) < 0
    transposed = whole[0, 0] == 0
    size = np.array(shape[::-1] if transposed else shape)
    corner = np.rint(offset).astype(int) - signs * (size - 1)
    return _Move(transposed, (bool(signs[0]), bool(signs[1])), (int(corner[0]), int(corner[1])))


def _is_permutation(whole: NDArray[np.float64]) -> bool:
    ones = np.abs(whole)
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all())


def _is_inside(move: _Move, mask: Mask, shape: Shape) -> bool:
    size = move.oriented(mask).shape
    return all(c >= 0 and c + n <= m for c, n, m in zip(move.corner, size, shape, strict=True))


def _moved(mask: Mask, of: Geometry, move: _Move, shape: Shape) -> Placed:
    """Return the mask on the image's grid, blank where it does not reach."""
    if move == _Move(False, (False, False), (0, 0)) and (
        mask.shape == shape or not of.origin.any()  # an origin of 0 may be nobody's intention
    ):
        return Placed(mask)
    oriented = move.oriented(mask)
    row, column = move.corner
    image = np.zeros(shape, dtype=bool)
    top, left = max(row, 0), max(column, 0)
    part = oriented[top - row : max(shape[0] - row, 0), left - column : max(shape[1] - column, 0)]
    image[top : top + part.shape[0], left : left + part.shape[1]] = part
    lost = int(oriented.sum()) - int(part.sum())
    if lost:
        what = f"by its header {lost} pixels of the lesion lie outside the image"
        raise refuse("M05", what, _SAVE_AGAIN)
    if _is_inside(move, mask, shape):
        return Placed(image, (_done(move.text),))
    what = f"{move.text}; its blank part lies beyond the image"
    return Placed(image, (Note("M05", what, _LOOK, severity="warning"),))


def _done(what: str) -> Note:
    return Note("M05", what, "nothing", severity="normalised")


def _check_lengths(of: Geometry, on: Geometry) -> None:
    """Refuse pixels of another size."""
    if not _same_lengths(of, on):
        raise refuse("M05", _lengths_text(of, on), _SAVE_AGAIN)


def _same_lengths(of: Geometry, on: Geometry) -> bool:
    """Whether pixels are as large, whichever axis is which."""
    theirs, ours = np.sort(of.lengths), np.sort(on.lengths)
    return bool(np.allclose(theirs, ours, rtol=_STEP_TOLERANCE, atol=0.0))


def _lengths_text(of: Geometry, on: Geometry) -> str:
    sizes = [" x ".join(f"{length:.6g}" for length in grid.lengths) for grid in (of, on)]
    return f"the mask's pixels are {sizes[0]} mm, the image's {sizes[1]} mm"
