"""Places of a study: no password in any text, damaged journals, locks of killed processes."""

import subprocess
import sys
from unittest import mock

import optuna
import pytest

from her2.core.errors import BadConfig, MissingInput
from her2.search import storage
from her2.search.storage import open_storage, storage_address


def test_the_default_place_is_an_sqlite_file_of_the_project():
    assert storage_address(None).endswith("/mlruns/optuna.db")


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(BadConfig) as refused:
        storage_address("postgresql://me:secret@host/db")
    assert "secret" not in str(refused.value)
    assert "storage_password_env" in str(refused.value)


def test_the_password_comes_from_the_environment(monkeypatch):
    from her2.search.storage import _with_password

    address = storage_address("postgresql://me@host/db")
    monkeypatch.delenv("HER2_TEST_SECRET", raising=False)
    with pytest.raises(BadConfig, match="variable HER2_TEST_SECRET, found none"):
        _with_password(address, "HER2_TEST_SECRET")
    monkeypatch.setenv("HER2_TEST_SECRET", "a:b@c")
    assert _with_password(address, "HER2_TEST_SECRET").password == "a:b@c"


@pytest.mark.parametrize("named", ["study.db", "journal:", "http//x"])
def test_what_is_no_address_is_refused(named):
    with pytest.raises(BadConfig, match=r"hydra\.sweeper\.storage"):
        storage_address(named)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("no database " * 50)
    with pytest.raises(MissingInput, match="storage that can be written"):
        open_storage(f"journal:{tmp_path}/file/study")
    with pytest.raises(MissingInput, match="a storage that answers"):
        open_storage(f"sqlite:///{tmp_path}/file")


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "j").write_text("text\nmore text\n")
    with pytest.raises(BadConfig, match="a journal of Optuna"):
        open_storage(f"journal:{tmp_path}/j")


def test_half_a_line_that_a_killed_process_left_is_taken_away(tmp_path):
    place = f"journal:{tmp_path}/j"
    optuna.create_study(storage=open_storage(place), study_name="one")
    with (tmp_path / "j").open("a") as stream:
        stream.write('{"op_code": 4, "wor')
    study = optuna.load_study(storage=open_storage(place), study_name="one")
    study.tell(study.ask(), 1.0)
    again = optuna.load_study(storage=open_storage(place), study_name="one")
    assert [t.value for t in again.trials] == [1.0]


@pytest.mark.filterwarnings("ignore:The value of `grace_period` might be too small")
def test_a_lock_that_a_killed_process_left_is_taken_away(tmp_path):
    code = (
        "import os, sys; from optuna.storages.journal import JournalFileOpenLock;"
        "JournalFileOpenLock(sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, f"{tmp_path}/j"], check=False)
    assert killed.returncode == -9
    with mock.patch.object(storage, "LOCK_SECONDS", 1):
        study = optuna.create_study(storage=open_storage(f"journal:{tmp_path}/j"))
    assert study.trials == []
