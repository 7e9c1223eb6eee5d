"""Files are whole or absent, and a damaged cache entry is noticed, removed and made again."""

import errno
import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from her2.core.errors import MissingInput
from her2.core.store import (
    LARGEST_FILE,
    Store,
    check_regular,
    code_version,
    content_key,
    default_cache,
    file_sha256,
    regular_size,
    write_atomic,
    write_json,
)

KEY = content_key(["a lesion"])
VALUES = {"a": 0.1, "b": -2.5e-17}


def interrupt(*args: object, **named: object) -> None:
    raise KeyboardInterrupt


def full_disk(*args: object, **named: object) -> None:
    raise OSError(28, "No space left on device")


FAILURES = [
    pytest.param(os, "fsync", full_disk, OSError, id="disk full while writing"),
    pytest.param(os, "fsync", interrupt, KeyboardInterrupt, id="killed while writing"),
    pytest.param(Path, "replace", interrupt, KeyboardInterrupt, id="killed before the rename"),
]


@pytest.mark.parametrize(("owner", "name", "failure", "error"), FAILURES)
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path, monkeypatch, owner, name, failure, error
):
    path = tmp_path / "results.json"
    write_atomic(path, b"old")
    monkeypatch.setattr(owner, name, failure)
    with pytest.raises(error):
        write_atomic(path, b"new, and longer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("owner", "name", "failure", "error"), FAILURES)
def test_a_first_write_that_fails_leaves_nothing(
    tmp_path, monkeypatch, owner, name, failure, error
):
    monkeypatch.setattr(owner, name, failure)
    with pytest.raises(error):
        write_atomic(tmp_path / "results.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_complete_before_it_gets_its_name(tmp_path, monkeypatch):
    path, payload = tmp_path / "deep" / "file.bin", bytes(range(256)) * 100
    seen = []
    rename = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (seen.append(self.read_bytes()), rename(self, to))[1]
    )
    write_atomic(path, payload)
    assert seen == [payload]
    assert path.read_bytes() == payload


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_a_file_has_the_rights_that_the_user_s_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "folder" / "a.json", b"{}")
        write_atomic(tmp_path / ("b" * 250), b"{}")  # a long name
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "a.json").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_with_a_number_that_json_lacks_is_refused(tmp_path, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "results.json", {"auc": number})
    assert list(tmp_path.iterdir()) == []


