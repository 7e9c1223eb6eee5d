"""Places of a study: no password in any text, damaged journals, locks of killed processes."""

import os
import subprocess
import sys

import optuna
import pytest

from her2.core.errors import BadConfig, MissingInput
from her2.search.storage import FileLock, StoragePlace, open_storage, storage_place


def test_the_default_place_is_an_sqlite_file_of_the_project():
    assert storage_place(None, None).address.endswith("/mlruns/optuna.db")


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(BadConfig) as refused:
        storage_place("postgresql://me:secret@host/db", None)
    assert "secret" not in str(refused.value)
    assert "storage_password_env" in str(refused.value)


def test_the_password_comes_from_the_environment(monkeypatch):
    from her2.search.storage import _with_password

    place = storage_place("postgresql://me@host/db", "HER2_TEST_SECRET")
    monkeypatch.delenv("HER2_TEST_SECRET", raising=False)
    with pytest.raises(BadConfig, match="variable HER2_TEST_SECRET, found none"):
        _with_password(place)
    monkeypatch.setenv("HER2_TEST_SECRET", "a:b@c")
    assert _with_password(place).password == "a:b@c"
    assert "a:b@c" not in repr(place)


@pytest.mark.parametrize("named", ["study.db", "journal:", "http//x"])
def test_what_is_no_address_is_refused(named):
    with pytest.raises(BadConfig, match=r"hydra\.sweeper\.storage"):
        storage_place(named, None)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("no database " * 50)
    with pytest.raises(MissingInput, match="storage that can be written"):
        open_storage(storage_place(f"journal:{tmp_path}/file/study", None))
    with pytest.raises(MissingInput, match="a storage that answers"):
        open_storage(storage_place(f"sqlite:///{tmp_path}/file", None))


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "j").write_text("text\nmore text\n")
    with pytest.raises(BadConfig, match="a journal of Optuna"):
        open_storage(StoragePlace(f"journal:{tmp_path}/j"))


def test_half_a_line_that_a_killed_process_left_is_taken_away(tmp_path):
    place = StoragePlace(f"journal:{tmp_path}/j")
    optuna.create_study(storage=open_storage(place), study_name="one")
    with (tmp_path / "j").open("a") as stream:
        stream.write('{"op_code": 4, "wor')
    study = optuna.load_study(storage=open_storage(place), study_name="one")
    study.tell(study.ask(), 1.0)
    again = optuna.load_study(storage=open_storage(place), study_name="one")
    assert [t.value for t in again.trials] == [1.0]


def test_a_lock_goes_with_its_process(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from her2.search.storage import FileLock;"
        "FileLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "lock")], env=dict(os.environ), check=False
    )
    assert killed.returncode == -9
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    lock.release()
