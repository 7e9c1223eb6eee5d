"""Folder cohorts: what is read, what is left out, and what the data hash depends on."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from her2.cohort import load_lesion, load_reader2_mask, read_cohort, read_folder_cohort
from her2.core.errors import BadCohort, BadConfig, InputProblem, MissingInput


def test_reads_what_was_written(make_folder, kit):
    root = make_folder(4, lesion_id=["L", "R", "L", "R"], group=["a", "", "", ""])
    cohort = read_cohort("folder", root=root, clinical=["age"])
    assert [lesion.key for lesion in cohort.lesions] == [
        f"{kit.patient_id(i)}/{'LR'[i % 2]}" for i in range(4)
    ]
    assert cohort.y_true.tolist() == [0, 1, 0, 1]
    assert cohort.clinical["age"].tolist() == [40.0, 41.0, 42.0, 43.0]
    assert cohort.clinical.index.tolist() == [lesion.key for lesion in cohort.lesions]
    assert [lesion.group for lesion in cohort.lesions] == ["a", None, None, None]
    assert not cohort.simulated
    image = load_lesion(cohort.lesions[1])
    np.testing.assert_array_equal(image.pixels, kit.textured_image(1))
    np.testing.assert_array_equal(image.mask, kit.disc_mask(radius=11))
    assert image.spacing_mm == (0.1, 0.1)
    assert image.spacing_known


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0.1x0.08", (0.1, 0.08)),
        ("0.1 × 0.08", (0.1, 0.08)),
        ("2e-1", (0.2, 0.2)),
        ("0,1", (0.1, 0.1)),
        ("0.1 mm", (0.1, 0.1)),
        ("0.1\\0.08", (0.1, 0.08)),
        ("[0.1, 0.08]", (0.1, 0.08)),
        ("0.02cm", (0.2, 0.2)),
        ("100 µm", (0.1, 0.1)),
        ("０.１", (0.1, 0.1)),
    ],
)
def test_spacing_of_the_table(cell, expected, make_folder):
    cohort = read_folder_cohort(make_folder(4, spacing_mm=cell))
    assert load_lesion(cohort.lesions[0]).spacing_mm == expected


def test_table_spacing_wins_over_the_header_and_unknown_is_said(make_folder, kit):
    root = make_folder(4)
    kit.save_dicom(root / "images/a.dcm", kit.dicom_dataset(kit.textured_image(0)))
    kit.edit_table(root, image={0: "images/a.dcm"}, spacing_mm=["0.2", "", "0.1", "0.1"])
    first, second = (load_lesion(x) for x in read_folder_cohort(root).lesions[:2])
    assert first.spacing_mm == (0.2, 0.2)
    assert second.spacing_mm == (1.0, 1.0)
    assert not second.spacing_known


def test_header_spacing_without_the_table(make_folder, kit):
    root = make_folder(4)
    kit.save_dicom(root / "images/a.dcm", kit.dicom_dataset(kit.textured_image(0)))
    kit.edit_table(root, image={0: "images/a.dcm"}, spacing_mm={0: ""})
    assert load_lesion(read_folder_cohort(root).lesions[0]).spacing_mm == (0.1, 0.1)


def test_loading_decides_as_verification_did(make_folder, kit):
    cohort = read_folder_cohort(make_folder(4))
    kit.write_mask(cohort.lesions[0].masks[0], kit.disc_mask(radius=3))
    with pytest.raises(InputProblem, match="M15"):
        load_lesion(cohort.lesions[0])


def test_her2_columns(make_folder):
    root = make_folder(
        8,
        outcome=None,
        her2_ihc=["0", "1+", "2+", "2+", "2+", "3+", "3+", ""],
        her2_fish=["", "", "negative", "positive", "", "", "negative", ""],
    )
    cohort = read_folder_cohort(root)
    assert cohort.y_true.tolist() == [0, 0, 0, 1, 1]
    assert [p.code for p in cohort.problems] == ["C12", "C13", "C15"]
    assert cohort.count("excluded") == 3
    assert cohort.positive == "HER2-positive"


def test_text_outcome(make_folder):
    root = make_folder(4, outcome=["benign", "malignant"] * 2)
    assert read_folder_cohort(root, positive="malignant").y_true.tolist() == [0, 1, 0, 1]
    with pytest.raises(BadCohort, match="C16"):
        read_folder_cohort(root)


def test_brought_split(make_folder):
    roles = ["train", "Train", "test", "external"]
    cohort = read_folder_cohort(make_folder(4, split=roles))
    assert [lesion.role for lesion in cohort.lesions] == ["train", "train", "test", "external"]


@pytest.mark.parametrize(
    "roles",
    [
        ["train", "", "test", "test"], ["train", "validation"] * 2, ["train", "out_of_fold"] * 2,
        ["train", "train", "All", "All"], ["train", "train", "Lyon", "LYON"],
    ],
)  # fmt: skip
def test_a_split_names_roles_and_centres_that_can_be_told_apart(roles, make_folder):
    with pytest.raises(BadCohort, match="C28"):
        read_folder_cohort(make_folder(4, split=roles))


@pytest.mark.parametrize("sites", [["A", "out_of_fold"] * 2, ["A", "a"] * 2, ["A", ""] * 2])
def test_a_centre_has_one_name_of_its_own(sites, make_folder):
    with pytest.raises(BadCohort, match="C28: expected the name of a centre"):
        read_folder_cohort(make_folder(4, site=sites), centre="site")


def test_patient_on_both_sides_of_the_split(make_folder, kit):
    ids = [kit.patient_id(i) for i in (0, 0, 1, 2)]
    root = make_folder(
        4, patient_id=ids, lesion_id=["L", "R", "L", "L"], split=["train", "test"] * 2
    )
    with pytest.raises(BadCohort, match=r"C03: .*rows 2, 3"):
        read_folder_cohort(root)


def test_same_image_joins_two_patients_and_may_not_cross_the_split(make_folder, kit):
    root = make_folder(6)
    shutil.copy(root / "images/i000.png", root / "images/i002.png")
    first, _, third, *_ = read_folder_cohort(root).lesions
    assert first.group == third.group is not None
    kit.edit_table(root, split=["train", "train", "test", "test", "test", "train"])
    with pytest.raises(BadCohort, match="C03"):
        read_folder_cohort(root)


def test_same_image_with_both_outcomes_is_quarantined(make_folder, kit):
    root = make_folder(8)
    shutil.copy(root / "images/i000.png", root / "images/i001.png")
    cohort = read_folder_cohort(root)
    assert {(p.code, p.severity, p.patient_id) for p in cohort.problems} == {
        ("D40", "quarantined", kit.patient_id(i)) for i in (0, 1)
    }
    assert len(cohort.lesions) == 6


def test_two_lesions_of_one_patient_may_share_the_image(make_folder, kit):
    ids = [kit.patient_id(i) for i in (0, 1, 0, 2)]
    root = make_folder(
        4, patient_id=ids, lesion_id=["1", "1", "2", "1"], image={2: "images/i000.png"}
    )
    cohort = read_folder_cohort(root)
    assert cohort.problems == ()
    assert cohort.n_patients == 3


def test_second_reader(make_folder, kit):
    root = make_folder(4)
    kit.write_mask(root / "masks/r2.png", kit.disc_mask(radius=9))
    kit.edit_table(root, mask_reader2=["masks/r2.png", "masks/none.png", "", ""])
    cohort = read_folder_cohort(root)
    assert len(cohort.lesions) == 4
    assert [(p.code, p.severity) for p in cohort.problems] == [("M01", "warning")]
    second = load_reader2_mask(cohort.lesions[0], kit.shape)
    np.testing.assert_array_equal(second, kit.disc_mask(radius=9))
    assert load_reader2_mask(cohort.lesions[2], kit.shape) is None


def test_merged_masks_of_one_cell(make_folder, kit):
    root = make_folder(4)
    kit.write_mask(root / "masks/b.png", kit.disc_mask(radius=6, shift=20))
    kit.edit_table(root, mask={0: "masks/m000.png; masks/b.png"})
    lesion = read_folder_cohort(root).lesions[0]
    expected = kit.disc_mask(radius=10) | kit.disc_mask(radius=6, shift=20)
    np.testing.assert_array_equal(load_lesion(lesion).mask, expected)


ESCAPES = ["../i.png", "/etc/hostname", "images/../../i.png", "file:///etc/hostname", "~/i.png",
           "http://x/i.png", "C:\\i.png", "\\\\host\\i.png", "//host/i.png"]  # fmt: skip


@pytest.mark.parametrize("column", ["image", "mask", "mask_reader2"])
@pytest.mark.parametrize("path", ESCAPES)
def test_paths_may_not_leave_the_folder(path, column, make_folder, kit):
    root = make_folder(4)
    Image.fromarray(kit.textured_image(0)).save(root.parent / "i.png")
    kit.edit_table(root, **{column: {0: path}})
    cohort = read_folder_cohort(root)
    assert [(p.code, p.path) for p in cohort.problems] == [("S13", path)]
    assert len(cohort.lesions) == 3


def test_a_name_of_another_case_or_form_of_accents_is_found(make_folder, kit):
    root = make_folder(4)
    (root / "images/i000.png").rename(root / "images/I000.PNG")
    (root / "images/i001.png").rename(root / "images" / "Mu\u0308ller.png")
    kit.edit_table(root, image={1: "images/M\u00fcller.png"})
    cohort = read_folder_cohort(root)
    assert len(cohort.lesions) == 4
    assert not cohort.problems
    shutil.copy(root / "images/I000.PNG", root / "images/I000.png")
    (problem,) = read_folder_cohort(root).problems  # which of the two is meant?
    assert problem.code == "C04"


def test_a_frame_may_be_written_as_programs_write_numbers(make_folder):
    assert read_folder_cohort(make_folder(4, frame="1.0")).lesions[0].frame == 1


def test_every_problem_of_a_lesion_is_collected(make_folder, kit):
    root = make_folder(6)
    (root / "images/i000.png").write_bytes(b"")
    kit.write_mask(root / "masks/m000.png", kit.disc_mask(radius=3))
    cohort = read_folder_cohort(root)
    assert [p.code for p in cohort.problems] == ["D01", "M15"]
    assert cohort.count("quarantined") == 1


def test_hash_depends_on_content_only(make_folder, kit):
    first = make_folder(6, name="a")
    second = make_folder(6, name="b")
    (second / "images/i000.png").rename(second / "other.png")
    kit.edit_table(second, image={0: "other.png"}, spacing_mm="0.10", comment="x")
    lines = (second / "cohort.csv").read_text().splitlines()
    (second / "cohort.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    hashes = [read_folder_cohort(root, clinical=["age"]).data_sha256 for root in (first, second)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("change", ["pixel", "mask", "outcome", "spacing", "age", "group"])
def test_hash_changes_with_everything_analysed(change, make_folder, kit):
    root = make_folder(6)
    before = read_folder_cohort(root, clinical=["age"]).data_sha256
    if change == "pixel":
        pixels = kit.textured_image(0)
        pixels[5, 5] += 1
        Image.fromarray(pixels).save(root / "images/i000.png")
    elif change == "mask":
        kit.write_mask(root / "masks/m000.png", kit.disc_mask(radius=9.5))
    else:
        column = {"spacing": "spacing_mm"}.get(change, change)
        kit.edit_table(root, **{column: {0: "1"}})
    assert read_folder_cohort(root, clinical=["age"]).data_sha256 != before


@pytest.mark.parametrize("lesions_a_process", [1, 500])  # processes, threads
def test_number_of_workers_changes_nothing(make_folder, monkeypatch, lesions_a_process):
    monkeypatch.setattr("her2.cohort.verify._LESIONS_A_PROCESS", lesions_a_process)
    root = make_folder(10)
    (root / "images/i003.png").write_bytes(b"")
    one, two = (read_folder_cohort(root, n_workers=n) for n in (1, 2))
    assert one.problems == two.problems
    assert one.data_sha256 == two.data_sha256


def test_features_by_lesion(make_folder, kit):
    ids = [kit.patient_id(i) for i in (0, 0, 1, 2)]
    root = make_folder(4, patient_id=ids, lesion_id=["L", "R", "L", "L"], image=None, mask=None)
    brought = pd.DataFrame(
        {"patient_id": ids, "lesion_id": ["R", "L", "L", "L"], "f": [1, 2, 3, 4]}
    )
    brought.to_csv(root / "f.csv", index=False)
    cohort = read_folder_cohort(root, features=root / "f.csv")
    assert cohort.features["f"].tolist() == [2.0, 1.0, 3.0, 4.0]
    assert cohort.features.index.tolist() == [lesion.key for lesion in cohort.lesions]
    assert cohort.lesions[0].image is None
    brought.drop(columns="lesion_id").drop_duplicates("patient_id").to_csv(
        root / "f.csv", index=False
    )
    with pytest.raises(BadCohort, match="C03"):
        read_folder_cohort(root, features="f.csv")


@pytest.mark.parametrize(
    ("columns", "code"),
    [({"patient_id": ["a", "a"], "f": ["1", "2"]}, "C02"),
     ({"patient_id": ["a", "b"], "f": ["1", "x"]}, "C28"),
     ({"patient_id": ["a", "b"], "her2_score": ["1", "2"]}, "C22"),
     ({"id": ["a", "b"], "f": ["1", "2"]}, "C28")],
)  # fmt: skip
def test_bad_features(columns, code, make_folder):
    root = make_folder(4, image=None, mask=None)
    pd.DataFrame(columns).to_csv(root / "f.csv", index=False)
    with pytest.raises(BadCohort, match=code):
        read_folder_cohort(root, features="f.csv")


def test_clinical_only_cohort(make_folder):
    cohort = read_folder_cohort(make_folder(4, image=None, mask=None), clinical=["age"])
    assert len(cohort.lesions) == 4
    assert all(lesion.image is None for lesion in cohort.lesions)
    with pytest.raises(InputProblem, match="C04"):
        load_lesion(cohort.lesions[0])


@pytest.mark.parametrize("root", [None, "no/such/folder"])
def test_missing_folder(root):
    with pytest.raises(MissingInput, match=r"expected .*, found .*; "):
        read_cohort("folder", root=root)


def test_missing_table_lists_what_is_there(make_folder):
    root = make_folder(4)
    (root / "cohort.csv").rename(root / "patients.csv")
    with pytest.raises(MissingInput, match=r"found 'patients\.csv'; name it"):
        read_cohort("folder", root=root)
    assert len(read_cohort("folder", root=root, table="patients.csv").lesions) == 4


def test_unknown_reader():
    with pytest.raises(BadConfig, match="folder, breast_lesions_usg"):
        read_cohort("dicomweb")


def test_no_patient_in_the_log(make_folder, caplog):
    root = make_folder(6)
    (root / "images/i003.png").write_bytes(b"")
    caplog.set_level("DEBUG")
    read_folder_cohort(root)
    assert "6 rows, 5 lesions used" in caplog.text
    assert "SECRET" not in caplog.text
