"""Valid files of every format that is read, and seeded ways to damage them."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import SimpleITK as sitk
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

SHAPE = (64, 60)
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
SEGMENTS = "Segment0_Name:=lesion\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
Change = Callable[[bytes, np.random.Generator], bytes]


def speckle(*more: int) -> np.ndarray:
    """Return uint8 (H, W, ...) of random grey levels."""
    return np.random.default_rng(3).integers(1, 250, (*SHAPE, *more)).astype(np.uint8)


def disc() -> np.ndarray:
    """Return uint8 (H, W), 1 in a disc."""
    rows, columns = np.indices(SHAPE)
    return (np.hypot(rows - 32, columns - 30) < 12).astype(np.uint8)


def write_dicom(path: Path, pixels: np.ndarray, *, frames: int = 1, **tags: object) -> None:
    """Write pixels ([frames,] H, W [, 3]); the name begins with an unusual transfer syntax."""
    syntax = {"implicit": IMPLICIT, "big": BIG}.get(path.name.split("_")[0], EXPLICIT)
    dataset, colour = Dataset(), pixels.shape[-1] == 3
    dataset.file_meta = FileMetaDataset()
    kind = UltrasoundMultiFrameImageStorage if frames > 1 else UltrasoundImageStorage
    usual = {
        "SOPClassUID": kind, "SOPInstanceUID": "1.2.3", "PatientID": "P", "Modality": "US",
        "Rows": SHAPE[0], "Columns": SHAPE[1], "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize, "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": 0, "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "PixelSpacing": [0.1, 0.1], "RescaleSlope": 2, "RescaleIntercept": 1,
        "WindowCenter": 128, "WindowWidth": 256,
    } | ({"PlanarConfiguration": 0} if colour else {}) | (
        {"NumberOfFrames": frames} if frames > 1 else {}
    )  # fmt: skip
    for name, value in {**usual, **tags}.items():
        setattr(dataset, name, value)
    order = ">" if syntax == BIG else "<"
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW" if pixels.itemsize == 2 or syntax == IMPLICIT else "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    packed = {"rle": RLELossless, "j2k": JPEG2000Lossless}
    if path.stem in packed:
        dataset.compress(packed[path.stem])
    elif path.stem == "jpeg":
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG")
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path, enforce_file_format=True)


def write_volume(path: Path, pixels: np.ndarray) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path), path.name.startswith("packed"))


def write_segments(path: Path, pixels: np.ndarray) -> None:
    """Write a segmentation as 3D Slicer does."""
    head = f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {SHAPE[1]} {SHAPE[0]}\nencoding: gzip\n"
    path.write_bytes(f"{head}{SEGMENTS}\n".encode() + gzip.compress(pixels.tobytes(), mtime=0))


def write_table(path: Path) -> None:
    rows = [["patient_id", "outcome", "age", "er"]]
    rows += [[f"P{i:03d}", i % 2, 40 + i, "+" if i % 3 else "-"] for i in range(24)]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    else:
        path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


def write_samples(folder: Path) -> list[Path]:
    """Write a valid file of every kind; return their paths."""
    grey, mask = speckle(), disc()
    wide, colour = grey.astype(np.uint16) * 200, speckle(3)
    for name, pixels in {
        "grey.dcm": grey, "wide.dcm": wide, "colour.dcm": colour, "implicit_wide.dcm": wide,
        "big_wide.dcm": wide, "rle.dcm": grey, "j2k.dcm": wide,
        "jpeg.dcm": grey,
    }.items():  # fmt: skip
        write_dicom(folder / name, pixels)
    write_dicom(folder / "loop.dcm", np.stack([grey] * 3), frames=3)
    for name, pixels in {
        "grey.nii": grey, "grey.nii.gz": grey, "float.nii.gz": grey / np.float32(7),
        "mask.nii": mask, "mask.nii.gz": mask, "stack.nii.gz": np.stack([mask, mask]),
        "grey.nrrd": grey, "packed.nrrd": wide, "packed_mask.nrrd": mask, "grey.mha": grey,
        "packed.mha": wide, "mask.mha": mask,
    }.items():  # fmt: skip
        write_volume(folder / name, pixels)
    write_segments(folder / "mask.seg.nrrd", mask)
    for name, pixels, how in (
        ("grey.png", grey, {}), ("wide.png", wide, {}), ("colour.png", colour, {}),
        ("mask.png", mask * 255, {}), ("grey.tif", grey, {}), ("wide.tif", wide, {}),
        ("lzw.tif", grey, {"compression": "tiff_lzw"}),
        ("deflate.tif", colour, {"compression": "tiff_adobe_deflate"}),
        ("mask.tif", mask * 255, {}), ("grey.bmp", grey, {}),
        ("grey.jpg", grey, {}), ("progressive.jpg", colour, {"progressive": True}),
    ):  # fmt: skip
        Image.fromarray(pixels).save(folder / name, **how)
    Image.fromarray(mask).convert("P").save(folder / "palette.png")
    for name in ("table.xlsx", "table.csv"):
        write_table(folder / name)
    return sorted(folder.iterdir())


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Turn one to eight bits over, as often as not in the first bytes."""
    changed, reach = bytearray(content), len(content)
    reach = min(reach, 400) if rng.random() < 0.5 else reach
    for place in rng.integers(reach, size=rng.integers(1, 9)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(1, len(content)))]


