"""Grad-CAM in a run: out of fold, of the model that is reported, nameless, and to be left out."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from her2.core.settings import BackboneSettings, StudySettings
from her2.explain.saliency import DELETION_GAIN, ENRICHMENT, SHARE_INSIDE
from her2.pipeline.figures import shown
from her2.pipeline.grad_cam import FINAL, N_TESTED, OUT_OF_FOLD, _doubts, _heads, _plan

ARM = "deep_learning"


@pytest.fixture(scope="module")
def numbers(study):
    return pd.read_parquet(study.run_dir / "grad_cam.parquet")


@pytest.fixture(scope="module")
def table(study):
    return pd.read_csv(study.run_dir / "tables" / "grad_cam.csv")


def test_each_lesion_is_explained_by_the_network_that_is_reported(study, numbers):
    """A wrong fold, head or crop would show in the probability."""
    reported = study.predictions.query("arm == @ARM and kind != 'in_sample'")
    both = numbers.merge(reported, on=["patient_id", "lesion_id"], suffixes=("", "_reported"))
    assert len(both) == len(numbers) == 12
    np.testing.assert_allclose(both["y_prob"], both["y_prob_reported"], atol=1e-5)
    assert (both["fold"].dropna() == both["fold_reported"].dropna()).all()
    assert both["y_true"].equals(both["y_true_reported"])
    assert set(numbers["role"]) == {"out_of_fold", "test"}


def test_training_lesions_are_explained_without_having_been_seen(study, numbers):
    trained = numbers["role"].eq("out_of_fold")
    assert numbers.loc[trained, "fold"].notna().all()
    assert numbers.loc[~trained, "fold"].isna().all()
    in_sample = study.predictions.query("arm == @ARM and kind == 'in_sample'")
    both = numbers.merge(in_sample, on=["patient_id", "lesion_id"], suffixes=("", "_seen"))
    assert (both["y_prob"] - both["y_prob_seen"]).abs().max() > 0.01


def test_the_table_is_made_of_the_lesions_numbers(study, numbers, table):
    threshold = study.results["arms"][ARM]["roles"]["test"]["threshold"]
    judged = numbers[numbers["role"].eq("test")]
    is_called = judged["y_prob"] >= threshold
    share = judged["share_inside_for"].where(is_called, judged["share_inside_against"])
    row = table[table["role"].eq("test") & table["measure"].eq(SHARE_INSIDE)].iloc[0]
    assert row["n"] == share.notna().sum()
    assert row["value"] == pytest.approx(share.mean())
    assert row["without_knowledge"] == pytest.approx(judged["lesion_share"][share.notna()].mean())
    assert ENRICHMENT in set(table["measure"])
    tested = table[table["measure"].eq(DELETION_GAIN)]
    assert tested["role"].tolist() == ["out_of_fold"]
    assert tested["n"].iloc[0] == numbers["deletion"].notna().sum() <= N_TESTED


def test_figures_and_report_show_it_without_a_name(study, canary):
    report = (study.run_dir / "report.html").read_text()
    assert '<section id="grad-cam">' in report
    assert "Where the maps lie, and whether the network uses these regions" in report
    for role in ("out_of_fold", "test"):
        for suffix in ("svg", "png"):
            content = (study.run_dir / "figures" / f"grad_cam_{role}.{suffix}").read_bytes()
            assert len(content) > 10_000
            assert canary.encode() not in content
    assert canary not in report
    assert canary not in (study.run_dir / "tables" / "grad_cam.csv").read_text()


def test_no_pixel_is_kept_beside_the_pictures(numbers):
    assert all(np.ndim(value) == 0 for value in numbers.iloc[0])
    assert len(numbers.columns) < 40


def test_the_step_is_timed(study):
    assert study.results["timing"]["grad_cam"] > 0


@pytest.mark.slow
def test_it_can_be_left_out(undrawn_command, image_cohort, feature_cache, tiny, tmp_path):
    done = undrawn_command(
        "study", *tiny, "cohort=folder", f"cohort.root={image_cohort}", "backbone.image_size=64",
        "cohort.clinical=[age,er]", "selection.lasso_folds=3", f"cache={feature_cache}",
        "evaluation.grad_cam=false", "evaluation.n_importance=0", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert not (tmp_path / "grad_cam.parquet").exists()
    assert not (tmp_path / "tables" / "grad_cam.csv").exists()
    assert "grad_cam" not in json.loads((tmp_path / "results.json").read_text())["timing"]
    assert '<section id="grad-cam">' not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("backbone.cam_layer=blocks.99", "backbone.cam_layer must be a layer of EfficientNet"),
        ("backbone.n_explained=0", "expected backbone.n_explained of at least 1"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_once(
    undrawn_command, image_cohort, tiny, tmp_path, override, words
):
    refused = undrawn_command(
        "study", *tiny, "cohort=folder", f"cohort.root={image_cohort}", override,
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert refused.status == 2
    assert len(refused.sentences) == 1 and words in refused.sentences[0]
    assert not (tmp_path / "run" / "config.yaml").exists()  # nothing was begun


def run_of(n_train=60, n_test=20, n_folds=3):
    """As much of an open run as the plan reads."""
    lesions = [
        SimpleNamespace(key=f"p{i:03d}/1", outcome=int(i % 3 == 0))
        for i in range(n_train + n_test)
    ]
    keys = [lesion.key for lesion in lesions]
    fold = np.arange(n_train) % n_folds
    roles = {key: "train" if i < n_train else "test" for i, key in enumerate(keys)}
    return SimpleNamespace(
        cohort=SimpleNamespace(lesions=lesions),
        split=SimpleNamespace(roles=lambda: roles),
        training=SimpleNamespace(keys=tuple(keys[:n_train]), fold=fold),
        held_out=tuple(keys[n_train:]),
    )


def test_the_plan_has_every_lesion_once_with_its_fold():
    run = run_of()
    plan = _plan(run, None, 0)
    assert plan.index.tolist() == [lesion.key for lesion in run.cohort.lesions]
    assert plan.loc[list(run.training.keys), "fold"].tolist() == run.training.fold.tolist()
    assert plan.loc[list(run.held_out), "fold"].eq(FINAL).all()
    assert plan["is_tested"].sum() == N_TESTED
    assert plan.loc[plan["is_tested"], "role"].eq(OUT_OF_FOLD).all()


def test_fewer_lesions_keep_the_shares_of_roles_and_outcomes():
    plan = _plan(run_of(), 20, 0)
    assert plan.groupby(["role", "y_true"]).size().tolist() == [10, 5, 3, 2]
    assert plan["is_tested"].sum() == 15  # all of the training lesions among them
    pd.testing.assert_frame_equal(plan, _plan(run_of(), 20, 0))
    assert _plan(run_of(), 20, 1).index.tolist() != plan.index.tolist()


def test_a_head_that_is_not_linear_leaves_a_note_and_no_maps(monkeypatch):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from her2.pipeline.grad_cam import explain_frozen

    X, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
    forest = Pipeline([("z", StandardScaler()), ("c", RandomForestClassifier(2))]).fit(X, y)
    search = SimpleNamespace(pipeline=forest)
    fitted = SimpleNamespace(by_fold=(search, search, search), final=search)
    run = run_of(12)
    run.training.from_fold = lambda k, p: p
    run.settings = StudySettings(backbone=BackboneSettings(name="resnet18", weights="none"))
    found = explain_frozen(run, fitted)
    assert found.rows.empty and found.table(0.5).empty
    assert "found RandomForestClassifier" in found.notes[0]


def test_heads_answer_at_the_prevalence_of_all_folds(monkeypatch):
    seen = []
    head = SimpleNamespace(shifted=lambda by: seen.append(by) or by)
    monkeypatch.setattr("her2.pipeline.grad_cam.linear_head", lambda pipeline, width: head)
    first = SimpleNamespace(n_features_in_=3)
    searches = [SimpleNamespace(pipeline=SimpleNamespace(steps=[("scale", first)]))] * 2
    training = SimpleNamespace(from_fold=lambda k, p: p / (p + (1 - p) * np.exp(-(k + 1.0))))
    fitted = SimpleNamespace(by_fold=searches, final=searches[0])
    assert list(_heads(training, fitted)) == [0, 1, FINAL]
    assert seen == pytest.approx([1.0, 2.0])


def test_the_shown_lesions_do_not_depend_on_the_order_of_rows():
    p = pd.Series({"b": 0.3, "a": 0.3, "c": 0.5, "d": 0.9})
    assert shown(p, is_called=True) == {"d": "most confident", "a": "median"}
    assert shown(p[::-1], is_called=True) == shown(p, is_called=True)
    assert shown(p, is_called=False) == {"a": "most confident", "c": "median"}
    assert shown(p[:0], is_called=True) == {}


def test_settings_refuse_no_lesion():
    with pytest.raises(ValueError, match=r"n_explained of at least 1"):
        replace(BackboneSettings(name="resnet18", weights="none"), n_explained=-1)


def kept(fold, number=0):
    return SimpleNamespace(fold=fold, number=number)


def test_maps_of_single_networks_say_what_they_do_not_show():
    assert _doubts(SimpleNamespace(networks=[kept(0), kept(1), kept(FINAL)])) == []
    (seeds,) = _doubts(SimpleNamespace(networks=[kept(0), kept(0, 1), kept(FINAL)]))
    assert "first network of each fold" in seeds
    (folds,) = _doubts(SimpleNamespace(networks=[kept(0), kept(1)]))
    assert "Held-out lesions have no Grad-CAM" in folds
