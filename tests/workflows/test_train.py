"""`her2 train`: one backbone, fine-tuned, and several in one multirun."""

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from lightning_modules.fine_tuned import load_fine_tuned

TINY_NETWORK = (
    "backbone.weights=none", "backbone.image_size=32", "trainer=smoke", "trainer.accelerator=cpu",
    "evaluation.n_folds=2", "split.test_size=0.5", "backbone.n_explained=12",
)  # fmt: skip


@pytest.fixture
def train(her2_command, undrawn_command, image_cohort, tmp_path):
    """Return a function that trains in `tmp_path/run`."""

    def call(*arguments, draws=False):
        command = her2_command if draws else undrawn_command
        return command(
            "train", *TINY_NETWORK, "cohort=folder", f"cohort.root={image_cohort}",
            f"run_dir={tmp_path / 'run'}", *arguments,
        )  # fmt: skip

    return call


def test_a_network_is_trained_and_judged(train, tmp_path, canary):
    finished = train("tracking=none", "backbone.name=test_resnet", draws=True)
    assert finished.status == 0, finished.err
    run_dir = tmp_path / "run"
    results = json.loads((run_dir / "results.json").read_text())
    assert results["arms"]["deep_learning"]["model"] == "test_resnet, fine-tuned"
    assert list(results["arms"]["deep_learning"]["roles"]) == ["train", "out_of_fold", "test"]
    assert any("random weights" in note for note in results["notes"])
    history = pd.read_csv(run_dir / "tables" / "training.csv")
    assert set(history["fold"]) == {-1, 0, 1}
    predictions = pd.read_parquet(run_dir / "predictions.parquet")
    split = json.loads((run_dir / "split.json").read_text())
    assert len(predictions) == 2 * len(split["train"]) + len(split["test"])
    assert predictions["y_prob"].between(0, 1).all()
    assert canary not in finished.out + finished.err
    assert (run_dir / "figures" / "training.svg").is_file()
    assert "Training of the networks" in (run_dir / "report.html").read_text()
    assert load_fine_tuned(run_dir / "model").backbone.name == "test_resnet"
    check_explained(run_dir, predictions)
    kept = [path.name for path in (run_dir / "model").glob("*.safetensors")]
    assert kept == ["deep_learning-all-network0.safetensors"]  # those of the folds were looked at
    assert [n.file for n in load_fine_tuned(run_dir / "model").networks] == kept


def check_explained(run_dir, predictions):
    """Each lesion is explained by the network that predicted it: of its fold, or the last."""
    explained = pd.read_parquet(run_dir / "grad_cam.parquet")
    reported = predictions[predictions["kind"] != "in_sample"]
    both = explained.merge(reported, on=["patient_id", "lesion_id"], suffixes=("", "_reported"))
    assert len(both) == len(explained) == 12
    assert (both["y_prob"] - both["y_prob_reported"]).abs().max() < 1e-5
    assert both["y_prob"].nunique() > 6
    for role in ("out_of_fold", "test"):
        assert (run_dir / "figures" / f"grad_cam_{role}.svg").is_file()
    assert '<section id="grad-cam">' in (run_dir / "report.html").read_text()


def test_several_networks_share_a_run_dir_and_a_store(train, new_store, tmp_path, monkeypatch):
    """One of them is refused, and the others are trained all the same."""
    names = ("test_resnet", "no_such_network", "test_efficientnet")
    uri = new_store()
    finished = train(f"backbone.name={','.join(names)}", f"tracking.uri={uri}", "-m")
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert finished.sentences[0].startswith("backbone.name=no_such_network: ")
    jobs = sorted(path for path in (tmp_path / "run").iterdir() if path.is_dir())
    assert [job.name for job in jobs] == sorted(f"backbone.name={name}" for name in names)
    finished_jobs = [job for job in jobs if (job / "results.json").is_file()]
    documents = [json.loads((job / "results.json").read_text()) for job in finished_jobs]
    client = MlflowClient(tracking_uri=uri)
    runs = [client.get_run(document["mlflow"]["run_id"]) for document in documents]
    assert {run.data.params["backbone.name"] for run in runs} == set(names) - {"no_such_network"}
    assert len({document["cohort"]["split_sha256"] for document in documents}) == 1
    for run, job in zip(runs, finished_jobs, strict=True):
        losses = pd.read_csv(job / "tables" / "training.csv")
        told = client.get_metric_history(run.info.run_id, "training/fold1-network0/val_loss")
        expected = losses[losses["fold"] == 1]
        assert [(m.step, m.value) for m in told] == [
            (row.epoch, pytest.approx(row.val_loss, rel=1e-3)) for row in expected.itertuples()
        ]
        assert run.info.status == "FINISHED"
        assert not (job / "mlflow_run.json").exists()
        nested = client.search_runs(
            [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
        )
        assert {r.info.run_name for r in nested} == {"deep_learning", "all training rows"} | {
            f"fold {fold + 1}" for fold in losses["fold"] if fold >= 0
        }
        _check_served(run, job, uri, monkeypatch)


def _check_served(run, job, uri, monkeypatch):
    """The registered network says what the run's folder says, of any crops."""
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    kept = load_fine_tuned(job / "model")
    side = kept.backbone.image_size
    crops = np.random.default_rng(1).integers(0, 256, (5, side, side), dtype=np.uint8)
    model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    served = model.predict(crops)["probability"].to_numpy()
    assert served == pytest.approx(kept.predict(crops), rel=1e-6)


def test_a_cohort_without_images_is_refused(her2_command, table_cohort, tmp_path):
    finished = her2_command(
        "train", *TINY_NETWORK, "tracking=none", "cohort=folder", f"cohort.root={table_cohort}",
        "cohort.clinical=[age]", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 2
    assert "expected an image and a mask" in finished.sentences[0]


def test_fine_tuning_is_not_repeated(train):
    finished = train("tracking=none", "evaluation.n_repeats=5")
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert "evaluation.n_repeats=1 to fine-tune, found 5" in finished.sentences[0]
