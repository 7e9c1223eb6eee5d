"""A comparison in MLflow: a parent run with its numbers, pictures and page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from her2.comparison.outputs import Comparison, comparison_document, comparison_tables
from her2.comparison.runs import FinishedRun
from her2.comparison.words import ranking
from her2.core.settings import TrackingSettings
from her2.core.store import write_json
from her2.tracking import LiveRun, RunContent, client, close_parent, open_parent, shown, spared

PARENT, TAG = "mlflow.parentRunId", "comparison"
MEASURES = ("auc", "auc_low", "auc_high")
SENT = ("comparison.html", "comparison.json", "figures", "tables")
_FORBIDDEN = re.compile(r"[^\w\-. /]")  # in the name of a metric


def track_comparison(
    folder: Path, of: Comparison, *, tracking: TrackingSettings, name: str, nests: bool
) -> None:
    """Write a comparison down as a parent run; without the store there is one warning.

    nests: put the compared runs of this store below it; they are tagged with its id in any case.
    """
    hashes = {key: str(of.cohort[key]) for key in ("data_sha256", "split_sha256")}
    tags = {"command": "compare", "cohort": str(of.cohort["name"]), **hashes}
    parent = open_parent(
        folder, name or f"compare {of.cohort['name']}", kind="comparison", uri=tracking.uri,
        experiment=tracking.experiment, tags=tags, params={},
    )  # fmt: skip
    if parent is None:
        return
    place = {"tracking_uri": shown(parent.uri), "experiment": tracking.experiment}
    document = comparison_document(of, comparison_tables(of))
    document["mlflow"] = {**place, "run_id": parent.run_id}
    write_json(folder / "comparison.json", document)
    _join(parent, of.runs, nests=nests)
    tags = {"models": ", ".join(of.found.models), "best": of.found.models[0]}
    close_parent(
        parent, RunContent(comparison_metrics(of), tags=tags), note=ranking(of.found),
        files=[folder / sent for sent in SENT],
    )  # fmt: skip


def comparison_metrics(of: Comparison) -> dict[str, float]:
    """Return the AUC with its interval of every model and role, and what each run cost."""
    metrics = {}
    for model in of.found.models:
        for role in of.found.roles:
            judged = of.found.of(model, role) or {}
            for measure in MEASURES:
                if judged.get(measure) is not None:
                    metrics[_metric(f"{model}/{role}/{measure}")] = float(judged[measure])
    for run in of.runs:
        for measure, value in (run.results.get("cost") or {}).items():
            if value is not None:
                metrics[_metric(f"{run.name}/cost/{measure}")] = float(value)
    return metrics


def _metric(name: str) -> str:
    return _FORBIDDEN.sub("_", name)


def _join(parent: LiveRun, runs: Sequence[FinishedRun], *, nests: bool) -> None:
    """Tie the compared runs of the parent's store to it."""
    for run in runs:
        kept = run.results.get("mlflow") or {}
        if run.run_id is None or kept.get("tracking_uri") != shown(parent.uri):
            continue
        with spared(parent.uri, f"{run.name} was not tied to its comparison ({{reason}})"):
            store = client(parent.uri)
            store.set_tag(run.run_id, TAG, parent.run_id)
            if nests:
                store.set_tag(run.run_id, PARENT, parent.run_id)
