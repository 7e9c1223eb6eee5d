"""The content of a finished study's runs: names, tags, settings, numbers, a note.

Nothing here connects to MLflow, and nothing here names a patient or a place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from her2.core.results import judged_roles
from her2.core.store import content_key
from her2.core.types import ARMS
from her2.tracking.live_runs import RunContent

AREA = ("auc", "auc_low", "auc_high")
# keys that do not change the result, or name a place
NOT_A_SETTING = re.compile(r"cache$|cohort\.root$|tracking\.|compute\.|run_dir$")
NOT_SENT = "MLflow could not be reached: this run is not in its store."
NOT_WANTED = "This run is not in MLflow (tracking.enabled=false)."


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


def describe_arms(
    results: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[tuple[str, RunContent]]:
    """Yield every arm and the content of its nested run."""
    for arm, content in results["arms"].items():
        metrics = _performance(content) | {"n_features": float(content["n_features"])}
        tags = {"kind": "arm", "arm": arm, **_common(config)}
        yield arm, RunContent(metrics, {"model": content["model"], "arm": arm}, tags)


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
    heads = [f" {role.replace('|', '/')} |" for role in roles]
    lines = [
        f"| arm | model | cross-validated |{''.join(heads)}",
        "| --- " * (3 + len(roles)) + "|",
    ]
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
    for row in [*results["repeated_comparisons"], *results["comparisons"]]:
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
