"""A file that vanishes while a command works costs its own lesion, and is named in the run."""

import csv
from dataclasses import replace

import pytest

from her2.cohort import lesions
from her2.core.errors import BadCohort
from her2.core.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EvaluationSettings,
    SplitSettings,
    StudySettings,
)
from her2.pipeline import search_train, search_trial


def problems(run_dir):
    with (run_dir / "quarantine.csv").open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["severity"] == "quarantined"]


@pytest.mark.parametrize("command", ["features", pytest.param("classify", marks=pytest.mark.slow)])
def test_a_mask_deleted_in_the_middle(her2_command, make_cohort, tmp_path, monkeypatch, command):
    root = make_cohort(40, images=True)
    mask = root / "masks" / "m006.png"
    load = lesions.load_lesion

    def delete_and_load(lesion):
        mask.unlink(missing_ok=True)
        return load(lesion)

    for user in ("her2.radiomics.recipe", "her2.pipeline.lost_lesions"):
        monkeypatch.setattr(f"{user}.load_lesion", delete_and_load)
    (tmp_path / "p.yaml").write_text("imageType: {Original: {}}\nfeatureClass: {firstorder: []}\n")
    tiny = (
        "classifier=lr", "evaluation.n_folds=3", "evaluation.n_inner_folds=3",
        "evaluation.n_repeats=1", "evaluation.n_permutations=40", "evaluation.n_stability=0",
        "evaluation.n_shuffles=0", "evaluation.learning_curve=[]",
    )  # fmt: skip
    run_dir = tmp_path / "run"
    finished = her2_command(
        command, "cohort=folder", f"cohort.root={root}", f"run_dir={run_dir}",
        f"cache={tmp_path / 'cache'}", f"radiomics.params={tmp_path / 'p.yaml'}",
        "compute.n_workers=1", *(tiny if command == "classify" else ()),
    )  # fmt: skip
    assert finished.status == 1, finished.err  # a lesion was lost
    assert "1 of 40 eligible lesions were left out" in finished.err
    (found,) = problems(run_dir)
    assert found["patient_id"].endswith("706")
    assert "706" not in finished.out + finished.err
    assert (run_dir / "features.parquet").is_file()


def test_a_mask_deleted_before_the_crops_of_a_search(make_cohort, tmp_path, monkeypatch):
    root = make_cohort(40, images=True)
    settings = StudySettings(
        cohort=CohortSettings(root=str(root), table=str(root / "cohort.csv")),
        split=SplitSettings(test_size=0.0),
        backbone=BackboneSettings(name="resnet18", weights="none", mode="finetune"),
        evaluation=EvaluationSettings(n_repeats=1),
        compute=ComputeSettings(n_workers=1),
        cache=str(tmp_path / "cache"),
    )
    rows = []

    def answer(folds, training, request):
        rows.extend(training.keys)
        return search_trial.Answer("complete", (0.5,))

    monkeypatch.setattr(search_train, "cross_validate", answer)
    monkeypatch.setattr(search_train, "_judged_folds", lambda run, crops, *_: crops)
    ready = search_trial.Request(("auc",), is_rehearsal=True)
    facts = search_train.search_train(settings, tmp_path / "run", ready).facts
    (root / "masks" / "m006.png").unlink()
    trial = search_trial.Request(("auc",))
    search_train.search_train(settings, tmp_path / "run", trial)
    assert len(rows) == 39
    assert [p["patient_id"][-3:] for p in problems(tmp_path / "run")] == ["706"]
    with pytest.raises(BadCohort, match="expected the data with which the search began"):
        search_train.search_train(settings, tmp_path / "run", replace(trial, facts=facts))
