"""MLflow, and nothing but MLflow: a finished study is written down; the study never waits for it.

One parent run a study, one nested run an arm; networks tell their losses while they are trained,
in a run that is then open. Nothing that names a patient is sent: no
predictions, no split, no quarantine list.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import time_ns
from typing import Any

import pandas as pd

from her2.run_folder import project_store
from her2.store import write_json

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
# MLflow's own patience is minutes, in which a finished study would seem to hang
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

logger = logging.getLogger(__name__)

# what a run folder holds that names no patient
SHARED_FILES = ("config.yaml", "environment.json", "results.json", "report.html")
SHARED_FOLDERS = ("figures", "tables")
OPEN_RUN = "mlflow_run.json"  # in a run folder: the run that is open in MLflow
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class TrackedStudy:
    """Where a study was written down."""

    tracking_uri: str
    experiment: str
    run_id: str


def tracking_uri(named: str | None) -> str:
    """Return the address of the store: named, else ``$MLFLOW_TRACKING_URI``, else the project's.

    The project's store is ``mlruns/mlflow.db``, an SQLite file.
    """
    address = named or os.environ.get("MLFLOW_TRACKING_URI")
    if address:
        return address
    store = project_store()
    store.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{store / 'mlflow.db'}"


def track_study(
    run_dir: Path,
    results: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    *,
    uri: str | None,
    experiment: str,
    run_id: str | None = None,
) -> TrackedStudy | None:
    """Return where MLflow keeps the study; None, with a warning, if the store cannot be used.

    run_id: of the study's run that is open already, see `open_live_run`.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    address = tracking_uri(uri)
    try:
        with _quiet():
            _check_database(address)
            return _track(run_dir, results, config, environment, address, experiment, run_id)
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = _reason(error, address)
        logger.warning("tracking: MLflow does not answer (%s); the run folder is complete", reason)
        return None


