"""Format of a file by its content, whether it may be opened, which image of a stack is read.

A stack is a cine loop, a volume or a file of several pages. Its analysed image is never a default:
the table names the frame, from 1 as in DICOM, or the user declares that it is the one in which the
mask is largest. Decoded files stay in memory as far as `keep_decoded` makes room, because several
steps of a run use the same lesions; a worker process sees each lesion once.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import logging
import math
import os
import re
import shutil
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache, wraps
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar, cast

import numpy as np
from PIL import Image
from pydicom.errors import BytesLengthException, InvalidDicomError

from her2.cohort.completeness import check_whole
from her2.cohort.problems import refuse
from her2.core.errors import Her2Error
from her2.core.parallel import in_threads
from her2.core.store import regular_size

Item = TypeVar("Item")
Result = TypeVar("Result")
Decoder = TypeVar("Decoder", bound=Callable[..., Any])
_State = tuple[int, int, int]
Kind = Literal["dicom", "png", "jpeg", "tiff", "bmp", "nifti", "nrrd", "metaimage"]

_STDERR = 2  # its file descriptor
LARGEST_LESION = "largest_lesion"
_NAME_A_FRAME = (
    "name the frame in a column frame of the table (from 1), set cohort.frame=largest_lesion "
    "where the masks are stacks too, or save the one image that is to be analysed"
)
MAX_FILE_BYTES = 512 * 2**20
MAX_VALUES = 8192 * 8192
MAX_STACK_VALUES = 4 * MAX_VALUES  # of a volume whose slice is named: it is decoded as a whole

# What pydicom, Pillow, ITK and zlib raise on damaged files; RecursionError and
# NotImplementedError are RuntimeErrors, UnicodeDecodeError is a ValueError.
DECODE_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BytesLengthException, EOFError,
    InvalidDicomError, LookupError, MemoryError, OSError, RuntimeError, struct.error,
    SyntaxError, TypeError, ValueError, zlib.error,
)  # fmt: skip

SUFFIXES: dict[str, Kind] = {
    ".dcm": "dicom", ".dicom": "dicom", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg",
    ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".nii": "nifti", ".nii.gz": "nifti",
    ".nrrd": "nrrd", ".mha": "metaimage",
}  # fmt: skip
_DETACHED_SUFFIXES = (".nhdr", ".mhd", ".hdr", ".img")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"), (b"BM", "bmp"), (b"NRRD0", "nrrd"), (b"ObjectType", "metaimage"),
    (b"NDims", "metaimage"), (b"%PDF", "pdf"), (b"PK\x03\x04", "zip archive"),
    (b"<", "html or xml"), (b"GIF8", "gif"),
)  # fmt: skip
_CHATTER = ("pydicom", "pylibjpeg", "libjpeg", "openjpeg", "PIL")
_DETACHED_NRRD = re.compile(rb"^data ?file\s*:", re.IGNORECASE | re.MULTILINE)
# group 0002 or 0008 in little endian, where a DICOM data set without a preamble begins
_HEADERLESS = re.compile(rb"[\x02\x08]\0[\0-\x23]\0(?:[A-Z]{2}|..\0\0)", re.DOTALL)
_META_DATA_FILE = re.compile(rb"^ElementDataFile\s*=\s*(\S+)", re.MULTILINE)


@contextmanager
def decoding(code: str, what: str, fix: str, *, mute: bool = False) -> Iterator[None]:
    """Turn any decoder's error into an `InputProblem`, and keep decoders from logging values.

    `mute` is for libraries in C that write to the process's stderr whatever Python says.
    """
    try:
        with quiet_decoders(), _mute.on() if mute else nullcontext():
            yield
    except Her2Error:
        raise
    except Image.DecompressionBombError:
        raise refuse("D16", "the picture announces too many pixels", "export one frame") from None
    except DECODE_ERRORS as error:
        raise refuse(code, f"{what} ({type(error).__name__})", fix) from None


def within_memory(read: Decoder) -> Decoder:
    """Decorate a function of files, so that what does not fit into memory is refused (D16)."""

    @wraps(read)
    def read_or_refuse(*arguments: Any, **options: Any) -> Any:
        try:
            return read(*arguments, **options)
        except MemoryError:
            what = "the picture needs more memory than there is"
            raise refuse("D16", what, "export a single frame, or set fewer workers") from None

    return cast(Decoder, read_or_refuse)


class _Mute:
    """The process's stderr, switched off while any thread asks for it."""

    def __init__(self) -> None:
        self.lock, self.depth, self.kept = Lock(), 0, -1

    @contextmanager
    def on(self) -> Iterator[None]:
        self._step(1)
        try:
            yield
        finally:
            self._step(-1)

    def _step(self, change: int) -> None:
        with self.lock, suppress(OSError):  # a process may have no stderr
            before, self.depth = self.depth, self.depth + change
            if not before:
                self.kept = os.dup(_STDERR)
                with Path(os.devnull).open("wb") as nowhere:
                    os.dup2(nowhere.fileno(), _STDERR)
            elif not self.depth and self.kept >= 0:
                os.dup2(self.kept, _STDERR)
                os.close(self.kept)
                self.kept = -1


