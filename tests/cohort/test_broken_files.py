"""Files that are cut off, damaged, gone or strange: refused, each at the cost of its own case."""

import io
import os
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from her2.cohort import load_lesion, load_reader2_mask, read_folder_cohort
from her2.cohort.completeness import check_whole
from her2.cohort.files import check_file, is_there
from her2.cohort.images import decode_image
from her2.cohort.masks import largest_frame, read_mask
from her2.core.errors import BadCohort, InputProblem

VOLUMES = ("x.nii", "x.nii.gz", "x.nrrd", "x.mha")
PACKED = ("packed.nrrd", "packed.mha")
PICTURES = {
    "x.png": {}, "x.jpg": {}, "x.bmp": {}, "x.tif": {}, "lzw.tif": {"compression": "tiff_lzw"},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "packbits.tif": {"compression": "packbits"}, "jpeg.tif": {"compression": "jpeg"},
}  # fmt: skip
DICOM = {"x.dcm": None, "rle.dcm": RLELossless, "j2k.dcm": JPEG2000Lossless, "jpeg.dcm": "jpeg"}
FORMATS = (*VOLUMES, *PACKED, *PICTURES, *DICOM)
SHARES = (1, 3, *range(10, 100, 7), 95, 99)
CHECKSUMMED = ("x.png", "x.nii.gz", *PACKED)


def write(kit, path, pixels):
    """Write an image in the format that its name says."""
    if path.name in PICTURES:
        Image.fromarray(pixels).save(path, **PICTURES[path.name])
    elif path.name in DICOM:
        syntax = DICOM[path.name]
        dataset = kit.dicom_dataset(pixels)
        if syntax == "jpeg":
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG")
            dataset.PixelData = encapsulate([stream.getvalue()])
            dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        elif syntax is not None:
            dataset.compress(syntax)
        kit.save_dicom(path, dataset)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path), path.name in PACKED)
    return path