@dataclass(frozen=True)
class LiveRun:
    """A run that is open in MLflow while networks are trained; it goes to other processes."""

    uri: str
    run_id: str

    def record(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers of a step; without its store the training goes on."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        now = time_ns() // 1_000_000
        batch = [Metric(key, value, now, step) for key, value in metrics.items()]
        try:
            with _quiet():
                _client(self.uri).log_batch(self.run_id, metrics=batch)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            reason = _reason(error, self.uri)
            logger.warning("tracking: losses of step %d were not sent (%s)", step, reason)


@lru_cache(maxsize=2)
def _client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def open_live_run(run_dir: Path, name: str, *, uri: str | None, experiment: str) -> LiveRun | None:
    """Return the run of a study that begins or goes on; None, with a warning, without a store.

    Its id lies in the run folder until the study is finished, so a killed study finds it again.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    address = tracking_uri(uri)
    try:
        with _quiet():
            _check_database(address)
            client = _client(address)
            run_id = open_run_id(run_dir)
            if run_id is None or not _is_known(client, run_id):
                experiment_id = _experiment(client, address, experiment)
                run_id = str(client.create_run(experiment_id, run_name=name).info.run_id)
                write_json(run_dir / OPEN_RUN, {"run_id": run_id})
            return LiveRun(address, run_id)
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = _reason(error, address)
        logger.warning(
            "tracking: MLflow does not answer (%s); losses are in the run folder", reason
        )
        return None


def open_run_id(run_dir: Path) -> str | None:
    """Return the id of the run folder's open run, None if there is none."""
    path = run_dir / OPEN_RUN
    return str(json.loads(path.read_text())["run_id"]) if path.is_file() else None


def _is_known(client: Any, run_id: str) -> bool:
    """Whether the store has the run: it may be another store than before."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException:
        return False
    return True


def ui_command(uri: str | None, port: int) -> list[str]:
    """Return the command that serves the store's pages on 127.0.0.1."""
    import sys

    address = tracking_uri(uri)
    return [
        sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", address,
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip


def _track(
    run_dir: Path,
    results: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    uri: str,
    experiment: str,
    run_id: str | None,
) -> TrackedStudy:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment_id = _experiment(client, uri, experiment)
    name = f"{config['command']} {results['cohort']['name']} seed {config['seed']}"
    tags = _study_tags(results, environment)
    parent = run_id or client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    for key, value in {**tags, "mlflow.runName": name}.items() if run_id else ():
        client.set_tag(parent, key, value)
    _log(client, parent, _study_metrics(results), _parameters(config))
    for row in _arm_rows(results):
        _log_arm(client, experiment_id, parent, run_dir, *row)
    for name, key in (("delong", "comparisons"), ("delong_repeated_cv", "repeated_comparisons")):
        if results[key]:
            client.log_table(parent, pd.DataFrame(results[key]), f"{name}.json")
    client.set_terminated(parent, "FINISHED")
    return TrackedStudy(_shown(uri), experiment, parent)


def upload_files(tracked: TrackedStudy, run_dir: Path, *, uri: str | None) -> None:
    """Send the run folder's figures, tables, report and records to the study's run."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _quiet():
            client = MlflowClient(tracking_uri=tracking_uri(uri))
            for name in SHARED_FILES:
                if (run_dir / name).is_file():
                    client.log_artifact(tracked.run_id, str(run_dir / name))
            for name in SHARED_FOLDERS:
                if (run_dir / name).is_dir():
                    client.log_artifacts(tracked.run_id, str(run_dir / name), name)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = _reason(error, tracking_uri(uri))
        logger.warning("tracking: files were not sent (%s); the run folder is complete", reason)


def _check_database(uri: str) -> None:
    """Connect once to a store that is a database: MLflow itself would try for minutes."""
    import sqlalchemy

    if uri.partition("://")[0].partition("+")[0] not in DATABASES:
        return
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _reason(error: Exception, uri: str) -> str:
    """Return the first line of an error, without the password of the address."""
    lines = str(error).replace(uri, _shown(uri)).splitlines() or [type(error).__name__]
    return lines[0]


def _experiment(client: Any, uri: str, name: str) -> str:
    """Return the experiment's id; a new one of the local store keeps its files beside it."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if uri.startswith("sqlite:///"):
        store = Path(uri.removeprefix("sqlite:///")).resolve().parent
        location = (store / "artifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _log_arm(
    client: Any,
    experiment_id: str,
    parent: str,
    run_dir: Path,
    arm: str,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
) -> None:
    tags = {"mlflow.parentRunId": parent, "arm": arm}
    run_id = client.create_run(experiment_id, run_name=arm, tags=tags).info.run_id
    _log(client, run_id, metrics, parameters)
    for picture in sorted((run_dir / "figures").glob("calibration*.png")):
        client.log_artifact(run_id, str(picture), "figures")
    client.set_terminated(run_id, "FINISHED")


def _log(
    client: Any, run_id: str, metrics: Mapping[str, float], parameters: Mapping[str, str]
) -> None:
    from mlflow.entities import Metric, Param

    client.log_batch(
        run_id,
        metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()],
        params=[Param(key, value[:6000]) for key, value in parameters.items()],
    )


def _study_tags(results: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, str]:
    git = environment["git"]
    return {
        "status": "finished",
        "data_sha256": results["cohort"]["data_sha256"],
        "lock_sha256": str(environment["lock_sha256"]),
        "git_commit": str(git["commit"]),
        "git_dirty": str(git["dirty"]),
        "mlflow.source.git.commit": str(git["commit"]),
        "mlflow.note.content": _headline(results),
    }


def _headline(results: Mapping[str, Any]) -> str:
    """Return the AUC of every arm as a Markdown table."""
    lines = ["| arm | model | cross-validated | test |", "| --- | --- | --- | --- |"]
    for arm, content in results["arms"].items():
        judged = (content["repeated_cv"], content["roles"].get("test", {}))
        cells = [
            f"{p['auc']:.3f} ({p['auc_low']:.3f} to {p['auc_high']:.3f})"
            if p.get("auc") is not None
            else "-"
            for p in judged
        ]
        lines.append(f"| {arm} | {content['model']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _study_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    metrics = {
        f"{arm}/{role}/{name}": value
        for arm, content in results["arms"].items()
        for role, p in _roles(content).items()
        for name, value in _numbers(p).items()
        if name in ("auc", "auc_low", "auc_high")
    }
    metrics |= {f"seconds/{step}": float(s) for step, s in results["timing"].items()}
    for row in [*results["repeated_comparisons"], *results["comparisons"]]:
        for name in ("auc_difference", "p_value", "p_holm"):
            if row[name] is not None:
                key = f"delong/{row['role']}/{row['first']} vs {row['second']}/{name}"
                metrics[key] = float(row[name])
    return metrics


def _arm_rows(
    results: Mapping[str, Any],
) -> Iterator[tuple[str, dict[str, float], dict[str, str]]]:
    for arm, content in results["arms"].items():
        metrics = {
            f"{role}/{name}": value
            for role, p in _roles(content).items()
            for name, value in _numbers(p).items()
        }
        metrics["n_features"] = float(content["n_features"])
        yield arm, metrics, {"model": content["model"], "arm": arm}


def _roles(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return an arm's performance by role, the primary estimate first."""
    return {"repeated_cv": content["repeated_cv"], **content["roles"]}


def _numbers(performance: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in performance.items():
        if isinstance(value, Mapping):
            numbers |= _numbers(value, f"{name}/")
        elif value is not None:
            numbers[f"{prefix}{name}"] = float(value)
    return numbers


def _parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and name != "grid":
            parameters |= _parameters(value, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in ("tracking.uri", "cohort.root", "cache"):
            parameters[f"{prefix}{name}"] = str(value)
    return parameters


def _shown(uri: str) -> str:
    """Return an address without a password."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else uri


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the store's own start-up messages (schema migrations) off the user's screen."""
    noisy = [logging.getLogger(name) for name in ("alembic", "mlflow")]
    levels = [log.level for log in noisy]
    for log in noisy:
        log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for log, level in zip(noisy, levels, strict=True):
            log.setLevel(level)
