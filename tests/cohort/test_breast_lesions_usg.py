"""The public data set as published, and a small copy of its layout."""

import io

import numpy as np
import openpyxl
import pytest
from PIL import Image

from her2.cohort import load_lesion, read_cohort
from her2.cohort.breast_lesions_usg import CLINICAL, read_breast_lesions_usg
from her2.cohort.duplicates import near_duplicates, thumbnails
from her2.core.errors import BadCohort, BadConfig, MissingInput

HEADER = [
    "CaseID", "Image_filename", "Mask_tumor_filename", "Mask_other_filename", "Pixel_size", "Age",
    "Tissue_composition", "Signs", "Symptoms", "BIRADS", "Classification",
]  # fmt: skip


@pytest.fixture
def published(tmp_path, kit):
    """Six cases, the last one without a lesion."""
    (tmp_path / "images_and_masks").mkdir()
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for i in range(6):
        name, normal = f"case{i + 1:03d}", i == 5
        rgba = np.stack([kit.textured_image(i)] * 4, axis=-1)
        Image.fromarray(rgba).save(tmp_path / f"images_and_masks/{name}.png")
        if not normal:
            kit.write_mask(
                tmp_path / f"images_and_masks/{name}_tumor.png", kit.disc_mask(radius=8 + i)
            )
        label = "normal" if normal else ("benign", "malignant")[i % 2]
        mask = None if normal else f"{name}_tumor.png"
        age = "not available" if i == 0 else 40 + i
        book.active.append(
            [i + 1, f"{name}.png", mask, None, 0.0078125, age, "fat", "no", "no", 3, label]
        )
    book.save(tmp_path / "clinical.xlsx")
    return tmp_path


def test_layout(published):
    cohort = read_cohort("breast_lesions_usg", root=published)
    assert [lesion.patient_id for lesion in cohort.lesions] == [
        f"case{i:03d}" for i in range(1, 6)
    ]
    assert cohort.y_true.tolist() == [0, 1, 0, 1, 0]
    assert cohort.lesions[0].spacing_mm == (0.078125, 0.078125)
    assert np.isnan(cohort.clinical["age"].iloc[0])
    assert [p.code for p in cohort.problems if p.severity == "excluded"] == ["E01"]
    assert cohort.positive == "malignant"


@pytest.mark.parametrize("name", ["BIRADS", "birads", "Diagnosis", "Classification"])
def test_columns_that_lead_to_the_diagnosis(name, published):
    with pytest.raises(BadCohort, match="C22"):
        read_breast_lesions_usg(published, clinical=[name])


def test_other_settings_are_refused(published):
    with pytest.raises(BadCohort, match="C28"):
        read_breast_lesions_usg(published, clinical=["ages"])
    with pytest.raises(BadConfig, match="malignant"):
        read_cohort("breast_lesions_usg", root=published, positive="benign")
    with pytest.raises(BadConfig, match=r"cohort\.table"):
        read_cohort("breast_lesions_usg", root=published, table="x.csv")


def test_folder_without_the_data_set(tmp_path):
    with pytest.raises(MissingInput, match="images_and_masks"):
        read_breast_lesions_usg(tmp_path)


@pytest.fixture(scope="module")
def real(shared):
    root = shared / "data" / "breast_lesions_usg"
    if not root.is_dir():
        pytest.skip("the data set is not beside the repository")
    return read_breast_lesions_usg(root, clinical=CLINICAL, n_workers=2)


def test_real_data_set(real):
    assert (real.n_rows, len(real.lesions), int(real.y_true.sum())) == (256, 252, 98)
    assert real.n_patients == 252
    assert real.count("excluded") == 4
    assert real.count("quarantined") == 0
    assert {p.code for p in real.problems if p.severity == "excluded"} == {"E01"}
    assert real.clinical["age"].isna().sum() == 41
    assert list(real.clinical) == list(CLINICAL)
    lesion = real.lesions[2]
    image = load_lesion(lesion)
    with Image.open(lesion.image) as picture, Image.open(lesion.masks[0]) as drawn:
        np.testing.assert_array_equal(image.pixels, np.asarray(picture)[..., 0])
        np.testing.assert_array_equal(image.mask, np.asarray(drawn)[..., 0] > 0)
    assert image.spacing_mm == pytest.approx((0.06944444, 0.06944444))


def test_real_lesions_are_no_copies_and_their_copies_are_found(real):
    """0 false pairs of 31,626, and every lesion that was flipped, shrunk and saved as JPEG."""
    assert real.thumbnails.shape == (252, 2, 32, 32)
    assert near_duplicates(real.thumbnails) == []
    chosen = range(0, 252, 50)
    copies = np.stack([_thumbnails_of_a_copy(load_lesion(real.lesions[i])) for i in chosen])
    pairs = near_duplicates(np.concatenate([real.thumbnails, copies]))
    assert [(p.first, p.second) for p in pairs] == [(i, 252 + k) for k, i in enumerate(chosen)]


def _thumbnails_of_a_copy(lesion):
    size = [3 * side // 4 for side in lesion.pixels.shape[::-1]]
    stream = io.BytesIO()
    small = Image.fromarray(lesion.pixels).resize(size, Image.Resampling.BILINEAR)
    small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(stream, "JPEG", quality=80)
    mask = Image.fromarray(lesion.mask).resize(size, Image.Resampling.NEAREST)
    return thumbnails(np.asarray(Image.open(stream)), np.asarray(mask)[:, ::-1])
