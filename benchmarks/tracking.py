"""What tracking costs: seconds a nested run, and answers of a store that holds many runs.

    python benchmarks/tracking.py [--runs 2000] [--children 30]

Times are medians of this machine as it is; the answers must take less than 3 seconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, time_ns

import sqlalchemy
from mlflow.tracking import MlflowClient

from her2.tracking import RunContent, find_runs, open_parent, quiet, record_child

PER_STUDY = 5  # nested runs of a study
METRICS = [f"{role}/{name}" for role in ("repeated_cv", "out_of_fold", "test")
           for name in ("auc", "auc_low", "auc_high", "brier", "sensitivity")]  # fmt: skip
PARAMS = [f"setting.{i}" for i in range(60)]
TAGS = ("kind", "arm", "backbone", "seed", "status", "data_sha256", "split_sha256", "her2.key")


def main() -> None:
    """Fill a store, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--children", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, quiet():
        uri = f"sqlite:///{folder}/mlflow.db"
        parent = open_parent(
            Path(folder) / "search", "search", kind="search", uri=uri, experiment="her2",
            tags={}, params={},
        )  # fmt: skip
        assert parent is not None
        _say("a nested run, empty store", _children(parent, chosen.children, "before"))
        ids = fill(uri, parent.experiment_id, chosen.runs)
        sys.stdout.write(f"{chosen.runs} runs in the store\n")
        _say("a nested run", _children(parent, chosen.children, "after"))
        client = MlflowClient(uri)
        _say("experiment table", repeated(lambda: table(client, parent.experiment_id)))
        _say("find_runs of 5 ids", repeated(lambda: find_runs([i[:12] for i in ids[:5]], uri=uri)))
        opened = repeated(
            lambda: open_parent(
                Path(folder) / "another", "another", kind="search", uri=uri, experiment="her2",
                tags={}, params={},
            )
        )  # fmt: skip
        _say("opening a parent", opened)


def table(client: MlflowClient, experiment_id: str) -> int:
    """Ask as MLflow's page does: the newest runs with their tags, settings and numbers."""
    page = client.search_runs(
        [experiment_id], order_by=["attributes.start_time DESC"], max_results=100
    )
    return len(page)


def fill(uri: str, experiment_id: str, n_runs: int) -> list[str]:
    """Write runs into the tables of a store, and return their ids."""
    ids = [uuid.uuid4().hex for _ in range(n_runs)]
    now = time_ns() // 1_000_000
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in _STATEMENTS}
    for i, run_id in enumerate(ids):
        parent = ids[i - i % (PER_STUDY + 1)]
        rows["runs"].append({"id": run_id, "name": f"run {i}", "at": now + i, "e": experiment_id})
        tags = {name: f"{name} {i}" for name in TAGS}
        if parent != run_id:
            tags["mlflow.parentRunId"] = parent
        rows["tags"] += [{"id": run_id, "k": k, "v": v} for k, v in tags.items()]
        rows["params"] += [{"id": run_id, "k": name, "v": str(i % 7)} for name in PARAMS]
        numbers = [{"id": run_id, "k": name, "v": 0.5, "at": now} for name in METRICS]
        rows["metrics"] += numbers
        rows["latest_metrics"] += numbers
    engine = sqlalchemy.create_engine(uri)
    with engine.begin() as connection:
        for name, statement in _STATEMENTS.items():
            connection.execute(sqlalchemy.text(statement), rows[name])
    engine.dispose()
    return ids


_STATEMENTS = {
    "runs": "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, "
    "experiment_id, artifact_uri, user_id) "
    "VALUES (:id, :name, 'FINISHED', :at, :at, 'active', :e, '', '')",
    "tags": "INSERT INTO tags (run_uuid, key, value) VALUES (:id, :k, :v)",
    "params": "INSERT INTO params (run_uuid, key, value) VALUES (:id, :k, :v)",
    "metrics": "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) "
    "VALUES (:id, :k, :v, :at, 0, 0)",
    "latest_metrics": "INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) "
    "VALUES (:id, :k, :v, :at, 0, 0)",
}


def repeated(call: Callable[[], object], times: int = 5) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(times):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return statistics.median(seconds)


def _children(parent: object, n: int, name: str) -> float:
    """Return the median seconds of a nested run with a curve, ten numbers and ten settings."""
    seconds = []
    for i in range(n):
        start = perf_counter()
        content = RunContent(
            metrics={f"m{j}": j / 10 for j in range(10)},
            params={f"p{j}": str(j) for j in range(10)}, tags={"kind": "trial"},
            curves={"fold_auc": [0.5] * 5},
        )  # fmt: skip
        record_child(parent, f"trial {i}", content, key=f"{name} {i}")
        seconds.append(perf_counter() - start)
    return statistics.median(seconds)


def _say(what: str, seconds: float) -> None:
    sys.stdout.write(f"{what:<28} {seconds * 1000:8.0f} ms\n")


if __name__ == "__main__":
    main()
