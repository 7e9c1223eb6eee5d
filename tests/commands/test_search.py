"""Searches: training patients alone, and one winner that is judged once."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from small_study import study

optuna = pytest.importorskip("optuna")

SEARCH = ("-m", "hydra/sweeper=optuna", "classifier=lr", "evaluation.n_importance=0",
          "selection.lasso_folds=3")  # fmt: skip


def test_roles(i: int) -> str:
    return "test" if i % 5 == 0 else "train"


test_roles.__test__ = False  # a column, not a test


@pytest.fixture(scope="module")
def split_cohort(make_cohort) -> Callable[..., Path]:
    """Return a function that writes a cohort with a split and features of its own.

    changes_test: what is done to the outcomes and features of test patients.
    """

    def make(*, outcome=None, features=None, drops: bool = False) -> Path:
        columns = {"split": test_roles, "group": None}
        if outcome is not None:
            columns["outcome"] = outcome
        root = make_cohort(40, columns=columns)
        rng = np.random.default_rng(5)
        values = rng.normal(size=(40, 8)) + (np.arange(40) % 2)[:, None] * np.linspace(0, 1, 8)
        if features is not None:
            is_test = np.array([test_roles(i) == "test" for i in range(40)])
            values[is_test] = features
        cohort = pd.read_csv(root / "cohort.csv", dtype=str)
        frame = pd.DataFrame(values, columns=[f"texture_{j}" for j in range(8)])
        frame.insert(0, "patient_id", cohort["patient_id"])
        if drops:  # all but two of the test patients, one of each outcome
            test = cohort.index[cohort["split"] == "test"]
            cohort = cohort.drop(test[2:])
            cohort.to_csv(root / "cohort.csv", index=False)
            frame = frame[frame["patient_id"].isin(cohort["patient_id"])]
        frame.to_csv(root / "features.csv", index=False)
        return root

    return make


def arguments(root: Path, folder: Path, tiny, *more: str) -> list[str]:
    return [
        "classify", *tiny, *SEARCH, "cohort=folder", f"cohort.root={root}",
        f"cohort.features={root}/features.csv", f"run_dir={folder}/run",
        f"hydra.sweeper.storage=journal:{folder}/study.journal", *more,
    ]  # fmt: skip


@pytest.fixture
def search(undrawn_command, tiny):
    """Return a function that searches and returns the command's end and the summary."""

    def run(root: Path, folder: Path, *more: str, figures=None):
        drawn = figures or {}
        with mock.patch("her2.search.search_page.search_figures", return_value=drawn):
            done = undrawn_command(*arguments(root, folder, tiny, *more))
        path = folder / "run" / "search.json"
        return done, json.loads(path.read_text()) if path.is_file() else None

    return run


def values(folder: Path) -> list[float]:
    return pd.read_csv(folder / "run" / "trials.csv")["auc"].tolist()


def poisoned(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=1e6, size=(8, 8))


CHANGES = {
    "features": {"features": poisoned(1)},
    "outcomes": {"outcome": lambda i: 1 - i % 2 if test_roles(i) == "test" else i % 2},
    "absent": {"drops": True},
}


def test_test_patients_do_not_change_a_single_trial(search, split_cohort, tmp_path):
    only_trials = ("hydra.sweeper.n_trials=4", "hydra.sweeper.evaluate_winner=false")
    done, _ = search(split_cohort(), tmp_path / "as_they_are", *only_trials)
    assert done.status == 0, done.err
    expected = values(tmp_path / "as_they_are")
    assert len(set(expected)) > 1  # trials differ, so that equality says something
    for name, change in CHANGES.items():
        done, _ = search(split_cohort(**change), tmp_path / name, *only_trials)
        assert done.status == 0, done.err
        assert values(tmp_path / name) == expected, name
    kept = pd.read_parquet(tmp_path / "features" / "run" / "trials" / "features.parquet")
    assert len(kept) == 32  # features of training patients, of nobody else


def test_the_winner_is_judged_once_and_says_where_it_comes_from(search, split_cohort, tmp_path):
    root = split_cohort()
    done, summary = search(root, tmp_path, "hydra.sweeper.n_trials=3")
    assert done.status == 0, done.err
    winner = tmp_path / "run" / "winner"
    assert summary["winner"]["folder"] == str(winner)
    results = json.loads((winner / "results.json").read_text())
    assert any("best of 3 trials" in note for note in results["notes"])
    assert summary["n_constant"] == 0
    test = summary["winner"]["arms"]["radiomics"]["test"]
    assert test[0] == results["arms"]["radiomics"]["roles"]["test"]["auc"]
    made = (winner / "results.json").stat().st_mtime_ns
    with mock.patch("her2.commands.classify.fit_run", side_effect=AssertionError):
        again, same = search(root, tmp_path, "hydra.sweeper.n_trials=3")
    assert again.status == 0, again.err
    assert (winner / "results.json").stat().st_mtime_ns == made
    assert same == summary


