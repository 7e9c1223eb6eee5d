"""A finished study as runs of MLflow; the study never waits for it.

One parent run a study, one nested run an arm and a fine-tuned network. Nothing that names a
patient is sent: no split, no quarantine list, and predictions by number only.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from her2.core.errors import NotEstimable
from her2.core.results import judged_roles
from her2.core.store import content_key
from her2.core.types import ARMS
from her2.stats import auc
from her2.tracking.live_runs import (
    COMPLETE,
    KEY,
    OPEN_RUN,
    PARENT,
    LiveRun,
    RunContent,
    enter_run,
    record_child,
    send_files,
    send_tables,
)
from her2.tracking.mlflow_store import client, open_store, shown, spared, tracking_uri
from her2.tracking.registered_models import register_arm

# what a run folder holds that names no patient
SHARED = ("config.yaml", "environment.json", "results.json", "report.html", "figures", "tables")
NAMED = ("patient_id", "lesion_id")
EVALUATION = "evaluation"  # folder of a run's artifacts
PERFORMANCE = f"{EVALUATION}/performance.json"
MODEL_TAGS = ("command", "data_sha256", "split_sha256", "seed", "backbone")
COUNTS = ("n_patients", "n_lesions", "n_positive", "n_train", "n_test", "n_external")
DIGITS = 12  # of the data's SHA-256, which the tag data_sha256 has in full
AREA = ("auc", "auc_low", "auc_high")
# keys that do not change the result, or name a place
NOT_A_SETTING = re.compile(r"cache$|cohort\.root$|tracking\.|compute\.|run_dir$")
NOT_SENT = "MLflow could not be reached: this run is not in its store."
NOT_WANTED = "This run is not in MLflow (tracking.enabled=false)."


@dataclass(frozen=True)
class _TrackedStudy:
    """The run of MLflow that holds a study; the address of its store has no password."""

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
) -> _TrackedStudy | None:
    """Return where MLflow keeps the study; None, with a warning, if the store cannot be used.

    The run that the folder has open already (`open_live_run`, or an attempt that was cut short)
    is completed; `upload_files` sends the files and closes it.
    """
    address = tracking_uri(uri)
    with spared(
        address,
        "MLflow does not answer ({reason}); the run folder is complete, her2 sync sends it later",
    ):
        experiment_id = open_store(address, experiment)
        content = describe_study(results, config, environment)
        name = run_name(config, str(results["cohort"]["name"]))
        tags = {**content.tags, KEY: results_key(results, config)}
        end_ms = int((run_dir / "results.json").stat().st_mtime * 1000)  # it may be long ago
        start_ms = end_ms - int(sum(results["timing"].values()) * 1000)
        parent = enter_run(address, experiment_id, run_dir, name, tags, start_ms=start_ms)
        _write_arms(parent, run_dir, results, config)
        _write_networks(parent, run_dir, config)
        store = client(address)
        content = replace(content, tags={"status": "finished"})
        content.write(store, parent.run_id, time_ms=parent.start_ms)
        _log_cohort(store, parent.run_id, results["cohort"])
        send_tables(store, parent.run_id, _tables(results))
        # a run that is FINISHED has all its nested runs
        store.set_terminated(parent.run_id, "FINISHED", end_time=end_ms)
        return _TrackedStudy(shown(address), experiment, parent.run_id)
    return None


def upload_files(
    tracked: _TrackedStudy, run_dir: Path, *, uri: str | None, models: bool = True
) -> bool:
    """Send figures, tables, report, records, predictions, models (if asked); True if all came."""
    address = tracking_uri(uri)
    with spared(address, "files were not sent ({reason}); the run folder is complete"):
        store, run_id = client(address), tracked.run_id
        send_files(store, run_id, [run_dir / n for n in SHARED if (run_dir / n).exists()])
        with tempfile.TemporaryDirectory() as folder:
            for name in ("predictions.parquet", "repeated_cv.parquet"):
                if (run_dir / name).is_file():
                    path = Path(folder) / name
                    anonymise(pd.read_parquet(run_dir / name)).to_parquet(path, index=False)
                    store.log_artifact(run_id, str(path), EVALUATION)
        if models:
            _register_models(store, run_id, run_dir)
        store.set_tag(run_id, COMPLETE, "yes")
        (run_dir / OPEN_RUN).unlink(missing_ok=True)
        return True
    return False


def anonymise(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with `case`, the place among the sorted patients and lesions.

    `patient` is that among the patients, whose lesions are no independent cases.

    Two runs of the same cohort number the same cases alike, so that they can be compared where
    no identifier may go.

    >>> rows = {"patient_id": ["b", "a"], "lesion_id": ["1", "1"], "y_prob": [0.2, 0.7]}
    >>> anonymise(pd.DataFrame(rows)).to_dict("list")
    {'case': [1, 0], 'patient': [1, 0], 'y_prob': [0.2, 0.7]}
    """
    keys = pd.MultiIndex.from_frame(predictions[list(NAMED)].astype(str))
    cases = {key: i for i, key in enumerate(sorted(set(keys)))}
    anonymous = predictions.drop(columns=list(NAMED))
    anonymous.insert(0, "case", [cases[key] for key in keys])
    anonymous.insert(1, "patient", keys.get_level_values(0).factorize(sort=True)[0])
    return anonymous


