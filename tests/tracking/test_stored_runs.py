"""`her2 ui` opens the runs in columns that tell what was done and how good it is."""

import json

from mlflow.tracking import MlflowClient
from tracked_runs import CONFIG, ENVIRONMENT, RESULTS, write_run

from her2.tracking import runs_page, track_study
from her2.tracking.stored_runs import TAG


def test_the_page_of_the_experiment_shows_the_columns(new_store, tmp_path):
    uri = new_store()
    assert runs_page(uri, "her2") == ""  # nothing has been written yet
    run_dir = write_run(tmp_path / "run")
    tracked = track_study(run_dir, RESULTS, CONFIG, ENVIRONMENT, uri=uri, experiment="her2")
    page = runs_page(uri, "her2")
    experiment = MlflowClient(uri).get_experiment_by_name("her2")
    assert page.startswith(
        f"/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=her2"
    )
    run = MlflowClient(uri).get_run(tracked.run_id)
    columns = json.loads(experiment.tags[TAG])["selectedColumns"]
    shown = [name.split(".", 1)[1].strip("`") for name in columns if name[0] in "mt"]
    known = {*run.data.tags, *run.data.metrics, "repeated_cv/auc", "repeated_cv/auc_low"}
    known |= {"repeated_cv/auc_high", "test/auc", "test/brier", "test/calibration_slope"}
    assert set(shown) <= known | {"backbone"}


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    assert runs_page(f"sqlite:///{tmp_path / 'none.db'}", "her2") == ""
    assert not list(tmp_path.iterdir())


def test_a_server_has_its_pages_already(her2_command, tmp_path, monkeypatch):
    monkeypatch.setattr("her2.commands.ui.runs_page", lambda uri, experiment: "/#/page")
    finished = her2_command("ui", "tracking.uri=http://me:word@server/", f"run_dir={tmp_path}")
    assert finished.status == 0
    assert finished.out == "http://***@server/#/page\n"
