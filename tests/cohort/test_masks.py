"""Masks are read, never changed: labels, shapes, unions and what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from her2.cohort.masks import dice, read_mask
from her2.core.errors import InputProblem
from her2.core.types import MaskChoice


def code_of(paths, shape):
    with pytest.raises(InputProblem) as caught:
        read_mask(paths, shape)
    return caught.value.code


@pytest.mark.parametrize("ending", [".png", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("label", [1, 255])
def test_usual_labels_need_no_note(ending, label, tmp_path, kit):
    path = tmp_path / f"m{ending}"
    kit.write_mask(path, kit.disc_mask(), label=label)
    mask, notes = read_mask([path], kit.shape)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, kit.disc_mask())
    assert notes == []


def test_phantom_layout_keeps_rows_and_columns(tmp_path, kit):
    lesion = np.zeros(kit.shape, bool)
    lesion[10:20, 30:55] = True
    image = sitk.GetImageFromArray(lesion.astype(np.uint8)[np.newaxis])
    image.SetSpacing((0.08, 0.1, 1.0))
    sitk.WriteImage(image, str(tmp_path / "m.nii.gz"))
    np.testing.assert_array_equal(read_mask([tmp_path / "m.nii.gz"], kit.shape)[0], lesion)


def test_several_masks_are_merged(tmp_path, kit):
    parts = [kit.disc_mask(radius=8, shift=-12), kit.disc_mask(radius=8, shift=12)]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, part in zip(paths, parts, strict=True):
        kit.write_mask(path, part)
    mask, notes = read_mask(paths, kit.shape)
    np.testing.assert_array_equal(mask, parts[0] | parts[1])
    assert notes == []  # two pieces of two files are meant


def test_swapped_axes_are_said(tmp_path, kit):
    kit.write_mask(tmp_path / "m.png", kit.disc_mask().T)
    with pytest.raises(InputProblem, match=r"60 x 64, the image 64 x 60; the axes look swapped"):
        read_mask([tmp_path / "m.png"], kit.shape)


def test_other_size_is_never_resized(tmp_path, kit):
    kit.write_mask(tmp_path / "m.png", np.pad(kit.disc_mask(), ((0, 7), (0, 0))))
    assert code_of([tmp_path / "m.png"], kit.shape) == "M02"


def test_a_mask_of_the_enlarged_image_is_reduced_only_where_that_is_declared(tmp_path, kit):
    kit.write_mask(tmp_path / "m.png", np.kron(kit.disc_mask(), np.ones((4, 4), bool)))
    for choice in (MaskChoice(), MaskChoice(scale=2)):
        with pytest.raises(InputProblem, match=r"M23: .*4 times.*cohort\.mask_scale=4"):
            read_mask([tmp_path / "m.png"], kit.shape, choice=choice)
    mask, notes = read_mask([tmp_path / "m.png"], kit.shape, choice=MaskChoice(scale=4))
    np.testing.assert_array_equal(mask, kit.disc_mask())
    assert [(note.code, note.level) for note in notes] == [("M23", "normalised")]


def test_three_values_are_refused_with_their_counts(tmp_path, kit):
    values = kit.disc_mask().astype(np.uint8) * 255
    values[0, :5] = 128
    Image.fromarray(values).save(tmp_path / "m.png")
    with pytest.raises(InputProblem, match=r"M25.*128 \(5 pixels\)"):
        read_mask([tmp_path / "m.png"], kit.shape)


def test_red_channel_wins_over_alpha(tmp_path, kit):
    red = kit.disc_mask().astype(np.uint8) * 255
    alpha = np.full_like(red, 255)
    alpha[:3] = 0
    Image.fromarray(np.stack([red, red, red, alpha], axis=-1)).save(tmp_path / "m.png")
    mask, notes = read_mask([tmp_path / "m.png"], kit.shape)
    np.testing.assert_array_equal(mask, kit.disc_mask())
    assert [note.code for note in notes] == ["M10"]


@pytest.mark.parametrize("n_grey", [1, 3])
@pytest.mark.parametrize("opacity", [255, 128])
def test_alpha_is_used_where_colours_are_blank(opacity, n_grey, tmp_path, kit):
    alpha = kit.disc_mask().astype(np.uint8) * opacity
    blank = np.full((*alpha.shape, n_grey), 40, np.uint8)
    Image.fromarray(np.concatenate([blank, alpha[..., None]], axis=-1)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask([tmp_path / "m.png"], kit.shape)[0], kit.disc_mask())


def test_overlay_on_the_image_is_refused(tmp_path, kit):
    rgb = np.stack([kit.textured_image(0)] * 3, axis=-1)
    rgb[kit.disc_mask()] = (255, 0, 0)
    Image.fromarray(rgb).save(tmp_path / "m.png")
    assert code_of([tmp_path / "m.png"], kit.shape) == "M19"


def test_clean_jpeg_mask_is_cut(tmp_path, kit):
    lesion = np.zeros((64, 64), bool)
    lesion[16:48, 16:48] = True  # on the grid of 8 x 8 blocks
    Image.fromarray(lesion.astype(np.uint8) * 250 + 2).save(tmp_path / "m.jpg", quality=90)
    mask, notes = read_mask([tmp_path / "m.jpg"], lesion.shape)
    np.testing.assert_array_equal(mask, lesion)
    assert all(note.level == "normalised" for note in notes)


@pytest.mark.parametrize("values", [-1.0, 0.5, np.inf])
def test_values_that_are_no_labels(values, tmp_path, kit):
    array = kit.disc_mask().astype(np.float32)
    array[0, 0] = values
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "m.nrrd"))
    assert code_of([tmp_path / "m.nrrd"], kit.shape) == "M19"


def test_no_path_is_no_mask(kit):
    assert code_of([], kit.shape) == "M01"


def test_dice_by_hand(kit):
    first = np.array([[True, True, False]])
    assert dice(first, first) == 1.0
    assert dice(first, np.array([[False, True, True]])) == 0.5
