"""How every modelling run ends: results.json, figures, tables, report, tracking, exit status."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2 import plots
from her2.clinical import clinical_table
from her2.cohort import CATALOGUE, load_lesion
from her2.evaluation import role_rows
from her2.report import ReportInput, write_report, write_tables
from her2.run_folder import environment
from her2.settings import TrackingSettings
from her2.stats import baseline_table
from her2.store import file_sha256, write_json
from her2.tracking import track_study, upload_files
from her2.types import ARM_TITLES
from her2.workflows.differences import differences
from her2.workflows.opening import OpenRun
from her2.workflows.outcome import Outcome, results_document

logger = logging.getLogger(__name__)

ROLE_TITLES = {"out_of_fold": "Training, out of fold", "test": "Test", "external": "External"}
N_EXAMPLES = 4


def finish(
    run: OpenRun, outcome: Outcome, model_selection: pd.DataFrame, *, tracking: TrackingSettings
) -> int:
    """Write everything that a run leaves behind, and return its exit status."""
    results = results_document(run, outcome)
    with run.watch.step("report"):
        _write_pages(run, outcome, results, model_selection)
    results["timing"] = dict(run.watch.seconds)
    # complete before any server is asked for anything
    write_json(run.folder.file("results.json"), results)
    if tracking.enabled:
        _track(run, results, tracking)
    else:
        results["notes"].append("This run is not in MLflow (tracking.enabled=false).")
    write_json(run.folder.file("results.json"), results)
    _say_headline(run, results)
    return 1 if run.warning else 0


def _write_pages(
    run: OpenRun, outcome: Outcome, results: dict[str, Any], model_selection: pd.DataFrame
) -> None:
    baseline, positive = _baseline(run), run.cohort.positive
    pictures = _figures(run, outcome, results)
    for name, figure in pictures.items():
        plots.save_figure(figure, run.folder.file("figures"), name)
    tables = {
        "baseline": baseline,
        "performance": _performance_table(results),
        "comparisons": pd.DataFrame(results["comparisons"]),
        "model_selection": model_selection,
        "roc": outcome.evaluation.roc,
        "calibration": outcome.evaluation.calibration,
        "decision_curve": outcome.evaluation.decision,
    }
    write_tables(run.folder.file("tables"), tables)
    write_report(
        run.folder.file("report.html"),
        ReportInput(
            title=f"{positive[:1].upper()}{positive[1:]} breast lesions: {run.cohort.name}",
            simulated=run.cohort.simulated,
            results=results,
            flow=run.flow,
            baseline=baseline,
            model_selection=model_selection,
            problems=_problems(run),
            figures=pictures,
            differences=differences(run.config),
            provenance=_provenance(run),
        ),
    )


def _figures(run: OpenRun, outcome: Outcome, results: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figures of a run by name."""
    evaluation, arms = outcome.evaluation, results["arms"]
    roles = [r for r in ROLE_TITLES if any(r in arm["roles"] for arm in arms.values())]
    figures = {
        "flow": plots.flow_figure(run.flow, {c: entry.title for c, entry in CATALOGUE.items()}),
        "roc": plots.roc_panels(
            {ROLE_TITLES[r]: (_of_role(evaluation.roc, r), _areas(arms, r)) for r in roles}
        ),
        "decision_curve": plots.decision_curve_panels(
            {ROLE_TITLES[r]: _of_role(evaluation.decision, r) for r in roles}
        ),
        "confusion": plots.confusion_figure(arms, roles=roles),
    }
    for role in roles:
        groups = _of_role(evaluation.calibration, role)
        if not groups.empty:
            figures[f"calibration_{role}"] = plots.calibration_figure(
                groups, title=ROLE_TITLES[role]
            )
        figures[f"prediction_{role}"] = plots.prediction_panels(
            {
                ARM_TITLES[arm]: (
                    role_rows(outcome.predictions, arm, role),
                    content["roles"][role]["threshold"],
                )
                for arm, content in arms.items()
                if role in content["roles"]
            }
        )
    if results["comparisons"]:
        figures["comparison"] = plots.comparison_figure(results["comparisons"])
    if run.has_images:
        figures["examples"] = plots.example_figure(_examples(run))
    return figures


def _of_role(points: pd.DataFrame, role: str) -> pd.DataFrame:
    return points[points["role"].eq(role)] if "role" in points else points


def _areas(
    arms: Mapping[str, Any], role: str
) -> dict[str, tuple[float | None, float | None, float | None]]:
    return {
        arm: tuple(content["roles"][role][name] for name in ("auc", "auc_low", "auc_high"))
        for arm, content in arms.items()
        if role in content["roles"]
    }


