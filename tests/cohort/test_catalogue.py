"""Every code of the catalogue is fired by one fixture here, alone, and harms no neighbour."""

import inspect
import os
import struct
import sys
import zlib

import numpy as np
import openpyxl
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    BasicTextSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
)

from her2.cohort import CATALOGUE, read_folder_cohort
from her2.core.errors import BadCohort

N = 8
IMAGE, MASK, DICOM = "images/i000.png", "masks/m000.png", "images/x.dcm"


def dicom(kit, root, pixels=None, *, syntax=None, **tags):
    """Give the first patient a DICOM image."""
    pixels = kit.textured_image(0) if pixels is None else pixels
    dataset = kit.dicom_dataset(pixels, **tags)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    kit.save_dicom(root / DICOM, dataset)
    kit.edit_table(root, image={0: DICOM})


def raw(kit, root, name, payload, column="image"):
    (root / name).write_bytes(payload)
    kit.edit_table(root, **{column: {0: name}})


def mask(kit, root, values):
    Image.fromarray(values).save(root / MASK)


def header_of(kit, **tags):
    return kit.dicom_dataset(kit.textured_image(0), **tags)


def cut(kit, root, keep):
    """A DICOM file of which only a share of the bytes remains."""
    dicom(kit, root)
    payload = (root / DICOM).read_bytes()
    (root / DICOM).write_bytes(payload[: int(len(payload) * keep)])


def png_header(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


def colour(kit, share):
    """RGB image of which the first `share` of the lesion is red."""
    rgb = np.stack([kit.textured_image(0)] * 3, axis=-1)
    rows, columns = np.nonzero(kit.disc_mask(radius=10))
    n = int(share * len(rows))
    rgb[rows[:n], columns[:n]] = (255, 0, 0)
    return rgb


def d01(kit, root):
    raw(kit, root, IMAGE, b"")


def d02(kit, root):
    raw(kit, root, DICOM, (root / IMAGE).read_bytes())


def d04(kit, root):
    dicom(kit, root)
    payload = (root / DICOM).read_bytes()
    (root / DICOM).write_bytes(b"MZ" + payload[2:])


def d05(kit, root):
    cut(kit, root, 0.08)


def d06(kit, root):
    dicom(kit, root, PixelData=kit.textured_image(0).tobytes()[:-200])


def d07(kit, root):
    dicom(kit, root, PixelData=kit.textured_image(0).tobytes() + b"\0" * 60)


def d08(kit, root):
    dicom(kit, root, SOPClassUID=BasicTextSRStorage, PixelData=None, Modality="SR")


def without(tag):
    def edit(kit, root):
        dicom(kit, root, **{tag: None})

    return edit


def d03(kit, root):
    dicom(kit, root)
    payload = (root / DICOM).read_bytes()
    raw(kit, root, DICOM, payload[payload.index(b"\x08\0\x16\0") :])


def d17(kit, root):
    dicom(kit, root, NumberOfFrames=10**6)


def d18(kit, root):
    dicom(kit, root, NumberOfFrames=0)


def d23(kit, root):
    dicom(kit, root, colour(kit, 0), PhotometricInterpretation="YBR_FULL_422")


def d24(kit, root):
    dicom(kit, root, colour(kit, 0), PlanarConfiguration=None)


def d35(kit, root):
    dicom(kit, root)
    payload = (root / DICOM).read_bytes()
    implicit = payload.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    (root / DICOM).write_bytes(implicit)


def d37(kit, root):
    dicom(kit, root)
    opened = b"\xe1\x7f\x10\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    payload = (root / DICOM).read_bytes()
    (root / DICOM).write_bytes(payload + opened * 400 + closed * 400)


def d38(kit, root):
    dicom(kit, root, SOPClassUID=CTImageStorage, Modality=None)


def d39(kit, root):
    names = ("images/x.dcm", "images/y.dcm")
    for i, name in enumerate(names):
        kit.save_dicom(root / name, header_of(kit, PixelData=kit.textured_image(90 + i).tobytes()))
    kit.edit_table(root, image=dict(enumerate(names)))


def d46(kit, root):
    dicom(kit, root, PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1])
    kit.edit_table(root, spacing_mm={0: ""})


def d47(kit, root):
    dicom(kit, root, SOPClassUID=SecondaryCaptureImageStorage)


def d49(kit, root):
    dicom(kit, root, PatientName="M\xfcller")


def d54(kit, root):
    exif = Image.Exif()
    exif[0x112] = 3
    Image.fromarray(kit.textured_image(0)[::-1, ::-1].copy()).save(root / IMAGE, exif=exif)


