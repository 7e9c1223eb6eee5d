"""Run folders that the store lacks are sent once, and completed where they were cut short."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tracked_runs import write_run

from her2.core.errors import MissingInput
from her2.tracking import NOT_SENT, run_folders, sync_runs


@pytest.fixture
def uri(new_store):
    return new_store()


@pytest.fixture
def root(tmp_path):
    """Two runs of a multirun and one beside it, none of which is in a store."""
    write_run(tmp_path / "multi" / "backbone.name=a", 1, notes=["Before.", NOT_SENT])
    write_run(tmp_path / "multi" / "backbone.name=b", 2)
    write_run(tmp_path / "study", 3)
    (tmp_path / "multi" / "comparison.html").write_text("not a run")
    return tmp_path


def synced(root, uri):
    return {s.folder.name: s.outcome for s in sync_runs(root, uri=uri, experiment="her2")}


def runs_of(uri):
    client = MlflowClient(uri)
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def test_what_the_store_lacks_is_sent_and_the_second_time_nothing_is(root, uri):
    names = ("backbone.name=a", "backbone.name=b", "study")
    assert synced(root, uri) == dict.fromkeys(names, "sent")
    before = {run.info.run_id: run.to_dictionary() for run in runs_of(uri)}
    assert len(before) == 3 * 3  # a parent and two arms each
    assert synced(root, uri) == dict.fromkeys(names, "there")
    assert {run.info.run_id: run.to_dictionary() for run in runs_of(uri)} == before


def test_the_folder_then_says_where_it_is(root, uri):
    synced(root, uri)
    results = json.loads((root / "multi" / "backbone.name=a" / "results.json").read_text())
    assert results["notes"] == ["Before."]
    run = MlflowClient(uri).get_run(results["mlflow"]["run_id"])
    assert run.info.status == "FINISHED"
    assert not (root / "study" / "mlflow_run.json").exists()
    sent = {f.path for f in MlflowClient(uri).list_artifacts(run.info.run_id)}
    assert {"config.yaml", "results.json", "figures", "evaluation"} <= sent


def test_a_copied_folder_is_the_same_run(root, uri):
    synced(root, uri)
    shutil.copytree(root / "study", root / "moved")
    assert synced(root / "moved", uri) == {"moved": "there"}


def test_a_run_that_was_deleted_in_mlflow_is_not_sent_again(root, uri):
    synced(root / "study", uri)
    results = json.loads((root / "study" / "results.json").read_text())
    MlflowClient(uri).delete_run(results["mlflow"]["run_id"])
    assert synced(root / "study", uri) == {"study": "there"}


@pytest.mark.parametrize("after", range(0, 13, 4))
def test_cut_short_anywhere_it_is_completed(root, uri, monkeypatch, after):
    """The connection is lost after some calls; the next time gives what one go would have."""
    left = {"calls": after}

    def count(real):
        def call(*arguments, **named):
            if left["calls"] == 0:
                raise KeyboardInterrupt
            left["calls"] -= 1
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("log_batch", "set_terminated", "log_artifact", "log_artifacts", "set_tag"):
            patch.setattr(MlflowClient, name, count(getattr(MlflowClient, name)))
        patch.setattr("her2.tracking.finished_run.SHARED", ("config.yaml",))
        with pytest.raises(KeyboardInterrupt):
            synced(root / "study", uri)
    assert synced(root / "study", uri) == {"study": "sent"}
    runs = runs_of(uri)
    assert sorted(run.info.run_name for run in runs) == ["clinical", "dlr", "study folder seed 3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    clinical = next(run for run in runs if run.info.run_name == "clinical")
    assert clinical.data.metrics["repeated_cv/auc"] == 0.625
    study = next(run for run in runs if run.info.run_name.startswith("study"))
    path = MlflowClient(uri).download_artifacts(study.info.run_id, "delong.json")
    assert len(json.loads(Path(path).read_text())["data"]) == 1
    assert synced(root / "study", uri) == {"study": "there"}


def test_a_run_that_is_being_written_is_left_alone(root, uri, monkeypatch):
    synced(root / "study", uri)
    results = json.loads((root / "study" / "results.json").read_text())
    MlflowClient(uri).delete_tag(results["mlflow"]["run_id"], "her2.complete")
    with monkeypatch.context() as patch:
        patch.setattr("her2.tracking.stored_runs.is_alive", lambda tags: True)
        assert synced(root / "study", uri) == {"study": "busy"}
    assert synced(root / "study", uri) == {"study": "sent"}


def test_a_damaged_folder_does_not_stop_the_others(root, uri):
    (root / "study" / "results.json").write_text("{")
    assert synced(root, uri) == {
        "backbone.name=a": "sent", "backbone.name=b": "sent", "study": "unreadable",
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MissingInput, match="expected a folder of runs"):
        run_folders(tmp_path / "none")


def test_a_store_that_does_not_answer_is_refused(root):
    with pytest.raises(MissingInput, match="expected an MLflow store that answers"):
        synced(root, "sqlite:////dev/null/none/mlflow.db")


def test_the_command_says_a_line_a_run_and_the_counts(her2_command, root, uri, tmp_path):
    folder = root / "multi" / "backbone.name=a"  # a folder whose name looks like a setting
    finished = her2_command("sync", folder, f"tracking.uri={uri}", f"run_dir={tmp_path / 'o'}")
    assert finished.status == 0, finished.err
    first, last = finished.out.splitlines()
    assert first.startswith(f"{folder}: sent (")
    assert last == f"1 of 1 runs sent to {uri}, 0 were there"
    (root / "study" / "config.yaml").write_text("{")
    finished = her2_command("sync", root, f"tracking.uri={uri}", f"run_dir={tmp_path / 'o'}")
    assert finished.status == 1
    assert "1 of 3 runs sent" in finished.out
    assert "1 were there, 1 its results.json or config.yaml cannot be read" in finished.out


def test_the_command_refuses_a_folder_that_is_not_there(her2_command, tmp_path, uri):
    finished = her2_command(
        "sync", tmp_path / "none", f"tracking.uri={uri}", f"run_dir={tmp_path / 'o'}"
    )
    assert finished.status == 2
    assert "expected a folder of runs" in finished.sentences[0]
