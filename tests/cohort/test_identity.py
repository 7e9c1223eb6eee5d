"""Whose image a file is by its header: conflicts are said, and never cross a split."""

import dataclasses

import pydicom
import pytest

from her2.cohort import read_folder_cohort
from her2.cohort.identity import Identity, conflicts, read_identity
from her2.cohort.images import decode_image
from her2.core.errors import InputProblem
from her2.core.types import split_groups


def with_dicom(kit, root, tags_of):
    """Give the first patients DICOM images; `tags_of` are their tags."""
    names = {}
    for i, tags in enumerate(tags_of):
        names[i] = f"images/x{i}.dcm"
        kit.save_dicom(root / names[i], kit.dicom_dataset(kit.textured_image(60 + i), **tags))
    kit.edit_table(root, image=names)


def found(cohort, code):
    return sorted(p.patient_id for p in cohort.problems if p.code == code)


@pytest.mark.parametrize("second", ["K7", " k7", "00K7", "\uff2b7"])
def test_two_rows_of_one_dicom_patient_stay_together(second, make_folder, kit):
    root = make_folder(8)
    tags = [{"PatientID": "K7"}, {"PatientID": second, "SpecificCharacterSet": "ISO_IR 192"}]
    with_dicom(kit, root, tags)
    cohort = read_folder_cohort(root)
    assert found(cohort, "D60") == [kit.patient_id(0), kit.patient_id(1)]
    groups = split_groups(cohort.lesions)
    assert groups[0] == groups[1] != groups[2]


def test_a_split_that_divides_them_is_refused(make_folder, kit):
    root = make_folder(8)
    with_dicom(kit, root, [{"PatientID": "K7"}] * 2)
    kit.edit_table(root, split=["train", "test"] * 4)
    with pytest.raises(ValueError, match=r"^C03"):
        read_folder_cohort(root)


@pytest.mark.parametrize(
    "name", ["", "anonymous", "ANON^", "0000", "XXXX", "Unknown", "De-identified"]
)
def test_a_placeholder_names_nobody(name):
    dataset = pydicom.Dataset()
    dataset.PatientID = name
    assert read_identity(dataset).patient == ""


@pytest.mark.parametrize("name", ["1", "11", "P0", "7" * 5])
def test_a_short_identifier_is_one(name):
    dataset = pydicom.Dataset()
    dataset.PatientID = name
    assert len(read_identity(dataset).patient) == 64


def test_one_identifier_for_all_names_nobody(make_folder, kit):
    root = make_folder(8)
    with_dicom(kit, root, [{"PatientID": "STUDY-A"}] * 8)
    cohort = read_folder_cohort(root)
    assert len(set(split_groups(cohort.lesions))) == 8
    assert len(found(cohort, "D60")) == 8


def test_two_dicom_patients_of_one_row_are_said(make_folder, kit):
    root = make_folder(8)
    kit.edit_table(root, patient_id={1: kit.patient_id(0)}, lesion_id=list("12345678"))
    kit.edit_table(root, outcome={1: "0"})
    with_dicom(kit, root, [{"PatientID": "K7"}, {"PatientID": "K8"}])
    cohort = read_folder_cohort(root)
    assert found(cohort, "D60") == [kit.patient_id(0)] * 2
    assert len(cohort.lesions) == 8


def test_a_file_of_another_patient_of_the_table_is_said(make_folder, kit):
    root = make_folder(8)
    with_dicom(kit, root, [{"PatientID": kit.patient_id(3)}])
    assert found(read_folder_cohort(root), "D60") == [kit.patient_id(0)]
    with_dicom(kit, root, [{"PatientID": kit.patient_id(0)}])
    assert found(read_folder_cohort(root), "D60") == []


def test_one_object_with_other_pixels_is_refused_and_a_cine_loop_is_not():
    same = [Identity("", "u"), Identity("", "u")]
    places = [("a.dcm", None), ("b.dcm", None)]
    (conflict,) = conflicts(["p", "q"], same, ["h1", "h2"], places)
    assert (conflict.note.code, conflict.members) == ("D39", (0, 1))
    assert not list(conflicts(["p", "q"], same, ["h1", "h1"], places))
    assert not list(conflicts(["p", "p"], same, ["h1", "h2"], [("a.dcm", 1), ("a.dcm", 2)]))


def test_no_identifier_leaves_the_decoder(tmp_path, kit):
    tags = {"PatientID": "CANARY-17", "PatientName": "CANARY^17"}
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(kit.textured_image(1), **tags))
    image = decode_image(tmp_path / "a.dcm")
    text = repr([getattr(image, field.name) for field in dataclasses.fields(image)])
    assert "CANARY" not in text
    assert image.identity.patient


@pytest.mark.parametrize(
    ("tags", "code", "level"),
    [
        ({"SOPClassUID": pydicom.uid.CTImageStorage}, "D38", "warning"),
        ({"SOPClassUID": pydicom.uid.SecondaryCaptureImageStorage}, "D47", "warning"),
        ({"SOPClassUID": pydicom.uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage}, "D47",
         "warning"),
        ({"BurnedInAnnotation": "YES"}, "D59", "warning"),
        ({"BurnedInAnnotation": "NO"}, None, None),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6"}, None, None),
        ({"PatientID": "\xfc"}, "D49", "warning"),
        ({"PatientName": "\xfc", "SpecificCharacterSet": "ISO_IR 100"}, None, None),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_a_file_says_of_itself(tags, code, level, tmp_path, kit):
    dataset = kit.dicom_dataset(kit.textured_image(1), **tags)
    if "SOPClassUID" in tags:
        dataset.file_meta.MediaStorageSOPClassUID = tags["SOPClassUID"]
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    notes = decode_image(tmp_path / "a.dcm").notes
    assert [(n.code, n.level) for n in notes] == ([(code, level)] if code else [])


def test_an_object_that_is_of_no_ultrasound_at_all_is_refused(tmp_path, kit):
    tags = {"SOPClassUID": pydicom.uid.CTImageStorage, "Modality": "OT"}
    kit.save_dicom(tmp_path / "a.dcm", kit.dicom_dataset(kit.textured_image(1), **tags))
    with pytest.raises(InputProblem) as caught:
        decode_image(tmp_path / "a.dcm")
    assert caught.value.code == "D38"


def test_a_file_whose_start_names_another_object_warns(tmp_path, kit):
    uid = "1.2.3.4.5.6.7.8"
    dataset = kit.dicom_dataset(kit.textured_image(1), SOPInstanceUID=uid)
    kit.save_dicom(tmp_path / "a.dcm", dataset)
    payload = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(payload.replace(uid.encode(), b"1.2.3.4.5.6.7.9", 1))
    assert [note.code for note in decode_image(tmp_path / "a.dcm").notes] == ["D38"]