def _examples(run: OpenRun) -> list[tuple[Any, Any, str]]:
    """Return the first training lesions of each outcome, cut out of their images.

    No title names a patient, and the banner of an image, which often does, lies outside the cut.
    """
    trained = set(run.split.train)
    chosen = []
    for outcome in (1, 0):
        lesions = [x for x in run.cohort.lesions if x.key in trained and x.outcome == outcome]
        title = run.cohort.positive if outcome else f"not {run.cohort.positive}"
        for lesion in lesions[: N_EXAMPLES // 2]:
            image = load_lesion(lesion)
            cut = _around(image.mask)
            chosen.append((image.pixels[cut], image.mask[cut], title))
    return chosen


def _around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the lesion's bounding box, widened by a quarter on each side."""
    box = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1])
        margin = (last - first + 1) // 4
        box.append(slice(max(first - margin, 0), last + margin + 1))
    return box[0], box[1]


def _baseline(run: OpenRun) -> pd.DataFrame:
    roles = run.split.roles()
    role = np.array([roles[lesion.key] for lesion in run.cohort.lesions])
    table = clinical_table(run.cohort.clinical)
    return baseline_table(table, role, y_true=run.cohort.y_true)


def _performance_table(results: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for arm, content in results["arms"].items():
        for role, p in content["roles"].items():
            fit = p["hosmer_lemeshow"]
            flat = {k: v for k, v in p.items() if k != "hosmer_lemeshow"}
            fit = {f"hosmer_lemeshow_{k}": v for k, v in fit.items()}
            rows.append({"arm": arm, "model": content["model"], "role": role, **flat, **fit})
    return pd.DataFrame(rows)


def _problems(run: OpenRun) -> pd.DataFrame:
    counted = Counter((p.severity, p.code) for p in run.cohort.problems)
    rows = [
        {"code": code, "severity": severity, "title": CATALOGUE[code].title, "n": n}
        for (severity, code), n in sorted(counted.items())
    ]
    return pd.DataFrame(rows, columns=["code", "severity", "title", "n"])


def _provenance(run: OpenRun) -> dict[str, str]:
    made = environment()
    packages = made["packages"]
    named = (
        "pyradiomics-bhklab",
        "scikit-learn",
        "torch",
        "numpy",
        "scipy",
        "xgboost",
        "lightgbm",
    )
    return {
        "data (SHA-256)": run.cohort.data_sha256,
        "split (SHA-256)": run.split.sha256,
        "predictions (SHA-256)": file_sha256(run.folder.file("predictions.parquet")),
        "commit": f"{made['git']['commit']}{' with local changes' * bool(made['git']['dirty'])}",
        "lock (SHA-256)": str(made["lock_sha256"]),
        "her2": made["her2"],
        "python": made["python"],
        **{name: packages.get(name, "absent") for name in named},
        "settings": yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
    }


def _track(run: OpenRun, results: dict[str, Any], tracking: TrackingSettings) -> None:
    """Write the study down in MLflow; results.json then says where."""
    tracked = track_study(
        run.folder.path, results, run.config, environment(),
        uri=tracking.uri, experiment=tracking.experiment,
    )  # fmt: skip
    if tracked is None:
        results["notes"].append("MLflow could not be reached: this run is not in its store.")
        return
    results["mlflow"] = {
        "tracking_uri": tracked.tracking_uri,
        "experiment": tracked.experiment,
        "run_id": tracked.run_id,
    }
    write_json(run.folder.file("results.json"), results)
    upload_files(tracked, run.folder.path, uri=tracking.uri)


def _say_headline(run: OpenRun, results: Mapping[str, Any]) -> None:
    """Print the AUC of every arm, and where to look."""
    lines = [f"{'arm':<24} {'out of fold':<26} test"]
    for arm, content in results["arms"].items():
        cells = [_interval(content["roles"].get(role)) for role in ("out_of_fold", "test")]
        lines.append(f"{ARM_TITLES[arm]:<24} {cells[0]:<26} {cells[1]}")
    lines.append(f"report: {run.folder.file('report.html')}")
    sys.stdout.write("\n".join(lines) + "\n")
    if run.warning:
        sys.stderr.write(f"her2: {run.warning}\n")


def _interval(p: Mapping[str, Any] | None) -> str:
    if p is None or p["auc"] is None:
        return "not estimable"
    return f"{p['auc']:.3f} ({p['auc_low']:.3f} to {p['auc_high']:.3f})"
