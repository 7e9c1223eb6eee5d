"""Three ways to use a backbone in a study, and none of them shows a network whom it judges."""

import json

import numpy as np
import pandas as pd
import pytest

from her2.commands import study as study_workflow
from her2.models.nested_cv import Arm
from her2.pipeline import deep_features, fine_tuning

TUNED = (
    "backbone.name=test_resnet", "backbone.weights=none", "trainer=smoke",
    "trainer.accelerator=cpu", "evaluation.n_repeats=1", "evaluation.n_folds=2",
    "evaluation.n_importance=0",
    "radiomics=us2d", "selection=none", "fusion.n_components=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def run_study(undrawn_command, image_cohort, feature_cache, tiny, tmp_path_factory):
    """Return a function that runs a tiny study of a mode and gives its folder and output."""

    def call(mode, *arguments):
        run_dir = tmp_path_factory.mktemp(mode)
        finished = undrawn_command(
            "study", *tiny, *TUNED, "cohort=folder", f"cohort.root={image_cohort}",
            "cohort.clinical=[age]", f"cache={feature_cache}", f"run_dir={run_dir}",
            f"backbone.mode={mode}", *arguments,
        )  # fmt: skip
        return run_dir, finished

    return call


@pytest.fixture(scope="module")
def finetune(run_study):
    return run_study("finetune")


@pytest.fixture(scope="module")
def finetune_features(run_study):
    arms = []
    build = study_workflow._arms

    def spy(*arguments):
        arms.extend(build(*arguments))
        return arms

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study_workflow, "_arms", spy)
        run_dir, finished = run_study("finetune_features")
    return run_dir, finished, {arm.name: arm for arm in arms}


def results_of(run_dir):
    return json.loads((run_dir / "results.json").read_text())


@pytest.mark.slow
def test_a_fine_tuned_network_is_the_deep_learning_arm(finetune):
    run_dir, finished = finetune
    assert finished.status == 0, finished.err
    arms = results_of(run_dir)["arms"]
    assert list(arms) == ["clinical", "radiomics", "deep_learning", "dlr", "combined"]
    assert arms["deep_learning"]["model"] == "test_resnet, fine-tuned"
    assert "fine-tuned" not in arms["dlr"]["model"]
    predictions = pd.read_parquet(run_dir / "predictions.parquet")
    counts = predictions.groupby(["arm", "role", "kind"]).size().unstack("arm")
    assert (counts.nunique(axis=1) == 1).all()
    assert (run_dir / "tables" / "training.csv").is_file()
    assert (run_dir / "model" / "deep_learning.json").is_file()


@pytest.mark.slow
def test_networks_of_native_images_are_compared_and_not_kept(run_study, monkeypatch):
    asked = []
    fine_tune = fine_tuning.fine_tune

    def spy(run, *, keeps, **more):
        asked.append((run.cohort.lesions[0].enhanced is not None, keeps))
        return fine_tune(run, keeps=keeps, **more)

    monkeypatch.setattr(deep_features, "fine_tune", spy)
    run_dir, finished = run_study(
        "finetune", "enhance=bicubic", "enhance.compare=true", "enhance.n_evidence=0",
        "fusion.members=[clinical,dlr]", "backbone.n_explained=4",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    assert asked == [(False, False), (True, True)]
    evidence = pd.read_csv(run_dir / "tables" / "super_resolution.csv")
    gains = evidence[evidence["measure"].eq("auc_gain")]
    assert list(gains["family"]) == ["radiomics", "deep_learning", "dlr", "combined"]
    enlarged = evidence[evidence["measure"].eq("auc") & evidence["method"].eq("bicubic")]
    for row in enlarged.itertuples():
        own = results_of(run_dir)["arms"][row.family]["roles"]["out_of_fold"]["auc"]
        assert row.value == pytest.approx(own)


def test_features_of_fine_tuned_networks_make_both_arms(finetune_features):
    run_dir, finished, arms = finetune_features
    assert finished.status == 0, finished.err
    results = results_of(run_dir)
    assert "fine-tuned" not in results["arms"]["deep_learning"]["model"]
    assert any("fine-tuned without it" in note for note in results["notes"])
    split = json.loads((run_dir / "split.json").read_text())
    for name in ("deep_learning", "dlr"):
        assert len(arms[name].by_fold) == 2
        for features in arms[name].by_fold:
            assert list(features.columns) == list(arms[name].features.columns)
            assert set(features.index) == set(split["train"])
            assert features.notna().all(axis=None)
        deep = [c for c in arms[name].features if c.startswith("deep_")]
        first, second = (features[deep].to_numpy() for features in arms[name].by_fold)
        assert not np.allclose(first, second)
    assert arms["radiomics"].by_fold == arms["clinical"].by_fold == ()


def test_a_fold_is_judged_by_features_made_without_it():
    frames = [pd.DataFrame({"f": [k] * 3}, index=list("abc")) for k in range(3)]
    arm = Arm("deep_learning", frames[2], None, (), by_fold=tuple(frames[:2]))
    assert arm.judging(1).rows(["b"]).tolist() == [[1.0]]
    assert arm.rows(["b"]).tolist() == [[2.0]]
    assert arm.alone(["c"]).judging(0).features.index.tolist() == ["c"]
    frozen = Arm("deep_learning", frames[2], None, ())
    assert frozen.judging(1) is frozen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("finetune", "evaluation.n_repeats=2"), "evaluation.n_repeats=1 to fine-tune, found 2"),
        (("finetune", "fusion.members=[clinical,deep_learning]"), "finetune_features"),
        (("thaw",), "backbone.mode among"),
        (("finetune_features", "trainer.n_seeds=2"), "not aligned"),
        (("finetune_features", "backbone.weights=none.pth"), "none.pth"),
    ],
)
def test_what_cannot_be_done_is_refused(run_study, arguments, said):
    _, finished = run_study(*arguments)
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert said in finished.sentences[0]


def test_a_protocol_is_not_repeated_with_networks(her2_command, image_cohort, tmp_path):
    finished = her2_command(
        "audit", "cohort=folder", f"cohort.root={image_cohort}", "backbone.mode=finetune",
        "cohort.clinical=[age]", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 2
    assert "backbone.mode=frozen" in finished.sentences[0]
