"""Lesions side by side: each finding once, with its numbers, and none in an ordinary cohort."""

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from her2.cohort import read_folder_cohort
from her2.cohort.across_lesions import look_across, one_name_a_vendor
from her2.cohort.verify import Verified

OUTCOMES = [0, 1] * 10


def verified(n=20, **fields):
    """Findings of ordinary lesions; a field is one value for all or a list."""
    usual = {
        "levels": (0.0, 250.0), "lesion_levels": (10.0, 190.0), "diameter_mm": 14.0,
        "spacing_mm": (0.1, 0.1), "vendor": None, **fields,
    }  # fmt: skip
    each = {name: v if isinstance(v, list) else [v] * n for name, v in usual.items()}
    return [Verified((), **{name: values[i] for name, values in each.items()}) for i in range(n)]


def said(found, **settings):
    return {note.code: note.what for note in look_across(OUTCOMES, found, **settings)}


def test_an_ordinary_cohort_has_no_finding():
    assert said(verified(), bin_width=25) == {}


def test_a_cohort_without_images_has_no_finding():
    empty = dict.fromkeys(("levels", "lesion_levels", "diameter_mm", "spacing_mm"))
    assert said(verified(**empty), bin_width=25) == {}
    assert look_across([], []) == []


def test_bit_depths_are_counted_by_outcome_and_vendor():
    levels = [(0.0, 250.0 if y else 4000.0) for y in OUTCOMES]
    vendors = ["Philips" if y else "GE Healthcare" for y in OUTCOMES]
    assert said(verified(levels=levels, vendor=vendors))["A01"] == (
        "grey levels of several scales: 10 x 8 bits (10 positive, by 'Philips'), "
        "10 x 12 bits (0 positive, by 'GE Healthcare')"
    )


@pytest.mark.parametrize(
    ("top", "scale"),
    [(1.0, "0 to 1"), (255.0, "8 bits"), (4095.0, "12 bits"), (4096.0, "16 bits")],
)
def test_scales(top, scale):
    levels = [(0.0, top)] + [(0.0, 65535.0 if top == 255 else 255.0)] * 19
    found = said(verified(levels=levels))
    assert (scale in found["A01"]) if top != 255 else ("1 x 8 bits" in found["A01"])


def test_a_grey_range_that_tells_the_outcome():
    levels = [(0.0, 200.0 + 30 * y + i / 10) for i, y in enumerate(OUTCOMES)]
    found = verified(levels=levels)
    what = said(found)["A02"]
    auc = (
        stats.mannwhitneyu(
            [b for (_, b), y in zip(levels, OUTCOMES, strict=True) if y],
            [b for (_, b), y in zip(levels, OUTCOMES, strict=True) if not y],
        ).statistic
        / 100
    )
    assert f"highest {auc:.2f}" in what
    assert "lowest" not in what


def test_a_grey_range_by_chance_is_no_finding():
    rng = np.random.default_rng(0)
    n_found = sum(
        "A02" in said(verified(levels=[(0.0, top) for top in rng.uniform(200, 255, 20)]))
        for _ in range(200)
    )
    assert n_found <= 4


def test_bins_are_those_of_the_bin_width():
    flat = verified(lesion_levels=[(20.0, 74.0)] * 2 + [(20.0, 200.0)] * 18)
    assert said(flat, bin_width=25)["A03"] == (
        "a bin width of 25 makes 3 to 9, typically 9 bins a lesion; 2 lesions have fewer than 4, "
        "0 more than 512"
    )
    assert "A03" not in said(flat, bin_width=10)
    assert "A03" not in said(flat)


def test_grey_levels_of_0_to_1_fall_into_one_bin():
    found = said(verified(levels=(0.0, 1.0), lesion_levels=(0.1, 0.8)), bin_width=25)
    assert "20 lesions have fewer than 4" in found["A03"]


@pytest.mark.parametrize("diameter", [4012.0, 0.014])
def test_impossible_sizes(diameter):
    found = said(verified(diameter_mm=[diameter] * 2 + [14.0] * 18))
    assert found["A04"].startswith("2 lesions of ")
    assert f"{diameter:.3g}" in found["A04"]


@pytest.mark.parametrize("factor", [0.001, 0.1, 10, 1000])
def test_pixels_of_another_unit(factor):
    size = 0.1 * factor
    found = said(verified(spacing_mm=[(size, size)] * 3 + [(0.1, 0.1)] * 17))
    assert found["A05"].startswith("3 of 20 lesions have pixels of")


def test_pixels_of_different_scanners_are_no_finding():
    sizes = [(size, size) for size in np.geomspace(0.03, 0.2, 20)]
    assert "A05" not in said(verified(spacing_mm=sizes))


@pytest.mark.parametrize(
    "names",
    [
        ["Philips Medical Systems", "PHILIPS", "Philips", "Philips Healthcare"],
        ["GE Healthcare", "GE MEDICAL SYSTEMS", "GEMS Ultrasound", "GE Vingmed Ultrasound"],
        ["SAMSUNG MEDISON CO., LTD.", "Samsung Medison", "MEDISON"],
        ["SuperSonic Imagine SA", "Supersonic Imagine"],
        ["Shenzhen Mindray Bio-Medical Electronics", "MINDRAY"],
        ["Acme Ultrasound Ltd.", "ACME"],
    ],
)
def test_one_vendor_has_one_name(names):
    assert len(set(one_name_a_vendor(names))) == 1


def test_different_vendors_keep_their_names():
    names = ["Philips", "GE Healthcare", "Acme", "SIMULATED A", "SIMULATED B", "Medical Systems"]
    assert one_name_a_vendor([*names, None]) == [*names, None]
    assert look_across(OUTCOMES[:6], verified(6, vendor=names)) == []


def test_the_batch_of_a_vendor_is_one(make_folder, kit):
    root = make_folder(4)
    for i, name in enumerate(["PHILIPS", "Philips", "PHILIPS", "GE Healthcare"]):
        image = kit.dicom_dataset(kit.textured_image(i), Manufacturer=name)
        kit.save_dicom(root / f"images/x{i}.dcm", image)
    kit.edit_table(root, image=[f"images/x{i}.dcm" for i in range(4)])
    cohort = read_folder_cohort(root)
    assert cohort.acquisition["vendor"].tolist() == ["PHILIPS"] * 3 + ["GE Healthcare"]
    assert [p.what for p in cohort.problems] == [
        "a vendor has several names; it is 'PHILIPS' for 'PHILIPS', 'Philips'"
    ]


def test_images_of_two_depths_are_used_and_said(make_folder, kit):
    root = make_folder(12)
    for i in range(1, 12, 2):
        image = kit.textured_image(i).astype(np.uint16) * 16
        Image.fromarray(image).save(root / f"images/i{i:03d}.png")
    codes = {p.code for p in read_folder_cohort(root).problems}
    assert codes == {"A01", "A02"}


def test_levels_below_0_are_a_scale_of_their_own():
    found = said(verified(levels=[(-1024.0, -800.0)] + [(0.0, 250.0)] * 19))
    assert "1 x levels below 0" in found["A01"]
