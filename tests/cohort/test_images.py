"""Grey levels and spacing as an independent reading gives them; nothing but codes from damage."""

import gzip

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from her2.cohort.files import file_kind
from her2.cohort.images import colour_notes, decode_image
from her2.cohort.masks import read_mask
from her2.core.errors import Her2Error, InputProblem


def read_image(path):
    image = decode_image(path)
    return image.pixels, image.spacing_mm, list(image.notes)


def codes(notes):
    return [note.code for note in notes]


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
def test_pictures_keep_their_grey_levels(ending, tmp_path, kit):
    pixels = kit.textured_image(1)
    Image.fromarray(pixels).save(tmp_path / f"a{ending}")
    read, spacing, notes = read_image(tmp_path / f"a{ending}")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)
    assert spacing is None
    assert codes(notes) == ["D42"]


def test_sixteen_bits_survive(tmp_path, kit):
    pixels = kit.textured_image(1).astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.png")
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(pixels))
    for name in ("a.png", "a.dcm"):
        read = read_image(tmp_path / name)[0]
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("slices", [False, True])
def test_volumes_of_one_slice(ending, slices, tmp_path, kit):
    pixels = kit.textured_image(1)
    image = sitk.GetImageFromArray(pixels[np.newaxis] if slices else pixels)
    image.SetSpacing((0.08, 0.1, 1.0)[: image.GetDimension()])
    sitk.WriteImage(image, str(tmp_path / f"a{ending}"))
    read, spacing, notes = read_image(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read, pixels)
    assert spacing == pytest.approx((0.1, 0.08))  # (row, column): ITK says (x, y)
    assert notes == []


def test_alpha_is_dropped_and_not_blended(tmp_path, kit):
    pixels = kit.textured_image(1)
    alpha = np.full_like(pixels, 128)
    Image.fromarray(np.stack([pixels] * 3 + [alpha], axis=-1)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0], pixels)


def test_both_polarities_give_the_same_levels(tmp_path, kit):
    pixels = kit.textured_image(1)
    kit.save_dicom(tmp_path / "2.dcm", kit.dicom_dataset(pixels))
    inverted = kit.dicom_dataset(255 - pixels, PhotometricInterpretation="MONOCHROME1")
    kit.save_dicom(tmp_path / "1.dcm", inverted)
    np.testing.assert_array_equal(
        read_image(tmp_path / "1.dcm")[0], read_image(tmp_path / "2.dcm")[0]
    )


def test_ybr_is_converted_and_the_luminance_kept(tmp_path, kit):
    pixels = kit.textured_image(1)
    ybr = np.asarray(Image.fromarray(np.stack([pixels] * 3, axis=-1)).convert("YCbCr"))
    dataset = kit.dicom_dataset(ybr, PhotometricInterpretation="YBR_FULL")
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    read, _, notes = read_image(tmp_path / "a.dcm")
    assert np.abs(read.astype(int) - pixels).max() <= 1
    assert codes(notes) == ["D22", "D20"]


def test_dicom_palette_is_looked_up(tmp_path, kit):
    indices = kit.textured_image(1)
    ramp = np.arange(256, dtype=np.uint8)[::-1].tobytes()
    tables = {f"{c}PaletteColorLookupTableData": ramp for c in ("Red", "Green", "Blue")}
    sizes = {
        f"{c}PaletteColorLookupTableDescriptor": [256, 0, 8] for c in ("Red", "Green", "Blue")
    }
    dataset = kit.dicom_dataset(
        indices, PhotometricInterpretation="PALETTE COLOR", **tables, **sizes
    )
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    read, _, notes = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(read, 255 - indices)
    assert "D25" in codes(notes)


def test_palette_without_table_is_refused(tmp_path, kit):
    dataset = kit.dicom_dataset(kit.textured_image(1), PhotometricInterpretation="PALETTE COLOR")
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    with pytest.raises(InputProblem) as caught:
        read_image(tmp_path / "a.dcm")
    assert caught.value.code == "D25"


@pytest.mark.parametrize("name", ["JPEG2000Lossless", "RLELossless"])
def test_compressed_dicom_is_decoded(name, tmp_path, kit):
    pixels = kit.textured_image(1)
    dataset = kit.dicom_dataset(pixels)
    syntax = getattr(pydicom.uid, name)
    try:
        dataset.compress(syntax, pixels, generate_instance_uid=False)
    except (RuntimeError, NotImplementedError) as reason:
        pytest.skip(f"no encoder: {reason}")
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm")[0], pixels)


def test_region_spacing_is_centimetres(tmp_path, kit):
    regions = pydicom.Sequence([kit.us_region(0.0078), kit.us_region(5.0, units=2)])
    dataset = kit.dicom_dataset(
        kit.textured_image(1), PixelSpacing=None, SequenceOfUltrasoundRegions=regions
    )
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    _, spacing, notes = read_image(tmp_path / "a.dcm")
    assert spacing == pytest.approx((0.078, 0.078))
    assert codes(notes) == ["D41"]