def d55(kit, root):
    dicom(kit, root, PixelAspectRatio=[2, 1])


def d56(kit, root):
    dicom(kit, root, RescaleSlope=0.5, RescaleIntercept=3)


def d57(kit, root):
    dicom(kit, root, RescaleSlope=0, RescaleIntercept=1)


def d58(kit, root):
    dicom(kit, root, WindowCenter=40, WindowWidth=10)


def d59(kit, root):
    dicom(kit, root, BurnedInAnnotation="YES")


def d60(kit, root):
    names = ("images/x.dcm", "images/y.dcm")
    for i, name in enumerate(names):
        kit.save_dicom(root / name, kit.dicom_dataset(kit.textured_image(90 + i), PatientID="K7"))
    kit.edit_table(root, image=dict(enumerate(names)))


def d15(kit, root):
    dicom(kit, root, Rows=0)


def d16(kit, root):
    raw(kit, root, IMAGE, png_header(60000, 60000))


def d19(kit, root):
    frames = np.stack([kit.textured_image(i) for i in range(3)])
    dicom(kit, root, kit.textured_image(0), NumberOfFrames=3, PixelData=frames.tobytes())


def d20(kit, root):
    Image.fromarray(colour(kit, 0)).save(root / IMAGE)


def d21(kit, root):
    dicom(kit, root, colour(kit, 0.1))


def d22(kit, root):
    rgb = Image.fromarray(colour(kit, 0)).convert("YCbCr")
    dicom(kit, root, np.asarray(rgb), PhotometricInterpretation="YBR_FULL")


def d25(kit, root):
    Image.fromarray(kit.textured_image(0)).convert("P").save(root / IMAGE)


def d26(kit, root):
    dicom(kit, root, PhotometricInterpretation="MONOCHROME1")


def d27(kit, root):
    dicom(kit, root, PhotometricInterpretation="NONSENSE")


def d28(kit, root):
    dicom(kit, root, PhotometricInterpretation="RGB")


def d29(kit, root):
    pixels = kit.textured_image(0).astype(np.uint16) * 100
    dicom(kit, root, pixels, BitsStored=12, HighBit=11)


def d30(kit, root):
    dicom(kit, root, BitsAllocated=12)


def d31(kit, root):
    dicom(kit, root, syntax=JPEGBaseline8Bit, PixelData=encapsulate([b"\xff\xd8 no jpeg "]))


def d32(kit, root):
    dicom(kit, root, syntax=JPEG2000Lossless, PixelData=encapsulate([b"\xff\x4f\xff\x51"]))


def d33(kit, root):
    dicom(kit, root, syntax=MPEG2MPML, PixelData=encapsulate([b"0" * 10]))


def d34(kit, root):
    dicom(kit, root)
    payload = (root / DICOM).read_bytes()
    unknown = b"1.2.840.10008.1.9.9\0"  # as long as the implicit or explicit syntax
    assert payload.count(b"1.2.840.10008.1.2.1\0") == 1
    (root / DICOM).write_bytes(payload.replace(b"1.2.840.10008.1.2.1\0", unknown))


def d36(kit, root):
    dicom(kit, root, syntax=DeflatedExplicitVRLittleEndian)


def d40(kit, root):
    Image.fromarray(kit.textured_image(2)).save(root / IMAGE)


def d41(kit, root):
    regions = pydicom.Sequence([kit.us_region(0.01)])
    dicom(kit, root, PixelSpacing=None, SequenceOfUltrasoundRegions=regions)
    kit.edit_table(root, spacing_mm={0: ""})


def d42(kit, root):
    kit.edit_table(root, spacing_mm={0: ""})


def d43(kit, root):
    dicom(kit, root, SequenceOfUltrasoundRegions=pydicom.Sequence([kit.us_region(0.02)]))
    kit.edit_table(root, spacing_mm={0: ""})


def d44(kit, root):
    regions = pydicom.Sequence([kit.us_region(0.01), kit.us_region(0.02)])
    dicom(kit, root, SequenceOfUltrasoundRegions=regions)
    kit.edit_table(root, spacing_mm={0: ""})


def d45(kit, root):
    kit.edit_table(root, spacing_mm={0: "0"})


def d48(kit, root):
    Image.fromarray(np.full(kit.shape, 7, np.uint8)).save(root / IMAGE)


def d50(kit, root):
    kit.edit_table(root, patient_id={0: kit.patient_id(1).lower()})


def d51(kit, root):
    kit.edit_table(root, study_date="2024-03-02", surgery_date=["2024-03-01"] + ["2024-03-09"] * 7)


def d52(kit, root):
    dicom(kit, root, Modality="MG")


