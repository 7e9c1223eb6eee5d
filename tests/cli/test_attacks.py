"""No word, file or variable that somebody else wrote runs code or writes outside the run."""

import os
import subprocess
import sys

import pytest

from her2.core.places import config_folder

TARGETS = {
    "joblib.load": "path={evil}", "pandas.read_pickle": "filepath_or_buffer={evil}",
    "builtins.open": "file={marker}", "os.makedirs": "name={marker}", "os.system": "command=x",
    "pandas.eval": "expr=1", "numpy.load": "file={evil}", "urllib.request.urlretrieve": "url=x",
    "logging.FileHandler": "filename={marker}", "her2.core.store.write_json": "path={marker}",
}  # fmt: skip
PLACES = ("+hydra.callbacks.x", "++hydra.callbacks.x", "hydra.launcher", "hydra.sweeper")
WORDS = [
    "--config-dir={folder}", "-cd={folder}", "--config-di={folder}", "--config-path={folder}",
    "-cp={folder}", "--config-name=evil", "-cn=evil", "--experimental-rerun={evil}",
    "--experimental-re={evil}",
    "hydra.searchpath=[file://{folder}]", "+hydra.searchpath=[{folder}]",
    "hydra.run.dir={marker}", "hydra.sweep.dir={marker}", "hydra.sweep.subdir=../../marker",
    "hydra.output_subdir={marker}", "hydra.output_subdir=../marker", "hydra.job.chdir=true",
    "hydra.job.name=../marker", "+hydra.job.env_set.LD_PRELOAD={evil}",
    "hydra.job.env_copy=[HOME]", "hydra.runtime.output_dir={marker}", "hydra.mode=MULTIRUN",
    "++hydra.job_logging.handlers.x={{class: logging.FileHandler, filename: {marker}}}",
    "++hydra.job_logging.handlers.x={{(): os.system, command: touch {marker}}}",
    "++hydra.job_logging.formatters.x.()=ext://os.system",
    "+hydra.hydra_logging.handlers.x.class=logging.FileHandler",
    "hydra/job_logging=default", "hydra/hydra_logging=hydra_debug", "hydra/callbacks=evil",
    "+hydra/callbacks=evil", "hydra/env=evil", "hydra/output=evil", "hydra/help=evil",
    "hydra={{callbacks: {{x: {{_target_: os.system}}}}}}", "+hydra@x=evil",
    "hydra/launcher@hydra.callbacks=joblib", "cohort@hydra.callbacks=folder",
    "+cohort@hydra.job_logging=folder", "hydra/launcher=../../evil", "-m  hydra/sweeper=evil",
    "~hydra.launcher", "~hydra.launcher.x=1", "cohort=../../{folder}/evil",
    "study=../../../../../../{folder}/evil", "hydra.verbose=true", " hydra.run.dir={marker}",
    "-m  hydra/launcher=joblib  hydra.launcher._target_=joblib.load",
    "-m  hydra/sweeper=optuna  hydra.sweeper._target_=joblib.load",
    "-m  hydra/sweeper=optuna  hydra.sweeper.params={{hydra.run.dir:{marker}}}",
    "-m  hydra.sweeper.params.x=1,2", "-m  hydra.sweep.dir={marker}  seed=1,2",
    "-m  cohort=choice(../../{folder}/evil)", "-m  cohort=folder,../../{folder}/evil",
    "-m  cohort.root=../../../marker,a", "-m  cohort.root=choice(a,../../../../marker)",
    "+trial={{storage:x}}", "-p  --config-dir={folder}", "--cfg  --config-dir={folder}",
]  # fmt: skip
LINES = [
    *(f"{place}._target_={target}  {place}.{more}" for place in PLACES
      for target, more in TARGETS.items()),
    *WORDS,
]  # fmt: skip
EVIL = """\
# @package _global_
hydra:
  callbacks:
    x: {{_target_: builtins.open, file: {marker}, mode: w}}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in beside a colleague's, and what is put into an attack."""
    folder = tmp_path / "colleague"
    for group in ("", "hydra/callbacks", "cohort"):
        (folder / group).mkdir(parents=True, exist_ok=True)
        (folder / group / "evil.yaml").write_text(EVIL.format(marker=tmp_path / "marker"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return {"marker": tmp_path / "marker", "folder": folder, "evil": folder / "evil.pkl"}


def is_untouched(place):
    work = place["marker"].parent / "work"
    return not place["marker"].exists() and not list(work.iterdir())


@pytest.mark.parametrize("line", LINES)
def test_a_word_that_reaches_into_hydra_is_refused_before_hydra_acts(her2_command, place, line):
    finished = her2_command("study", *(x.format(**place) for x in line.split("  ")))
    assert finished.status == 2
    assert finished.out == ""
    assert len(finished.sentences) == 1 or "_target_" in line, finished.err
    assert all("expected" in x and "found" in x for x in finished.sentences), finished.err
    assert is_untouched(place)


SPACES = {
    "a callback": "fixed: [+hydra.callbacks.x._target_=joblib.load]",
    "a folder": "fixed: ['hydra.run.dir={marker}']",
    "logging": "fixed: ['++hydra.job_logging.handlers.x.filename={marker}']",
    "a package": "fixed: [cohort@hydra.callbacks=folder]",
    "a config": "fixed: [cohort=../../{folder}/evil]",
    "a quoted config": "fixed: [\"cohort='../../{folder}/evil'\"]",
    "a parameter": "parameters: {{hydra.run.dir: {{type: choice, values: ['{marker}', b]}}}}",
    "an option": "parameters: {{classifier: {{type: choice, values: [lr, '../{folder}/evil']}}}}",
    "a target": "parameters: {{classifier.lr._target_: {{type: choice, values: [a, b]}}}}",
    "a ticket": "fixed: ['+trial={{{{number: 1}}}}']",
}  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_a_space_that_reaches_into_hydra_is_refused(her2_command, place, name):
    space = place["folder"] / "space.yaml"
    text = SPACES[name].format(**place)
    more = "" if "parameters" in text else "\nparameters: {seed: {type: int, low: 1, high: 2}}"
    space.write_text(f"{text}{more}\n")
    finished = her2_command(
        "classify", "-m", "hydra/sweeper=optuna", f"hydra.sweeper.space={space}",
        "tracking=none", "run_dir=run",
    )  # fmt: skip
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert "take it out" in finished.sentences[0]
    assert not place["marker"].exists()


def test_variables_of_hydra_are_not_read(place):
    variables = {
        "HYDRA_MAIN_MODULE": "this", "HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE": "os.system",
        "FB_PAR_MAIN_MODULE": "this", "PYTHONPATH": str(config_folder().parent),
    }  # fmt: skip
    code = (
        "import os; from her2.cli.command_line import run\n"
        "status = run(['study', '--cfg', 'job'])\n"
        "print(status, sorted(x for x in os.environ if 'ALLOWLIST' in x or 'MAIN_MODULE' in x))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, **variables},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_name_with_a_line_break_makes_one_line(her2_command, place):
    finished = her2_command("study", "seed=1\nhello", "a\nher2: done=1")
    assert finished.status == 2
    assert len(finished.err.splitlines()) == 2