def test_the_summary_says_how_many_models_predict_the_same_for_everybody(
    search, split_cohort, tmp_path
):
    _, summary = search(
        split_cohort(), tmp_path, "hydra.sweeper.n_trials=1",
        "hydra.sweeper.metrics=[log_loss]", "hydra.sweeper.evaluate_winner=false",
        "classifier=lightgbm", "classifier.lightgbm.fixed.min_child_samples=choice(100)",
        "hydra.sweeper.space=lightgbm",
        figures={"parameter_importance_auc": Figure(), "slices": Figure()},
    )  # fmt: skip
    assert summary["n_constant"] == 1
    assert {x.stem for x in (tmp_path / "run" / "figures").iterdir()} == {"slices"}
    page = (tmp_path / "run" / "summary.html").read_text()
    assert "1 of 1 trials predicted the same for everybody" in page
    note = (tmp_path / "run" / "summary.md").read_text()
    assert "1 of 1 trials predicted the same for everybody (AUC of .5 in every fold)" in note


def test_a_trial_is_worth_what_its_settings_are(search, split_cohort, tmp_path):
    """The value is the mean AUC over folds of the recipe with the trial's settings."""
    from her2.cohort import read_cohort
    from her2.core.settings import EvaluationSettings, SelectionSettings, StudySettings
    from her2.models.classifiers import Candidate, fit_pipeline, positive_probability, rank_auc
    from her2.models.splits import make_split
    from her2.pipeline.arm_definitions import selection_chain
    from her2.pipeline.run import training_set
    from her2.pipeline.search_trial import only_training

    root = split_cohort()
    search(
        root, tmp_path, "hydra.sweeper.n_trials=1", "hydra.sweeper.evaluate_winner=false",
        "classifier=lightgbm", "classifier.lightgbm.fixed.min_child_samples=int(interval(2,5))",
        "hydra.sweeper.space=lightgbm",
    )  # fmt: skip
    row = pd.read_csv(tmp_path / "run" / "trials.csv").iloc[0]
    everybody = read_cohort("folder", root=str(root), features=str(root / "features.csv"))
    split = make_split(everybody.lesions, seed=0)
    patients = only_training(everybody, split)
    settings = StudySettings(evaluation=EvaluationSettings(n_folds=3, n_repeats=1))
    training = training_set(patients, split, settings, draws=["search 0"])
    names = ("n_estimators", "learning_rate", "num_leaves", "min_child_samples", "reg_lambda",
             "colsample_bytree")  # fmt: skip
    whole = ("n_estimators", "num_leaves", "min_child_samples")
    chosen = tuple((k, int(row[k]) if k in whole else float(row[k])) for k in names)
    X, y = patients.features.to_numpy(), training.y_true
    found = []
    for k in range(3):
        out = training.fold == k
        fitted = fit_pipeline(
            X[~out], y[~out], training.groups[~out],
            preparation=selection_chain(SelectionSettings(lasso_folds=3), 0),
            candidate=Candidate("lightgbm", chosen, chosen), seed=0,
        )  # fmt: skip
        found.append(rank_auc(y[out], positive_probability(fitted, X[out])))
    assert row["auc"] == pytest.approx(np.mean(found), abs=1e-12)


def test_a_trial_of_one_candidate_keeps_patients_together_in_its_selection():
    from her2.core.settings import StudySettings
    from her2.pipeline.search_classify import _judged_folds

    of = study()
    arm, training = of.arm_that_knows_patients(), of.training
    arm = replace(arm, points=arm.points[:1])
    folds = list(_judged_folds(arm, training, ["knows patients"], StudySettings()))
    assert len(folds) == training.n_folds


