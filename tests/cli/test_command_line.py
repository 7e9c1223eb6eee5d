"""The command line itself: help, exit statuses, several calls in one process, other folders."""

import inspect
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from her2 import __version__
from her2.cli.command_line import _function
from her2.core.places import config_folder
from her2.core.settings import COMMANDS
from her2.core.settings.base import keys_of


def in_a_shell(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "her2", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(config_folder().parent)},
        timeout=60,
        check=False,
    )


@pytest.fixture
def patients(tmp_path):
    """Folder with a table of eight patients and one clinical variable."""
    root = tmp_path / "patients"
    root.mkdir()
    rows = [f"P{i},{i % 2},{40 + i}" for i in range(8)]
    (root / "cohort.csv").write_text("\n".join(["patient_id,outcome,age", *rows]) + "\n")
    return root


def test_without_a_command_it_shows_how_to_use_it(her2_command):
    for arguments in ((), ("-h",), ("--help",)):
        finished = her2_command(*arguments)
        assert finished.status == 0 and finished.err == ""
        for command in COMMANDS:
            assert re.search(rf"^  {command} +\w", finished.out, re.MULTILINE)


def test_the_version(her2_command):
    assert her2_command("--version").out == f"her2 {__version__}\n"


def test_an_unknown_command_names_the_known_ones(her2_command):
    finished = her2_command("studdy")
    assert finished.status == 2
    assert finished.out == ""
    assert len(finished.sentences) == 1
    assert "did you mean study?" in finished.sentences[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_explains_every_setting_that_it_reads(her2_command, command):
    finished = her2_command(command, "--help")
    assert finished.status == 0 and finished.err == ""
    assert f"Usage: her2 {command} " in finished.out
    assert "hydra.run" not in finished.out
    words = " ".join(finished.out.split())
    for key in keys_of(COMMANDS[command].settings):
        if key.name.partition(".")[0] in COMMANDS[command].reads:
            assert re.search(rf"^  {re.escape(key.name)}=", finished.out, re.MULTILINE), key.name
            assert f"{key.description} ({key.range_text})" in words


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_its_settings_and_a_folder(her2_command, command):
    assert list(inspect.signature(_function(command)).parameters) == ["settings", "run_dir"]
    shown = her2_command(command, "--cfg", "job")
    assert shown.status == 0
    keys = set(re.findall(r"^'?(\w+)'?:", shown.out, re.MULTILINE))  # YAML quotes n
    sections = {key.name.partition(".")[0] for key in keys_of(COMMANDS[command].settings)}
    assert keys == sections | {"command"}


def test_showing_the_settings_runs_nothing(her2_command, patients, tmp_path):
    run_dir = tmp_path / "run"
    shown = her2_command("check", f"cohort.root={patients}", f"run_dir={run_dir}", "--cfg", "job")
    assert shown.status == 0
    assert f"root: {patients}" in shown.out
    assert not run_dir.exists()


def test_calls_in_one_process_do_not_disturb_each_other(her2_command, patients, tmp_path):
    arguments = ("check", "cohort=folder", f"cohort.root={patients}", "cohort.clinical=[age]")
    first = her2_command(*arguments, f"run_dir={tmp_path / 'a'}")
    assert her2_command("check", "nonsense=1").status == 2
    second = her2_command(*arguments, f"run_dir={tmp_path / 'b'}")
    assert first.status == second.status == 0
    assert first.out.replace(str(tmp_path / "a"), "") == second.out.replace(
        str(tmp_path / "b"), ""
    )


@pytest.mark.parametrize("place", [0, 2, 5])
def test_several_jobs_answer_with_the_worst_status(her2_command, patients, tmp_path, place):
    arguments = [
        "cohort=folder", f"cohort.root={patients}", "cohort.clinical=[age]",
        "cohort.table=absent.csv,cohort.csv", f"run_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    arguments.insert(place, "-m")
    finished = her2_command("check", *arguments)
    assert finished.status == 2
    assert len(finished.sentences) == 1 and "absent.csv" in finished.sentences[0]
    assert "8 lesions of 8 patients" in finished.out


def test_it_works_from_any_folder_with_paths_relative_to_it(patients, tmp_path):
    finished = in_a_shell(
        "check", "cohort=folder", "cohort.root=patients", "cohort.clinical=[age]", "run_dir=out/a",
        cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "out" / "a" / "cohort.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "patients"]


def test_a_refusal_is_one_line_on_stderr(patients, tmp_path):
    finished = in_a_shell(
        "check", "cohort=folder", "cohort.root=nowhere", f"run_dir={tmp_path / 'run'}"
    )
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("her2: expected a folder, found no folder nowhere; ")
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--help",), ("study", "--help")])
def test_help_comes_at_once(arguments):
    """About one second; of the processor, which other work on the machine stretches less."""
    before = cpu_seconds_of_children()
    assert in_a_shell(*arguments).returncode == 0
    assert cpu_seconds_of_children() - before < 3


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_loads_neither_torch_nor_mlflow():
    code = (
        "import sys, her2.cli.command_line as c\n"
        "try:\n c.run(['study', '--help'])\nexcept SystemExit:\n pass\n"
        "print([m for m in ('torch', 'mlflow', 'sklearn', 'pandas') if m in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == "[]"


def test_the_command_says_how_many_threads_blas_takes_before_numpy_asks():
    code = (
        "import os, sys, her2.cli.command_line as c\n"
        "print('numpy' in sys.modules)\n"
        "sys.argv = ['her2', '--version']\n"
        "try:\n c.main()\nexcept SystemExit:\n print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert finished.stdout.splitlines() == ["False", f"her2 {__version__}", "1"]


def test_a_command_leaves_with_its_own_status_after_all_have_tidied_up():
    code = (
        "import atexit, her2.cli.command_line as c\n"
        "def run(arguments):\n"
        " atexit.register(print, 'tidied up')\n"
        " print('said')\n"
        " return ENDING\n"
        "c.run = run\n"
        "c.main()"
    )
    for ending, status, error in (("1", 1, ""), ("1 / 0", 1, "ZeroDivisionError"), ("0", 0, "")):
        finished = subprocess.run(
            [sys.executable, "-c", code.replace("ENDING", ending)], capture_output=True, text=True
        )
        assert finished.returncode == status
        assert finished.stdout.splitlines() == ["said", "tidied up"]
        assert error in finished.stderr


def test_the_configuration_is_found_beside_the_package():
    assert config_folder() == Path(__file__).resolve().parents[2] / "conf"