def test_colour_marks_on_a_picture_warn_and_doppler_refuses(tmp_path, kit):
    lesion = kit.disc_mask()
    rgb = np.stack([kit.textured_image(1)] * 3, axis=-1)
    rows, columns = np.nonzero(lesion)
    found = []
    for n in (0, len(rows) // 20, len(rows) // 2):
        rgb[rows[:n], columns[:n]] = (250, 0, 0)
        Image.fromarray(rgb).save(tmp_path / "a.png")
        notes = colour_notes(decode_image(tmp_path / "a.png"), lesion)
        found.append([(note.code, note.level) for note in notes])
    assert found == [[], [("D21", "warning")], [("D21", "quarantined")]]


def test_colour_outside_the_lesion_is_harmless(tmp_path, kit):
    rgb = np.stack([kit.textured_image(1)] * 3, axis=-1)
    rgb[:5] = (0, 200, 0)
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(rgb))
    assert colour_notes(decode_image(tmp_path / "a.dcm"), kit.disc_mask()) == []


def test_content_decides_where_the_name_says_nothing(tmp_path, kit):
    kit.save_dicom(tmp_path / "IM0001", kit.dicom_dataset(kit.textured_image(1)))
    assert file_kind(tmp_path / "IM0001") == "dicom"


@pytest.mark.parametrize(
    ("name", "payload"),
    [("a.png", b"<html>not found</html>"), ("a.dcm", b"%PDF-1.7"), ("a.jpg", b"\0" * 400)],
)
def test_other_content_is_named(name, payload, tmp_path):
    (tmp_path / name).write_bytes(payload)
    with pytest.raises(InputProblem, match=r"the content is (html|pdf|unknown)") as caught:
        read_image(tmp_path / name)
    assert caught.value.code == "D02"


@pytest.mark.parametrize("ending", [".mhd", ".nhdr", ".hdr", ".img"])
def test_detached_headers_are_refused_by_name(ending, tmp_path):
    (tmp_path / f"a{ending}").write_bytes(b"NRRD0004")
    with pytest.raises(InputProblem) as caught:
        read_image(tmp_path / f"a{ending}")
    assert caught.value.code == "M24"


def test_meta_image_that_points_elsewhere_is_refused(tmp_path):
    header = "ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\n"
    (tmp_path / "a.mha").write_text(header + "ElementDataFile = /etc/hostname\n")
    with pytest.raises(InputProblem) as caught:
        read_image(tmp_path / "a.mha")
    assert caught.value.code == "M24"


@pytest.mark.filterwarnings("ignore")
def test_damage_never_escapes_as_a_decoder_error(tmp_path, kit):
    """Flipped, cut and repeated bytes of every format: a code, or an image, and nothing else."""
    pixels = kit.textured_image(1)
    rgb = np.stack([pixels] * 3, axis=-1)
    kit.save_dicom(tmp_path / "s.dcm", kit.dicom_dataset(pixels))
    Image.fromarray(pixels).save(tmp_path / "s.png")
    Image.fromarray(rgb).save(tmp_path / "s.jpg")
    Image.fromarray(pixels).save(tmp_path / "s.tif")
    for name in ("s.nii", "s.nrrd"):
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / name))
    (tmp_path / "s.nii.gz").write_bytes(gzip.compress((tmp_path / "s.nii").read_bytes()))
    rng = np.random.default_rng(0)
    outcomes = set()
    for seed in sorted(tmp_path.glob("s.*")):
        original = seed.read_bytes()
        for _ in range(30):
            target = tmp_path / f"m{seed.name[1:]}"
            target.write_bytes(mutate(original, rng))
            for read in (lambda t=target: read_image(t), lambda t=target: read_mask([t], None)):
                try:
                    read()
                    outcomes.add("read")
                except Her2Error as problem:
                    outcomes.add(str(problem)[:3])
    assert {"read", "D02"} < outcomes


def mutate(payload, rng):
    data = bytearray(payload)
    head = min(len(data), 400)
    kind = rng.integers(3)
    if kind == 0:
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(head)] = rng.integers(256)
    elif kind == 1:
        del data[rng.integers(1, len(data)) :]
    else:
        start = rng.integers(head)
        data[start:start] = data[start : start + 16]
    return bytes(data)


@pytest.mark.parametrize(("kind", "said"), [("GIF", "gif"), ("WEBP", "webp")])
def test_pictures_that_cannot_be_used_are_called_by_their_format(kind, said, tmp_path, kit):
    Image.fromarray(kit.textured_image(1)).save(tmp_path / "a.png", format=kind)
    with pytest.raises(InputProblem, match=f"the content is {said}") as caught:
        decode_image(tmp_path / "a.png")
    assert "save it as PNG" in caught.value.fix
