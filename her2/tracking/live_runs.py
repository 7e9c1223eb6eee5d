"""Runs that are open in MLflow: of a study, a search or a comparison, and the runs nested in them.

A run's folder keeps the id of its open run, so that a killed command finds it again.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from time import time_ns
from typing import Any

import pandas as pd

from her2.core.errors import BadArgument
from her2.core.store import write_json
from her2.tracking.mlflow_store import client, open_store, quiet, spared, tracking_uri
from her2.tracking.processes import process_tags

OPEN_RUN = "mlflow_run.json"  # in a run folder: the run that is open in MLflow
RUN_DIR = "her2.run_dir"
KEY = "her2.key"
COMPLETE = "her2.complete"  # tag of a run that nothing is missing from
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
LONGEST = {"param": 6000, "tag": 8000}  # characters that MLflow takes
SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's own; "false" is heeded here
SECONDS = 10  # between two samples of system metrics: a shorter run has none


@dataclass(frozen=True)
class RunContent:
    """What is written into a run.

    Attributes
    ----------
    metrics
        Numbers by name; what is not finite was not measured, and is left out.
    params, tags
        Settings and tags by name.
    curves
        Values of a metric at the steps 0, 1, ...: a fold or an epoch each.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def write(self, client: Any, run_id: str, *, time_ms: int) -> None:
        """Write it with one call where MLflow's limits allow it; twice adds nothing."""
        from mlflow.entities import Param, RunTag

        points = [(name, float(value), 0) for name, value in self.metrics.items()]
        for name, curve in self.curves.items():
            points += [(name, float(value), step) for step, value in enumerate(curve)]
        client.log_batch(
            run_id,
            metrics=_as_metrics(points, time_ms),
            params=[Param(k, str(v)[: LONGEST["param"]]) for k, v in self.params.items()],
            tags=[RunTag(k, str(v)[: LONGEST["tag"]]) for k, v in self.tags.items()],
        )


@dataclass(frozen=True)
class LiveRun:
    """A run that is open in MLflow; it can be sent to other processes.

    Attributes
    ----------
    uri
        Address of its store.
    run_id, experiment_id
        As MLflow names them.
    start_ms
        When it began, milliseconds since 1970: the time of all its numbers.
    """

    uri: str
    run_id: str
    experiment_id: str = ""
    start_ms: int = 0

    def record(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers of a step; without its store the training goes on."""
        points = [(name, float(value), step) for name, value in metrics.items()]
        with spared(self.uri, f"the training loss of step {step} was not sent ({{reason}})"):
            batch = _as_metrics(points, time_ns() // 1_000_000)
            client(self.uri).log_batch(self.run_id, metrics=batch)

    def show(self, picture: Path) -> None:
        """Send a picture of work that goes on; it never names a patient."""
        with spared(self.uri, f"{picture.name} was not sent ({{reason}})"):
            client(self.uri).log_artifact(self.run_id, str(picture), "previews")


def open_live_run(
    run_dir: Path,
    name: str,
    *,
    uri: str | None,
    experiment: str,
    tags: Mapping[str, str] | None = None,
) -> LiveRun | None:
    """Return the run of a study that begins or goes on; None, with a warning, without a store."""
    address = tracking_uri(uri)
    sentence = "MLflow does not answer ({reason}); the training loss is in the run folder"
    with spared(address, sentence):
        return enter_run(address, open_store(address, experiment), run_dir, name, tags or {})
    return None


def open_parent(
    folder: Path,
    name: str,
    *,
    kind: str,
    uri: str | None,
    experiment: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
) -> LiveRun | None:
    """Return the parent run of a search or comparison; None, with a warning, without a store."""
    address = tracking_uri(uri)
    with spared(address, "MLflow does not answer ({reason}); the results are in the run folder"):
        own = {"kind": kind, "mlflow.source.name": f"her2 {kind}", **tags}
        live = enter_run(address, open_store(address, experiment), folder, name, own)
        RunContent(params=params).write(client(address), live.run_id, time_ms=live.start_ms)
        return live
    return None


def open_run_id(run_dir: Path) -> str | None:
    """Return the id of the run folder's open run, None if there is none."""
    path = run_dir / OPEN_RUN
    return str(json.loads(path.read_text())["run_id"]) if path.is_file() else None


def enter_run(
    uri: str,
    experiment_id: str,
    folder: Path,
    name: str,
    tags: Mapping[str, str],
    *,
    start_ms: int | None = None,
) -> LiveRun:
    """Return the folder's run, made or found again, as RUNNING and this process's.

    `start_ms` is when a new run began, None for now.
    """
    place = {RUN_DIR: str(folder.resolve()), "mlflow.source.type": "LOCAL"}
    own = {**place, **tags, **process_tags(), "status": "running"}
    store = client(uri)
    run = _known_run(store, open_run_id(folder))
    if run is None:
        run = store.create_run(experiment_id, start_ms, own, name)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / OPEN_RUN, {"run_id": run.info.run_id})
    else:
        named = RunContent(tags={**own, "mlflow.runName": name})
        named.write(store, run.info.run_id, time_ms=run.info.start_time)
        store.update_run(run.info.run_id, status="RUNNING")
    info = run.info
    return LiveRun(uri, info.run_id, info.experiment_id, info.start_time)