def _block(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(content) - 1))
    return start, min(start + int(rng.integers(1, 600)), len(content))


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    """Write a block twice."""
    start, stop = _block(content, rng)
    return content[:stop] + content[start:]


def lose(content: bytes, rng: np.random.Generator) -> bytes:
    """Leave a block out."""
    start, stop = _block(content, rng)
    return content[:start] + content[stop:]


def blank(content: bytes, rng: np.random.Generator) -> bytes:
    """Fill a block with zeros."""
    start, stop = _block(content, rng)
    return content[:start] + bytes(stop - start) + content[stop:]


def extreme(content: bytes, rng: np.random.Generator) -> bytes:
    """Put an extreme number of two or four bytes into the header."""
    size = int(rng.choice([2, 4]))
    value = bytes(
        rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x01\0\0\0"])
    ).ljust(4, b"\0")
    start = int(rng.integers(min(len(content), 700) - size))
    return content[:start] + value[:size] + content[start + size :]


def number(content: bytes, rng: np.random.Generator) -> bytes:
    """Exchange a run of digits in the first bytes, as of a text header."""
    places = [i for i in range(min(len(content), 700)) if content[i : i + 1].isdigit()]
    if not places:
        return flip(content, rng)
    start = int(rng.choice(places))
    stop = start
    while content[stop : stop + 1].isdigit():
        stop += 1
    value = rng.choice(["0", "-1", "99999999", "4294967297", "1e400", "nan", ""])
    return content[:start] + str(value).encode() + content[stop:]


DAMAGE: dict[str, Change] = {
    "flip": flip, "cut": cut, "repeat": repeat, "lose": lose, "blank": blank,
    "extreme": extreme, "number": number,
}  # fmt: skip


def resealed(name: str, content: bytes, change: Change, rng: np.random.Generator) -> bytes | None:
    """Damage what is inside a container whose checksums are right again; None of other files."""
    if name.endswith(".gz"):
        return gzip.compress(change(gzip.decompress(content), rng), mtime=0)
    if name.endswith(".png"):
        return _resealed_png(content, change, rng)
    if name.endswith(".xlsx"):
        return _resealed_zip(content, change, rng)
    return None


def _resealed_png(content: bytes, change: Change, rng: np.random.Generator) -> bytes:
    chunks, start = [], 8
    while start < len(content):
        (length,) = struct.unpack_from(">I", content, start)
        chunks.append((content[start + 4 : start + 8], content[start + 8 : start + 8 + length]))
        start += 12 + length
    chosen = int(rng.integers(len(chunks) - 1))  # IEND is empty
    kind, data = chunks[chosen]
    inner = zlib.decompress(data) if kind == b"IDAT" and len(chunks) == 3 else data
    inner = change(inner, rng)
    chunks[chosen] = kind, zlib.compress(inner) if kind == b"IDAT" and len(chunks) == 3 else inner
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _resealed_zip(content: bytes, change: Change, rng: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(sorted(members)))
    members[name] = change(members[name], rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key, data in members.items():
            archive.writestr(zipfile.ZipInfo(key), data)
    return stream.getvalue()


def write_mutants(samples: list[Path], folder: Path, n: int) -> dict[str, tuple[str, str]]:
    """Write `n` mutants of every sample and kind of damage; return these two by name."""
    made = {}
    for sample in samples:
        content = sample.read_bytes()
        for damage, change in DAMAGE.items():
            for i in range(n):
                rng = np.random.default_rng([i, zlib.crc32(f"{sample.name} {damage}".encode())])
                inner = resealed(sample.name, content, change, rng) if i % 2 else None
                kind = damage if inner is None else f"inner {damage}"
                payload = change(content, rng) if inner is None else inner
                name = f"{damage}{i}_{sample.name}"
                (folder / name).write_bytes(payload)
                made[name] = sample.name, kind
    return made