def accepted(path):
    """Pixels of a file, or None where it is refused."""
    try:
        return decode_image(path).pixels
    except InputProblem:
        return None


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_cut_off_is_never_used_with_other_pixels(name, kit, tmp_path, capfd):
    path = write(kit, tmp_path / name, kit.textured_image(1))
    content, whole = path.read_bytes(), decode_image(path).pixels
    for share in SHARES:
        path.write_bytes(content[: len(content) * share // 100])
        found = accepted(path)
        assert found is None or np.array_equal(found, whole)
        assert found is None or share > 90  # what is missing lies behind the pixels
    path.write_bytes(content[:-1])
    found = accepted(path)
    assert found is None or np.array_equal(found, whole)
    assert capfd.readouterr().err == ""  # no library tells what it thinks of it


@pytest.mark.parametrize("name", [name for name in FORMATS if name.split(".")[-1] != "dcm"])
def test_a_mask_that_is_cut_off_is_refused(name, kit, tmp_path):
    mask = kit.disc_mask().astype(np.uint8)
    path = write(kit, tmp_path / name, mask)
    content = path.read_bytes()
    for share in SHARES[2:]:
        path.write_bytes(content[: len(content) * share // 100])
        try:
            found = read_mask([path], kit.shape)[0]
        except InputProblem:
            continue
        assert np.array_equal(found, mask > 0)


@pytest.mark.parametrize("name", CHECKSUMMED)
def test_a_flipped_bit_is_never_used_with_other_pixels(name, kit, tmp_path):
    path = write(kit, tmp_path / name, kit.textured_image(1))
    content, whole = path.read_bytes(), decode_image(path).pixels
    rng = np.random.default_rng(1)
    places = [*range(0, min(360, len(content)), 3), *rng.integers(len(content), size=60)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        found = accepted(path)
        assert found is None or np.array_equal(found, whole), place


def test_a_flipped_bit_of_a_png_is_refused_wherever_it_is(kit, tmp_path):
    path = write(kit, tmp_path / "x.png", kit.textured_image(1))
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        assert accepted(path) is None


def test_a_flipped_bit_of_a_deflated_strip_is_refused(kit, tmp_path):
    path = write(kit, tmp_path / "deflate.tif", kit.textured_image(1))
    content = path.read_bytes()
    with Image.open(path) as picture:
        (start,), (length,) = picture.tag_v2[273], picture.tag_v2[279]
    for place in range(start + 2, start + length, 37):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(InputProblem, match="D06"):
            decode_image(path)


@pytest.mark.parametrize("name", list(DICOM))
def test_a_dicom_that_lost_or_repeats_some_bytes_is_refused(name, kit, tmp_path):
    path = write(kit, tmp_path / name, kit.textured_image(1))
    content = path.read_bytes()
    start = len(content) - 1000
    for damaged in (
        content[:start] + content[start + 90 :],
        content[: start + 90] + content[start:],
    ):
        path.write_bytes(damaged)
        assert accepted(path) is None


@pytest.mark.parametrize("more", [b"\0", b"abcdefg", bytes(64)])
def test_nothing_but_padding_and_signatures_follows_a_dicom_image(more, kit, tmp_path):
    path = write(kit, tmp_path / "x.dcm", kit.textured_image(1))
    content = path.read_bytes()
    path.write_bytes(content + b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0abcd")
    assert accepted(path) is not None
    path.write_bytes(content + more)
    with pytest.raises(InputProblem, match="D07: "):
        decode_image(path)


@pytest.mark.parametrize("axes", ["99999999", "4294967297", "0", "3", "two"])
def test_axes_of_a_metaimage_that_its_lengths_contradict(axes, kit, tmp_path):
    path = write(kit, tmp_path / "x.mha", kit.textured_image(1))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NDims = 2", b"NDims = " + axes.encode()))
    with pytest.raises(InputProblem, match="D02: NDims is"):
        decode_image(path)


def test_what_does_not_fit_into_memory_costs_its_own_case(kit, tmp_path, monkeypatch):
    path = write(kit, tmp_path / "x.png", kit.disc_mask().astype(np.uint8))

    def full(*_):
        raise MemoryError

    monkeypatch.setattr("her2.cohort.masks.choose", full)
    monkeypatch.setattr("her2.cohort.images._to_grey", full)
    for read in (
        decode_image,
        lambda path: read_mask([path], kit.shape),
        lambda p: largest_frame([p]),
    ):
        with pytest.raises(InputProblem, match=r"D16: .* more memory than there is"):
            read(path)


@pytest.mark.parametrize("name", ["x.nii", "x.nrrd", "x.mha", "x.nii.gz", "x.bmp"])
def test_more_bytes_than_announced_are_refused(name, kit, tmp_path):
    import gzip

    path = write(kit, tmp_path / name, kit.textured_image(1))
    if name == "x.nii.gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0" * 9))
    else:
        path.write_bytes(path.read_bytes() + b"\0" * 9)
    with pytest.raises(InputProblem, match="D07: "):
        decode_image(path)


def test_nifti_lengths_by_hand(tmp_path):
    header = bytearray(352)
    header[:4] = (348).to_bytes(4, "little")
    header[40:56] = b"".join(n.to_bytes(2, "little") for n in (2, 3, 5, 1, 1, 1, 1, 1))
    header[70:72] = (4).to_bytes(2, "little")  # int16: 3 x 5 x 2 bytes
    header[108:112] = np.float32(352).tobytes()
    header[344:348] = b"n+1\0"
    path = tmp_path / "x.nii"
    path.write_bytes(bytes(header) + bytes(30))
    check_whole(path, "nifti")
    path.write_bytes(bytes(header) + bytes(29))
    with pytest.raises(InputProblem, match="D06: 381 bytes of data, the header announces 382"):
        check_whole(path, "nifti")


@pytest.mark.parametrize("encoding", ["ascii", "raw"])
def test_nrrd_text_and_skipped_bytes(encoding, tmp_path):
    skip = "byte skip: 2\n" if encoding == "raw" else ""
    header = f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: {encoding}\n{skip}\n"
    data = b"__abcdef" if encoding == "raw" else b"1 2 3\n4 5 6\n"
    path = tmp_path / "x.nrrd"
    path.write_bytes(header.encode() + data)
    check_whole(path, "nrrd")
    path.write_bytes(header.encode() + data[:-2])
    with pytest.raises(InputProblem, match="D06"):
        check_whole(path, "nrrd")


def test_gzip_of_several_members_is_whole(kit, tmp_path):
    import gzip

    path = write(kit, tmp_path / "x.nii.gz", kit.textured_image(1))
    content, whole = gzip.decompress(path.read_bytes()), decode_image(path).pixels
    path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]) + b"\0" * 16)
    assert np.array_equal(decode_image(path).pixels, whole)


def test_an_unpacked_file_beside_is_not_read_in_its_place(kit, tmp_path):
    images = [kit.textured_image(seed) for seed in (1, 2)]
    paths = [tmp_path / "a.nii", tmp_path / "a.nii.gz"]
    for path, pixels in zip(paths, images, strict=True):
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))
    for path, pixels in zip(paths, images, strict=True):
        assert np.array_equal(decode_image(path).pixels, pixels)


def test_a_compressed_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("her2.cohort.completeness.MAX_UNPACKED_BYTES", 2**22)
    header = b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 9 9\nencoding: gzip\n\n"
    packer = zlib.compressobj(wbits=31)
    path = tmp_path / "x.nrrd"
    path.write_bytes(header + packer.compress(bytes(2**24)) + packer.flush())
    with pytest.raises(InputProblem, match="D16"):
        check_whole(path, "nrrd")