def test_json_is_read_back_as_it_was_written(tmp_path):
    value = {"b": [1, 0.1, None], "a": "größer"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value


def test_file_hash_is_the_published_sha256_of_abc(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "abc") == expected


BASE = np.arange(6.0).reshape(2, 3)
OTHERS = {
    "type": BASE.astype(np.float32),
    "type of the same width": BASE.view(np.int64),
    "byte order": BASE.astype(">f8"),
    "shape": BASE.reshape(3, 2),
    "a dimension more": BASE[np.newaxis],
    "one bit": np.nextafter(BASE, 10),
    "a list instead": BASE.tolist(),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_content_key_depends_on(what):
    assert content_key([OTHERS[what]]) != content_key([BASE])


def test_a_content_key_depends_on_the_order_and_on_the_borders_of_parts():
    first, second = BASE[0], BASE[1]
    assert content_key([first, second]) != content_key([second, first])
    assert content_key([first, second]) != content_key([BASE])
    assert content_key([1, 2]) != content_key([12])
    assert content_key([1]) != content_key(["1"]) != content_key([1.0])


def test_a_content_key_does_not_depend_on_memory_layout_or_on_the_order_of_a_dict():
    assert content_key([np.asfortranarray(BASE)]) == content_key([BASE])
    assert content_key([np.repeat(BASE, 2, axis=1)[:, ::2]]) == content_key([BASE])
    assert content_key([{"a": 1, "b": 2}]) == content_key([{"b": 2, "a": 1}])


def test_a_code_version_depends_on_sources_and_packages(tmp_path):
    source = tmp_path / "source.py"
    source.write_text("x = 1\n")
    before = code_version([source], ["numpy"])
    assert code_version([source], ["numpy"]) == before
    assert code_version([source], ["numpy", "scipy"]) != before
    source.write_text("x = 2\n")
    assert code_version([source], ["numpy"]) != before


def test_the_cache_folder_is_the_named_one_else_the_user_s(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("HER2_CACHE", raising=False)
    assert default_cache() == tmp_path / "xdg" / "her2"
    monkeypatch.setenv("HER2_CACHE", str(tmp_path / "named"))
    assert default_cache() == tmp_path / "named"


def test_floats_are_kept_to_the_last_bit(tmp_path):
    numbers = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, np.nextafter(1.0, 2.0),
               float("nan"), float("inf"), float("-inf"), np.float64(np.pi)]  # fmt: skip
    numbers.extend(np.random.default_rng(0).standard_normal(100).tolist())
    values = {f"f{i}": number for i, number in enumerate(numbers)}
    store = Store(tmp_path)
    store.write(KEY, values)
    found = store.read(KEY)
    assert list(found) == list(values)
    assert [struct.pack("<d", v) for v in found.values()] == [
        struct.pack("<d", v) for v in numbers
    ]


def test_an_absent_entry_is_none_without_a_warning(tmp_path, caplog):
    assert Store(tmp_path).read(KEY) is None
    assert not caplog.records


def flip(content: bytes, position: int) -> bytes:
    damaged = bytearray(content)
    damaged[position] ^= 1
    return bytes(damaged)


DAMAGES = {
    "first byte of the hash": lambda content: flip(content, 0),
    "last byte of the hash": lambda content: flip(content, 31),
    "first byte of the numbers": lambda content: flip(content, 32),
    "last byte of the numbers": lambda content: flip(content, -1),
    "one byte cut off": lambda content: content[:-1],
    "half cut off": lambda content: content[: len(content) // 2],
    "cut off inside the hash": lambda content: content[:10],
    "empty": lambda content: b"",
    "zeros of the right length": lambda content: bytes(len(content)),
    "a byte too many": lambda content: content + b" ",
    "a hash of nothing": lambda content: hashlib.sha256(b"").digest() + content[32:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_noticed_removed_and_written_again(tmp_path, caplog, damage):
    store = Store(tmp_path)
    store.write(KEY, VALUES)
    store.path(KEY).write_bytes(DAMAGES[damage](store.path(KEY).read_bytes()))
    assert store.read(KEY) is None
    assert "damaged" in caplog.text
    assert not store.path(KEY).exists()
    store.write(KEY, VALUES)
    assert store.read(KEY) == VALUES


def test_another_worker_may_remove_a_damaged_entry_first(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write(KEY, VALUES)
    store.path(KEY).write_bytes(b"damaged")
    unlink = Path.unlink

    def removed_twice(path: Path, missing_ok: bool = False) -> None:
        unlink(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", removed_twice)
    assert store.read(KEY) is None


def test_an_entry_may_vanish_while_it_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    assert Store(tmp_path).read(KEY) is None


def test_two_entries_that_were_exchanged_are_noticed(tmp_path, caplog):
    store, other = Store(tmp_path), content_key(["another lesion"])
    store.write(KEY, VALUES)
    store.write(other, {"a": 7.0, "b": 8.0})
    first, second = store.path(KEY).read_bytes(), store.path(other).read_bytes()
    store.path(KEY).write_bytes(second)
    store.path(other).write_bytes(first)
    assert store.read(KEY) is None and store.read(other) is None
    assert caplog.text.count("is damaged") == 2


def test_an_entry_of_an_earlier_version_is_made_again_without_a_word(tmp_path, caplog):
    payload = json.dumps(VALUES).encode()
    path = Store(tmp_path).path(KEY)
    path.parent.mkdir()
    path.write_bytes(hashlib.sha256(payload).digest() + payload)
    assert Store(tmp_path).read(KEY) is None
    assert not path.exists() and not caplog.records


def test_only_regular_files_have_a_size(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"abc")
    sizes = [regular_size(tmp_path / name) for name in ("pipe", "file", ".")]
    assert sizes == [None, 3, None]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("pipe", "found no regular file at"),
        ("absent", "found no file"),
        ("file/inside", "found no file"),
        ("x" * 300, "that cannot be opened"),
        ("a\0b", "that cannot be opened"),
        ("large", "of 17179869185 bytes, more than 17179869184"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(name, found, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"abc")
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(LARGEST_FILE + 1)  # takes no room on the disk
    with pytest.raises(MissingInput, match=r"^expected a table, found .*; name it$") as caught:
        check_regular(tmp_path / name, "a table", "name it")
    assert found in str(caught.value)
    assert check_regular(tmp_path / "file", "a table", "name it") == 3


@pytest.mark.parametrize("kind", ["pipe", "folder", "large", "empty"])
def test_an_entry_that_is_no_file_of_numbers_is_computed_again(kind, tmp_path):
    store = Store(tmp_path)
    path = store.path("ab" * 32)
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as stream:
            stream.truncate(2**27 if kind == "large" else 0)
    assert store.read("ab" * 32) is None
    assert path.exists() == (kind == "folder")


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.csv"):
        write_atomic(tmp_path / "a.csv", b"1")
    assert not list(tmp_path.iterdir())