_mute = _Mute()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep decoders from logging values and from warning, in all threads of the process."""
    loggers = [logging.getLogger(name) for name in _CHATTER]
    levels = [chatter.level for chatter in loggers]
    for chatter in loggers:  # of the level, because a child of a disabled logger still speaks
        chatter.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for chatter, level in zip(loggers, levels, strict=True):
            chatter.setLevel(level)


def decode_each(
    function: Callable[[Item], Result], items: Iterable[Item], *, n_threads: int
) -> list[Result]:
    """Return `function(item)` of items that it decodes, in their order, on several threads.

    Decoders are kept quiet around all: the first thread that ends would give them their voice.
    """
    with quiet_decoders():
        return list(in_threads(function, items, n_threads=n_threads))


def check_file(path: Path) -> None:
    """Refuse what is not a readable regular file of a reasonable size."""
    with decoding("D53", "the file cannot be opened", "check the path and its permissions"):
        size = regular_size(path)
        if size is None:
            raise refuse("D53", "not a regular file", "name an image file")
        if size == 0:
            raise refuse("D01", "the file is empty", "export it again")
        if size > MAX_FILE_BYTES:
            what = f"the file has {size} bytes, the limit is {MAX_FILE_BYTES}"
            raise refuse("D16", what, "export a single frame")
        path.open("rb").close()


def alone(path: Path) -> Path:
    """Path of a file beside which there is no other of its name.

    For ``a.nii.gz`` ITK reads the header of that file but the pixels of ``a.nii``, if it is there.
    """
    if not path.name.lower().endswith(".nii.gz") or not path.with_suffix("").exists():
        return path
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    link = _folder_of_links() / f"{name}.nii.gz"
    with suppress(FileExistsError):
        link.symlink_to(path.absolute())
    return link


@lru_cache(maxsize=1)
def _folder_of_links() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="her2-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_there(path: Path) -> bool:
    """Whether a file exists, or may exist and cannot be looked at; `check_file` says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return True
    return True


def check_size(shape: tuple[int, ...], *, limit: int = MAX_VALUES) -> None:
    """Refuse, before decoding, what would not fit into memory or has no pixels."""
    size = " x ".join(map(str, shape))
    if min(shape, default=0) < 1:
        raise refuse("D15", f"the image is {size} pixels", "export it again")
    if math.prod(shape) > limit:
        what = f"the image announces {size} values, the limit is {limit}"
        raise refuse("D16", what, "export a single frame of at most 8192 x 8192 pixels")


def file_kind(path: Path) -> Kind:
    """Format of an image file, by its content; refused where its name says another."""
    check_file(path)
    is_packed = path.name.lower().endswith(".nii.gz")
    ending = ".nii.gz" if is_packed else path.suffix.lower()
    if ending in _DETACHED_SUFFIXES:
        what = f"a {ending} header keeps its pixels in another file"
        raise refuse("M24", what, "save the header and the pixels in one file")
    found = _content(path, ending)
    if found == "unknown" and _HEADERLESS.match(_head(path)):
        what = "a DICOM data set without its preamble and file header"
        raise refuse("D03", what, "export the image again as a DICOM file (part 10)")
    if found not in SUFFIXES.values() or SUFFIXES.get(ending, found) != found:
        expected = SUFFIXES.get(ending, "an image")
        what = f"the name says {expected}, the content is {found}"
        fix = "correct its name" if found in SUFFIXES.values() else "save it as PNG, TIFF or DICOM"
        raise refuse("D02", what, f"export the image again, or {fix}")
    if found in ("nrrd", "metaimage", "nifti"):
        _refuse_detached(path, found)
    with decoding("D06", "the file is damaged or cut off", "export or copy it again"):
        check_whole(path, found)
    return found  # type: ignore[return-value]


