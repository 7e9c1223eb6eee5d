"""Runs of the store: found by their ids, shown on MLflow's page, and sent where it lacks them.

MLflow keeps a view that was shared as a tag of the experiment; the link that names it opens it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from her2.core.errors import BadArgument, MissingInput
from her2.core.store import write_json
from her2.tracking.finished_run import NOT_SENT, NOT_WANTED, results_key, track_study, upload_files
from her2.tracking.live_runs import COMPLETE, KEY, OPEN_RUN, open_run_id
from her2.tracking.mlflow_store import (
    check_database,
    client,
    database_file,
    open_store,
    quiet,
    reason,
    require_store,
    shown,
    spared,
    store_errors,
    tracking_uri,
)
from her2.tracking.processes import is_alive, search_everywhere

_ID = re.compile(r"[0-9a-f]{6,32}")
VIEW = "her2"
TAG = f"mlflow.sharedViewState.{VIEW}"
# columns after the name and the time, and their widths in pixels
COLUMNS = {
    "tags.`kind`": 90, "tags.`arm`": 120, "tags.`backbone`": 150,
    "metrics.`repeated_cv/auc`": 130, "metrics.`repeated_cv/auc_low`": 155,
    "metrics.`repeated_cv/auc_high`": 160, "metrics.`test/auc`": 90,
    "metrics.`test/brier`": 100, "metrics.`test/calibration_slope`": 185,
    "attributes.`Dataset`": 180, "attributes.`Models`": 200, "tags.`status`": 90,
}  # fmt: skip
RECORDS = ("results.json", "config.yaml", "environment.json")
COMMANDS = ("study", "train", "classify")
Outcome = Literal["sent", "there", "busy", "not sent", "unreadable"]


@dataclass(frozen=True)
class FoundRun:
    """A run of the store.

    Attributes
    ----------
    run_id, name
        As MLflow shows them.
    tags, params, metrics
        By name; of a metric, the last value.
    """

    run_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def find_runs(ids: Sequence[str], *, uri: str | None) -> list[FoundRun]:
    """Return the runs of some ids, in their order; an id may be a prefix that only one run has."""
    if wrong := [given for given in ids if not _ID.fullmatch(given)]:
        raise BadArgument(
            "expected run ids of 6 to 32 digits 0-9 and a-f, found "
            f"{', '.join(map(repr, wrong))}; MLflow's page of a run shows its id"
        )
    address = tracking_uri(uri)
    file = database_file(address)
    if file is not None and not file.is_file():  # MLflow would make an empty one
        raise MissingInput(
            f"expected an MLflow store at {address}, found no file; set tracking.uri=ADDRESS"
        )
    with require_store(address):
        check_database(address)
        return [_find_run(client(address), given, address) for given in ids]


def fetch(run_id: str, artifact_path: str, folder: Path, *, uri: str | None) -> Path:
    """Return a file of a run, downloaded from the store into `folder`."""
    address = tracking_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with quiet():
            check_database(address)
            return Path(client(address).download_artifacts(run_id, artifact_path, str(folder)))
    except store_errors() as error:
        raise MissingInput(
            f"expected {artifact_path} of run {run_id[:8]} in {shown(address)}, found "
            f"{reason(error, address)}; her2 sync sends what a run folder holds"
        ) from error


def _find_run(client: Any, given: str, address: str) -> FoundRun:
    """Return the one run whose id begins with what was given."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, f"attributes.run_id LIKE '{given}%'", max_results=3)
    if len(runs) != 1:
        many = ", ".join(run.info.run_id[:10] for run in runs)
        raise BadArgument(
            f"expected one run whose id begins with {given} in {shown(address)}, found "
            f"{f'more than one ({many})' if many else 'none'}; give more of its id"
        )
    run = runs[0]
    return FoundRun(
        str(run.info.run_id), str(run.info.run_name), dict(run.data.tags),
        dict(run.data.params), dict(run.data.metrics),
    )  # fmt: skip


