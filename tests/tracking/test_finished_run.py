"""MLflow gets numbers and pictures of a study, and a study does not wait for MLflow."""

import json
import logging
import os
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from tracked_runs import CONFIG, ENVIRONMENT, PREDICTIONS, RESULTS, write_run

from her2.tracking import track_study, tracking_uri, ui_command, upload_files


@pytest.fixture
def run_dir(tmp_path):
    """Folder of a run with something to send, and something that must stay."""
    return write_run(tmp_path)


def track(run_dir, uri, experiment="her2"):
    return track_study(run_dir, RESULTS, CONFIG, ENVIRONMENT, uri=uri, experiment=experiment)


@pytest.fixture(scope="module")
def tracked(new_store, tmp_path_factory):
    """Store, client and parent run of one tracked study."""
    run_dir = write_run(tmp_path_factory.mktemp("run"))
    os.utime(run_dir / "results.json", (1_000_000, 1_000_000))
    uri = new_store()
    study = track(run_dir, uri, "some experiment")
    return study, MlflowClient(tracking_uri=uri)


def test_the_study_is_a_run_with_metrics_of_every_arm(tracked):
    study, client = tracked
    run = client.get_run(study.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "study folder seed 7"
    # the headline's numbers stand beside those of every arm
    assert run.data.metrics == {
        "test/n": 9.0,
        "test/n_positive": 4.0,
        "test/auc_low": 0.5,
        "test/auc_high": 1.0,
        "test/hosmer_lemeshow/statistic": 3.5,
        "test/hosmer_lemeshow/dof": 3.0,
        "test/hosmer_lemeshow/p_value": 0.25,
        "clinical/repeated_cv/auc": 0.625,
        "clinical/repeated_cv/auc_low": 0.25,
        "clinical/repeated_cv/auc_high": 0.875,
        "clinical/out_of_fold/auc": 0.75,
        "clinical/out_of_fold/auc_low": 0.5,
        "clinical/out_of_fold/auc_high": 1.0,
        "dlr/test/auc_low": 0.5,
        "dlr/test/auc_high": 1.0,
        "seconds/fit": 1.5,
        "delong/test/clinical vs dlr/auc_difference": 0.125,
        "delong/test/clinical vs dlr/p_value": 0.5,
    }
    assert client.get_experiment(run.info.experiment_id).name == study.experiment


def test_a_study_lasts_as_long_as_its_steps_took(tracked):
    """And not as long as writing it down."""
    study, client = tracked
    info = client.get_run(study.run_id).info
    assert (info.start_time, info.end_time) == (1_000_000_000 - 1500, 1_000_000_000)


def test_tags_say_what_data_lock_and_commit_it_was(tracked):
    study, client = tracked
    tags = client.get_run(study.run_id).data.tags
    assert tags["data_sha256"] == "d" * 64
    assert tags["lock_sha256"] == "e" * 64
    assert tags["git_commit"] == tags["mlflow.source.git.commit"] == "f" * 40
    assert "| clinical | LightGBM | 0.625 (0.250 to 0.875) | - |" in tags["mlflow.note.content"]


def test_parameters_hold_no_place_and_no_password(tracked):
    study, client = tracked
    parameters = client.get_run(study.run_id).data.params
    assert parameters["cohort.clinical"] == "['age']"
    assert parameters["classifier.lr.grid"] == "{'C': [1]}"
    assert not {"cache", "cohort.root", "tracking.uri"} & set(parameters)


def test_every_arm_is_a_nested_run_with_its_calibration_plots(tracked):
    study, client = tracked
    parent = client.get_run(study.run_id)
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{study.run_id}'"
    )
    assert sorted(run.info.run_name for run in runs) == ["clinical", "dlr"]
    for run in runs:
        sent = [f.path for f in client.list_artifacts(run.info.run_id, "figures")]
        assert sent == ["figures/calibration_test.png"]
    clinical = next(run for run in runs if run.info.run_name == "clinical")
    assert clinical.data.metrics["out_of_fold/hosmer_lemeshow/p_value"] == 0.25
    assert clinical.data.metrics["repeated_cv/auc"] == 0.625
    assert "out_of_fold/brier" not in clinical.data.metrics
    assert clinical.data.params == {"model": "LightGBM", "arm": "clinical"}