def test_impossible_grey_levels_are_refused(kit, tmp_path):
    for value in (1e308, -1e308, 3e38, 1e12):
        pixels = kit.textured_image(1).astype(np.float64)
        pixels[30, 30] = value
        with pytest.raises(InputProblem, match="D29"):
            decode_image(write(kit, tmp_path / "x.nii", pixels))


@pytest.mark.parametrize(
    ("name", "code"),
    [("l" * 300 + ".png", "D53"), ("folder.png", "D53"), ("pipe.png", "D53"), ("gone.png", None)],
)
@pytest.mark.parametrize("column", ["image", "mask"])
def test_strange_paths_cost_their_own_case(name, code, column, make_folder, kit):
    root = make_folder()
    (root / "folder.png").mkdir()
    os.mkfifo(root / "pipe.png")
    kit.edit_table(root, **{column: {0: name}})
    cohort = read_folder_cohort(root)
    assert len(cohort.lesions) == 7
    expected = code or {"image": "C04", "mask": "M01"}[column]
    assert [(p.code, p.patient_id) for p in cohort.problems] == [(expected, kit.patient_id(0))]


def test_what_may_not_be_looked_at_is_there(tmp_path, monkeypatch):
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "no")
    assert not is_there(tmp_path / "no" / "no")
    monkeypatch.setattr("pathlib.Path.stat", lambda path: (_ for _ in ()).throw(PermissionError))
    assert is_there(tmp_path / "locked")
    with pytest.raises(InputProblem, match=r"D53.*PermissionError"):
        check_file(tmp_path / "locked")


def test_what_changes_after_it_was_verified_is_refused(make_folder, kit):
    root = make_folder()
    kit.write_mask(root / "masks/r2.png", kit.disc_mask(radius=11))
    kit.edit_table(root, mask_reader2={0: "masks/r2.png"})
    lesions = read_folder_cohort(root).lesions
    image, other, third = lesions[:3]
    Image.fromarray(kit.textured_image(99)).save(image.image)
    kit.write_mask(other.masks[0], kit.disc_mask(radius=13))
    kit.write_mask(root / "masks/r2.png", kit.disc_mask(radius=13))
    for lesion, what in ((image, "image"), (other, "mask")):
        with pytest.raises(InputProblem, match=f"D61: the {what} has changed"):
            load_lesion(lesion)
    with pytest.raises(InputProblem, match="D61: the second reader's mask"):
        load_reader2_mask(image, kit.shape)
    assert load_lesion(third).pixels.shape == kit.shape
    assert load_lesion(replace(image, verified_sha256=())).pixels.shape == kit.shape


def test_a_file_that_was_saved_again_with_the_same_pixels_is_used(make_folder):
    lesion = read_folder_cohort(make_folder()).lesions[0]
    Image.open(lesion.image).save(lesion.image, compress_level=1)
    assert load_lesion(lesion).pixels.size


def test_whatever_check_calls_used_can_be_read(make_folder, kit):
    """Every format, whole and damaged in many ways: what is used is read as it was verified."""
    names = [name for name in FORMATS if name not in ("x.jpg", "jpeg.tif", "jpeg.dcm")]
    root = make_folder(2 * len(names))
    images, rng = {}, np.random.default_rng(0)
    for i, name in enumerate(names * 2):
        folder = root / f"images/{i}"
        folder.mkdir()
        path = write(kit, folder / name, kit.textured_image(i))
        if i >= len(names):
            content = bytearray(path.read_bytes())
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
        images[i] = path.relative_to(root).as_posix()
    kit.edit_table(root, image=images)
    cohort = read_folder_cohort(root)
    assert len(cohort.lesions) >= len(names)
    for lesion in cohort.lesions:
        assert load_lesion(lesion).pixels.shape == kit.shape


def test_a_damaged_dicom_leaves_stderr_empty(make_folder, kit, tmp_path):
    """Neither Python's loggers nor libraries in C may write: a header holds a patient's name."""
    path = write(kit, tmp_path / "jpeg.dcm", kit.textured_image(1))
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\xd8")
    content[start + 30 : start + 200] = bytes(170)
    path.write_bytes(content)
    code = (
        "import sys; from pathlib import Path; from her2.cohort.images import decode_image\n"
        "from her2.core.errors import InputProblem\n"
        "try: decode_image(Path(sys.argv[1]))\n"
        "except InputProblem as problem: print(problem.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("D31\n", "")


def test_a_feature_whose_square_overflows_is_refused(make_folder, kit):
    root = make_folder(image=None, mask=None)
    rows = "".join(f"{kit.patient_id(i)},{'1e308' if i == 3 else i}\n" for i in range(8))
    (root / "f.csv").write_text("patient_id,a\n" + rows)
    with pytest.raises(BadCohort, match=r"C28: .*below 1e\+100 in the feature 'a', found 1e\+308"):
        read_folder_cohort(root, features="f.csv")