def d53(kit, root):
    (root / IMAGE).unlink()
    os.mkfifo(root / IMAGE)


def m01(kit, root):
    (root / MASK).unlink()


def m02(kit, root):
    mask(kit, root, np.ascontiguousarray(kit.disc_mask().T).astype(np.uint8))


def turned(kit, root, shape, turn):
    """An off-centre lesion whose mask is turned, with the identity header of nibabel."""
    lesion = np.hypot(*(np.indices(shape) - np.array([[[22]], [[34]]]))) < 10
    speckle = np.random.default_rng(0).rayleigh(40, shape)
    Image.fromarray((np.where(lesion, 0.2, 1) * speckle).clip(0, 250).astype(np.uint8)).save(
        root / IMAGE
    )
    volume = sitk.GetImageFromArray(turn(lesion).astype(np.uint8))
    volume.SetDirection((-1, 0, 0, -1))
    sitk.WriteImage(volume, str(root / "masks/x.nii"))
    kit.edit_table(root, mask={0: "masks/x.nii"})


def m03(kit, root):
    turned(kit, root, (64, 64), np.transpose)


def m04(kit, root):
    turned(kit, root, kit.shape, lambda lesion: lesion[::-1, ::-1])


def m05(kit, root):
    for name, pixels, length in (
        ("images/x.nrrd", kit.textured_image(0), 0.1),
        ("masks/x.nrrd", kit.disc_mask().astype(np.uint8), 0.2),
    ):
        volume = sitk.GetImageFromArray(pixels)
        volume.SetSpacing((length, length))
        sitk.WriteImage(volume, str(root / name))
    kit.edit_table(root, image={0: "images/x.nrrd"}, mask={0: "masks/x.nrrd"})


def m06(kit, root):
    mask(kit, root, np.zeros(kit.shape, np.uint8))


def m07(kit, root):
    mask(kit, root, np.full(kit.shape, 255, np.uint8))


def m08(kit, root):
    mask(kit, root, kit.disc_mask().astype(np.uint8) * 128)


def m09(kit, root):
    rows = np.arange(kit.shape[0])[:, None] * np.ones(kit.shape[1])
    Image.fromarray((rows * 4).astype(np.uint8)).save(root / "masks/x.jpg")
    kit.edit_table(root, mask={0: "masks/x.jpg"})


def m10(kit, root):
    values = kit.disc_mask().astype(np.uint8) * 255
    mask(kit, root, np.stack([values, values * 0, values * 0, values * 0 + 255], axis=-1))


def m11(kit, root):
    picture = Image.fromarray(kit.disc_mask().astype(np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(root / MASK)


def m12(kit, root):
    values = kit.disc_mask()
    values[2:4, 2:4] = True
    mask(kit, root, values.astype(np.uint8))


def m13(kit, root):
    values = kit.disc_mask()
    values[30:33, 28:31] = False
    mask(kit, root, values.astype(np.uint8))


def m14(kit, root):
    mask(kit, root, kit.disc_mask(shift=22).astype(np.uint8))


def m15(kit, root):
    mask(kit, root, kit.disc_mask(radius=3).astype(np.uint8))


def m16(kit, root):
    values = np.zeros(kit.shape, np.uint8)
    values[2:-2, 2:-2] = 1
    mask(kit, root, values)


def m17(kit, root):
    mask(kit, root, (~kit.disc_mask()).astype(np.uint8))


def m18(kit, root):
    (root / MASK).write_bytes((root / "masks/m001.png").read_bytes())


def m19(kit, root):
    values = kit.disc_mask().astype(np.float32)
    values[0, 0] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), str(root / "masks/x.nrrd"))
    kit.edit_table(root, mask={0: "masks/x.nrrd"})


def m20(kit, root):
    values = np.stack([kit.disc_mask().astype(np.uint8)] * 3)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(root / "masks/x.nrrd"))
    kit.edit_table(root, mask={0: "masks/x.nrrd"})


def m21(kit, root):
    ring = kit.disc_mask(radius=14) & ~kit.disc_mask(radius=12.5)
    mask(kit, root, ring.astype(np.uint8))


def m22(kit, root):
    kit.write_mask(root / "masks/r2.png", kit.disc_mask(shift=14))
    kit.edit_table(root, mask_reader2={0: "masks/r2.png"})


def m23(kit, root):
    mask(kit, root, np.kron(kit.disc_mask(), np.ones((4, 4))).astype(np.uint8))


def m25(kit, root):
    values = kit.disc_mask().astype(np.uint8)
    values[2:6, 2:20] = 2
    mask(kit, root, values)


