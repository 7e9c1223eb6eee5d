"""DICOM segmentations and RT structure sets: the segment of this image, on this image's grid."""

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    SegmentationStorage,
    generate_uid,
)

from her2.cohort import load_lesion, read_folder_cohort
from her2.cohort.dicom_masks import fill
from her2.cohort.images import decode_image, n_stacked
from her2.cohort.masks import read_mask
from her2.core.errors import InputProblem
from her2.core.types import MaskChoice

UID = generate_uid(entropy_srcs=["test"])  # of the images
OTHER = generate_uid(entropy_srcs=["another"])
SOME = MaskChoice(segment="Lesion")


def item(**tags):
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def one(**tags):
    return Sequence([item(**tags)])


def save(path, dataset, sop_class):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    uid = generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.save_as(path, enforce_file_format=True)
    return path


def segmentation(path, frames, *, kind="BINARY", names=("Shadow", "Lesion"), place=None):
    """Write frames (segment number, array, SOPInstanceUID or None, frame number or None)."""
    arrays = np.stack([array for _, array, _, _ in frames]).astype(np.uint8)
    packed = kind == "BINARY"
    seg = item(
        Modality="SEG", SegmentationType=kind, Rows=arrays.shape[1], Columns=arrays.shape[2],
        NumberOfFrames=len(arrays), SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=1 if packed else 8, BitsStored=1 if packed else 8,
        HighBit=0 if packed else 7, PixelRepresentation=0,
        PixelData=pack_bits(arrays.ravel()) if packed else arrays.tobytes(),
    )  # fmt: skip
    if kind == "FRACTIONAL":
        seg.MaximumFractionalValue = 200
    seg["PixelData"].VR = "OB"
    seg.SegmentSequence = Sequence(
        [item(SegmentNumber=i + 1, SegmentLabel=name) for i, name in enumerate(names)]
    )
    groups = []
    for number, _, uid, frame in frames:
        group = item()
        if kind != "LABELMAP":
            group.SegmentIdentificationSequence = one(ReferencedSegmentNumber=number)
        if uid:
            source = item(ReferencedSOPInstanceUID=uid)
            if frame:
                source.ReferencedFrameNumber = frame
            group.DerivationImageSequence = one(SourceImageSequence=Sequence([source]))
        groups.append(group)
    seg.PerFrameFunctionalGroupsSequence = Sequence(groups)
    if place is not None:
        position, orientation, spacing = place
        seg.SharedFunctionalGroupsSequence = one(
            PlanePositionSequence=one(ImagePositionPatient=position),
            PlaneOrientationSequence=one(ImageOrientationPatient=orientation),
            PixelMeasuresSequence=one(PixelSpacing=spacing),
        )
    return save(path, seg, SegmentationStorage)


def structure_set(path, rois, *, kind="CLOSED_PLANAR"):
    """Write rois: (name, contours), a contour (points in mm (n, 3), SOPInstanceUID or None)."""
    rt = item(Modality="RTSTRUCT", StructureSetROISequence=Sequence(), ROIContourSequence=[])
    for number, (name, contours) in enumerate(rois, start=1):
        rt.StructureSetROISequence.append(item(ROINumber=number, ROIName=name))
        drawn = []
        for points, uid in contours:
            contour = item(ContourGeometricType=kind, NumberOfContourPoints=len(points),
                           ContourData=[f"{x:.6f}" for x in np.ravel(points)])  # fmt: skip
            if uid:
                contour.ContourImageSequence = one(ReferencedSOPInstanceUID=uid)
            drawn.append(contour)
        rt.ROIContourSequence.append(
            item(ReferencedROINumber=number, ContourSequence=Sequence(drawn))
        )
    return save(path, rt, RTStructureSetStorage)


