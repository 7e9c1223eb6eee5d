"""A run that is open in MLflow while a study goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any

from her2.core.store import write_json
from her2.tracking.address import client, spared, tracking_uri
from her2.tracking.batches import metrics_of
from her2.tracking.processes import process_tags
from her2.tracking.store_setup import OpenStore, open_store

OPEN_RUN = "mlflow_run.json"  # in a run folder: the run that is open in MLflow
RUN_DIR = "her2.run_dir"


@dataclass(frozen=True)
class LiveRun:
    """A run that is open in MLflow; it goes to other processes.

    start_ms: when it began, milliseconds since 1970, which its numbers carry.
    """

    uri: str
    run_id: str
    experiment_id: str = ""
    start_ms: int = 0

    def record(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers of a step; without its store the training goes on."""
        batch = metrics_of(metrics, {}, time_ns() // 1_000_000, step)
        with spared(self.uri, f"losses of step {step} were not sent ({{reason}})"):
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
    """Return the run of a study that begins or goes on; None, with a warning, without a store.

    Its id lies in the run folder until the study is finished, so a killed study finds it again.
    """
    address = tracking_uri(uri)
    with spared(address, "MLflow does not answer ({reason}); losses are in the run folder"):
        return enter_run(open_store(address, experiment), run_dir, name, tags or {})
    return None


def open_run_id(run_dir: Path) -> str | None:
    """Return the id of the run folder's open run, None if there is none."""
    path = run_dir / OPEN_RUN
    return str(json.loads(path.read_text())["run_id"]) if path.is_file() else None


def enter_run(
    store: OpenStore,
    folder: Path,
    name: str,
    tags: Mapping[str, str],
    *,
    start_ms: int | None = None,
) -> LiveRun:
    """Return the folder's run, made or found again, as RUNNING and this process's.

    start_ms: when a new run began, None for now.
    """
    own = {**standing_tags(folder), **tags, **process_tags(), "status": "running"}
    run = _known_run(store.client, open_run_id(folder))
    if run is None:
        run = store.client.create_run(store.experiment_id, start_ms, own, name)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / OPEN_RUN, {"run_id": run.info.run_id})
    else:
        from mlflow.entities import RunTag

        own["mlflow.runName"] = name
        batch = [RunTag(key, value) for key, value in own.items()]
        store.client.log_batch(run.info.run_id, tags=batch)
        store.client.update_run(run.info.run_id, status="RUNNING")
    info = run.info
    return LiveRun(store.uri, info.run_id, info.experiment_id, info.start_time)


def standing_tags(folder: Path) -> dict[str, str]:
    """Return tags of every run of a folder: where it lies, and what MLflow shows as its source."""
    return {RUN_DIR: str(folder.resolve()), "mlflow.source.type": "LOCAL"}


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