def m24(kit, root):
    header = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 60 64\nencoding: raw\n"
    payload = (header + "data file: ../../secret\n\n").encode()
    raw(kit, root, "masks/x.nrrd", payload, column="mask")


def s13(kit, root):
    (root.parent / "outside.png").write_bytes((root / IMAGE).read_bytes())
    (root / IMAGE).unlink()
    (root / IMAGE).symlink_to(root.parent / "outside.png")


def add_line(root, line):
    with (root / "cohort.csv").open("a") as stream:
        stream.write(line + "\n")


def c01(kit, root):
    add_line(root, (root / "cohort.csv").read_text().splitlines()[1])


def c02(kit, root):
    add_line(root, f"{kit.patient_id(0)},images/i001.png,masks/m001.png,1,0.1,44")


def c03(kit, root):
    kit.edit_table(root, split=["train", "test"] * 4, group=["a", "a"] + [""] * 6)


def c04(kit, root):
    (root / IMAGE).unlink()


def c05(kit, root):
    kit.edit_table(root, patient_id={0: "1E5"})


def c06(kit, root):
    mixed = "patient_id,größe\nMüller,1\n".encode() + "Schäfer,2\n".encode("latin-1")
    (root / "cohort.csv").write_bytes(mixed)


def c07(kit, root):
    add_line(root, "one,cell,less")


def c08(kit, root):
    kit.edit_table(root, age={0: "1,234"})
    return {"clinical": ["age"]}


def c09(kit, root):
    kit.edit_table(root, age={0: "tbd"})
    return {"clinical": ["age"]}


def her2(kit, root, first, fish=""):
    ihc = [first, "3+", "0", "3+", "1+", "3+", "2+", "3+"]
    results = [fish, "", "", "", "", "", "negative", ""]
    kit.edit_table(root, her2_ihc=ihc, her2_fish=results)


def c10(kit, root):
    her2(kit, root, "2.5+")
    kit.edit_table(root, outcome=None)


def c11(kit, root):
    kit.edit_table(root, split=["train"] * 6 + ["test"] * 2, site=list("ababaacb"))
    return {"clinical": ["site"]}


def c12(kit, root):
    her2(kit, root, "2+")
    kit.edit_table(root, outcome=None)


def c13(kit, root):
    her2(kit, root, "3+", "negative")
    kit.edit_table(root, outcome=None)


def c14(kit, root):
    her2(kit, root, "3+")


def c15(kit, root):
    kit.edit_table(root, outcome={0: "n/a"})


def c16(kit, root):
    kit.edit_table(root, outcome={0: "2"})


def c17(kit, root):
    kit.edit_table(root, outcome="0")


def c18(kit, root):
    kit.edit_table(root, age={0: "540"})
    return {"clinical": ["age"]}


def c19(kit, root):
    kit.edit_table(root, age={0: "41 mm"})
    return {"clinical": ["age"]}


def c20(kit, root):
    kit.edit_table(root, site="one")
    return {"clinical": ["site"]}


def c21(kit, root):
    kit.edit_table(root, bmi=["", "", "", "", "21", "22", "23", "24"])
    return {"clinical": ["bmi"]}


def c22(kit, root):
    kit.edit_table(root, arm=["left", "right"] * 4)
    return {"clinical": ["arm"]}


def c23(kit, root):
    kit.edit_table(root, pr=["yes", "no", "no", "yes"] * 2)
    return {"clinical": ["pr"]}


def c25(kit, root):
    path = root / "cohort.csv"
    path.write_text(path.read_text().replace("spacing_mm,age", "age,age"))


def c26(kit, root):
    book = openpyxl.Workbook()
    book.active.append(["patient_id", "outcome", "age"])
    book.active.append(["a", "0", "=1+1"])
    book.save(root / "cohort.xlsx")
    return {"table": "cohort.xlsx"}


def c27(kit, root):
    kit.edit_table(root, patient_id={0: "3-Mar"})


def c28(kit, root):
    kit.edit_table(root, mask=None)


def c29(kit, root):
    (root / "cohort.csv").write_text("patient_id,image,mask,outcome\n")


def c30(kit, root):
    names = ["a", "b", "c", "d", "e"]
    kit.edit_table(root, **{name: [str(10 + max(i, 1)) for i in range(N)] for name in names})
    return {"clinical": names}


def a01(kit, root):
    image = kit.textured_image(0).astype(np.uint16) * 16
    Image.fromarray(image).save(root / IMAGE)


def a03(kit, root):
    values = kit.textured_image(0)
    grey = 100 + (values > np.median(values))
    grey[:3, :3] = 250
    Image.fromarray(grey.astype(np.uint8)).save(root / IMAGE)
    return {"bin_width": 25.0}


