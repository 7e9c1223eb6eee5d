"""Enhanced images on disk, and what a lesion with one is."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from her2.cohort import load_lesion
from her2.cohort.lesions import in_blocks, is_whole, read_enhanced, write_enhanced
from her2.core.errors import InputProblem
from her2.core.types import Lesion, LesionImage


@pytest.fixture
def lesion(tmp_path):
    rows, columns = np.indices((20, 24))
    Image.fromarray((5 * rows + columns).astype(np.uint8)).save(tmp_path / "i.png")
    mask = np.zeros((20, 24), np.uint8)
    mask[5:15, 6:18] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    return Lesion("P", "1", 0, tmp_path / "i.png", (tmp_path / "m.png",), spacing_mm=(0.1, 0.2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_written_is_read(tmp_path, dtype):
    pixels = np.arange(8 * 12).reshape(8, 12).astype(dtype)
    write_enhanced(tmp_path / "e", pixels)
    again = read_enhanced(tmp_path / "e", (2, 3))
    assert again.dtype == dtype and np.array_equal(again, pixels)
    first = (tmp_path / "e").read_bytes()
    write_enhanced(tmp_path / "e", pixels)
    assert (tmp_path / "e").read_bytes() == first


def test_a_damaged_file_is_noticed_and_removed(tmp_path):
    path = tmp_path / "e"
    write_enhanced(path, np.zeros((8, 8), np.uint8))
    assert is_whole(path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not is_whole(path)
    with pytest.raises(InputProblem, match="again"):
        read_enhanced(path, (2, 2))
    assert not path.exists() and not is_whole(path)


@pytest.mark.parametrize("stored", [(3, 4), (16, 16), (4, 2)])
def test_an_image_of_another_shape_is_refused(tmp_path, stored):
    write_enhanced(tmp_path / "e", np.zeros((8, 8), np.uint8))
    with pytest.raises(InputProblem, match="8, 8"):
        read_enhanced(tmp_path / "e", stored)


def test_a_lesion_keeps_its_mask_and_spacing_and_brings_the_enhanced_image(lesion, tmp_path):
    native = load_lesion(lesion)
    assert native.enlargement == 1 and native.grey is native.pixels
    write_enhanced(tmp_path / "e", native.pixels.repeat(4, axis=0).repeat(4, axis=1))
    image = load_lesion(replace(lesion, enhanced=tmp_path / "e"))
    assert np.array_equal(image.pixels, native.pixels) and np.array_equal(image.mask, native.mask)
    assert image.spacing_mm == (0.1, 0.2)
    assert image.enlargement == 4 and image.grey.shape == (80, 96)


def test_a_mask_is_enlarged_by_nearest_neighbour():
    mask = np.array([[True, False], [False, True]])
    assert np.array_equal(in_blocks(mask, 3)[::3, ::3], mask)
    assert in_blocks(mask, 3).sum() == 9 * mask.sum()
    assert LesionImage(np.zeros((2, 2)), mask).enlargement == 1
