"""A mask lies on the tissue that its header names, or the case is refused."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from scipy.spatial.transform import Rotation

from her2.cohort.geometry import Geometry, place
from her2.cohort.images import decode_image
from her2.cohort.masks import read_mask
from her2.core.errors import InputProblem

SHAPE = (64, 60)
SPACING = (0.1, 0.08)  # column, row
TURNS = list(product((False, True), repeat=3))
LESION = (
    np.hypot(*(np.indices(SHAPE) - np.array([[[24]], [[36]]])) / np.array([[[1]], [[1.4]]])) < 9
)


def volume(path, array, *, spacing=SPACING, origin=(0.0, 0.0), direction=(1, 0, 0, 1)):
    written = sitk.GetImageFromArray(np.ascontiguousarray(array).astype(np.uint8))
    written.SetSpacing(spacing)
    written.SetOrigin(origin)
    written.SetDirection(direction)
    sitk.WriteImage(written, str(path))
    return path


def turn(array, geometry, *, transposed, rows, columns):
    """Return an array stored in another order, with the grid that says so."""
    origin, steps = geometry.origin, geometry.steps
    if transposed:
        array, steps = array.T, steps[:, ::-1]
    for axis, reverse in enumerate((rows, columns)):
        if reverse:
            array = np.flip(array, axis)
            origin = origin + (array.shape[axis] - 1) * steps[:, axis]
            steps = steps * np.where(np.arange(2) == axis, -1, 1)
    return array, Geometry(origin, steps, geometry.through)


def picture(pixels=None):
    """Speckle with the lesion dark in it."""
    speckle = np.random.default_rng(1).rayleigh(40, SHAPE)
    return (np.where(LESION, 0.2, 1.0) * speckle).clip(0, 250).astype(np.uint8)


def read(mask, image, **named):
    decoded = decode_image(image)
    return read_mask([mask], decoded.pixels.shape[:2], image=decoded, **named)


def code(mask, image):
    with pytest.raises(InputProblem) as caught:
        read(mask, image)
    return caught.value.code


@pytest.fixture
def image(tmp_path):
    return volume(tmp_path / "image.nrrd", picture(), origin=(5.0, -3.0))


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
@pytest.mark.parametrize(("transposed", "rows", "columns"), TURNS)
def test_every_order_of_storage_is_brought_to_the_image(
    transposed, rows, columns, ending, image, tmp_path
):
    on = decode_image(image).geometry
    array, grid = turn(LESION, on, transposed=transposed, rows=rows, columns=columns)
    matrix = grid.directions[:2, ::-1]
    path = volume(tmp_path / f"m.{ending}", array, spacing=grid.lengths[::-1].tolist(),
                  origin=grid.origin[:2].tolist(), direction=matrix.ravel().tolist())  # fmt: skip
    mask, notes = read(path, image)
    np.testing.assert_array_equal(mask, LESION)
    changed = transposed or rows or columns
    assert [(n.code, n.level) for n in notes] == [("M05", "normalised")] * changed


@pytest.mark.parametrize(("transposed", "rows", "columns"), TURNS)
def test_any_turned_crop_in_any_plane_covers_the_same_tissue(transposed, rows, columns):
    rng = np.random.default_rng(7)
    for _ in range(100):
        axes = Rotation.random(rng=rng).as_matrix()
        steps, origin = axes[:, :2] * rng.uniform(0.01, 2, 2), rng.normal(0, 200, 3)
        on = Geometry(origin, steps, axes[:, 2])
        lesion = np.zeros((23, 31), bool)
        lesion[8:15, 11:24] = rng.random((7, 13)) < 0.5
        top, left = rng.integers(0, 8, 2)
        of = Geometry(origin + steps @ (top, left), steps, axes[:, 2])
        array, grid = turn(
            lesion[top : 23 - top, left:], of, transposed=transposed, rows=rows, columns=columns
        )
        placed = place(array, grid, on, lesion.shape)
        np.testing.assert_array_equal(placed.mask, lesion)
        assert not placed.doubtful


def test_a_crop_is_placed_by_its_origin_and_not_guessed_without(image, tmp_path):
    part = LESION[10:40, 20:55]
    path = volume(tmp_path / "m.nrrd", part, origin=(5.0 + 20 * 0.1, -3.0 + 10 * 0.08))
    np.testing.assert_array_equal(read(path, image)[0], LESION)
    at_corner = volume(tmp_path / "c.nrrd", picture())
    assert code(volume(tmp_path / "n.nrrd", part), at_corner) == "M02"
    assert code(volume(tmp_path / "o.nrrd", part, origin=(5.0 + 40 * 0.1, -3.0)), image) == "M05"
    assert code(volume(tmp_path / "p.nrrd", part, origin=(800.0, -3.0)), image) == "M05"


def test_a_crop_of_a_picture_is_placed_in_pixels(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "i.png")
    part = LESION[10:40, 20:55]
    path = volume(tmp_path / "m.nii", part, spacing=(1, 1), origin=(20, 10))
    mask, notes = read(path, tmp_path / "i.png")
    np.testing.assert_array_equal(mask, LESION)
    assert [n.code for n in notes] == ["M05"]
    assert "row 10, column 20" in notes[0].what


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"spacing": (0.2, 0.16)}, r"0\.16 x 0\.2 mm, the image's 0\.08 x 0\.1 mm"),
        ({"spacing": (0.1001, 0.08)}, "0.1001"),
        ({"spacing": (1, 1)}, "the mask's pixels are 1 x 1 mm"),
        ({"origin": (5.05, -3.0)}, r"between pixels, at row 0\.000, column 0\.500"),
        ({"direction": (0.8, -0.6, 0.6, 0.8)}, "turned against"),
        ({"spacing": (0.08, 0.1)}, "turned against"),
        ({"origin": (5.0 + 30 * 0.1, -3.0)}, "pixels of the lesion lie outside"),
    ],
)
def test_what_whole_pixels_cannot_repair_is_refused(header, words, image, tmp_path):
    path = volume(tmp_path / "m.nrrd", LESION, **({"origin": (5.0, -3.0)} | header))
    with pytest.raises(InputProblem, match=rf"^M05: .*{words}"):
        read(path, image)


def test_rounding_of_a_writer_is_no_difference(image, tmp_path):
    path = volume(tmp_path / "m.nrrd", LESION, spacing=(0.1 + 1e-6, 0.08), origin=(5 + 1e-5, -3))
    mask, notes = read(path, image)
    np.testing.assert_array_equal(mask, LESION)
    assert notes == []


def test_a_mask_of_another_slice_is_refused(tmp_path):
    stack = np.stack([picture()] * 3)
    for name, array, z in (("i.nrrd", stack[:1], 0), ("m.nrrd", LESION[np.newaxis], 3)):
        volume(tmp_path / name, array, spacing=(0.1, 0.1, 1.0), origin=(2, 0, z),
               direction=np.eye(3).ravel())  # fmt: skip
    with pytest.raises(InputProblem, match="M05: the mask lies 3 mm beside the plane"):
        read(tmp_path / "m.nrrd", tmp_path / "i.nrrd")


def test_slices_in_reversed_order_are_not_paired_by_their_number(tmp_path):
    lesions = np.stack([LESION, LESION, LESION])
    matrix = np.diag([1.0, 1.0, -1.0]).ravel()
    volume(tmp_path / "i.nrrd", np.stack([picture()] * 3), spacing=(0.1, 0.1, 2.0),
           origin=(1, 1, 0), direction=np.eye(3).ravel())  # fmt: skip
    volume(tmp_path / "m.nrrd", lesions, spacing=(0.1, 0.1, 2.0), origin=(1, 1, 4),
           direction=matrix)  # fmt: skip
    for frame, right in ((2, True), (1, False)):
        decoded = decode_image(tmp_path / "i.nrrd", frame)
        if right:
            mask, _ = read_mask([tmp_path / "m.nrrd"], SHAPE, frame, image=decoded)
            np.testing.assert_array_equal(mask, LESION)
        else:
            with pytest.raises(InputProblem, match="M05"):
                read_mask([tmp_path / "m.nrrd"], SHAPE, frame, image=decoded)


def test_a_mask_without_a_header_is_taken_as_stored_and_that_is_said(image, tmp_path):
    path = volume(tmp_path / "m.nrrd", LESION, spacing=(1, 1))
    mask, notes = read(path, image)
    np.testing.assert_array_equal(mask, LESION)
    assert [(n.code, n.level) for n in notes] == [("M05", "normalised")]
    Image.fromarray(LESION).save(tmp_path / "m.png")
    assert read(tmp_path / "m.png", image)[1] == []


@pytest.mark.parametrize("kind", ["png", "dcm"])
def test_itk_snap_and_nibabel_on_an_image_without_a_place(kind, tmp_path, kit):
    path = tmp_path / f"i.{kind}"
    if kind == "png":
        Image.fromarray(picture()).save(path)
    else:
        kit.save_dicom(path, kit.dicom_dataset(picture()))
    snap = volume(tmp_path / "s.nii.gz", LESION[np.newaxis], spacing=(0.1, 0.1, 1),
                  origin=(0, 0, 0), direction=np.eye(3).ravel())  # fmt: skip
    mask, notes = read(snap, path)
    np.testing.assert_array_equal(mask, LESION)
    assert notes == []
    for array, found in ((LESION, "M05"), (LESION[::-1, ::-1], "M04")):
        eye = volume(tmp_path / "e.nii", array, spacing=(1, 1), direction=(-1, 0, 0, -1))
        mask, notes = read(eye, path)
        np.testing.assert_array_equal(mask, array)
        assert [n.code for n in notes] == [found]
        assert "mean gradient" in notes[0].what
    corner = ((SHAPE[1] - 1) * 0.1, (SHAPE[0] - 1) * 0.1)
    meant = volume(tmp_path / "f.nii", LESION[::-1, ::-1], spacing=(0.1, 0.1), origin=corner,
                   direction=(-1, 0, 0, -1))  # fmt: skip
    np.testing.assert_array_equal(read(meant, path)[0], LESION)


def test_a_place_that_a_picture_does_not_know_is_noted(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "i.png")
    path = volume(tmp_path / "m.nrrd", LESION, origin=(31.7, -8.2))
    mask, notes = read(path, tmp_path / "i.png")
    np.testing.assert_array_equal(mask, LESION)
    assert [(n.code, n.level) for n in notes] == [("M05", "normalised")]
    assert "names a place, the image's none" in notes[0].what


def test_pixels_of_one_millimetre_do_not_excuse_another_origin(tmp_path):
    image = volume(tmp_path / "i.nrrd", picture(), spacing=(1, 1))
    assert read(volume(tmp_path / "m.nrrd", LESION, spacing=(1, 1)), image)[1] == []
    moved = volume(tmp_path / "n.nrrd", LESION, spacing=(1, 1), origin=(5, 3))
    mask, notes = read(moved, image)
    np.testing.assert_array_equal(mask, np.roll(LESION, (3, 5), (0, 1)))
    assert [(n.code, n.level) for n in notes] == [("M05", "warning")]
    mask, notes = read(volume(tmp_path / "p.nrrd", LESION, spacing=(2, 2)), image)
    np.testing.assert_array_equal(mask, LESION)
    assert [(n.code, n.level) for n in notes] == [("M05", "warning")]
    assert "2 x 2 mm, the image's 1 x 1 mm" in notes[0].what
    assert (
        code(volume(tmp_path / "o.nrrd", LESION, spacing=(1, 1), origin=(30, 3)), image) == "M05"
    )


def test_two_files_of_nibabel_agree_without_a_note(tmp_path):
    for name, array in (("i.nii", picture()), ("m.nii", LESION)):
        volume(tmp_path / name, array, spacing=(1, 1), direction=(-1, 0, 0, -1))
    mask, notes = read(tmp_path / "m.nii", tmp_path / "i.nii")
    np.testing.assert_array_equal(mask, LESION)
    assert notes == []


def test_a_picture_drawn_on_an_image_that_runs_backwards_is_doubted(tmp_path):
    path = volume(tmp_path / "i.nrrd", picture(), origin=(9, 9), direction=(-1, 0, 0, -1))
    Image.fromarray(np.ascontiguousarray(LESION[::-1, ::-1])).save(tmp_path / "m.png")
    mask, notes = read(tmp_path / "m.png", path)
    np.testing.assert_array_equal(mask, LESION[::-1, ::-1])
    assert [n.code for n in notes] == ["M04"]


def test_spacing_of_a_dicom_image_and_of_its_mask_must_agree(tmp_path, kit):
    kit.save_dicom(tmp_path / "i.dcm", kit.dicom_dataset(picture()))
    assert (
        code(volume(tmp_path / "m.nii", LESION, spacing=(0.3, 0.3)), tmp_path / "i.dcm") == "M05"
    )


def test_position_and_orientation_of_a_dicom_image_are_used(tmp_path, kit):
    dataset = kit.dicom_dataset(
        picture(), ImageOrientationPatient=[-1, 0, 0, 0, 0, -1],
        ImagePositionPatient=[40, 7, -12], SliceThickness=2,
    )  # fmt: skip
    kit.save_dicom(tmp_path / "i.dcm", dataset)
    on = decode_image(tmp_path / "i.dcm").geometry
    np.testing.assert_allclose(on.steps, [[0, -0.1], [0, 0], [-0.1, 0]])
    written = sitk.GetImageFromArray(LESION[::-1].astype(np.uint8)[np.newaxis])
    written.SetSpacing((0.1, 0.1, 2))
    written.SetOrigin((40, 7, -12 - 0.1 * (SHAPE[0] - 1)))
    written.SetDirection((-1, 0, 0, 0, 0, -1, 0, 1, 0))
    sitk.WriteImage(written, str(tmp_path / "m.nrrd"))
    mask, notes = read(tmp_path / "m.nrrd", tmp_path / "i.dcm")
    np.testing.assert_array_equal(mask, LESION)
    assert "rows were reversed" in notes[0].what


def test_a_reduced_mask_is_placed_like_any_other(image, tmp_path):
    from her2.core.types import MaskChoice

    large = np.kron(LESION[::-1], np.ones((4, 4)))
    path = volume(tmp_path / "m.nrrd", large, spacing=(0.025, 0.02), direction=(1, 0, 0, -1),
                  origin=(5.0 - 0.0375, -3.0 - 0.03 + 0.02 * (4 * SHAPE[0] - 1)))  # fmt: skip
    mask, notes = read(path, image, choice=MaskChoice(scale=4))
    np.testing.assert_array_equal(mask, LESION)
    assert [n.code for n in notes] == ["M23", "M05"]
