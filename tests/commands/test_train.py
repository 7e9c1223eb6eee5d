"""`her2 train`: one backbone, fine-tuned, and several in one multirun."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from her2.core.run_folder import RunFolder
from her2.pipeline.write_outputs import finished_before
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


def test_slices_of_a_patient_are_judged_together(train, image_cohort, tmp_path):
    root = tmp_path / "slices"
    shutil.copytree(image_cohort, root)
    table = pd.read_csv(root / "cohort.csv")
    for path in table["image"]:
        image = Image.open(root / path).convert("L")
        pages = [image, image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
        pages[0].save((root / path).with_suffix(".tiff"), save_all=True, append_images=pages[1:])
    table["image"] = table["image"].str.replace(r"\.\w+$", ".tiff", regex=True)
    rows = [table.assign(lesion_id=number, frame=number) for number in (1, 2)]
    pd.concat(rows).to_csv(root / "cohort.csv", index=False)
    finished = train(
        "tracking=none", "backbone.name=test_resnet", "evaluation.grad_cam=false",
        "evaluation.unit=patient", f"cohort.root={root}",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    cohort = json.loads((tmp_path / "run/results.json").read_text())["cohort"]
    assert (cohort["n_patients"], cohort["n_lesions"]) == (40, 80)
    predictions = pd.read_parquet(tmp_path / "run/predictions.parquet")
    assert not predictions.duplicated(["patient_id", "role", "kind"]).any()
    assert predictions.groupby("patient_id")["role"].nunique().max() == 1


def test_a_finished_run_is_kept_and_not_trained_again(train, tmp_path, monkeypatch):
    code = {"her2": "1", "commit": "c", "dirty": False, "lock_sha256": "l"}
    monkeypatch.setattr("her2.pipeline.write_outputs.made_by", lambda: dict(code))
    small = ("tracking=none", "backbone.name=test_resnet", "evaluation.grad_cam=false")
    first = train(*small)
    written = (tmp_path / "run" / "results.json").read_bytes()
    again = train(*small)
    assert (again.status, again.out) == (first.status, first.out)
    assert "already finished" in again.err and "already finished" not in first.err
    assert (tmp_path / "run" / "results.json").read_bytes() == written
    cohort = json.loads(written)["cohort"]
    run = SimpleNamespace(
        folder=RunFolder(tmp_path / "run"),
        cohort=SimpleNamespace(data_sha256=cohort["data_sha256"], sha256="another"),
        split=SimpleNamespace(sha256=cohort["split_sha256"]),
        warning=None,
    )
    assert finished_before(run) == first.status
    assert finished_before(SimpleNamespace(**vars(run) | {"split": run.cohort})) is None
    code["commit"] = "another"
    assert finished_before(run) is None
    code |= {"commit": "c", "dirty": True}
    (tmp_path / "run" / "results.json").write_bytes(written.replace(b"false", b"true"))
    assert finished_before(run) is None  # nobody knows what the code was


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


@pytest.mark.slow
def test_several_networks_share_a_run_dir_and_a_store(train, new_store, tmp_path, monkeypatch):
    """One of them is refused, and the others are trained all the same."""
    names = ("test_resnet", "no_such_network", "test_efficientnet")
    uri = new_store()
    finished = train(f"backbone.name={','.join(names)}", f"tracking.uri={uri}", "-m")
    assert finished.status == 2
    assert len(finished.sentences) == 1
    assert finished.sentences[0].startswith("backbone.name=no_such_network: ")
    jobs = sorted((tmp_path / "run").glob("backbone*"))
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
    check_compared(tmp_path / "run", client, documents, finished.out)


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


def check_compared(folder, client, documents, said):
    """The finished jobs are compared beside their folders, the refused one is named."""
    compared = json.loads((folder / "comparison.json").read_text())
    assert {model["name"] for model in compared["models"]} == {"test_resnet", "test_efficientnet"}
    assert list(compared["missing"]) == ["backbone.name=no_such_network"]
    assert "must be a network of timm" in compared["missing"]["backbone.name=no_such_network"]
    assert [row["n_looks"] for row in compared["differences"]] == [1, 1]
    costs = {row["run"]: row["parameters"] for row in compared["cost"]}
    assert costs == {
        document["arms"]["deep_learning"]["model"].split(",")[0]: document["cost"]["parameters"]
        for document in documents
    }
    assert f"comparison: {folder / 'comparison.html'}" in said
    parent = client.get_run(compared["mlflow"]["run_id"])
    assert parent.data.tags["kind"] == "comparison" and parent.info.status == "FINISHED"
    for document in documents:
        job = client.get_run(document["mlflow"]["run_id"])
        assert job.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {"test_resnet/out_of_fold/auc", "test_resnet/test/auc"} <= parent.data.metrics.keys()
    files = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert files == {"comparison.html", "comparison.json", "figures", "tables"}


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