def test_the_comparisons_are_a_table(tracked):
    study, client = tracked
    assert "delong.json" in [f.path for f in client.list_artifacts(study.run_id)]


def test_only_files_without_patients_are_sent(run_dir, new_store):
    uri = new_store()
    study = track(run_dir, uri)
    upload_files(study, run_dir, uri=uri)
    client = MlflowClient(tracking_uri=uri)
    sent = {f.path for f in client.list_artifacts(study.run_id)}
    assert sent == {
        "config.yaml", "results.json", "report.html", "figures", "tables", "delong.json",
        "environment.json",
        "evaluation",
    }  # fmt: skip
    path = client.download_artifacts(study.run_id, "evaluation/predictions.parquet")
    assert pd.read_parquet(path).to_dict("list") == {
        "case": [1, 0], "patient": [1, 0],
        **PREDICTIONS.drop(columns=["patient_id", "lesion_id"]).to_dict("list"),
    }  # fmt: skip


def test_the_performance_is_a_table_that_mlflow_shows(tracked):
    study, client = tracked
    path = client.download_artifacts(study.run_id, "evaluation/performance.json")
    table = json.loads(Path(path).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(r["arm"], r["role"], r["auc"]) for r in rows] == [
        ("clinical", "out_of_fold", 0.75), ("dlr", "test", None),
    ]  # fmt: skip
    shown = json.loads(client.get_run(study.run_id).data.tags["mlflow.loggedArtifacts"])
    assert {"path": "evaluation/performance.json", "type": "table"} in shown


def test_where_nothing_is_compared_there_is_no_table(run_dir, new_store):
    uri = new_store()
    results = {**RESULTS, "comparisons": []}
    study = track_study(run_dir, results, CONFIG, ENVIRONMENT, uri=uri, experiment="her2")
    sent = MlflowClient(tracking_uri=uri).list_artifacts(study.run_id)
    assert "delong.json" not in {f.path for f in sent}


def test_two_studies_share_an_experiment(run_dir, new_store):
    uri = new_store()
    first = track(run_dir, uri)
    assert upload_files(first, run_dir, uri=uri)
    second = track(run_dir, uri)
    assert first.run_id != second.run_id
    client = MlflowClient(tracking_uri=uri)
    ids = {client.get_run(s.run_id).info.experiment_id for s in (first, second)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////dev/null/none/mlflow.db",
        "nonsense://user:secret@server/path",
        "postgresql://user:secret@127.0.0.1:9/her2",
        "http://user:secret@127.0.0.1:9",
    ],
)
def test_a_store_that_does_not_answer_costs_seconds_and_no_password(run_dir, caplog, uri):
    start = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="her2"):
        assert track(run_dir, uri) is None
    assert time.monotonic() - start < 15
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert message.startswith("tracking: MLflow does not answer (")
    assert len(message) < 300
    if uri.startswith("http"):
        assert "(no connection to http://***@127.0.0.1:9)" in message
    assert "secret" not in caplog.text


def test_the_store_is_the_named_one_then_the_environments_then_the_projects(monkeypatch, tmp_path):
    monkeypatch.setattr("her2.tracking.mlflow_store.project_store", lambda: tmp_path / "mlruns")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(None) == f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert tracking_uri(None) == "http://server"
    assert tracking_uri("sqlite:///a.db") == "sqlite:///a.db"


def test_a_password_is_not_shown(monkeypatch, run_dir):
    from her2.tracking import shown as _shown

    assert _shown("https://user:pa@ss@server/a") == "https://***@server/a"
    assert _shown("sqlite:///a.db") == "sqlite:///a.db"


def test_the_pages_are_bound_to_this_machine():
    command = ui_command("sqlite:///a.db", 5000)
    assert command[command.index("--host") + 1] == "127.0.0.1"
