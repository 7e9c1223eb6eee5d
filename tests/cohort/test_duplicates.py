"""Near-duplicates: copies are found however they were made, and different lesions are not."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from her2.cohort.duplicates import near_duplicates, thumbnails
from her2.core.errors import BadArgument

N = 24


def image(seed, height=160, width=200):
    """Speckle uint8 with a dark lesion; deeper rows are darker, as in every ultrasound image."""
    rng = np.random.default_rng(seed)
    speckle = ndimage.gaussian_filter(rng.rayleigh(60.0, (height, width)), 1.5)
    tissue = ndimage.gaussian_filter(rng.normal(size=(height, width)), 12)
    grey = speckle * (1 + tissue / tissue.std() / 4) * np.linspace(1.2, 0.5, height)[:, np.newaxis]
    return np.clip(grey * np.where(mask(seed, height, width), 0.6, 1), 0, 255).astype(np.uint8)


def mask(seed, height=160, width=200):
    rng = np.random.default_rng(1000 + seed)
    rows, columns = np.indices((height, width))
    centre = rng.uniform(0.4, 0.6, 2) * (height, width)
    radius = rng.uniform(0.12, 0.25, 2) * height
    return ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 < 1


def saved_as_jpeg(pixels, quality=80):
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(array, share, how):
    size = (int(array.shape[1] * share), int(array.shape[0] * share))
    return np.asarray(Image.fromarray(array).resize(size, how))


def shrunk(pixels, lesion, share):
    kept = resized(pixels, share, Image.Resampling.BILINEAR)
    return kept, resized(lesion, share, Image.Resampling.NEAREST)


COPIES = {
    "exact": lambda p, m: (p, m),
    "left-right": lambda p, m: (p[:, ::-1], m[:, ::-1]),
    "up-down": lambda p, m: (p[::-1], m[::-1]),
    "both": lambda p, m: (p[::-1, ::-1], m[::-1, ::-1]),
    "JPEG": lambda p, m: (saved_as_jpeg(p), m),
    "half the size": lambda p, m: shrunk(p, m, 0.5),
    "flipped, three quarters, JPEG": lambda p, m: (
        saved_as_jpeg(shrunk(p, m, 0.75)[0][:, ::-1]), shrunk(p, m, 0.75)[1][:, ::-1],
    ),
    "brighter": lambda p, m: ((255 * (p / 255) ** 0.8).astype(np.uint8), m),
    "16 bit": lambda p, m: (p.astype(np.uint16) * 257, m),
}  # fmt: skip


@pytest.fixture(scope="module")
def lesions():
    return [(image(i), mask(i)) for i in range(N)]


@pytest.fixture(scope="module")
def originals(lesions):
    return np.stack([thumbnails(*lesion) for lesion in lesions])


def test_different_lesions_are_not_called_copies(originals):
    assert near_duplicates(originals) == []


@pytest.mark.parametrize("made", COPIES)
def test_every_copy_is_found_and_nothing_else(lesions, originals, made):
    copies = np.stack([thumbnails(*COPIES[made](*lesion)) for lesion in lesions])
    found = near_duplicates(np.concatenate([originals, copies]))
    assert [(pair.first, pair.second) for pair in found] == [(i, i + N) for i in range(N)]
    if made in ("left-right", "up-down", "both"):
        assert {pair.flip for pair in found} == {made}
    if made == "exact":
        assert all(pair.distance == 0 for pair in found)
        assert min(pair.correlation for pair in found) == pytest.approx(1)


def test_a_copy_with_other_margins_is_found_by_the_lesion(lesions, originals):
    def framed(pixels, lesion):
        wide = np.full((pixels.shape[0] + 60, pixels.shape[1] + 40), 7, np.uint8)
        where = np.zeros(wide.shape, bool)
        wide[50:-10, 30:-10], where[50:-10, 30:-10] = pixels, lesion
        return wide, where

    copies = np.stack([thumbnails(*framed(*lesion)) for lesion in lesions])
    found = near_duplicates(np.concatenate([originals, copies]))
    assert {(pair.first, pair.second) for pair in found} == {(i, i + N) for i in range(N)}
    assert {pair.view for pair in found} == {"lesion"}


def test_a_frame_that_all_images_share_makes_no_copies(lesions):
    rows, columns = np.indices((160, 200))
    fan = np.abs(columns - 100) < 0.75 * (rows + 40)
    found = near_duplicates(np.stack([thumbnails(p * fan, m) for p, m in lesions]))
    assert found == []


def test_images_of_one_owner_are_not_compared(lesions, originals):
    twice = np.concatenate([originals[:2], originals[:2]])
    assert len(near_duplicates(twice)) == 2
    found = near_duplicates(twice, owners=np.array([5, 6, 5, 7]))
    assert [(pair.first, pair.second) for pair in found] == [(1, 3)]


def test_blocks_of_rows_give_the_same_pairs(originals, monkeypatch):
    twice = np.concatenate([originals, originals])
    whole = near_duplicates(twice)
    monkeypatch.setattr("her2.cohort.duplicates._ROWS_AT_ONCE", 7)
    assert near_duplicates(twice) == whole


def test_flat_pictures_are_no_copies_of_each_other():
    flat = np.full((3, 2, 32, 32), 40.0, np.float32)
    assert near_duplicates(flat) == []


def test_a_lesion_of_one_pixel_at_the_border_has_its_pictures():
    pixels, lesion = image(0), np.zeros((160, 200), bool)
    lesion[0, 199] = True
    assert np.isfinite(thumbnails(pixels, lesion)).all()


def test_a_mean_stays_the_mean():
    pixels = image(3)
    whole, _ = thumbnails(pixels, mask(3))
    assert whole.mean() == pytest.approx(pixels.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("pixels", "lesion"),
    [
        (np.zeros((4, 4)), np.zeros((4, 4), bool)),
        (np.zeros((4, 4)), np.ones((4, 5), bool)),
        (np.zeros((4, 4, 3)), np.ones((4, 4, 3), bool)),
    ],
)
def test_what_is_no_lesion_is_refused(pixels, lesion):
    with pytest.raises(BadArgument, match="expected an image"):
        thumbnails(pixels, lesion)


def test_other_shapes_are_refused(originals):
    with pytest.raises(BadArgument, match="small pictures"):
        near_duplicates(originals[:, 0])
    with pytest.raises(BadArgument, match="expected an owner"):
        near_duplicates(originals, owners=np.arange(3))
