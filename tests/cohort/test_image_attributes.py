"""What changes the meaning of stored pixels: one picture, stored in all ways, is one array."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageOps

from her2.cohort import CATALOGUE
from her2.cohort.image_attributes import ATTRIBUTES, known_aspect, turned
from her2.cohort.images import decode_image
from her2.cohort.masks import read_mask
from her2.core.errors import InputProblem

# what undoes the turn that an orientation asks for
INVERSE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
GREY = Path(__file__).parents[2] / "docs" / "problem_codes.md"


def codes(image):
    return [note.code for note in image.notes if note.code != "D42"]


def levels(note):
    return [x.level for x in note.notes if x.code != "D42"]


def exif(orientation):
    found = Image.Exif()
    found[0x112] = orientation
    return found


def tiff(path, array, *, photometric=1, sample_format=1, bits=None):
    """Baseline TIFF of one grey page, little-endian, without compression."""
    data = np.ascontiguousarray(array).tobytes()
    tags = [
        (256, 4, array.shape[1]), (257, 4, array.shape[0]), (258, 3, bits or 8 * array.itemsize),
        (259, 3, 1), (262, 3, photometric), (273, 4, 8), (277, 3, 1), (278, 4, array.shape[0]),
        (279, 4, len(data)), (339, 3, sample_format),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags))
    path.write_bytes(
        head + b"".join(struct.pack("<HHII", a, b, 1, c) for a, b, c in tags) + b"\0" * 4
    )
    return path


def lut(entries, bits, first=0, data=None):
    item = pydicom.Dataset()
    item.LUTDescriptor = [entries, first, bits]
    item.add_new(
        "LUTData", "OW", np.arange(entries, dtype="<u2").tobytes() if data is None else data
    )
    return pydicom.Sequence([item])


def test_the_list_names_codes_of_the_catalogue_and_the_docs_show_it():
    assert {x.code for x in ATTRIBUTES if x.code} <= set(CATALOGUE)
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.*?) ?\|$", GREY.read_text(), re.MULTILINE)
    assert set(ATTRIBUTES) <= set(rows)


# ---- orientation ----------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_arrays_turn_as_pillow_turns_them(orientation):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    picture = Image.fromarray(pixels)
    picture.getexif()[0x112] = orientation
    np.testing.assert_array_equal(
        turned(pixels, orientation), np.asarray(ImageOps.exif_transpose(picture))
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_turn_can_be_undone(orientation):
    rng = np.random.default_rng(orientation)
    for shape in rng.integers(1, 6, (20, 2)):
        pixels = rng.integers(0, 256, shape)
        again = turned(turned(pixels, orientation), INVERSE[orientation])
        np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_turned_picture_is_read_upright(orientation, ending, depth, tmp_path, kit):
    pixels = kit.textured_image(1, shape=(40, 56))
    if depth == 16:
        if ending == ".jpg":
            pytest.skip("JPEG has no 16 bits")
        pixels = pixels.astype(np.uint16) * 200
    how = {"quality": 100} if ending == ".jpg" else {}
    stored = Image.fromarray(turned(pixels, INVERSE[orientation]))
    stored.save(tmp_path / f"a{ending}", exif=exif(orientation), **how)
    image = decode_image(tmp_path / f"a{ending}")
    assert image.pixels.shape == pixels.shape
    # IDCT of a turned block rounds otherwise
    assert np.abs(image.pixels.astype(int) - pixels).max() <= (3 if ending == ".jpg" else 0)
    assert codes(image) == ([] if orientation == 1 else ["D54"])


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_a_turned_mask_is_read_upright(orientation, ending, tmp_path, kit):
    mask = kit.disc_mask(shift=7)
    values = turned(mask.astype(np.uint8) * 255, INVERSE[orientation])
    Image.fromarray(values).save(tmp_path / f"m{ending}", exif=exif(orientation))
    read, notes = read_mask([tmp_path / f"m{ending}"], mask.shape)
    np.testing.assert_array_equal(read, mask)
    assert [note.code for note in notes] == ["D54"]


def test_every_page_has_its_own_orientation(tmp_path, kit):
    pixels = kit.textured_image(1)
    pages = [Image.fromarray(pixels), Image.fromarray(pixels[::-1, ::-1].copy())]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    payload = (tmp_path / "a.tif").read_bytes()
    assert payload  # Pillow writes one orientation for all pages: read them as they are
    for page in (1, 2):
        read = decode_image(tmp_path / "a.tif", page).pixels
        np.testing.assert_array_equal(read, np.asarray(pages[page - 1]))


@pytest.mark.parametrize(
    "damage", [exif(9), exif(0), b"Exif\0\0", b"Exif\0\0MM\0*\0\0", b"Exif\0\0garbage garbage"]
)
def test_an_orientation_that_is_not_known_warns(damage, tmp_path, kit):
    pixels = kit.textured_image(1)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=damage)
    image = decode_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (codes(image), levels(image)) == (["D54"], ["warning"])


# ---- polarity, sign, depth ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_both_polarities_of_a_tiff_are_one_image(dtype, tmp_path, kit):
    pixels = kit.textured_image(1).astype(dtype) * (dtype(1) if dtype is np.uint8 else dtype(37))
    white = tiff(tmp_path / "w.tif", np.iinfo(dtype).max - pixels, photometric=0)
    black = tiff(tmp_path / "b.tif", pixels)
    for path in (white, black):
        read = decode_image(path).pixels
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, pixels)


def test_white_is_zero_of_fractions_is_refused(tmp_path, kit):
    path = tiff(tmp_path / "a.tif", kit.textured_image(1).astype(np.float32), photometric=0,
                sample_format=3)  # fmt: skip
    with pytest.raises(InputProblem, match="BlackIsZero") as caught:
        decode_image(path)
    assert caught.value.code == "D27"


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_signed_tiffs_keep_their_sign(dtype, tmp_path, kit):
    pixels = (kit.textured_image(1).astype(int) // 2 - 60).astype(dtype)
    image = decode_image(tiff(tmp_path / "a.tif", pixels, sample_format=2))
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(image.pixels, pixels)
    assert codes(image) == ["D56"]


def test_unsigned_32_bits_do_not_become_negative(tmp_path, kit):
    pixels = kit.textured_image(1).astype(np.uint32) * 2**24
    read = decode_image(tiff(tmp_path / "a.tif", pixels)).pixels
    np.testing.assert_array_equal(read, pixels.astype(np.float32))


def test_signed_dicom_is_read_with_its_sign(tmp_path, kit):
    pixels = kit.textured_image(1).astype(np.int16) - 100
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(pixels, PixelRepresentation=1))
    image = decode_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert codes(image) == ["D56"]


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -7}])
def test_both_polarities_of_a_dicom_are_one_image(bits, signed, rescale, tmp_path, kit):
    low = -(2 ** (bits - 1)) * signed
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    pixels = np.clip(kit.textured_image(1).astype(int) * 2 ** (bits - 8) + low, low, None)
    tags = {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed, **rescale}
    read = []
    for name, values in (("MONOCHROME2", pixels), ("MONOCHROME1", 2 * low + 2**bits - 1 - pixels)):
        dataset = kit.dicom_dataset(
            values.astype(dtype), PhotometricInterpretation=name, PresentationLUTShape=(
                "INVERSE" if name == "MONOCHROME1" else "IDENTITY"), **tags
        )  # fmt: skip
        kit.save_dicom(tmp_path / f"{name}.dcm", dataset)
        read.append(decode_image(tmp_path / f"{name}.dcm").pixels)
    np.testing.assert_array_equal(read[0], read[1])
    expected = pixels * rescale.get("RescaleSlope", 1) + rescale.get("RescaleIntercept", 0)
    np.testing.assert_array_equal(read[0], expected)


@pytest.mark.parametrize(
    ("name", "shape"), [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")]
)
def test_two_polarities_in_one_header_are_refused(name, shape, tmp_path, kit):
    dataset = kit.dicom_dataset(
        kit.textured_image(1), PhotometricInterpretation=name, PresentationLUTShape=shape
    )
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    with pytest.raises(InputProblem, match="contradicts") as caught:
        decode_image(tmp_path / "a.dcm")
    assert caught.value.code == "D27"


def test_colours_of_16_bits_warn_that_8_are_read(tmp_path, kit):
    rgb = np.stack([kit.textured_image(1)] * 3, axis=-1)
    raw = np.ascontiguousarray(rgb.astype(">u2") * 257)
    (tmp_path / "a.png").write_bytes(png_of_16_bits(raw))
    image = decode_image(tmp_path / "a.png")
    assert codes(image) == ["D56", "D20"]
    assert levels(image)[0] == "warning"


def png_of_16_bits(raw):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = raw.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in raw)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


# ---- modality, palettes, display ------------------------------------------------------------


@pytest.mark.parametrize(
    "tags", [{"RescaleSlope": 1, "RescaleIntercept": 0}, {"RescaleSlope": 1}, {}]
)
def test_a_rescaling_that_changes_nothing_is_not_noted(tags, tmp_path, kit):
    pixels = kit.textured_image(1)
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(pixels, **tags))
    image = decode_image(tmp_path / "a.dcm")
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels, pixels)
    assert codes(image) == []


def test_rescaling_is_linear(tmp_path, kit):
    rng, pixels = np.random.default_rng(0), kit.textured_image(1)
    for slope in [*range(-9, 0), *range(1, 10)]:
        intercept = int(rng.integers(-500, 500))
        tags = {"RescaleSlope": slope, "RescaleIntercept": intercept}
        kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(pixels, **tags))
        read = decode_image(tmp_path / "a.dcm").pixels
        if slope != 1 or intercept:
            np.testing.assert_array_equal(read, pixels.astype(int) * slope + intercept)


def test_rescaling_of_a_frame_is_found_in_its_functional_group(tmp_path, kit):
    item = pydicom.Dataset()
    item.RescaleSlope, item.RescaleIntercept = 3, 1
    groups = pydicom.Dataset()
    groups.PixelValueTransformationSequence = pydicom.Sequence([item])
    pixels = kit.textured_image(1)
    dataset = kit.dicom_dataset(pixels, SharedFunctionalGroupsSequence=pydicom.Sequence([groups]))
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(
        decode_image(tmp_path / "a.dcm").pixels, pixels.astype(int) * 3 + 1
    )


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"RescaleSlope": "1e300", "RescaleIntercept": 0},
        {"RescaleSlope": "NaN", "RescaleIntercept": 0},
        {"RescaleSlope": "inf", "RescaleIntercept": 0},
        {"RescaleSlope": "two", "RescaleIntercept": 0},
        {"ModalityLUTSequence": lut(0, 16, data=b"")},
        {"ModalityLUTSequence": pydicom.Sequence([pydicom.Dataset()])},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_transformation_is_refused(tags, tmp_path, kit):
    with pydicom.config.disable_value_validation():
        kit.save_dicom(tmp_path / "a.dcm", _unchecked(kit, tags))
    with pytest.raises(InputProblem) as caught:
        decode_image(tmp_path / "a.dcm")
    assert caught.value.code == "D57"


def _unchecked(kit, tags):
    """Dataset with decimal strings as they are written in damaged files."""
    dataset = kit.dicom_dataset(kit.textured_image(1))
    for name, value in tags.items():
        if isinstance(value, str):
            dataset.add_new(name, "DS", "1")
            dataset[name]._value = value
        else:
            setattr(dataset, name, value)
    return dataset


def test_a_modality_table_is_applied_and_polarity_after_it(tmp_path, kit):
    pixels = kit.textured_image(1)
    table = (np.arange(256, dtype="<u2") ** 2 // 64).astype("<u2")
    tags = {"ModalityLUTSequence": lut(256, 12, data=table.tobytes())}
    for name, expected in (("MONOCHROME2", table[pixels]), ("MONOCHROME1", 4095 - table[pixels])):
        dataset = kit.dicom_dataset(pixels, PhotometricInterpretation=name, **tags)
        kit.save_dicom(tmp_path / "a.dcm", dataset)
        image = decode_image(tmp_path / "a.dcm")
        np.testing.assert_array_equal(image.pixels, expected)
        assert codes(image)[0] == "D56"


@pytest.mark.parametrize("scale", [257, 256, 1])
def test_palettes_of_16_bits_give_the_grey_levels_of_8(scale, tmp_path, kit):
    indices = kit.textured_image(1)
    ramp = (np.arange(256, dtype="<u2") * scale).astype("<u2").tobytes()
    names = ("Red", "Green", "Blue")
    tags = {f"{c}PaletteColorLookupTableData": ramp for c in names}
    tags |= {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in names}
    dataset = kit.dicom_dataset(indices, PhotometricInterpretation="PALETTE COLOR", **tags)
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    image = decode_image(tmp_path / "a.dcm")
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels, indices)
    assert codes(image) == ["D25", "D20"]


@pytest.mark.parametrize(
    ("tags", "noted"),
    [
        ({"WindowCenter": 127.5, "WindowWidth": 255}, False),
        ({"WindowCenter": 128, "WindowWidth": 256}, False),
        ({"WindowCenter": [128, 40], "WindowWidth": [256, 10]}, False),
        ({"WindowCenter": 60, "WindowWidth": 80}, True),
        ({"WindowCenter": 128, "WindowWidth": 256, "VOILUTFunction": "SIGMOID"}, True),
        ({"VOILUTSequence": lut(256, 8)}, True),
        ({"ImageHorizontalFlip": "Y"}, True),
        ({"ImageHorizontalFlip": "N", "ImageRotation": 0}, False),
    ],
)
def test_display_settings_are_noted_and_not_applied(tags, noted, tmp_path, kit):
    pixels = kit.textured_image(1)
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(pixels, **tags))
    image = decode_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert codes(image) == (["D58"] if noted else [])


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_oblong_pixels_of_a_picture_are_known(ending, tmp_path, kit):
    Image.fromarray(kit.textured_image(1)).save(tmp_path / f"a{ending}", dpi=(100, 200))
    assert decode_image(tmp_path / f"a{ending}").scale.aspect == pytest.approx(0.5, rel=0.01)
    Image.fromarray(kit.textured_image(1)).save(tmp_path / f"b{ending}", dpi=(300, 300))
    assert decode_image(tmp_path / f"b{ending}").scale.aspect is None


def test_a_density_that_is_the_size_of_the_picture_says_nothing(tmp_path, kit):
    pixels = kit.textured_image(1)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    said = b"pHYs" + struct.pack(">IIB", pixels.shape[1], pixels.shape[0], 0)
    chunk = struct.pack(">I", 9) + said + struct.pack(">I", zlib.crc32(said))
    stored = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(stored[:33] + chunk + stored[33:])  # behind IHDR
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["aspect"] == pixels.shape[::-1]
    assert decode_image(tmp_path / "a.png").scale.aspect is None


def test_a_turned_picture_has_turned_pixels(tmp_path, kit):
    for ending in (".png", ".tif"):
        path = tmp_path / f"a{ending}"
        Image.fromarray(kit.textured_image(1)).save(path, dpi=(100, 200), exif=exif(6))
        assert decode_image(path).scale.aspect == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("sides", [(0, 1), (1, 0), (-1, 1), (np.nan, 1), (np.inf, 1), (1, 1)])
def test_no_aspect_is_made_of_nonsense(sides):
    assert known_aspect(*sides) is None
