"""The folder of a run: the recipe is recorded without secrets, and another one is refused."""

import errno
import fcntl
import json
import subprocess
import sys

import pytest
import yaml

from her2.core import places
from her2.core.errors import BadConfig
from her2.core.places import project_store
from her2.core.run_folder import LOCK, RunFolder, alone_in, environment, git_state, lock_sha256

RECIPE = {
    "command": "study",
    "seed": 0,
    "cache": None,
    "split": {"test_size": 0.3},
    "cohort": {"clinical": ["age", "er"]},
    "compute": {"n_workers": 0},
    "tracking": {"uri": None, "experiment": "her2"},
}


def other(**sections):
    return {**RECIPE, **sections}


def begun(path):
    """Folder of a run that has read its cohort."""
    RunFolder.open(path, RECIPE).file("cohort.json").write_text("{}")


def recorded(path):
    return yaml.safe_load((path / "config.yaml").read_text())


def test_a_new_folder_holds_recipe_and_environment(tmp_path):
    folder = RunFolder.open(tmp_path / "a" / "b", RECIPE)
    assert recorded(folder.path) == RECIPE
    assert json.loads(folder.file("environment.json").read_text())["her2"]


def test_the_same_recipe_goes_on(tmp_path):
    RunFolder.open(tmp_path, RECIPE)
    before = (tmp_path / "config.yaml").read_bytes()
    RunFolder.open(tmp_path, RECIPE)
    assert (tmp_path / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "free",
    [
        {"compute": {"n_workers": 2}},
        {"tracking": {"uri": "sqlite:///a.db", "experiment": "b"}},
        {"cache": "/elsewhere"},
    ],
)
def test_what_changes_no_result_may_change(tmp_path, free):
    RunFolder.open(tmp_path, RECIPE)
    RunFolder.open(tmp_path, other(**free))
    assert recorded(tmp_path) == other(**free)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"split": {"test_size": 0.2}}, "split.test_size: 0.3 -> 0.2"),
        ({"cohort": {"clinical": ["age"]}}, "cohort.clinical: ['age', 'er'] -> ['age']"),
        ({"command": "train"}, "command: study -> train"),
        ({"fusion": {"n": 1}}, "fusion.n: None -> 1"),
    ],
)
def test_another_recipe_is_refused_with_what_differs(tmp_path, changed, named):
    begun(tmp_path)
    with pytest.raises(BadConfig) as refused:
        RunFolder.open(tmp_path, other(**changed))
    assert named in str(refused.value)
    assert recorded(tmp_path) == RECIPE


def test_a_folder_in_which_a_recipe_was_refused_takes_the_corrected_one(tmp_path):
    RunFolder.open(tmp_path, RECIPE).file("split.json").write_text("{}")
    RunFolder.open(tmp_path, RECIPE)
    assert (tmp_path / "split.json").is_file()
    RunFolder.open(tmp_path, other(seed=1))
    assert recorded(tmp_path)["seed"] == 1
    assert not (tmp_path / "split.json").exists()


def test_many_differences_are_counted(tmp_path):
    begun(tmp_path)
    many = {f"key{i}": i for i in range(5)}
    with pytest.raises(BadConfig, match="and 2 more"):
        RunFolder.open(tmp_path, other(**many))


def test_no_password_is_written(tmp_path):
    tracking = {"uri": "https://user:pa@ss@server/path", "experiment": "her2"}
    RunFolder.open(tmp_path, other(tracking=tracking))
    assert recorded(tmp_path)["tracking"]["uri"] == "https://***@server/path"
    assert "pa@ss" not in (tmp_path / "config.yaml").read_text()
    RunFolder.open(tmp_path, other(tracking=tracking))


def test_the_environment_names_no_machine_and_no_time():
    first, second = environment(), environment()
    assert first == second
    assert first["packages"]["numpy"]
    assert set(first) == {
        "her2", "python", "platform", "cores", "git", "lock_sha256", "packages",
    }  # fmt: skip


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "her2")
    assert git_state() == {"commit": None, "dirty": None}
    (tmp_path / ".git").mkdir()  # a broken repository
    assert git_state() == {"commit": None, "dirty": None}


def test_the_lock_is_hashed_where_there_is_one(tmp_path, monkeypatch):
    assert len(lock_sha256() or "") == 64
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "her2")
    assert lock_sha256() is None


def test_an_installed_package_keeps_its_store_where_it_is_run(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages" / "her2")
    monkeypatch.chdir(tmp_path)
    assert project_store() == tmp_path / "mlruns"


HOLDER = """
import sys, time
from pathlib import Path
from her2.core.run_folder import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process with a run in tmp_path / run."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_in_a_folder_is_refused_and_a_killed_one_leaves_no_lock(tmp_path, holder):
    with pytest.raises(BadConfig, match="one that is going on there"), alone_in(tmp_path / "run"):
        pytest.fail("two runs in a folder")
    holder.kill()
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    with alone_in(tmp_path / "run"):
        pass
    assert not list((tmp_path / "run").iterdir())


def test_a_second_run_of_the_same_process_is_refused_too(tmp_path):
    with alone_in(tmp_path):
        with pytest.raises(BadConfig, match="another run_dir"), alone_in(tmp_path / "."):
            pytest.fail("two runs in a folder")
        assert (tmp_path / LOCK).exists()
    with alone_in(tmp_path):
        pass


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    taken, real = [], fcntl.lockf

    def lockf(handle, how):
        if not taken:
            (tmp_path / LOCK).unlink()  # by the run before, between opening and locking
        taken.append(handle)
        real(handle, how)

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert len(taken) == 2


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, caplog):
    def lockf(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with alone_in(tmp_path):
        assert "has no locks; start no second run" in caplog.text


def test_the_lock_of_a_run_does_not_make_its_folder_begun(tmp_path):
    with alone_in(tmp_path):
        RunFolder.open(tmp_path, RECIPE)
        RunFolder.open(tmp_path, other(seed=1))
    assert recorded(tmp_path)["seed"] == 1


@pytest.mark.slow
def test_a_command_is_refused_where_another_is_going_on(tmp_path, holder, her2_command):
    finished = her2_command("check", f"run_dir={tmp_path / 'run'}")
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert "going on there" in finished.sentences[0]
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_what_a_killed_run_had_begun_to_write_is_removed(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").touch()  # a run of its own, which may be going on
    begun = [tmp_path / place / ".a.csv.0123456789abcdef" for place in ("", "tables", "other")]
    kept = [tmp_path / ".hidden", tmp_path / "tables" / "a.csv", begun[2]]
    for path in (*begun, *kept):
        path.touch()
    RunFolder.open(tmp_path, {})
    assert [path.exists() for path in begun] == [False, False, True]
    assert all(path.exists() for path in kept)