def box(top, left, bottom, right, *, spacing=0.1, z=0.0, origin=(0.0, 0.0)):
    """Contour around the pixels [top:bottom, left:right]."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return np.array(
        [(origin[0] + (x - 0.5) * spacing, origin[1] + (y - 0.5) * spacing, z) for x, y in corners]
    )


def boxed(kit, top, left, bottom, right):
    mask = np.zeros(kit.shape, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def image(tmp_path, kit):
    kit.save_dicom(
        tmp_path / "i.dcm", kit.dicom_dataset(kit.textured_image(0), SOPInstanceUID=UID)
    )
    return tmp_path / "i.dcm"


def read(mask, image, choice=SOME, frame=None):
    decoded = decode_image(image, frame)
    return read_mask([mask], decoded.pixels.shape[:2], frame, image=decoded, choice=choice)


def refusal(mask, image, choice=SOME, frame=None):
    with pytest.raises(InputProblem) as caught:
        read(mask, image, choice, frame)
    return f"{caught.value.code}: {caught.value.what}"


@pytest.mark.parametrize("uid", [UID, None])
def test_segments_are_chosen_by_name_or_number(uid, image, tmp_path, kit):
    shadow, lesion = boxed(kit, 40, 10, 60, 50), kit.disc_mask()
    path = segmentation(tmp_path / "m.dcm", [(1, shadow, uid, None), (2, lesion, uid, None)])
    for choice in (SOME, MaskChoice(label=2)):
        np.testing.assert_array_equal(read(path, image, choice)[0], lesion)
    said = refusal(path, image, MaskChoice())
    assert said.endswith("found Shadow (800 pixels), Lesion (421 pixels)")
    assert n_stacked(path) == 1


def test_frames_of_other_images_are_left_aside(image, tmp_path, kit):
    lesion = kit.disc_mask()
    frames = [(1, kit.disc_mask(radius=20), OTHER, None), (1, lesion, UID, None)]
    path = segmentation(tmp_path / "m.dcm", frames, names=["Lesion"])
    np.testing.assert_array_equal(read(path, image)[0], lesion)
    path = segmentation(tmp_path / "n.dcm", frames[:1], names=["Lesion"])
    assert refusal(path, image) == "M05: the segmentation was drawn on another image"
    Image.fromarray(kit.textured_image(0)).save(tmp_path / "i.png")
    path = segmentation(tmp_path / "o.dcm", frames, names=["Lesion"])
    assert refusal(path, tmp_path / "i.png").startswith("M20: 2 frames of one segment")


def test_the_frame_of_a_cine_loop_finds_its_segment(tmp_path, kit):
    stack = np.stack([kit.textured_image(i) for i in range(3)])
    loop = kit.dicom_dataset(
        stack[0], SOPInstanceUID=UID, NumberOfFrames=3, PixelData=stack.tobytes()
    )
    kit.save_dicom(tmp_path / "i.dcm", loop)
    masks = [kit.disc_mask(radius=9 + i) for i in range(3)]
    path = segmentation(tmp_path / "m.dcm", [(1, m, UID, i + 1) for i, m in enumerate(masks)],
                        names=["Lesion"])  # fmt: skip
    for i, mask in enumerate(masks):
        np.testing.assert_array_equal(read(path, tmp_path / "i.dcm", frame=i + 1)[0], mask)


def test_fractions_are_cut_at_one_half_and_label_maps_read_by_number(image, tmp_path, kit):
    lesion = kit.disc_mask()
    fractions = np.where(lesion, 101, 99)
    path = segmentation(tmp_path / "f.dcm", [(1, fractions, UID, None)], kind="FRACTIONAL",
                        names=["Lesion"])  # fmt: skip
    mask, notes = read(path, image)
    np.testing.assert_array_equal(mask, lesion)
    assert [(n.code, n.level) for n in notes] == [("M19", "normalised")]
    numbers = 2 * lesion + boxed(kit, 0, 0, 9, 9)
    path = segmentation(tmp_path / "l.dcm", [(0, numbers, UID, None)], kind="LABELMAP")
    np.testing.assert_array_equal(read(path, image)[0], lesion)


def test_a_segmentation_in_another_order_is_turned_by_its_orientation(tmp_path, kit):
    place = {"ImagePositionPatient": [3, 4, 5], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    kit.save_dicom(
        tmp_path / "i.dcm", kit.dicom_dataset(kit.textured_image(0), SOPInstanceUID=UID, **place)
    )
    lesion = kit.disc_mask(shift=7)
    last = 3 + 0.1 * (kit.shape[1] - 1)
    for z, found in ((5, True), (25, False)):
        path = segmentation(
            tmp_path / "m.dcm", [(1, lesion[:, ::-1], None, None)], names=["Lesion"],
            place=([last, 4, z], [-1, 0, 0, 0, 1, 0], [0.1, 0.1]),
        )  # fmt: skip
        if found:
            np.testing.assert_array_equal(read(path, tmp_path / "i.dcm")[0], lesion)
        else:
            assert refusal(path, tmp_path / "i.dcm").startswith("M05")


def test_contours_are_filled_with_their_holes_on_the_image_they_name(image, tmp_path, kit):
    lesion = [(box(10, 20, 30, 45), UID), (box(15, 25, 20, 30), UID), (box(0, 0, 9, 9), OTHER)]
    shadow = [(box(40, 10, 60, 50), UID)]
    path = structure_set(tmp_path / "m.dcm", [("Shadow", shadow), ("lesion", lesion)])
    mask, notes = read(path, image)
    expected = boxed(kit, 10, 20, 30, 45) & ~boxed(kit, 15, 25, 20, 30)
    np.testing.assert_array_equal(mask, expected)
    assert ("M05", "warning") in {(n.code, n.level) for n in notes}
    assert "found Shadow (800 pixels), lesion (475 pixels)" in refusal(path, image, MaskChoice())


def test_contours_are_found_by_the_plane_of_the_image(tmp_path, kit):
    place = {"ImagePositionPatient": [3, 4, 5], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    kit.save_dicom(
        tmp_path / "i.dcm", kit.dicom_dataset(kit.textured_image(0), SOPInstanceUID=UID, **place)
    )
    rois = [("Lesion", [(box(10, 20, 30, 45, z=z, origin=(3, 4)), None) for z in (5, 8)])]
    mask, notes = read(structure_set(tmp_path / "m.dcm", rois), tmp_path / "i.dcm")
    np.testing.assert_array_equal(mask, boxed(kit, 10, 20, 30, 45))
    assert notes == []


@pytest.mark.parametrize(
    ("uid", "kind"), [(OTHER, "CLOSED_PLANAR"), (UID, "POINT"), (UID, "OPEN_PLANAR")]
)
def test_no_contour_on_the_image_is_a_refusal(uid, kind, image, tmp_path):
    path = structure_set(tmp_path / "m.dcm", [("L", [(box(1, 1, 20, 20), uid)])], kind=kind)
    assert refusal(path, image) == "M05: no closed contour was drawn on this image"


def test_contours_need_an_image_in_millimetres(tmp_path, kit):
    Image.fromarray(kit.textured_image(0)).save(tmp_path / "i.png")
    path = structure_set(tmp_path / "m.dcm", [("L", [(box(1, 1, 20, 20), None)])])
    assert refusal(path, tmp_path / "i.png").startswith("M05: contours in millimetres")


def test_another_dicom_object_is_no_mask_and_damage_has_its_code(image, tmp_path, kit):
    assert refusal(image, image).startswith("D02: the mask is a DICOM file, expected")
    path = segmentation(tmp_path / "m.dcm", [(1, kit.disc_mask(), UID, None)])
    payload = path.read_bytes()
    path.write_bytes(payload[:-100])
    assert refusal(path, image).startswith("D06")
    path.write_bytes(payload[:700])
    assert refusal(path, image).startswith("D0")
    path.write_bytes(b"MZ" + payload[2:])
    assert refusal(path, image).startswith("D04")


def test_polygon_agrees_with_a_disc(kit):
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    circle = np.stack([32 + 11.5 * np.sin(angles), 30 + 11.5 * np.cos(angles)], axis=1)
    assert (fill(circle, kit.shape) ^ kit.disc_mask()).sum() <= 4
    beyond = circle - [32, 0]
    assert fill(beyond, kit.shape).sum() == fill(circle, kit.shape)[32:].sum()


def test_a_cohort_of_dicom_masks_is_read_from_the_table(make_folder, kit):
    root = make_folder(8)
    kit.save_dicom(
        root / "images/i.dcm", kit.dicom_dataset(kit.textured_image(0), SOPInstanceUID=UID)
    )
    lesion = kit.disc_mask()
    frames = [(1, boxed(kit, 40, 10, 60, 50), UID, None), (2, lesion, UID, None)]
    segmentation(root / "masks/s.dcm", frames)
    kit.edit_table(root, image={0: "images/i.dcm"}, mask={0: "masks/s.dcm"})
    assert [p.code for p in read_folder_cohort(root).problems] == ["M25"]
    cohort = read_folder_cohort(root, masks=SOME, frame="largest_lesion")
    assert {p.severity for p in cohort.problems} == {"normalised"}
    np.testing.assert_array_equal(load_lesion(cohort.lesions[0]).mask, lesion)
