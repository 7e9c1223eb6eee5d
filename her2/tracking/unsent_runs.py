"""Sends run folders that the store does not have; one that it has is left as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from her2.core.errors import MissingInput
from her2.core.store import write_json
from her2.tracking.finished_run import track_study, upload_files
from her2.tracking.live_runs import COMPLETE, KEY, OPEN_RUN, open_run_id
from her2.tracking.mlflow_store import client, open_store, require_store, shown, tracking_uri
from her2.tracking.processes import is_alive, search_everywhere
from her2.tracking.run_description import NOT_SENT, NOT_WANTED, results_key

RECORDS = ("results.json", "config.yaml", "environment.json")
COMMANDS = ("study", "train", "classify")
Outcome = Literal["sent", "there", "busy", "not sent", "unreadable"]


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