def runs_page(uri: str | None, experiment: str) -> str:
    """Return the page of an experiment's runs, without the server's address, and its columns.

    The start page, where the store has no such experiment yet or does not answer.
    """
    address = tracking_uri(uri)
    file = database_file(address)
    if file is not None and not file.is_file():
        return ""
    with spared(address, "MLflow does not answer ({reason}); its pages may not open"):
        check_database(address)
        found = client(address).get_experiment_by_name(experiment)
        if found is not None:
            widths = {"attributes.`Run Name`": 260, "attributes.`Created`": 130, **COLUMNS}
            view = json.dumps({"selectedColumns": list(COLUMNS), "columnOrder": list(widths),
                               "columnWidths": widths})  # fmt: skip
            if found.tags.get(TAG) != view:
                client(address).set_experiment_tag(found.experiment_id, TAG, view)
            page = f"/#/experiments/{found.experiment_id}/runs"
            return f"{page}?viewStateShareKey={VIEW}&workflowType=machine_learning"
    return ""


def ui_command(uri: str | None, port: int) -> list[str]:
    """Return the command that serves the store's pages on 127.0.0.1."""
    address = tracking_uri(uri)
    return [
        sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", address,
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip


@dataclass(frozen=True)
class _Synced:
    """A run folder after `sync_runs`; busy: a living process is writing it."""

    folder: Path
    outcome: Outcome
    run_id: str | None = None


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of finished runs below a folder (itself included), in a fixed order."""
    if not folder.is_dir():
        raise MissingInput(
            f"expected a folder of runs, found no {folder}; her2 sync FOLDER names another"
        )
    found = (path.parent for path in folder.rglob(RECORDS[0]))
    return sorted(f for f in found if all((f / name).is_file() for name in RECORDS))


def sync_runs(folder: Path, *, uri: str | None, experiment: str) -> Iterator[_Synced]:
    """Send every run folder below a folder that the store lacks.

    A run that was cut short half-way is completed. `experiment` is for runs that recorded none.
    """
    address = tracking_uri(uri)
    folders = run_folders(folder)
    with require_store(address):
        open_store(address, experiment)
    for run_dir in folders:
        try:
            results, config, environment = _records(run_dir)
        except (ValueError, yaml.YAMLError):
            yield _Synced(run_dir, "unreadable")
            continue
        if config.get("command") in COMMANDS and results.get("schema") == 1:
            yield _sync_one(run_dir, results, config, environment, address, experiment)


def _sync_one(
    run_dir: Path,
    results: dict[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    address: str,
    experiment: str,
) -> _Synced:
    known = _known_run(address, run_dir, results, config)
    if known is not None:
        tags, run_id = known.data.tags, str(known.info.run_id)
        if tags.get(COMPLETE) or (KEY not in tags and known.info.status == "FINISHED"):
            return _Synced(run_dir, "there", run_id)
        if is_alive(tags):
            return _Synced(run_dir, "busy", run_id)
        write_json(run_dir / OPEN_RUN, {"run_id": run_id})
    recorded = config.get("tracking") or {}
    named = str(recorded.get("experiment") or experiment)
    tracked = track_study(run_dir, results, config, environment, uri=address, experiment=named)
    if tracked is None:
        return _Synced(run_dir, "not sent")
    where = {"tracking_uri": shown(address), "experiment": named, "run_id": tracked.run_id}
    notes = [note for note in results["notes"] if note not in (NOT_SENT, NOT_WANTED)]
    write_json(run_dir / "results.json", {**results, "notes": notes, "mlflow": where})
    arrived = upload_files(
        tracked, run_dir, uri=address, models=bool(recorded.get("models", True))
    )
    return _Synced(run_dir, "sent" if arrived else "not sent", tracked.run_id)


def _known_run(
    address: str, run_dir: Path, results: Mapping[str, Any], config: Mapping[str, Any]
) -> Any | None:
    """Return the store's run of a folder, deleted ones included: they were not wanted."""
    found = search_everywhere(
        client(address), f"tags.`{KEY}` = '{results_key(results, config)}'", deleted=True
    )
    # a run of a version without keys, or one that is open, is known by its id alone
    ids = (results["mlflow"]["run_id"], open_run_id(run_dir))
    for run_id in ids if not found else ():
        if run_id is not None:
            found += search_everywhere(
                client(address), f"attributes.run_id = '{run_id}'", deleted=True
            )
    complete = [run for run in found if run.data.tags.get(COMPLETE)]
    return next(iter([*complete, *found]), None)


def _records(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    results = json.loads((run_dir / "results.json").read_text())
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    environment = json.loads((run_dir / "environment.json").read_text())
    if not all(isinstance(record, dict) for record in (results, config, environment)):
        raise ValueError(f"expected the records of a run in {run_dir}, found other content")
    return results, config, environment
