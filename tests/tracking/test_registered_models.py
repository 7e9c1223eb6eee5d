"""Registered arms answer as the arms that were fitted, from files without pickle."""

from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow.pyfunc
import pytest
import sklearn
from mlflow.tracking import MlflowClient
from tracked_runs import CONFIG, ENVIRONMENT, RESULTS, write_run
from trained_arms import write_models

from her2.tracking import track_study, upload_files


@pytest.fixture(scope="module")
def registered(new_store, tmp_path_factory):
    """Address, study's run id, rows of all columns, and what the arms say of them."""
    folder, uri = write_run(tmp_path_factory.mktemp("run")), new_store()
    rows, expected = write_models(folder)
    arms = dict.fromkeys(expected, RESULTS["arms"]["clinical"])
    results = {**RESULTS, "arms": arms}
    tracked = track_study(folder, results, CONFIG, ENVIRONMENT, uri=uri, experiment="her2")
    assert upload_files(tracked, folder, uri=uri)
    return uri, tracked.run_id, rows, expected


@pytest.mark.parametrize("arm", ["clinical", "dlr", "combined"])
def test_a_registered_arm_answers_as_the_fitted_one(registered, arm, monkeypatch):
    uri, _, rows, expected = registered
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.pyfunc.load_model(f"models:/her2-{arm}/1")
    shuffled = rows[sorted(rows.columns, reverse=True)]
    assert model.predict(shuffled)["probability"].to_numpy() == pytest.approx(
        expected[arm], rel=1e-12
    )
    example = model.input_example
    assert 0 < model.predict(example)["probability"].iloc[0] < 1
    assert model.metadata.signature.outputs.input_names() == ["probability"]


def test_a_model_lacks_no_column_in_silence(registered, monkeypatch):
    uri, _, rows, _ = registered
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.pyfunc.load_model("models:/her2-dlr/1")
    with pytest.raises(mlflow.exceptions.MlflowException, match="missing inputs"):
        model.predict(rows.drop(columns="f1"))


def test_models_hold_no_pickle_and_pin_their_packages(registered):
    uri, run_id, _, _ = registered
    client = MlflowClient(uri)
    outputs = client.get_run(run_id).outputs.model_outputs
    assert len(outputs) == 3
    for output in outputs:
        made = client.get_logged_model(output.model_id)
        assert made.tags["data_sha256"] == "d" * 64
        folder = Path(url2pathname(urlparse(made.artifact_location).path))
        files = (path for path in folder.rglob("*") if path.is_file())
        kinds = {path.suffix for path in files} - {".pyc"}  # of a test that has loaded it before
        assert kinds == {"", ".py", ".skops", ".json", ".txt", ".yaml"}
        pinned = (folder / "requirements.txt").read_text().split()
        assert all("==" in line for line in pinned)
        assert f"scikit-learn=={sklearn.__version__}" in pinned
    version = client.get_model_version("her2-dlr", "1")
    assert version.tags["data_sha256"] == "d" * 64
