"""Of a stack exactly the declared image is analysed: named in the table, or the largest lesion."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.uid import RLELossless

from her2.cohort import load_lesion, read_folder_cohort
from her2.cohort.files import check_frame, keep_decoded
from her2.cohort.images import decode_image
from her2.core.errors import BadConfig, InputProblem

N, DEPTH = 8, 5
RADII = (0.0, 8.3, 12.7, 12.7, 6.6)  # of the lesion on the five slices: largest on the third
LARGEST = 3


def images(kit):
    return np.stack([kit.textured_image(100 + i) for i in range(DEPTH)])


def masks(kit, radii=RADII):
    return np.stack([kit.disc_mask(radius=r) for r in radii])


def write_stack(path, array, label=1):
    values = array.astype(np.uint8) * label
    if path.suffix == ".tiff":
        first, *others = [Image.fromarray(page) for page in values]
        first.save(path, save_all=True, append_images=others)
    else:
        volume = sitk.GetImageFromArray(values)
        volume.SetSpacing((0.2, 0.1, 3.0))
        sitk.WriteImage(volume, str(path))


def write_cine(kit, path, array, *, compressed=False):
    dataset = kit.dicom_dataset(array[0], NumberOfFrames=len(array), PixelData=array.tobytes())
    if compressed:
        dataset.compress(RLELossless)
    kit.save_dicom(path, dataset)


@pytest.fixture
def folder(make_folder, kit):
    """Cohort whose first patient has a volume and a mask of five slices each."""
    root = make_folder(N)
    write_stack(root / "images/v.nii.gz", images(kit))
    write_stack(root / "masks/v.nrrd", masks(kit))
    kit.edit_table(root, image={0: "images/v.nii.gz"}, mask={0: "masks/v.nrrd"})
    return root


def first(cohort, kit):
    return next(x for x in cohort.lesions if x.patient_id == kit.patient_id(0))


def codes(cohort):
    return {(p.code, p.severity) for p in cohort.problems}


def test_a_stack_is_left_out_unless_its_image_is_declared(folder):
    cohort = read_folder_cohort(folder)
    assert codes(cohort) == {("D19", "quarantined"), ("M20", "quarantined")}
    assert all("cohort.frame=largest_lesion" in p.fix for p in cohort.problems)
    assert len(cohort.lesions) == N - 1


def test_the_slice_with_the_largest_lesion_is_analysed_where_that_is_declared(folder, kit):
    cohort = read_folder_cohort(folder, frame="largest_lesion")
    assert codes(cohort) == {("M20", "normalised")}
    assert "number 3" in cohort.problems[0].what
    lesion = first(cohort, kit)
    assert lesion.frame == LARGEST
    loaded = load_lesion(lesion)
    np.testing.assert_array_equal(loaded.pixels, images(kit)[LARGEST - 1])
    np.testing.assert_array_equal(loaded.mask, masks(kit)[LARGEST - 1])


def test_the_frame_of_the_table_wins_over_the_largest_lesion(folder, kit):
    kit.edit_table(folder, frame={0: "2"})
    for rule in (None, "largest_lesion"):
        cohort = read_folder_cohort(folder, frame=rule)
        assert cohort.problems == ()
        np.testing.assert_array_equal(load_lesion(first(cohort, kit)).pixels, images(kit)[1])


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd", "mha", "tiff", "dcm", "rle"])
def test_every_format_gives_the_named_image(kind, tmp_path, kit):
    path = tmp_path / f"stack.{'dcm' if kind == 'rle' else kind}"
    if kind in ("dcm", "rle"):
        write_cine(kit, path, images(kit), compressed=kind == "rle")
    else:
        write_stack(path, images(kit))
    for number in range(1, DEPTH + 1):
        image = decode_image(path, number)
        np.testing.assert_array_equal(image.pixels, images(kit)[number - 1])
    if kind in ("nii.gz", "nrrd", "mha"):
        assert image.spacing_mm == pytest.approx((0.1, 0.2))
    for number in (0, DEPTH + 1, None):
        with pytest.raises(InputProblem, match="5 images") as caught:
            decode_image(path, number)
        assert caught.value.code == "D19"


def test_the_result_is_that_of_the_exported_slice(folder, kit, make_folder):
    exported = make_folder(N, name="exported")
    Image.fromarray(images(kit)[LARGEST - 1]).save(exported / "images/i000.png")
    kit.write_mask(exported / "masks/m000.png", masks(kit)[LARGEST - 1])
    chosen = read_folder_cohort(folder, frame="largest_lesion")
    assert chosen.data_sha256 == read_folder_cohort(exported).data_sha256


def test_one_mask_may_belong_to_a_frame_of_a_cine_loop(make_folder, kit):
    root = make_folder(N)
    write_cine(kit, root / "images/c.dcm", images(kit))
    kit.edit_table(root, image={0: "images/c.dcm"}, spacing_mm={0: ""})
    assert codes(read_folder_cohort(root, frame="largest_lesion")) == {("D19", "quarantined")}
    kit.edit_table(root, frame={0: "4"})
    cohort = read_folder_cohort(root)
    assert cohort.problems == ()
    np.testing.assert_array_equal(load_lesion(first(cohort, kit)).pixels, images(kit)[3])


def test_the_largest_slice_of_a_mask_serves_an_image_of_one_slice(make_folder, kit):
    root = make_folder(N)
    write_stack(root / "masks/v.tiff", masks(kit), label=255)
    kit.edit_table(root, mask={0: "masks/v.tiff"})
    assert codes(read_folder_cohort(root)) == {("M20", "quarantined")}
    cohort = read_folder_cohort(root, frame="largest_lesion")
    np.testing.assert_array_equal(load_lesion(first(cohort, kit)).mask, masks(kit)[LARGEST - 1])


def test_masks_of_one_lesion_are_merged_before_the_largest_slice_is_chosen(folder, kit):
    piece = np.stack([kit.disc_mask(radius=r, shift=14) for r in (0, 0, 0, 0, 13)])
    write_stack(folder / "masks/w.nii.gz", piece)
    kit.edit_table(folder, mask={0: "masks/v.nrrd;masks/w.nii.gz"})
    lesion = first(read_folder_cohort(folder, frame="largest_lesion"), kit)
    assert lesion.frame == DEPTH
    np.testing.assert_array_equal(load_lesion(lesion).mask, masks(kit)[4] | piece[4])


@pytest.mark.parametrize("rule", [None, "largest_lesion"])
def test_stacks_of_different_length_do_not_belong_together(rule, folder, kit):
    write_stack(folder / "masks/v.nrrd", masks(kit)[1:])
    kit.edit_table(folder, frame={0: "2" if rule is None else ""})
    cohort = read_folder_cohort(folder, frame=rule)
    assert codes(cohort) == {("M02", "quarantined")}
    assert "stack of 5" in cohort.problems[0].what


def test_an_empty_stack_of_masks_and_a_damaged_file_keep_their_codes(folder, kit):
    write_stack(folder / "masks/v.nrrd", np.zeros((DEPTH, *kit.shape)))
    assert codes(read_folder_cohort(folder, frame="largest_lesion")) == {("M06", "quarantined")}
    (folder / "images/v.nii.gz").write_bytes(b"")
    cohort = read_folder_cohort(folder, frame="largest_lesion")
    assert [(p.code, p.path) for p in cohort.problems] == [("D01", "images/v.nii.gz")]


@pytest.mark.parametrize(("frame", "code"), [("6", "D19"), ("0", "D19"), ("two", "D19")])
def test_a_frame_that_is_not_there_is_refused(frame, code, folder, kit):
    kit.edit_table(folder, frame={0: frame})
    cohort = read_folder_cohort(folder)
    assert code in {p.code for p in cohort.problems}
    assert len(cohort.lesions) == N - 1


def test_frames_of_one_patient_are_rows_of_one_file(folder, kit):
    kit.edit_table(
        folder, patient_id={1: kit.patient_id(0)}, lesion_id=["1", "2", *["1"] * 6],
        outcome={1: "0"}, image={1: "images/v.nii.gz"}, mask={1: "masks/v.nrrd"},
        frame={0: "2", 1: "3"},
    )  # fmt: skip
    cohort = read_folder_cohort(folder)
    assert cohort.problems == ()
    assert [x.frame for x in cohort.lesions[:2]] == [2, 3]
    assert len({load_lesion(x).pixels.tobytes() for x in cohort.lesions[:2]}) == 2


def test_two_patients_in_one_stack_are_reported_and_stay_on_one_side(folder, kit):
    kit.edit_table(folder, image={1: "images/v.nii.gz"}, mask={1: "masks/v.nrrd"},
                   frame={0: "2", 1: "3"})  # fmt: skip
    cohort = read_folder_cohort(folder)
    assert codes(cohort) == {("D40", "warning")}
    assert cohort.lesions[0].group == cohort.lesions[1].group is not None


def test_frames_of_one_file_are_kept_apart_in_memory(folder, kit):
    keep_decoded(10**6)
    try:
        for number in (2, 3, 2):
            image = decode_image(folder / "images/v.nii.gz", number)
            np.testing.assert_array_equal(image.pixels, images(kit)[number - 1])
    finally:
        keep_decoded(0)


def test_a_long_cine_loop_is_not_too_large_where_one_frame_is_read(tmp_path, kit, monkeypatch):
    monkeypatch.setattr("her2.cohort.files.check_size.__kwdefaults__", {"limit": 64 * 60})
    write_cine(kit, tmp_path / "c.dcm", images(kit))
    np.testing.assert_array_equal(decode_image(tmp_path / "c.dcm", 5).pixels, images(kit)[4])
    with pytest.raises(InputProblem) as caught:
        decode_image(tmp_path / "c.dcm")
    assert caught.value.code == "D16"


def test_another_rule_than_the_largest_lesion_is_refused(folder):
    with pytest.raises(BadConfig, match=r"expected cohort\.frame=largest_lesion"):
        read_folder_cohort(folder, frame="middle")


def test_a_single_image_is_read_whatever_the_frame_says():
    assert check_frame(1, 7, code="D19") == 0
