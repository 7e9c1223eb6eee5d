"""Processes that write to one store at once: no error, and nothing is lost."""

import multiprocessing
import os

import pytest
from mlflow.tracking import MlflowClient

from her2.tracking import RunContent, open_parent, record_child

N_PROCESSES, N_CHILDREN = 4, 5


def write(folder, uri, number, answers):
    """Open a parent of one's own, and write runs into it; the ids, or the errors, are told."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = open_parent(
        folder, f"process {number}", kind="search", uri=uri, experiment="shared", tags={},
        params={"number": str(number)},
    )  # fmt: skip
    ids = [
        record_child(
            parent, f"trial {i}",
            RunContent(
                {"auc": i / 10}, {"i": str(i)}, {"number": str(number)},
                {"loss": [float(step) for step in range(50)]},
            ),
            key=f"trial {i}",
        )
        for i in range(N_CHILDREN)
    ]  # fmt: skip
    answers.put((number, parent and parent.run_id, ids))


@pytest.mark.slow
@pytest.mark.parametrize("is_new", [False, True], ids=["made before", "made by whoever is first"])
def test_four_processes_share_an_sqlite_store(new_store, tmp_path, is_new):
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}" if is_new else new_store()
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    writers = [
        context.Process(target=write, args=(tmp_path / str(i), uri, i, answers))
        for i in range(N_PROCESSES)
    ]
    for writer in writers:
        writer.start()
    told = [answers.get(timeout=240) for _ in writers]
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    client = MlflowClient(uri)
    experiments = [e for e in client.search_experiments() if e.name == "shared"]
    assert len(experiments) == 1
    runs = {
        run.info.run_id: run
        for run in client.search_runs([experiments[0].experiment_id], max_results=500)
    }
    assert len(runs) == N_PROCESSES * (1 + N_CHILDREN)
    for number, parent, ids in told:
        assert runs[parent].data.params == {"number": str(number)}
        for i, run_id in enumerate(ids):
            assert runs[run_id].data.params == {"i": str(i)}
            assert runs[run_id].data.metrics == {"auc": i / 10, "loss": 49.0}
            assert runs[run_id].info.status == "FINISHED"
        assert len(client.get_metric_history(ids[0], "loss")) == 50