def _write_arms(
    parent: LiveRun, run_dir: Path, results: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    areas = _fold_aucs(run_dir)
    pictures = sorted((run_dir / "figures").glob("calibration*.png"))
    for arm, found in results["arms"].items():
        content = RunContent(
            metrics=_performance(found) | {"n_features": float(found["n_features"])},
            params={"model": found["model"], "arm": arm},
            tags={"kind": "arm", "arm": arm, **_common(config)},
            curves={"fold_auc": areas[arm]} if arm in areas else {},
        )
        run_id = record_child(parent, arm, content, key=f"arm {arm}")
        if run_id:
            _log_cohort(client(parent.uri), run_id, results["cohort"])
        for picture in pictures if run_id else ():
            client(parent.uri).log_artifact(run_id, str(picture), "figures")


def _write_networks(parent: LiveRun, run_dir: Path, config: Mapping[str, Any]) -> None:
    """Write the losses of every network that was fine-tuned as a nested run."""
    for (fold, number), curves in _network_curves(run_dir).items():
        place = "all training rows" if fold < 0 else f"fold {fold + 1}"
        name = f"{place}, network {number + 1}" if number else place
        tags = {
            "kind": "network", "fold": "all" if fold < 0 else str(fold + 1),
            "seed": str(config["seed"]), "backbone": config["backbone"]["name"],
        }  # fmt: skip
        content = RunContent(tags=tags, curves=curves)
        record_child(parent, name, content, key=f"network {fold} {number}")


def _log_cohort(client: Any, run_id: str, cohort: Mapping[str, Any]) -> None:
    """Write which cohort a run has used: name, hash and counts; twice is as good as once."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    hashes = {k: str(cohort[k]) for k in ("data_sha256", "split_sha256") if k in cohort}
    dataset = Dataset(
        name=str(cohort["name"]),
        digest=str(cohort["data_sha256"])[:DIGITS],
        source_type="code",
        source=json.dumps({"tags": {"cohort": str(cohort["name"]), **hashes}}),
        profile=json.dumps({name: cohort[name] for name in COUNTS if name in cohort}),
    )
    context = InputTag("mlflow.data.context", "cohort")
    client.log_inputs(run_id, [DatasetInput(dataset, [context])])


def _tables(results: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the performance of all arms and the comparisons by artifact path."""
    rows = [
        {"arm": arm, "role": role, **{k: v for k, v in p.items() if not isinstance(v, Mapping)}}
        for arm, content in results["arms"].items()
        for role, p in content["roles"].items()
    ]
    compared = results["comparisons"]
    tables = {"delong.json": pd.DataFrame(compared)} if compared else {}
    return {PERFORMANCE: pd.DataFrame(rows), **tables}


def _register_models(client: Any, run_id: str, run_dir: Path) -> None:
    """Register the model of every arm that the run's folder has one of."""
    study = client.get_run(run_id)
    query = f"tags.`{PARENT}` = '{run_id}' and tags.kind = 'arm'"
    arms = client.search_runs([study.info.experiment_id], query)
    tags = {name: study.data.tags[name] for name in MODEL_TAGS if name in study.data.tags}
    for run in arms:
        register_arm(client, run.data.tags["arm"], run, run_dir / "model", also=run_id, tags=tags)


def _fold_aucs(run_dir: Path) -> dict[str, list[float]]:
    """Return each arm's AUC in every fold of every repeat, in order; NaN where a fold has none."""
    path = run_dir / "repeated_cv.parquet"
    areas: dict[str, list[float]] = {}
    if path.is_file():
        for (arm, _, _), rows in pd.read_parquet(path).groupby(["arm", "repeat", "fold"]):
            try:
                area = auc(rows["y_true"], rows["y_prob"])
            except NotEstimable:  # one class only: no point of the curve, and none is drawn
                area = float("nan")
            areas.setdefault(str(arm), []).append(area)
    return areas


def _network_curves(run_dir: Path) -> dict[tuple[int, int], dict[str, Sequence[float]]]:
    """Return the losses of every fine-tuned network by epoch, by fold (-1: all) and number."""
    path = run_dir / "tables" / "training.csv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path)
    losses = [name for name in table.columns if name.endswith("_loss")]
    return {
        (int(rows["fold"].iloc[0]), int(rows["network"].iloc[0])):
            {name: rows[name].tolist() for name in losses if rows[name].notna().any()}
        for _, rows in table.sort_values("epoch").groupby(["fold", "network"])
    }  # fmt: skip


def describe_study(
    results: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, Any]
) -> RunContent:
    """Return the content of the run of a study, a training or a classification."""
    git, cohort = environment["git"], results["cohort"]
    tags = {
        **opening_tags(config),
        "arm": headline_arm(results),
        "status": "finished",
        "data_sha256": cohort["data_sha256"],
        "split_sha256": str(cohort.get("split_sha256")),
        "lock_sha256": str(environment["lock_sha256"]),
        "git_commit": str(git["commit"]),
        "git_dirty": str(git["dirty"]),
        "mlflow.source.git.commit": str(git["commit"]),
        "mlflow.note.content": write_headline(results),
    }
    return RunContent(_study_metrics(results), flatten_settings(config), tags)