def test_a_pruner_stops_trials_after_some_folds(search, split_cohort, tmp_path):
    done, summary = search(
        split_cohort(), tmp_path, "hydra.sweeper.n_trials=16", "hydra.sweeper.pruner=median",
        "hydra.sweeper.evaluate_winner=false",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert summary["n_trials"]["finished"] == 16
    table = pd.read_csv(tmp_path / "run" / "trials.csv")
    pruned = table[table["state"] == "pruned"]
    assert 0 < len(pruned) == summary["n_trials"]["pruned"]
    assert (pruned["n_folds"] < 3).all()


REFUSED = {
    "storage": ("hydra.sweeper.storage=nothing", "sqlite:///FILE"),
    "password": ("hydra.sweeper.storage=postgresql://me:secret@127.0.0.1/x", "without a password"),
    "server": ("hydra.sweeper.storage=postgresql://me@127.0.0.1:9/x", "that answers|driver"),
    "space": ("hydra.sweeper.space=nowhere", "lightgbm, lr"),
    "sampler": ("hydra.sweeper.sampler=best", "tpe, random"),
    "metric": ("hydra.sweeper.metrics=[accuracy]", "auc, log_loss"),
    "setting": ("classifier.lr.fixed.Cs=interval(1,2)", "Cs"),
    "type": ("evaluation.n_folds=choice(three,four)", "n_folds"),
    "trials": ("hydra.sweeper.n_trials=0", "at least 1"),
    "word": ("hydra.sweeper.trials=3", "trials"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_searched_is_one_sentence_and_status_2(
    search, split_cohort, tmp_path, case
):
    import re

    override, expected = REFUSED[case]
    done, _ = search(split_cohort(), tmp_path, override)
    assert done.status == 2, done.err
    assert len(done.sentences) == 1
    assert re.search(expected, done.sentences[0]), done.sentences
    assert "Traceback" not in done.err
    assert "secret" not in done.err


def test_other_commands_have_no_search(her2_command, tmp_path):
    done = her2_command(
        "check", "-m", "hydra/sweeper=optuna", "seed=range(0,3)", f"run_dir={tmp_path}",
        f"hydra.sweeper.storage=journal:{tmp_path}/j",
    )  # fmt: skip
    assert done.status == 2
    assert "her2 classify or her2 train" in done.sentences[0]


def test_a_search_without_m_is_refused(her2_command):
    done = her2_command("classify", "hydra/sweeper=optuna", "classifier=lr")
    assert done.status == 2
    assert done.sentences == [
        "expected -m with hydra/sweeper=optuna, found none; add -m to search"
    ]  # fmt: skip


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(search, split_cohort, tmp_path):
    with mock.patch("her2.pipeline.search_classify._prepared", side_effect=KeyboardInterrupt):
        done, _ = search(split_cohort(), tmp_path, "hydra.sweeper.n_trials=3")
    assert done.status == 130
    assert done.sentences == [
        "interrupted with 0 of 3 trials finished; the same command goes on"
    ]  # fmt: skip


def test_too_many_failures_end_with_status_1(search, split_cohort, tmp_path):
    from her2.core.errors import NotEstimable

    with mock.patch("her2.pipeline.search_trial.metric", side_effect=NotEstimable("no reason")):
        done, summary = search(
            split_cohort(), tmp_path, "hydra.sweeper.n_trials=3",
            "hydra.sweeper.max_failed_trials=2",
        )  # fmt: skip
    assert done.status == 1
    assert "found 3, the last one with: no reason" in done.sentences[0]
    assert summary["n_trials"]["failed"] == 3


@pytest.mark.slow
def test_networks_are_searched_without_a_look_at_test_images(
    undrawn_command, image_cohort, feature_cache, tiny, tmp_path
):
    from lightning_modules import crops

    seen = []
    load = crops.load_lesion

    def watched(lesion):
        seen.append(lesion.key)
        return load(lesion)

    with (
        mock.patch.object(crops, "load_lesion", watched),
        mock.patch("her2.search.search_page.search_figures", return_value={}),
    ):
        done = undrawn_command(
            "train", "-m", "hydra/sweeper=optuna", "+search=finetune", "trainer=smoke",
            "trainer.accelerator=cpu", *(x for x in tiny if not x.startswith("classifier")),
            "backbone=resnet50", "backbone.name=resnet10t", "backbone.weights=none",
            "cohort=folder", f"cohort.root={image_cohort}", f"cache={feature_cache}",
            f"run_dir={tmp_path}/run", f"hydra.sweeper.storage=journal:{tmp_path}/journal",
            "hydra.sweeper.n_trials=2", "hydra.sweeper.evaluate_winner=false",
            "trainer.max_epochs=choice(1,2)", "evaluation.n_folds=2",
        )  # fmt: skip
    assert done.status == 0, done.err
    split = json.loads((tmp_path / "run" / "trials" / "split.json").read_text())
    assert sorted(seen) == sorted(split["train"])  # once each, and nobody else
    table = pd.read_csv(tmp_path / "run" / "trials.csv")
    assert table["auc"].between(0, 1).all()
    assert (table["n_folds"] == 2).all()