def record_child(
    parent: LiveRun, name: str, content: RunContent, *, key: str, status: str = "FINISHED"
) -> str | None:
    """Return the id of a nested run, written at once; None, with a warning, without a store.

    The same key again gives the same run: what an interrupted call left is completed, and a
    finished run stays as it is.
    """
    if "'" in key:  # a search could not find it again
        raise BadArgument(f"expected a key without quotation marks, found {key}; leave them out")
    with spared(parent.uri, f"{name} was not sent ({{reason}})"):
        store = client(parent.uri)
        query = f"tags.`{KEY}` = '{key}' and tags.`{PARENT}` = '{parent.run_id}'"
        run = next(iter(store.search_runs([parent.experiment_id], query, max_results=1)), None)
        if run is None:
            own = {**process_tags(), **content.tags, KEY: key, PARENT: parent.run_id}
            run = store.create_run(parent.experiment_id, run_name=name, tags=own)
        elif COMPLETE in run.data.tags and run.info.status != "RUNNING":
            return str(run.info.run_id)
        whole = replace(content, tags={COMPLETE: "yes", "status": status.lower()})
        whole.write(store, run.info.run_id, time_ms=run.info.start_time)
        store.set_terminated(run.info.run_id, status)
        return str(run.info.run_id)
    return None


def close_parent(
    parent: LiveRun,
    content: RunContent,
    *,
    note: str,
    files: Sequence[Path],
    status: str = "FINISHED",
) -> None:
    """Write a parent run's results and its note (Markdown), send its files or folders, end it."""
    with spared(parent.uri, "the end was not sent ({reason}); the results are in the run folder"):
        store = client(parent.uri)
        tags = {**content.tags, NOTE: note, "status": status.lower()}
        replace(content, tags=tags).write(store, parent.run_id, time_ms=parent.start_ms)
        send_files(store, parent.run_id, files)
        store.set_terminated(parent.run_id, status)


def send_files(client: Any, run_id: str, files: Sequence[Path]) -> None:
    """Send files, and folders under their own names."""
    for path in files:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def send_tables(client: Any, run_id: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Send tables by artifact path, so that MLflow's pages show them as tables.

    MLflow's own `log_table` appends to what is there, so that twice would be double.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            table.to_json(path, orient="split", index=False, double_precision=15)
            place = PurePosixPath(name).parent
            client.log_artifact(run_id, str(path), None if place.name == "" else str(place))
    shown = [{"path": name, "type": "table"} for name in tables]
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(shown))


@contextmanager
def system_metrics(live: LiveRun | None, *, enabled: bool = True) -> Iterator[None]:
    """Measure processor, memory, disk, network and GPU of a live run, a sample every 10 s."""
    monitor = None
    if live is not None and enabled and os.environ.get(SWITCH, "").lower() != "false":
        with spared(live.uri, "system metrics are not measured ({reason})"):
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            monitor = SystemMetricsMonitor(
                live.run_id, sampling_interval=SECONDS, resume_logging=True, tracking_uri=live.uri
            )
            monitor.start()
    try:
        yield
    finally:
        if monitor is not None:
            with quiet():
                monitor.finish()


def _as_metrics(points: Sequence[tuple[str, float, int]], time_ms: int) -> list[Any]:
    """Return MLflow's metrics of (name, value, step); a step has a time of its own."""
    from mlflow.entities import Metric

    return [
        Metric(name, value, time_ms + step, step)
        for name, value, step in points
        if math.isfinite(value)
    ]


def _known_run(client: Any, run_id: str | None) -> Any | None:
    """Return the run if the store has it: it may be another store than before."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