def run_name(config: Mapping[str, Any], cohort: str) -> str:
    """Return the name of a run: command, network, cohort, seed.

    >>> run_name({"command": "study", "seed": 7}, "folder")
    'study folder seed 7'
    >>> run_name({"command": "train", "seed": 0, "backbone": {"name": "vgg19"}}, "folder")
    'train vgg19 folder seed 0'
    """
    network = [_backbone(config)] if config["command"] == "train" else []
    return " ".join([config["command"], *network, cohort, f"seed {config['seed']}"])


def opening_tags(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that are known before anything is fitted."""
    command = str(config["command"])
    own = {"kind": command, "command": command, "mlflow.source.name": f"her2 {command}"}
    return {**own, **_common(config)}


def results_key(results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return a key that no other finished run has, wherever its folder is now."""
    content = {k: v for k, v in results.items() if k not in ("mlflow", "notes")}
    return content_key([content, {k: v for k, v in config.items() if k != "tracking"}])


def flatten_settings(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the settings as flat names and text; a file is named without its folder.

    >>> flatten_settings({"seed": 1, "cohort": {"root": "/data", "table": "/data/a.csv"}})
    {'seed': '1', 'cohort.table': 'a.csv'}
    """
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and key != "grid":
            flat |= flatten_settings(value, f"{name}.")
        elif not NOT_A_SETTING.match(name):
            is_place = isinstance(value, str) and PurePath(value).is_absolute()
            flat[name] = PurePath(value).name if is_place else str(value)
    return flat


def headline_arm(results: Mapping[str, Any]) -> str:
    """Return the arm whose numbers stand for the whole run: the last one, which joins most.

    >>> headline_arm({"arms": {"dlr": {}, "clinical": {}}})
    'dlr'
    """
    return str(max(results["arms"], key=ARMS.index))


def write_headline(results: Mapping[str, Any]) -> str:
    """Return the AUC of every arm as a Markdown table."""
    roles = [role for role in judged_roles(results) if role != "out_of_fold"]
    heads = " | ".join(["arm", "model", "cross-validated", *(r.replace("|", "/") for r in roles)])
    lines = [f"| {heads} |", "| --- " * (3 + len(roles)) + "|"]
    for arm, content in results["arms"].items():
        judged = (content["repeated_cv"], *(content["roles"].get(role, {}) for role in roles))
        cells = [
            f"{p['auc']:.3f} ({p['auc_low']:.3f} to {p['auc_high']:.3f})"
            if p.get("auc") is not None
            else "-"
            for p in judged
        ]
        lines.append(f"| {arm} | {content['model']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _common(config: Mapping[str, Any]) -> dict[str, str]:
    backbone = _backbone(config)
    return {"seed": str(config["seed"]), **({"backbone": backbone} if backbone else {})}


def _backbone(config: Mapping[str, Any]) -> str:
    return str((config.get("backbone") or {}).get("name") or "")


def _study_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    metrics = {
        f"{arm}/{name}": value
        for arm, content in results["arms"].items()
        for name, value in _performance(content).items()
        if name.partition("/")[2] in AREA
    }
    metrics |= _performance(results["arms"][headline_arm(results)])
    metrics |= {f"seconds/{step}": float(s) for step, s in results["timing"].items()}
    for row in results["comparisons"]:
        for name in ("auc_difference", "p_value", "p_holm"):
            if row[name] is not None:
                key = f"delong/{row['role']}/{row['first']} vs {row['second']}/{name}"
                metrics[key] = float(row[name])
    return metrics


def _performance(content: Mapping[str, Any]) -> dict[str, float]:
    """Return all numbers of an arm, by role (the primary estimate first) and name."""
    by_role = {"repeated_cv": content["repeated_cv"], **content["roles"]}
    return {
        f"{role}/{name}": value
        for role, performance in by_role.items()
        for name, value in _numbers(performance).items()
    }


def _numbers(performance: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in performance.items():
        if isinstance(value, Mapping):
            numbers |= _numbers(value, f"{name}/")
        elif value is not None:
            numbers[f"{prefix}{name}"] = float(value)
    return numbers
