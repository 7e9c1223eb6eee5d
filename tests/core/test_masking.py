"""Passwords of addresses and values of the environment stay out of what is written."""

import json
import logging
import os

import pytest
import yaml

from her2.core.errors import BadConfig
from her2.core.masking import MaskedFormatter, hidden, masked, masked_address
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings

PLAIN = ["sqlite:////data/a.db", "http://server:5000/a", "file:///a/b", "/data/x@y", "age", ""]


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_a_password_stays_as_it_is(text):
    assert masked_address(text) == masked(text) == hidden(text) == text


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://me:pw@host/a", "https://***@host/a"),
        ("postgresql+psycopg://me:p@w/@h@host:5/d?x=1", "postgresql+psycopg://***@host:5/d?x=1"),
        ("http://host/a?Token=pw&b=2", "http://host/a?Token=***&b=2"),
        ("http://host/?b=2&db_password=pw;c=3", "http://host/?b=2&db_password=***;c=3"),
        ("cannot reach http://me:pw@host/a.", "cannot reach http://***@host/a."),
    ],
)
def test_an_address_is_written_without_its_password(address, written):
    assert masked_address(address) == written
    assert masked_address(written) == written
    assert masked({"tracking": {"uri": address}, "b": [address, 1]}) == {
        "tracking": {"uri": written}, "b": [written, 1],
    }  # fmt: skip


def test_an_address_with_a_password_is_named_by_a_variable_for_hydra():
    word = hidden("http://me:pw@host")
    name = word.removeprefix("${oc.env:").removesuffix("}")
    assert os.environ.pop(name) == "http://me:pw@host"
    made = StudySettings.from_overrides(["tracking.uri=http://me:pw@host/x"])
    assert made.tracking.uri == "http://me:pw@host/x"
    assert made.record()["tracking"]["uri"] == "http://***@host/x"


def test_a_value_of_the_environment_is_used_and_not_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HER2_TEST_SECRET", "hunter2")
    words = ["cohort=folder", "cohort.root=/data/${oc.env:HER2_TEST_SECRET}/a", "cohort.table=t"]
    made = StudySettings.from_overrides(words)
    assert made.cohort.root == "/data/hunter2/a"
    folder = RunFolder.open(tmp_path, made.record())
    assert "hunter2" not in folder.file("config.yaml").read_text()
    root = yaml.safe_load(folder.file("config.yaml").read_text())["cohort"]["root"]
    assert root.startswith("/data/***") and root.endswith("/a")
    folder.file("cohort.json").write_text("{}")
    RunFolder.open(tmp_path, StudySettings.from_overrides(words).record())  # the same goes on
    monkeypatch.setenv("HER2_TEST_SECRET", "swordfish")
    with pytest.raises(BadConfig, match=r"cohort\.root: /data/\*\*\*") as refused:
        RunFolder.open(tmp_path, StudySettings.from_overrides(words).record())
    assert "swordfish" not in str(refused.value)


def test_a_number_of_the_environment_is_written_and_compared(monkeypatch):
    monkeypatch.setenv("HER2_TEST_SEED", "17")
    assert StudySettings.from_overrides(["seed=${oc.env:HER2_TEST_SEED}"]).record()["seed"] == 17


def test_a_log_has_no_password_not_even_in_a_traceback():
    formatter = MaskedFormatter("%(message)s")
    try:
        raise OSError("no answer of http://me:pw@host")
    except OSError as error:
        record = logging.makeLogRecord(
            {"msg": "sent to %s", "args": ("ftp://a:pw@b",), "exc_info": (OSError, error, None)}
        )
    text = formatter.format(record)
    assert "pw" not in text
    assert text.startswith("sent to ftp://***@b") and "http://***@host" in text


@pytest.mark.slow
def test_a_multirun_leaves_no_password(tmp_path, her2_command):
    """Hydra writes what it was given to multirun.yaml, and launchers log it."""
    finished = her2_command(
        "check", "-m", "seed=0,1", "tracking.uri=http://me:pwpw@127.0.0.1:9/x?token=pwpw",
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    assert "pwpw" not in finished.out + finished.err
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if b"pwpw" in path.read_bytes()]
    environment = json.loads((tmp_path / "run" / "seed=0" / "environment.json").read_text())
    assert environment["her2"]
