"""The size of a pixel where the lesion is: regions, contradictions, and what no lesion has."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from her2.cohort import load_lesion, read_folder_cohort
from her2.cohort.images import decode_image
from her2.cohort.pixel_spacing import Region, Scale, diameter_mm, size_notes, spacing_of
from her2.core.errors import InputProblem
from her2.core.types import Lesion

LEFT, RIGHT = (0, 63, 0, 29), (0, 63, 30, 59)


def codes(notes):
    return [(note.code, note.level) for note in notes]


def region(kit, delta_cm, box, units=3):
    item = kit.us_region(delta_cm, units)
    item.RegionLocationMinY0, item.RegionLocationMaxY1 = box[:2]
    item.RegionLocationMinX0, item.RegionLocationMaxX1 = box[2:]
    return item


def lesion_at(kit, tmp_path, centre, *regions, **tags):
    """Lesion of a DICOM image with its mask around a column."""
    tags = {"PixelSpacing": None, "SequenceOfUltrasoundRegions": pydicom.Sequence(regions), **tags}
    kit.save_dicom(tmp_path / "i.dcm", kit.dicom_dataset(kit.textured_image(1), **tags))
    kit.write_mask(tmp_path / "m.png", kit.disc_mask(radius=8, shift=centre - 30))
    return Lesion("P", "1", 0, tmp_path / "i.dcm", (tmp_path / "m.png",))


@pytest.mark.parametrize(("centre", "expected"), [(14, 0.1), (45, 0.2)])
def test_the_region_that_holds_the_lesion_decides(centre, expected, tmp_path, kit):
    views = region(kit, 0.01, LEFT), region(kit, 0.02, RIGHT)
    image = load_lesion(lesion_at(kit, tmp_path, centre, *views))
    assert image.spacing_mm == pytest.approx((expected, expected))
    assert image.spacing_known


@pytest.mark.parametrize("centre", [30, 45])
def test_a_lesion_in_no_region_or_across_two_is_refused(centre, tmp_path, kit):
    views = [region(kit, 0.01, LEFT)] + [region(kit, 0.02, RIGHT)] * (centre == 30)
    lesion = lesion_at(kit, tmp_path, centre, *views)
    with pytest.raises(InputProblem) as caught:
        load_lesion(lesion)
    assert caught.value.code == "D44"
    assert load_lesion(replace(lesion, spacing_mm=(0.1, 0.1))).spacing_mm == (0.1, 0.1)


def test_outside_the_regions_pixel_spacing_holds_with_a_warning(tmp_path, kit):
    lesion = lesion_at(kit, tmp_path, 45, region(kit, 0.01, LEFT), PixelSpacing=[0.3, 0.3])
    assert load_lesion(lesion).spacing_mm == (0.3, 0.3)
    mask = np.zeros((64, 60), bool)
    mask[20:40, 35:55] = True
    scale = decode_image(lesion.image).scale
    assert codes(spacing_of(scale, mask)[1]) == [("D44", "warning")]


def test_a_region_of_time_is_no_spacing(tmp_path, kit):
    lesion = lesion_at(
        kit, tmp_path, 45, region(kit, 0.01, LEFT), region(kit, 3.0, RIGHT, units=4)
    )
    assert not load_lesion(lesion).spacing_known


def test_an_uncalibrated_region_within_a_calibrated_one_does_not_matter():
    mask = np.zeros((64, 60), bool)
    mask[20:40, 5:25] = True
    scale = Scale(regions=(Region(None, (0.1, 0.1)), Region(LEFT, None)))
    assert spacing_of(scale, mask)[0] == (0.1, 0.1)


@pytest.mark.parametrize(
    ("tags", "expected", "code"),
    [
        ({"PixelSpacing": [1, 1]}, None, ("D42", "warning")),
        ({"PixelSpacing": [0, 0.1]}, None, ("D45", "quarantined")),
        ({"PixelSpacing": [-0.1, 0.1]}, None, ("D45", "quarantined")),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.1]}, None, ("D46", "warning")),
        ({"PixelSpacing": None, "NominalScannedPixelSpacing": [1, 1]}, None, ("D46", "warning")),
        ({"PixelSpacing": [0.1, 0.2]}, (0.1, 0.2), None),
    ],
)
def test_what_the_header_says(tags, expected, code, tmp_path, kit):
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(kit.textured_image(1), **tags))
    image = decode_image(tmp_path / "a.dcm")
    assert image.spacing_mm == expected
    assert codes(image.notes) == ([code] if code else [])


def test_spacing_1_and_a_region_take_the_region(tmp_path, kit):
    regions = pydicom.Sequence([kit.us_region(0.007)])
    tags = {"PixelSpacing": [1, 1], "SequenceOfUltrasoundRegions": regions}
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(kit.textured_image(1), **tags))
    assert decode_image(tmp_path / "a.dcm").spacing_mm == pytest.approx((0.07, 0.07))


@pytest.mark.parametrize("spacing", [100.0, 1e-4, 30.0])
def test_a_lesion_of_metres_or_micrometres_is_refused(spacing, make_folder, kit):
    root = make_folder(8)
    kit.edit_table(root, spacing_mm={0: str(spacing)})
    cohort = read_folder_cohort(root)
    assert [(p.code, p.patient_id) for p in cohort.problems] == [("D45", kit.patient_id(0))]
    first = Lesion(
        "P", "1", 0, root / "images/i000.png", (root / "masks/m000.png",),
        spacing_mm=(spacing, spacing),
    )  # fmt: skip
    with pytest.raises(InputProblem, match="millimetres"):
        load_lesion(first)


@pytest.mark.parametrize(
    ("spacing", "fires"),
    [(None, True), ((0.1, 0.1), True), ((0.2, 0.1), False), ((0.1, 0.2), True)],
)
def test_oblong_pixels_are_compared_with_the_spacing(spacing, fires):
    mask = np.ones((40, 40), bool)
    assert codes(size_notes(mask, spacing, 2.0)) == [("D55", "warning")] * fires
    assert size_notes(mask, (0.1, 0.1), None) == []


def test_diameter_is_that_of_the_circle():
    assert diameter_mm(np.ones((10, 10), bool), (0.5, 0.2)) == pytest.approx(
        2 * np.sqrt(10 / np.pi)
    )


def test_the_table_settles_the_density_of_a_picture(make_folder, kit):
    root = make_folder(8)
    Image.fromarray(kit.textured_image(0)).save(root / "images/i000.png", dpi=(200, 100))
    assert [p.code for p in read_folder_cohort(root).problems] == ["D55"]
    kit.edit_table(root, spacing_mm={0: "0.2x0.1"})
    assert read_folder_cohort(root).problems == ()


@pytest.mark.parametrize("text", ["1e308", "1" * 309, "1e308x1e-308", "1e-320", "0.1x1e5"])
def test_an_impossible_pixel_of_the_table_leaves_its_lesion_out(text, make_folder, kit):
    cohort = read_folder_cohort(make_folder(8, spacing_mm={0: text}))
    assert [(p.code, p.patient_id) for p in cohort.problems] == [("D45", kit.patient_id(0))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", [("1e308", "1e-308"), ("1e300", "0.1")])
def test_an_impossible_pixel_of_a_dicom_file_leaves_its_lesion_out(spacing, make_folder, kit):
    root = make_folder(8, image={0: "images/x.dcm"}, spacing_mm={0: ""})
    dataset = kit.dicom_dataset(kit.textured_image(0), PixelSpacing=list(spacing))
    kit.save_dicom(root / "images/x.dcm", dataset)
    cohort = read_folder_cohort(root)
    assert [p.code for p in cohort.problems if p.severity == "quarantined"] == ["D45"]


@pytest.mark.parametrize(("name", "length"), [("x.nrrd", 1e20), ("x.nii", 1e30)])
def test_an_impossible_pixel_of_a_volume_leaves_its_lesion_out(name, length, make_folder, kit):
    root = make_folder(8, image={0: f"images/{name}"}, spacing_mm={0: ""})
    image = sitk.GetImageFromArray(kit.textured_image(0))
    image.SetSpacing((length, length))
    sitk.WriteImage(image, str(root / "images" / name))
    cohort = read_folder_cohort(root)
    assert [p.code for p in cohort.problems if p.severity == "quarantined"] == ["D45"]


def test_a_frame_of_thousands_of_digits_is_refused(make_folder, kit):
    cohort = read_folder_cohort(make_folder(8, frame={0: "1" * 5000}))
    assert [(p.code, p.patient_id) for p in cohort.problems] == [("D19", kit.patient_id(0))]