def a04(kit, root):
    across = 2 * np.sqrt(kit.disc_mask().sum() / np.pi)
    kit.edit_table(root, spacing_mm=f"{210 / across:.3f}")


def a05(kit, root):
    kit.edit_table(root, spacing_mm={0: "1"})


def a06(kit, root):
    names = ["PHILIPS", "Philips Medical Systems"] + ["GE Healthcare"] * 6
    for i, name in enumerate(names):
        image = kit.dicom_dataset(kit.textured_image(i), Manufacturer=name)
        kit.save_dicom(root / f"images/x{i}.dcm", image)
    kit.edit_table(root, image=[f"images/x{i}.dcm" for i in range(N)])


COHORT_LEVEL = ("A01", "A03", "A04", "A05", "A06", "C05", "C11", "C18", "C20", "C21", "C23")
PAIRS = ("C30", "D39", "D40", "D60", "M18")
ALSO = {"D21": {"D20"}, "D22": {"D20"}, "D25": {"D20"}}
EDITS = {
    name.upper(): value
    for name, value in inspect.getmembers(sys.modules[__name__], inspect.isfunction)
    if len(name) == 3 and name[1:].isdigit()
} | {
    "D09": without("Rows"), "D10": without("Columns"), "D11": without("BitsAllocated"),
    "D12": without("PhotometricInterpretation"), "D13": without("SamplesPerPixel"),
    "D14": without("PixelRepresentation"),
}  # fmt: skip
# test_clinical_checks.py, test_across_lesions.py, test_broken_files.py,
# test_breast_lesions_usg.py, radiomics/test_table.py
ELSEWHERE = {"A02", "C24", "D61", "E01", "R01", "R02", "R03", "R04", "R05"}
STOPS = sorted(code for code in EDITS if CATALOGUE[code].severity == "stop")
CASES = sorted(set(EDITS) - set(STOPS))


def test_every_code_of_the_catalogue_has_a_fixture():
    assert set(EDITS) | ELSEWHERE == set(CATALOGUE)


@pytest.mark.parametrize("code", CASES)
@pytest.mark.filterwarnings("ignore")
def test_case_gets_exactly_its_code(code, make_folder, kit):
    root = make_folder(N)
    settings = EDITS[code](kit, root) or {}
    cohort = read_folder_cohort(root, **settings)
    first = "" if code in COHORT_LEVEL else kit.patient_id(0)
    found = {p.code for p in cohort.problems if p.patient_id == first}
    assert found == {code} | ALSO.get(code, set())
    others = {p.patient_id for p in cohort.problems} - {first}
    assert len(others) == (1 if code in PAIRS else 0)
    severity = next(p.severity for p in cohort.problems if p.code == code)
    assert severity == CATALOGUE[code].severity
    n_left_out = int(severity in ("quarantined", "excluded")) * (2 if code in PAIRS else 1)
    assert len(cohort.lesions) == N - n_left_out
    assert cohort.n_rows == N == (
        len(cohort.lesions) + cohort.count("quarantined") + cohort.count("excluded")
    )  # fmt: skip


@pytest.mark.parametrize("code", STOPS)
@pytest.mark.filterwarnings("ignore")
def test_cohort_is_refused_with_the_code_and_without_a_patient(
    code, make_folder, kit, monkeypatch
):
    root = make_folder(N)
    settings = EDITS[code](kit, root) or {}
    if code == "D32":
        absent = type("Decoder", (), {"is_available": False, "missing_dependencies": ["x"]})
        monkeypatch.setattr("her2.cohort.dicom.get_decoder", lambda syntax: absent)
    with pytest.raises(BadCohort, match=f"^{code}: ") as caught:
        read_folder_cohort(root, **settings)
    message = str(caught.value)
    assert "SECRET" not in message.upper()
    assert "expected" in message
    assert "found" in message


def test_valid_folder_has_no_problem(make_folder):
    cohort = read_folder_cohort(make_folder(N), clinical=["age"])
    assert cohort.problems == ()
    assert len(cohort.lesions) == N


def test_features_need_no_image_and_a_lesion_without_them_is_quarantined(make_folder, kit):
    root = make_folder(N, image=None, mask=None)
    features = pd.DataFrame(
        {"patient_id": [kit.patient_id(i) for i in range(1, N)], "f": range(1, N)}
    )
    features.to_parquet(root / "f.parquet")
    cohort = read_folder_cohort(root, features="f.parquet")
    assert [(p.code, p.patient_id) for p in cohort.problems] == [("C04", kit.patient_id(0))]
    assert cohort.features["f"].tolist() == list(range(1, N))
