"""A finished study is written down in MLflow; the study never waits for it.

One parent run a study, one nested run an arm and a fine-tuned network. Nothing that names a
patient is sent: no split, no quarantine list, and predictions by number only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from her2.tracking.address import client, shown, spared, tracking_uri
from her2.tracking.anonymous_predictions import (
    EVALUATION,
    fold_areas,
    network_curves,
    write_nameless,
)
from her2.tracking.batches import write_batch
from her2.tracking.datasets import log_cohort
from her2.tracking.open_run import OPEN_RUN, LiveRun, enter_run
from her2.tracking.parent_runs import COMPLETE, KEY, PARENT, record_child, send_files, send_tables
from her2.tracking.registered_models import register_arm
from her2.tracking.run_description import Described, describe_arms, describe_study, results_key
from her2.tracking.store_setup import OpenStore, open_store

# what a run folder holds that names no patient
SHARED = ("config.yaml", "environment.json", "results.json", "report.html", "figures", "tables")
PERFORMANCE = f"{EVALUATION}/performance.json"
MODEL_TAGS = ("command", "data_sha256", "split_sha256", "seed", "backbone")
COMPARISONS = {"delong": "comparisons", "delong_repeated_cv": "repeated_comparisons"}


@dataclass(frozen=True)
class TrackedStudy:
    """Where a study was written down."""

    tracking_uri: str
    experiment: str
    run_id: str


def track_study(
    run_dir: Path,
    results: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    *,
    uri: str | None,
    experiment: str,
) -> TrackedStudy | None:
    """Return where MLflow keeps the study; None, with a warning, if the store cannot be used.

    The run that the folder has open already (`open_live_run`, or an attempt that was cut short)
    is completed; `upload_files` sends the files and closes it.
    """
    address = tracking_uri(uri)
    with spared(
        address,
        "MLflow does not answer ({reason}); the run folder is complete, her2 sync sends it later",
    ):
        store = open_store(address, experiment)
        said = describe_study(results, config, environment)
        tags = {**said.tags, KEY: results_key(results, config)}
        start_ms, end_ms = _times(run_dir, results)
        parent = enter_run(store, run_dir, said.name, tags, start_ms=start_ms)
        _write_arms(parent, run_dir, results, config)
        _write_networks(parent, run_dir, config)
        _write_study(store, parent, results, said)
        # a run that is FINISHED has all its nested runs
        store.client.set_terminated(parent.run_id, "FINISHED", end_time=end_ms)
        return TrackedStudy(shown(address), experiment, parent.run_id)
    return None


def upload_files(
    tracked: TrackedStudy, run_dir: Path, *, uri: str | None, models: bool = True
) -> bool:
    """Send figures, tables, report, records, predictions and (if asked for) models.

    Return whether all has arrived.
    """
    address = tracking_uri(uri)
    with spared(address, "files were not sent ({reason}); the run folder is complete"):
        chosen = [run_dir / name for name in SHARED if (run_dir / name).exists()]
        send_files(client(address), tracked.run_id, chosen)
        with tempfile.TemporaryDirectory() as folder:
            for path in write_nameless(run_dir, Path(folder)):
                client(address).log_artifact(tracked.run_id, str(path), EVALUATION)
        if models:
            _register_models(client(address), tracked.run_id, run_dir)
        client(address).set_tag(tracked.run_id, COMPLETE, "yes")
        (run_dir / OPEN_RUN).unlink(missing_ok=True)
        return True
    return False


def _write_study(
    store: OpenStore, parent: LiveRun, results: Mapping[str, Any], said: Described
) -> None:
    """Write the study's own numbers and its tables."""
    write_batch(
        store.client, parent.run_id, time_ms=parent.start_ms, metrics=said.metrics,
        params=said.params, tags={"status": "finished"},
    )  # fmt: skip
    log_cohort(store.client, parent.run_id, results["cohort"])
    tables = {f"{n}.json": pd.DataFrame(results[k]) for n, k in COMPARISONS.items() if results[k]}
    rows = [
        {"arm": arm, "role": role, **{k: v for k, v in p.items() if not isinstance(v, Mapping)}}
        for arm, content in results["arms"].items()
        for role, p in content["roles"].items()
    ]
    send_tables(store.client, parent.run_id, {PERFORMANCE: pd.DataFrame(rows), **tables})


def _times(run_dir: Path, results: Mapping[str, Any]) -> tuple[int, int]:
    """Return when the study began and ended, milliseconds since 1970; it may be long ago."""
    end_ms = int((run_dir / "results.json").stat().st_mtime * 1000)
    return end_ms - int(sum(results["timing"].values()) * 1000), end_ms


def _register_models(client: Any, run_id: str, run_dir: Path) -> None:
    """Register the model of every arm that the run's folder has one of."""
    study = client.get_run(run_id)
    arms = client.search_runs(
        [study.info.experiment_id],
        f"tags.`{PARENT}` = '{run_id}' and tags.kind = 'arm'",
    )
    tags = {name: study.data.tags[name] for name in MODEL_TAGS if name in study.data.tags}
    for run in arms:
        register_arm(client, run.data.tags["arm"], run, run_dir / "model", also=run_id, tags=tags)


def _write_arms(
    parent: LiveRun, run_dir: Path, results: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    areas = fold_areas(run_dir)
    pictures = sorted((run_dir / "figures").glob("calibration*.png"))
    for arm in describe_arms(results, config):
        curves = {"fold_auc": areas[arm.name]} if arm.name in areas else {}
        run_id = record_child(
            parent, arm.name, key=f"arm {arm.name}", metrics=arm.metrics, params=arm.params,
            tags=arm.tags, steps=curves,
        )  # fmt: skip
        if run_id:
            log_cohort(client(parent.uri), run_id, results["cohort"])
        for picture in pictures if run_id else ():
            client(parent.uri).log_artifact(run_id, str(picture), "figures")


def _write_networks(parent: LiveRun, run_dir: Path, config: Mapping[str, Any]) -> None:
    """Write the losses of every network that was fine-tuned as a nested run."""
    for (fold, number), curves in network_curves(run_dir).items():
        place = "all training rows" if fold < 0 else f"fold {fold + 1}"
        name = f"{place}, network {number + 1}" if number else place
        described = {"kind": "network", "fold": "all" if fold < 0 else str(fold + 1)}
        tags = {**described, "seed": str(config["seed"]), "backbone": config["backbone"]["name"]}
        record_child(
            parent, name, key=f"network {fold} {number}", metrics={}, params={}, tags=tags,
            steps=curves,
        )  # fmt: skip
