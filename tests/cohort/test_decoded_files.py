"""A file is decoded once while there is room and it has not changed, and otherwise again."""

import os

import numpy as np
import pytest
from PIL import Image

from her2.cohort import images, masks
from her2.cohort.files import keep_decoded


@pytest.fixture
def path(tmp_path):
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


@pytest.fixture
def opened(monkeypatch):
    """Paths that were decoded, in order."""
    seen = []
    before = images.read_picture

    def counted(path, **named):
        seen.append(path)
        return before(path, **named)

    monkeypatch.setattr(images, "read_picture", counted)
    monkeypatch.setattr(masks, "read_picture", counted)
    yield seen
    keep_decoded(0)


def test_nothing_is_kept_unless_there_is_room(path, opened):
    keep_decoded(0)
    for _ in range(2):
        images.decode_image(path)
    assert opened == [path, path]


def test_an_image_is_decoded_once(path, opened):
    keep_decoded(10_000)
    first, second = (images.decode_image(path) for _ in range(2))
    assert opened == [path]
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_what_is_kept_cannot_be_changed_by_one_reader_for_the_next(path, opened):
    keep_decoded(10_000)
    with pytest.raises(ValueError, match="read-only"):
        images.decode_image(path).pixels[0, 0] = 1


def test_an_image_and_a_mask_in_one_file_are_two_answers(tmp_path, opened):
    keep_decoded(10_000)
    path = tmp_path / "both.png"
    drawn = np.zeros((20, 20), dtype=np.uint8)
    drawn[4:14, 4:14] = 255
    Image.fromarray(drawn).save(path)
    for _ in range(2):
        assert images.decode_image(path).pixels.dtype == np.uint8
        assert masks.read_mask([path], (20, 20))[0].dtype == np.bool_
    assert opened == [path, path]


def test_a_changed_file_is_decoded_again(path, opened):
    keep_decoded(10_000)
    before = images.decode_image(path).pixels
    Image.fromarray(before[::-1]).save(path)
    os.utime(path, ns=(0, 0))
    np.testing.assert_array_equal(images.decode_image(path).pixels, before[::-1])


def test_what_does_not_fit_is_decoded_again_and_what_has_gone_is_refused(path, opened):
    keep_decoded(300)
    for _ in range(2):
        images.decode_image(path)
    assert opened == [path, path]
    keep_decoded(10_000)
    images.decode_image(path)
    path.unlink()
    with pytest.raises(Exception, match="D53"):
        images.decode_image(path)


def test_room_is_counted_again_when_a_file_has_changed(path, opened):
    keep_decoded(500)
    for second in range(3):
        os.utime(path, ns=(second, second))
        images.decode_image(path)
        images.decode_image(path)
    assert opened == [path] * 3
