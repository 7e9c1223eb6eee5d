"""Parent runs with runs in them: written once, found again, completed if cut short."""

import logging

import pytest
from mlflow.tracking import MlflowClient

from her2.core.errors import BadArgument, MissingInput
from her2.tracking import RunContent, close_parent, fetch, find_runs, open_parent, record_child

AWAY = "sqlite:////dev/null/none/mlflow.db"


@pytest.fixture(scope="module")
def uri(new_store):
    return new_store()


def opened(folder, uri, name="a search"):
    return open_parent(
        folder, name, kind="search", uri=uri, experiment="her2", tags={"data_sha256": "d" * 64},
        params={"sampler": "tpe"},
    )  # fmt: skip


def child(parent, key="trial 1", **changed):
    numbers = {"metrics": {"auc": 0.75}, "params": {"C": "1"}, "tags": {"arm": "radiomics"}}
    status = changed.pop("status", "FINISHED")
    content = RunContent(**{**numbers, **changed})
    return record_child(parent, "trial 1", content, key=key, status=status)


def test_a_parent_is_found_again_by_its_folder(uri, tmp_path):
    first = opened(tmp_path, uri)
    again = opened(tmp_path, uri, "the search again")
    assert first == again
    run = MlflowClient(uri).get_run(first.run_id)
    assert (run.info.run_name, run.info.status) == ("the search again", "RUNNING")
    assert run.data.params == {"sampler": "tpe"}
    assert run.data.tags["kind"] == "search"
    assert run.data.tags["her2.run_dir"] == str(tmp_path)


def test_a_parent_of_another_store_is_made_anew(uri, new_store, tmp_path):
    other = opened(tmp_path, new_store())
    assert opened(tmp_path, uri).run_id != other.run_id


def test_a_child_is_written_once(uri, tmp_path):
    parent = opened(tmp_path, uri)
    run_id = child(parent, curves={"fold_auc": [0.5, float("nan"), 1.0]})
    assert child(parent, metrics={"auc": 0.9}) == run_id
    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.data.metrics["auc"] == 0.75
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["arm"] == "radiomics"
    history = client.get_metric_history(run_id, "fold_auc")
    assert [(m.step, m.value) for m in history] == [(0, 0.5), (2, 1.0)]


@pytest.mark.parametrize("marked", [False, True])
def test_a_child_that_was_cut_short_is_completed(uri, tmp_path, monkeypatch, marked):
    """Whether or not another process has marked it as a dead one's meanwhile."""
    parent = opened(tmp_path, uri)

    def cut(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("her2.tracking.live_runs.RunContent.write", cut)
        with pytest.raises(KeyboardInterrupt):
            child(parent)
    if marked:
        found = MlflowClient(uri).search_runs([parent.experiment_id], "tags.`her2.key` != ''")
        MlflowClient(uri).set_terminated(found[0].info.run_id, "KILLED")
    run_id = child(parent)
    runs = MlflowClient(uri).search_runs(
        [parent.experiment_id], f"tags.mlflow.parentRunId = '{parent.run_id}'"
    )
    assert [run.info.run_id for run in runs] == [run_id]
    assert runs[0].data.metrics == {"auc": 0.75}
    assert runs[0].info.status == "FINISHED"


def test_a_failed_trial_is_a_failed_run(uri, tmp_path):
    run = MlflowClient(uri).get_run(child(opened(tmp_path, uri), status="FAILED"))
    assert run.info.status == "FAILED"
    assert run.data.tags["status"] == "failed"


def test_more_numbers_than_a_batch_holds_all_arrive(uri, tmp_path):
    parent = opened(tmp_path, uri)
    params = {f"p{i}": str(i) for i in range(150)}
    steps = {"loss": [float(i) for i in range(1500)]}
    client = MlflowClient(uri)
    run_id = child(parent, params=params, curves=steps)
    assert client.get_run(run_id).data.params == params
    assert len(client.get_metric_history(run_id, "loss")) == 1500


def test_the_end_brings_the_note_and_the_files(uri, tmp_path):
    parent = opened(tmp_path / "a", uri)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "roc.png").write_text("picture")
    (tmp_path / "comparison.html").write_text("page")
    close_parent(
        parent, RunContent({"best_auc": 0.8}, {"n": "3"}, {"winner": "a"}),
        note="# Best: a", files=[tmp_path / "figures", tmp_path / "comparison.html"],
    )  # fmt: skip
    client = MlflowClient(uri)
    run = client.get_run(parent.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.note.content"] == "# Best: a"
    assert run.data.tags["status"] == "finished"
    assert {f.path for f in client.list_artifacts(parent.run_id)} == {"figures", "comparison.html"}
    brought = fetch(parent.run_id, "figures/roc.png", tmp_path / "brought", uri=uri)
    assert brought.read_text() == "picture"
    with pytest.raises(MissingInput, match=r"expected nothing\.txt of run"):
        fetch(parent.run_id, "nothing.txt", tmp_path / "brought", uri=uri)


def test_runs_are_found_by_their_first_digits_in_the_order_asked(uri, tmp_path):
    ids = [child(opened(tmp_path, uri), key=f"trial {i}") for i in range(3)]
    found = find_runs([ids[2][:12], ids[0]], uri=uri)
    assert [run.run_id for run in found] == [ids[2], ids[0]]
    assert found[0].metrics == {"auc": 0.75}
    assert found[0].params == {"C": "1"}
    assert found[0].name == "trial 1"


@pytest.mark.parametrize("given", ["abc", "../../etc", "0' or '1", "%%%%%%"])
def test_what_is_no_id_is_refused(uri, given):
    with pytest.raises(BadArgument, match="expected run ids of 6 to 32 digits"):
        find_runs([given], uri=uri)


def test_an_unknown_id_is_refused(uri):
    with pytest.raises(BadArgument, match=r"expected one run .* found none"):
        find_runs(["f" * 12], uri=uri)


def test_an_ambiguous_id_is_refused(uri, tmp_path, monkeypatch):
    parent = opened(tmp_path, uri)
    wanted = iter(["abcdef" + "0" * 26, "abcdef" + "1" * 26])

    class Fixed:
        @property
        def hex(self):
            return next(wanted)

    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.uuid.uuid4", Fixed)
    child(parent, key="a"), child(parent, key="b")
    with pytest.raises(BadArgument, match="more than one"):
        find_runs(["abcdef"], uri=uri)


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(MissingInput, match="found no file"):
        find_runs(["abcdef"], uri=f"sqlite:///{tmp_path / 'none.db'}")
    assert not list(tmp_path.iterdir())


def test_without_a_store_there_is_no_parent_and_one_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="her2"):
        assert opened(tmp_path, AWAY) is None
    assert len(caplog.records) == 1
    assert "MLflow does not answer" in caplog.text