def _content(path: Path, ending: str) -> str:
    head = _head(path)
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[8:12] == b"WEBP" or head[4:8] == b"ftyp":
        return "webp" if head[8:12] == b"WEBP" else "heic, avif or video"
    if ending == ".nii.gz" and head.startswith(b"\x1f\x8b"):
        head = _gzip_head(path)
    if len(head) >= 348 and head[344:347] in (b"n+1", b"ni1", b"n+2"):
        return "nifti"
    return "unknown"


def _head(path: Path, size: int = 4096) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _gzip_head(path: Path) -> bytes:
    head = bytearray(352)
    damaged = decoding("D02", "the compressed file is damaged", "export it again")
    with damaged, gzip.open(path) as stream:
        stream.readinto(head)
    return bytes(head)


def _refuse_detached(path: Path, kind: str) -> None:
    head = _head(path, 65536)
    if kind == "nrrd":
        detached = bool(_DETACHED_NRRD.search(head.split(b"\n\n")[0].replace(b"\r", b"")))
    elif kind == "metaimage":
        named = _META_DATA_FILE.search(head)
        detached = named is None or named.group(1) != b"LOCAL"
    else:
        head = _gzip_head(path) if head.startswith(b"\x1f\x8b") else head
        detached = head[344:347] == b"ni1"
    if detached:
        what = "the header keeps its pixels in another file"
        raise refuse("M24", what, "save the header and the pixels in one file")


def check_frame(n_stacked: int, frame: int | None, *, code: str) -> int:
    """Index, from 0, of the image to read in a file that holds `n_stacked`.

    A single image is read whatever `frame` says, so that a mask of one slice may belong to a
    frame of a stack, and the other way round. Else a file is refused with `code`.

    >>> check_frame(40, 12, code="D19")
    11
    """
    if n_stacked <= 1:
        return 0
    if frame is None:
        raise refuse(code, f"the file holds {n_stacked} images, expected one", _NAME_A_FRAME)
    if not 1 <= frame <= n_stacked:
        what = f"the file holds {n_stacked} images, expected one of them as frame, found {frame}"
        raise refuse(code, what, "correct the column frame; frames are counted from 1")
    return frame - 1


class _Cache:
    """Decoded files that have not changed since, as far as there is room."""

    def __init__(self) -> None:
        self.room = self.used = 0  # bytes
        self.found: dict[tuple[str, Path, int | None], tuple[_State, Any, int]] = {}
        self.lock = Lock()

    def put(self, key: tuple[str, Path, int | None], state: _State, value: Any) -> None:
        """Keep a value; its arrays become read-only, because all callers share them."""
        parts = value if isinstance(value, tuple) else vars(value).values()
        arrays = [part for part in parts if isinstance(part, np.ndarray)]
        for array in arrays:
            array.setflags(write=False)
        n_bytes = sum(array.nbytes for array in arrays)
        with self.lock:
            self.used -= self.found.pop(key, (state, None, 0))[2]
            if self.used + n_bytes <= self.room:
                self.found[key] = (state, value, n_bytes)
                self.used += n_bytes


_cache = _Cache()


def keep_decoded(room_bytes: int) -> None:
    """Make room for decoded files in this process; 0, as it is at first, forgets them."""
    _cache.room = room_bytes
    if not room_bytes:
        with _cache.lock:
            _cache.found.clear()
            _cache.used = 0


def cache_decoded(decode: Decoder) -> Decoder:
    """Decorate a function of a path and a frame, so that its answer is cached if there is room."""

    @wraps(decode)
    def decode_or_recall(path: Path, frame: int | None = None) -> Any:
        if not _cache.room:
            return decode(path, frame)
        try:
            status = path.stat()
        except OSError:
            return decode(path, frame)  # which says what is wrong
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
        key = (decode.__qualname__, path.absolute(), frame)
        with _cache.lock:
            known = _cache.found.get(key)
        if known is not None and known[0] == state:
            return known[1]
        answer = decode(path, frame)
        _cache.put(key, state, answer)
        return answer

    return cast(Decoder, decode_or_recall)
