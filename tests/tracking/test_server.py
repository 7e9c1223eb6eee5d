"""A server with an artifact proxy, on SQLite and on PostgreSQL, and one that comes too late."""

import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from mlflow_server import free_port, mlflow_server, postgres, postgres_programs
from tracked_runs import CONFIG, ENVIRONMENT, NAMES, RESULTS, write_run
from trained_arms import write_models

from her2.tracking import (
    RunContent,
    close_parent,
    fetch,
    find_runs,
    open_parent,
    record_child,
    sync_runs,
    track_study,
    upload_files,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, new_store, tmp_path_factory):
    """Address of a server, and the folder where its files lie."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        with mlflow_server(new_store(), folder, free_port()) as address:
            yield address, folder
        return
    pytest.importorskip("psycopg", reason="no driver of PostgreSQL")
    if postgres_programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with (
        postgres() as backend,
        mlflow_server(backend, folder, free_port()) as address,
    ):
        yield address, folder


def outcomes(root, uri):
    return [found.outcome for found in sync_runs(root, uri=uri, experiment="her2")]


def test_a_study_goes_there_and_back(server, tmp_path, monkeypatch):
    uri, folder = server
    run_dir = write_run(tmp_path / "run")
    rows, expected = write_models(run_dir)
    results = {**RESULTS, "arms": dict.fromkeys(expected, RESULTS["arms"]["clinical"])}
    tracked = track_study(run_dir, results, CONFIG, ENVIRONMENT, uri=uri, experiment="her2")
    assert upload_files(tracked, run_dir, uri=uri)
    found = find_runs([tracked.run_id[:10]], uri=uri)[0]
    assert found.tags["data_sha256"] == "d" * 64
    path = fetch(tracked.run_id, "evaluation/predictions.parquet", tmp_path / "back", uri=uri)
    assert pd.read_parquet(path).columns[0] == "case"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.pyfunc.load_model("models:/her2-combined/1")
    answer = model.predict(rows)["probability"].to_numpy()
    assert answer == pytest.approx(expected["combined"], rel=1e-12)
    sent = [p for p in (folder / "artifacts").rglob("*") if p.is_file()]
    assert len(sent) > 20
    assert not [p for p in sent if any(name.encode() in p.read_bytes() for name in NAMES)]


def test_nested_runs_are_written_once(server, tmp_path):
    uri, _ = server
    said = {"uri": uri, "experiment": "searches", "tags": {}, "params": {"n": "1"}}
    parent = open_parent(tmp_path, "search", kind="search", **said)
    content = RunContent({"auc": 0.5}, curves={"a": [1.0] * 1200})
    ids = {record_child(parent, "trial", content, key="1")
           for _ in range(2)}  # fmt: skip
    assert len(ids) == 1
    close_parent(parent, RunContent(), note="# done", files=[])
    assert open_parent(tmp_path, "search", kind="search", **said).run_id == parent.run_id
    assert len(MlflowClient(uri).get_metric_history(ids.pop(), "a")) == 1200


def test_what_a_server_missed_is_sent_when_it_is_back(new_store, tmp_path, caplog):
    store, port = new_store(), free_port()
    uri = f"http://127.0.0.1:{port}"
    run_dir = write_run(tmp_path / "runs" / "a")
    assert track_study(run_dir, RESULTS, CONFIG, ENVIRONMENT, uri=uri, experiment="her2") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"tracking: MLflow does not answer (no connection to {uri}); the run folder is complete, "
        "her2 sync sends it later"
    ]
    with mlflow_server(store, tmp_path, port):
        assert outcomes(tmp_path / "runs", uri) == ["sent"]
        assert outcomes(tmp_path / "runs", uri) == ["there"]
