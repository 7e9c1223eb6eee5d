"""`her2 phantom` writes a cohort that the reader of folders takes; `her2 ui` stays at home."""

import sys

import pytest

from her2.core.errors import BadConfig
from her2.pipeline.load_cohort import write_phantom_cohort
from her2.tracking import ui_command


@pytest.fixture(scope="module")
def written(her2_command, tmp_path_factory):
    """Root of a simulated cohort and what the command said."""
    root = tmp_path_factory.mktemp("phantom") / "cohort"
    finished = her2_command(
        "phantom", f"cohort.root={root}", "cohort.n_patients=8", "cohort.image_shape=[128,128]",
        f"run_dir={root.parent / 'run'}", "compute.n_workers=2",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    return root, finished


def test_the_cohort_can_be_read_back(written, her2_command, tmp_path):
    root, finished = written
    assert finished.out.startswith(f"8 simulated patients: {root}\n")
    read = her2_command(
        "check", "cohort=folder", f"cohort.root={root}", "cohort.clinical=[age,er,pr]",
        f"run_dir={tmp_path}",
    )  # fmt: skip
    assert read.status == 0, read.err
    assert "cohort       folder (simulated)" in read.out
    assert "8 lesions of 8 patients" in read.out


def test_the_next_command_that_is_named_is_one_that_runs(written, her2_command, tmp_path):
    _, finished = written
    line = finished.out.splitlines()[1]
    assert line.startswith("next: her2 study cohort=folder ")
    arguments = [word.strip("'") for word in line.removeprefix("next: her2 study ").split(" ")]
    read = her2_command("check", *arguments, f"run_dir={tmp_path}")
    assert read.status == 0, read.err


def test_a_folder_with_something_in_it_is_refused(written, her2_command, tmp_path):
    root, _ = written
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    finished = her2_command("phantom", f"cohort.root={root}", f"run_dir={tmp_path}")
    assert finished.status == 2
    assert "new or empty folder" in finished.sentences[0]
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before


def test_without_a_root_it_goes_to_the_run_folder(her2_command, tmp_path):
    finished = her2_command(
        "phantom", "cohort.n_patients=4", "cohort.image_shape=[128,128]",
        f"run_dir={tmp_path / 'run'}", "compute.n_workers=1",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    assert (tmp_path / "run" / "cohort.csv").is_file()


@pytest.mark.parametrize("met", [BadConfig("a full folder"), OSError("directory not empty")])
def test_jobs_that_begin_together_share_the_simulated_cohort(
    her2_command, tmp_path, monkeypatch, met
):
    def another_is_faster(*arguments):
        write_phantom_cohort(*arguments)
        raise met

    monkeypatch.setattr("her2.pipeline.load_cohort.write_phantom_cohort", another_is_faster)
    finished = her2_command(
        "check", "cohort=phantom", "cohort.n_patients=8", "cohort.image_shape=[128,128]",
        f"cache={tmp_path / 'cache'}", f"run_dir={tmp_path / 'run'}", "compute.n_workers=1",
    )  # fmt: skip
    assert finished.status in (0, 1), finished.err
    assert "8 lesions of 8 patients" in finished.out


def test_the_pages_are_served_on_this_machine_only(tmp_path):
    command = ui_command(f"sqlite:///{tmp_path / 'a.db'}", 5001)
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options == {
        "--backend-store-uri": f"sqlite:///{tmp_path / 'a.db'}",
        "--host": "127.0.0.1",
        "--port": "5001",
        "--workers": "1",
    }


class Server:
    """A process in place of MLflow's: it is interrupted while it serves."""

    def __init__(self, command, env):
        self.command, self.env, self.calls = command, env, []
        Server.started = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.calls.append("left")

    def wait(self):
        self.calls.append("wait")
        if self.calls.count("wait") == 1:
            raise KeyboardInterrupt
        return 0

    def terminate(self):
        self.calls.append("terminate")


def test_the_command_says_the_address_and_ends_its_server(her2_command, monkeypatch, tmp_path):
    monkeypatch.setattr("her2.commands.ui.subprocess.Popen", Server)
    uri = f"sqlite:///{tmp_path / 'a.db'}"
    finished = her2_command("ui", "port=5002", f"tracking.uri={uri}", f"run_dir={tmp_path}")
    assert finished.status == 0
    assert finished.out == "http://127.0.0.1:5002 (Ctrl-C ends it)\n"
    assert Server.started.command == ui_command(uri, 5002)
    assert Server.started.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert Server.started.calls == ["wait", "terminate", "wait", "left"]
