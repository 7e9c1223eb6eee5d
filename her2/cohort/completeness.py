"""Whether an image file is whole: lengths that its header announces, and checksums it carries.

Decoders fill what is missing with zeros (ITK: a NIfTI file cut at 60 %), or do not look at the
checksum (Pillow: the data of a PNG file). A file is therefore checked before it is decoded. Bare
pixels without a checksum (BMP, uncompressed DICOM, NIfTI) can be checked for their length only.

References
----------
PNG, ISO/IEC 15948:2004, 5.4. gzip, RFC 1952. NIfTI-1: Cox RW et al. 2004,
https://nifti.nimh.nih.gov/nifti-1. NRRD: Kindlmann G, https://teem.sourceforge.net/nrrd/format.html.
MetaImage: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from her2.cohort.problems import refuse

MAX_UNPACKED_BYTES = 2 * 2**30
_BLOCK = 2**20
_AGAIN = "export or copy the file again"
# bits of a value by NIfTI's data type
_NIFTI_BITS = {
    2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64,
    1280: 64, 1536: 128, 1792: 128, 2048: 256, 2304: 32,
}  # fmt: skip
_NRRD_BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1,
    "uint8_t": 1, "short": 2, "short int": 2, "signed short": 2, "signed short int": 2, "int16": 2,
    "int16_t": 2, "ushort": 2, "unsigned short": 2, "unsigned short int": 2, "uint16": 2,
    "uint16_t": 2, "int": 4, "signed int": 4, "int32": 4, "int32_t": 4, "uint": 4,
    "unsigned int": 4, "uint32": 4, "uint32_t": 4, "longlong": 8, "long long": 8,
    "long long int": 8, "signed long long": 8, "signed long long int": 8, "int64": 8,
    "int64_t": 8, "ulonglong": 8, "unsigned long long": 8, "unsigned long long int": 8,
    "uint64": 8, "uint64_t": 8, "float": 4, "double": 8,
}  # fmt: skip
_META_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4,
    "LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_MOST_AXES = 10  # of a MetaImage
_TIFF_COMPRESSION, _DEFLATE = 259, (8, 32946)
_TIFF_PLACES = ((273, 279), (324, 325))  # offsets and lengths of strips, and of tiles


def check_whole(path: Path, kind: str) -> None:
    """Refuse a file that is cut off (D06), too long (D07) or fails its checksum (D06)."""
    check = _CHECKS.get(kind)
    if check is not None:
        check(path)


def _png(path: Path) -> None:
    """Every chunk has its length and its CRC, and the last is IEND."""
    data, start = memoryview(path.read_bytes()), 8
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        stop = start + 8 + length
        if stop + 4 > len(data):
            break
        kind = bytes(data[start + 4 : start + 8])
        if zlib.crc32(data[start + 4 : stop]) != struct.unpack_from(">I", data, stop)[0]:
            raise refuse("D06", "a part of the PNG file fails its checksum", _AGAIN)
        if kind == b"IEND":
            return
        start = stop + 4
    raise refuse("D06", "the PNG file is cut off", _AGAIN)


def _jpeg(path: Path) -> None:
    data = path.read_bytes()
    if data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):  # the end comes after the last scan
        raise refuse("D06", "the JPEG file has no end", _AGAIN)


def _bmp(path: Path) -> None:
    size, head = path.stat().st_size, _head(path, 54)
    announced, _, offset, _, width, height, _, bits, packing, n_bytes = struct.unpack_from(
        "<IIIIiiHHII", head.ljust(54, b"\0"), 2
    )
    if not packing:
        n_bytes = (abs(width) * bits + 31) // 32 * 4 * abs(height)
    _compare(size, max(announced, offset + n_bytes))


def _tiff(path: Path) -> None:
    """Every strip or tile of every page lies in the file, and passes a checksum that it has."""
    size = path.stat().st_size
    with Image.open(path, formats=("TIFF",)) as picture:
        for page in range(int(getattr(picture, "n_frames", 1))):
            picture.seek(page)
            tags = picture.tag_v2  # type: ignore[attr-defined]
            for offsets, lengths in _TIFF_PLACES:
                places = zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False)
                for start, length in places:
                    if start + length > size:
                        raise refuse("D06", "a strip of the TIFF file lies beyond its end", _AGAIN)
                    if tags.get(_TIFF_COMPRESSION) in _DEFLATE:
                        _unpacked(path, 15, start=start, length=length)


def _nifti(path: Path) -> None:
    head = _head(path, 352)
    size = path.stat().st_size
    if head.startswith(b"\x1f\x8b"):
        head, size = _unpacked(path, 31, keep=352)
    order = "<" if struct.unpack_from("<I", head)[0] == 348 else ">"
    n_axes, *lengths = struct.unpack_from(f"{order}8h", head, 40)
    bits = _NIFTI_BITS.get(struct.unpack_from(f"{order}h", head, 70)[0])
    (offset,) = struct.unpack_from(f"{order}f", head, 108)
    lengths = lengths[:n_axes] if 1 <= n_axes <= 7 else [0]
    offset = offset or 352.0
    if bits is None or min(lengths) < 1 or not 352 <= offset < MAX_UNPACKED_BYTES:
        raise refuse("D02", "the NIfTI header is damaged", _AGAIN)
    _compare(size, int(offset) + math.prod(lengths) * bits // 8)


def _nrrd(path: Path) -> None:
    head, fields = _header(path, re.compile(rb"\r?\n\r?\n"), ":")
    n_bytes = _NRRD_BYTES.get(" ".join(fields.get("type", "").split()))
    if n_bytes is None or "sizes" not in fields:
        raise refuse("D02", "the NRRD header is damaged, or its type unsupported", _AGAIN)
    n_values = math.prod(int(length) for length in fields["sizes"].split())
    encoding = fields.get("encoding", "").lower()
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if encoding in ("gz", "gzip"):
        found = _unpacked(path, 31, start=head)[1]
    elif encoding == "raw":
        found = path.stat().st_size - head
        skip = found - n_values * n_bytes if skip == -1 else skip  # the pixels end the file
    else:
        _count_numbers(path, head, n_values)
        return
    _compare(found, max(skip, 0) + n_values * n_bytes)


def _metaimage(path: Path) -> None:
    head, fields = _header(path, re.compile(rb"^ElementDataFile[^\n]*\n", re.MULTILINE), "=")
    n_bytes = _META_BYTES.get(fields.get("elementtype", "").removeprefix("MET_"))
    if n_bytes is None or "dimsize" not in fields:
        raise refuse("D02", "the MetaImage header is damaged, or its type unsupported", _AGAIN)
    lengths = [int(length) for length in fields["dimsize"].split()]
    if fields.get("ndims") != str(len(lengths)) or len(lengths) > _MOST_AXES:
        what = f"NDims is {fields.get('ndims')} in the header, DimSize has {len(lengths)} numbers"
        raise refuse("D02", what, _AGAIN)  # ITK believes NDims, and dies of a large one
    n_values = math.prod(lengths) * int(fields.get("elementnumberofchannels", "1"))
    if fields.get("binarydata", "True").lower() == "false":
        _count_numbers(path, head, n_values)
    elif fields.get("compresseddata", "False").lower() == "true":
        _compare(path.stat().st_size - head, int(fields.get("compresseddatasize", "0")))
        _compare(_unpacked(path, 47, start=head)[1], n_values * n_bytes)
    else:
        _compare(path.stat().st_size - head, n_values * n_bytes)


def _compare(found: int, expected: int) -> None:
    what = f"{found} bytes of data, the header announces {expected}"
    if found < expected:
        raise refuse("D06", what, _AGAIN)
    if found > expected:
        raise refuse("D07", what, "the announced size is wrong; export the image again")


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _header(path: Path, end: re.Pattern[bytes], mark: str) -> tuple[int, dict[str, str]]:
    """Length of a text header, and its fields by their name in lower case."""
    content = _head(path, 2**16)
    found = end.search(content)
    if found is None:
        raise refuse("D06", "the header has no end", _AGAIN)
    lines = content[: found.end()].decode("latin-1").split("\n")
    pairs = (line.split(mark, 1) for line in lines if mark in line and not line.startswith("#"))
    return found.end(), {name.strip().lower(): value.strip() for name, value in pairs}


def _count_numbers(path: Path, start: int, expected: int) -> None:
    """Refuse a text encoding with another count of numbers."""
    with path.open("rb") as stream:
        stream.seek(start)
        found = len(stream.read().split())
    what = f"{found} numbers, the header announces {expected}"
    if found != expected:
        raise refuse("D06" if found < expected else "D07", what, _AGAIN)


def _unpacked(
    path: Path, wbits: int, *, start: int = 0, length: int = -1, keep: int = 0
) -> tuple[bytes, int]:
    """First bytes and number of bytes of a compressed stream, its checksum checked.

    wbits: as zlib has it, 15 for zlib, 31 for gzip and 47 for either. length: of the compressed
    bytes; to the end of the file by default.
    """
    kept, n_bytes = b"", 0
    with path.open("rb") as stream:
        stream.seek(start)
        left = length if length >= 0 else path.stat().st_size - start
        unpacker, packed = zlib.decompressobj(wbits), b""
        while True:
            if not packed:
                packed = stream.read(min(_BLOCK, left))
                left -= len(packed)
            if not packed:
                break
            if unpacker.eof:  # gzip allows several members, and zeros after the last
                if not packed.strip(b"\0"):
                    packed = b""
                    continue
                unpacker = zlib.decompressobj(wbits)
            try:
                block = unpacker.decompress(packed, _BLOCK)
            except zlib.error:
                raise refuse("D06", "the compressed data fail their checksum", _AGAIN) from None
            kept, n_bytes = (kept + block[: keep - len(kept)])[:keep], n_bytes + len(block)
            packed = unpacker.unconsumed_tail or unpacker.unused_data
            if n_bytes > MAX_UNPACKED_BYTES:
                raise refuse("D16", f"more than {MAX_UNPACKED_BYTES} bytes unpacked", _AGAIN)
    while not unpacker.eof and (block := unpacker.decompress(unpacker.unconsumed_tail, _BLOCK)):
        n_bytes += len(block)
    if not unpacker.eof:
        raise refuse("D06", "the compressed data are cut off", _AGAIN)
    return kept, n_bytes


_CHECKS: dict[str, Callable[[Path], None]] = {
    "png": _png, "jpeg": _jpeg, "bmp": _bmp, "tiff": _tiff, "nifti": _nifti, "nrrd": _nrrd,
    "metaimage": _metaimage,
}  # fmt: skip
