"""What follows the jobs of a multirun, wherever they ran."""

import json
from unittest import mock

import pytest
from compared import several
from hydra.errors import HydraException

from her2.cli.multirun import (
    UNFINISHED,
    Plan,
    compared,
    forget_refusal,
    jobs_of,
    named_runs,
    note_refusal,
    planned,
)
from her2.core.settings.overrides import read_typed

NAMES = ["backbone=resnet50", "backbone=vgg19"]


@pytest.fixture(autouse=True)
def _undrawn():
    with mock.patch("her2.comparison.outputs.comparison_figures", return_value={}):
        yield


def planned_for(*words):
    return planned("train", read_typed("train", ["-m", *words]))


def jobs(folder, *more):
    swept = [f"backbone={','.join(n.partition('=')[2] for n in NAMES)}", f"run_dir={folder}"]
    plan = planned_for(*swept, "tracking=none", *more)
    assert plan.folder == folder
    return compared("train", plan)


def test_jobs_are_found_by_their_folders(tmp_path):
    several(tmp_path, NAMES)
    (tmp_path / "figures").mkdir()
    (tmp_path / "backbone=killed").mkdir()
    (tmp_path / "backbone=killed" / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "backbone=odd").mkdir()
    note_refusal(tmp_path / "backbone=odd", "no such network")
    finished, missing = jobs_of(tmp_path)
    assert [job.name for job in finished] == NAMES
    assert missing == {"backbone=killed": UNFINISHED, "backbone=odd": "no such network"}


def test_a_value_with_a_slash_makes_folders_in_folders(tmp_path):
    several(tmp_path, ["weights=/data/a.pth", "weights=/data/b.pth"])
    finished, _ = jobs_of(tmp_path)
    assert [job.relative_to(tmp_path).parts[-1] for job in finished] == ["a.pth", "b.pth"]
    with jobs(tmp_path):
        pass
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert {m["name"] for m in document["models"]} == {"/data/a.pth", "/data/b.pth"}


def test_a_refusal_counts_until_it_is_taken_back(tmp_path):
    """A job that is refused now must not be compared by what it left before."""
    several(tmp_path, NAMES)
    note_refusal(tmp_path / NAMES[0], "the split has changed")
    assert [job.name for job in jobs_of(tmp_path)[0]] == NAMES[1:]
    forget_refusal(tmp_path / NAMES[0])
    forget_refusal(tmp_path / NAMES[0])
    assert len(jobs_of(tmp_path)[0]) == 2


def test_finished_jobs_are_compared_though_this_process_ran_none_of_them(tmp_path, capsys):
    several(tmp_path, NAMES)
    with jobs(tmp_path):
        pass
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert {model["name"] for model in document["models"]} == {"resnet50", "vgg19"}
    assert "comparison: " in capsys.readouterr().out


def test_one_job_is_said_to_be_too_few(tmp_path, capsys):
    several(tmp_path, NAMES[:1])
    with jobs(tmp_path):
        pass
    assert capsys.readouterr().err == "her2: no comparison: 1 job finished, and it needs two\n"
    assert not (tmp_path / "comparison.json").exists()


def test_jobs_of_other_splits_are_said_not_to_be_comparable(tmp_path, capsys):
    several(tmp_path, NAMES[:1])
    several(tmp_path, NAMES[1:], split_sha256="7" * 64)
    with jobs(tmp_path):
        pass
    assert "no comparison: expected runs of the same split" in capsys.readouterr().err


def test_a_fault_of_one_job_does_not_keep_the_others_from_being_compared(tmp_path):
    several(tmp_path, NAMES)
    with pytest.raises(RuntimeError, match="out of memory"), jobs(tmp_path):
        raise RuntimeError("out of memory")
    assert (tmp_path / "comparison.html").is_file()


def test_settings_that_are_refused_compare_nothing(tmp_path):
    several(tmp_path, NAMES)
    with pytest.raises(HydraException), jobs(tmp_path):
        raise HydraException("no such group")
    assert not (tmp_path / "comparison.html").exists()


@pytest.mark.parametrize("override", ["+search=backbones", "trainer=smoke"])
def test_a_multirun_is_found_whatever_is_swept(tmp_path, override, capsys):
    several(tmp_path, NAMES)
    with jobs(tmp_path, override):
        pass
    assert (tmp_path / "comparison.html").is_file(), capsys.readouterr().err


def test_a_search_and_settings_that_do_not_fit_together_plan_nothing(tmp_path):
    assert planned_for("backbone=vgg19,resnet50", "hydra/sweeper=optuna") == Plan()
    plan = planned_for("backbone=vgg19,resnet50", "hydra.sweeper.n_trials=1")
    assert plan.folder is None and "n_trials" in plan.reason


def test_a_folder_that_nobody_named_is_one_for_all_jobs():
    plan = planned_for("backbone=vgg19,resnet50")
    assert plan.folder.parts[:2] == ("outputs", "train")


def test_an_interruption_does(tmp_path):
    several(tmp_path, NAMES)
    with pytest.raises(KeyboardInterrupt), jobs(tmp_path):
        raise KeyboardInterrupt
    assert not (tmp_path / "comparison.html").exists()


def test_words_that_name_runs_become_a_setting(tmp_path, monkeypatch):
    (tmp_path / "a=b").mkdir()
    monkeypatch.chdir(tmp_path)
    given = ["4f5e6a", "a=b", "arms=[dlr]", "--cfg", "job", "sea=1"]
    assert named_runs(given) == ["arms=[dlr]", "--cfg", "job", "sea=1", 'runs=["4f5e6a","a=b"]']
    assert named_runs(["--help"]) == ["--help"]
