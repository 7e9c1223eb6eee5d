"""Parent runs of searches and comparisons, and the runs nested in them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from her2.core.errors import BadArgument
from her2.tracking.address import client, spared, tracking_uri
from her2.tracking.batches import write_batch
from her2.tracking.open_run import LiveRun, enter_run
from her2.tracking.processes import process_tags
from her2.tracking.store_setup import open_store

KEY = "her2.key"
COMPLETE = "her2.complete"  # tag of a run that nothing is missing from
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"


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
    """Return the parent run of a folder, made or found again by its ``mlflow_run.json``.

    kind: "search", "comparison" or "study"; None, with one warning, if the store does not answer.
    """
    address = tracking_uri(uri)
    with spared(address, "MLflow does not answer ({reason}); the results are in the run folder"):
        store = open_store(address, experiment)
        source = {"kind": kind, "mlflow.source.name": f"her2 {kind}"}
        live = enter_run(store, folder, name, {**source, **tags})
        write_batch(store.client, live.run_id, time_ms=live.start_ms, params=params)
        return live
    return None


def record_child(
    parent: LiveRun,
    name: str,
    *,
    key: str,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    status: str = "FINISHED",
    steps: Mapping[str, Sequence[float]] | None = None,
) -> str | None:
    """Return the id of a nested run, written at once; None, with a warning, without a store.

    The same key again gives the same run: what an interrupted call left is completed, and a
    finished run stays as it is. steps: a curve a metric (a value a fold, or an epoch).

    Raises
    ------
    BadArgument
        The key has a quotation mark, which a search could not find again.
    """
    if "'" in key:
        raise BadArgument(f"expected a key without quotation marks, found {key}; leave them out")
    with spared(parent.uri, f"{name} was not sent ({{reason}})"):
        run = _child(parent, key)
        if run is None:
            own = {**process_tags(), **tags, KEY: key, PARENT: parent.run_id}
            run = client(parent.uri).create_run(parent.experiment_id, run_name=name, tags=own)
        elif COMPLETE in run.data.tags and run.info.status != "RUNNING":
            return str(run.info.run_id)
        write_batch(
            client(parent.uri), run.info.run_id, time_ms=run.info.start_time, metrics=metrics,
            params=params, steps=steps, tags={COMPLETE: "yes", "status": status.lower()},
        )  # fmt: skip
        client(parent.uri).set_terminated(run.info.run_id, status)
        return str(run.info.run_id)
    return None


def close_parent(
    parent: LiveRun,
    folder: Path,
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    note: str,
    files: Sequence[Path],
    status: str = "FINISHED",
) -> None:
    """Write what a parent run came to, send its files (or folders), and end it.

    note: Markdown, which MLflow shows above everything else.
    """
    with spared(parent.uri, "the end was not sent ({reason}); the results are in the run folder"):
        write_batch(
            client(parent.uri), parent.run_id, time_ms=parent.start_ms, metrics=metrics,
            params=params, tags={**tags, NOTE: note, "status": status.lower()},
        )  # fmt: skip
        send_files(client(parent.uri), parent.run_id, files)
        client(parent.uri).set_terminated(parent.run_id, status)


def send_files(client: Any, run_id: str, files: Sequence[Path]) -> None:
    """Send files, and folders under their own names."""
    for path in files:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def send_tables(client: Any, run_id: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Send tables by artifact path, and tell MLflow that its pages may show them as such.

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


def _child(parent: LiveRun, key: str) -> Any | None:
    found = client(parent.uri).search_runs(
        [parent.experiment_id],
        f"tags.`{KEY}` = '{key}' and tags.`{PARENT}` = '{parent.run_id}'",
        max_results=1,
    )
    return found[0] if found else None
