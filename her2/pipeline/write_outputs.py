"""The outputs of a run: results.json, figures, tables, report, tracking, exit status."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import pandas as pd
import yaml

from her2 import plots
from her2.cohort import CATALOGUE
from her2.core.errors import NotEstimable
from her2.core.results import write_results
from her2.core.run_folder import environment
from her2.core.settings import BackboneSettings
from her2.core.store import file_sha256
from her2.core.types import ARM_TITLES
from her2.pipeline import final_model
from her2.pipeline.cost import cost_entry
from her2.pipeline.enhancement_evidence import enhancement_figures
from her2.pipeline.evaluate import Outcome, judge, results_document, subgroup_table
from her2.pipeline.figures import Material, all_comparisons, figures
from her2.pipeline.fit_arms import FittedRun, model_selection_table, save_models, selection_notes
from her2.pipeline.leakage_checks import audit_notes, audit_table
from her2.pipeline.load_cohort import warn
from her2.pipeline.patient_tables import PatientTables, patient_tables, write_adjudication
from her2.pipeline.resampling_checks import (
    importance_tables,
    learning_table,
    refit_run,
    selection_tables,
)
from her2.pipeline.run import OpenRun
from her2.report import ReportInput, write_report, write_tables
from her2.report.checklists import StudyFacts, fill_checklists, metrics_score
from her2.report.differences_from_paper import differences
from her2.tracking import NOT_SENT, NOT_WANTED, track_study, upload_files

logger = logging.getLogger(__name__)

Tables = dict[str, pd.DataFrame]
MOST_BOOTSTRAPS = 200  # of the optimism, as Harrell
PACKAGES = (
    "pyradiomics-bhklab", "scikit-learn", "torch", "numpy", "scipy", "xgboost", "lightgbm",
)  # fmt: skip


def conclude(found: FittedRun, notes: Sequence[str]) -> int:
    """Save the models, refit, evaluate, and write everything; return the exit status.

    Parameters
    ----------
    found
        The fitted run; its refits are made here.
    notes
        Notes of the report on the fit.
    """
    run, fitted = found.run, found.fitted
    said = [*(found.radiomic.notes if found.radiomic else ()), *notes]
    if fitted is not None:
        save_models(run.folder, fitted, found.arms, run.training)
        found = replace(found, refits=refit_run(run, found.arms, fitted.arms))
        said += selection_notes(fitted.arms)
    features = found.radiomic.features if found.radiomic else None
    return _finish(found, judge(run, found.signatures, said, features=features))


def _finish(found: FittedRun, outcome: Outcome) -> int:
    """Write everything that a run leaves behind, and return its exit status."""
    run, tracking = found.run, found.run.settings.tracking
    results = results_document(run, outcome)
    if found.enhancement.summary:
        results["enhancement"] = dict(found.enhancement.summary)
    with run.watch.step("report"):
        doubts = _write_pages(found, outcome, results)
    results["timing"] = dict(run.watch.seconds)
    results["status"] = 1 if run.warning or doubts else 0
    results["made_by"] = made_by()
    has_network = "deep_learning" in results["arms"]
    if has_network:
        results["network"] = network_entry(run.settings.backbone)
    results["cost"] = cost_entry(run, has_network=has_network)
    # complete before any server is asked for anything
    write_results(run.folder.path, results)
    if tracking.enabled:
        _track(run, results)
    else:
        results["notes"].append(NOT_WANTED)
    write_results(run.folder.path, results)
    _say_headline(run, results, doubts)
    return int(results["status"])


def made_by() -> dict[str, Any]:
    """Return the code that makes a run, as results.json keeps it."""
    made = environment()
    return {"her2": made["her2"], **made["git"], "lock_sha256": made["lock_sha256"]}


def network_entry(backbone: BackboneSettings) -> dict[str, str | None]:
    """Return the network of a run and the weights that it began with, as results.json keeps them.

    A name on the hub is no promise of the bytes behind it: the SHA-256 is.
    """
    from lightning_modules.backbones import describe_backbone

    described = describe_backbone(backbone)
    return {key: described[key] for key in ("name", "timm_name", "weights", "weights_sha256")}


def finished_before(run: OpenRun) -> int | None:
    """Return the exit status of the same run if it lies finished in the folder, else None.

    The same settings are given (`RunFolder.open` has refused others); it is the same run if data,
    split and code are those of its results too.
    """
    path = run.folder.file("results.json")
    if not path.is_file():
        return None
    results = json.loads(path.read_text())
    now = made_by()
    same = {
        "data_sha256": run.cohort.data_sha256,
        "split_sha256": run.split.sha256,
    }.items() <= results["cohort"].items()
    if not same or results.get("made_by") != now or now["dirty"]:
        return None
    logger.info("run: already finished, nothing is repeated; a new run_dir repeats it")
    _say_headline(run, results, ())
    return int(results["status"])


def _write_pages(found: FittedRun, outcome: Outcome, results: dict[str, Any]) -> list[str]:
    """Write tables, figures and report; return the checks that failed."""
    run, notes = found.run, results["notes"]
    patients = patient_tables(run, notes)
    nomogram = _nomogram(found, notes)
    tables = _tables(found, outcome, results, patients)
    tables |= _final_model_tables(found, results, nomogram)
    notes.extend(found.refits.unexplained)
    notes.extend(found.explained.notes if found.explained else ())
    doubts = audit_notes(tables["audit"])
    notes.extend(doubts)
    material = Material(found, outcome, results, tables, patients, nomogram)
    pictures = plots.save_figures(
        chain(figures(material), enhancement_figures(found.enhancement).items()),
        run.folder.file("figures"), n_workers=run.n_workers,
    )  # fmt: skip
    tables |= _checklists(run, results, tables, set(pictures))
    results["metrics_score"] = asdict(metrics_score(tables["metrics"]))
    write_tables(run.folder.file("tables"), {k: v for k, v in tables.items() if len(v.columns)})
    write_adjudication(run, patients.readers)
    write_report(run.folder.file("report.html"), _report(run, results, tables, pictures))
    return doubts


def _report(
    run: OpenRun, results: Mapping[str, Any], tables: Tables, pictures: Mapping[str, Any]
) -> ReportInput:
    positive = run.cohort.positive
    apart = ("baseline", "model_selection", "performance")
    return ReportInput(
        title=f"{positive[:1].upper()}{positive[1:]} breast lesions: {run.cohort.name}",
        simulated=run.cohort.simulated,
        results=results,
        flow=run.flow,
        baseline=tables["baseline"],
        model_selection=tables["model_selection"],
        problems=_problems(run),
        figures=pictures,
        differences=differences(run.config),
        provenance=_provenance(run),
        tables={k: v for k, v in tables.items() if k not in apart and not v.empty},
    )


def _tables(
    found: FittedRun, outcome: Outcome, results: Mapping[str, Any], patients: PatientTables
) -> Tables:
    run, refits, evaluated = found.run, found.refits, outcome.evaluation.tables
    learning = learning_table(refits, run.training, evaluated["repeated_cv"], run.patients_judged)
    return {
        "baseline": patients.baseline,
        "baseline_outcome": patients.baseline_outcome,
        "odds_ratios": patients.odds_ratios,
        "agreement": _agreement(patients, found),
        "adjudication": _unnamed(patients.readers.adjudication),
        "feature_counts": outcome.feature_counts,
        "robustness": pd.DataFrame() if found.radiomic is None else found.radiomic.robustness,
        "super_resolution": found.enhancement.evidence,
        "super_resolution_history": found.enhancement.history,
        **selection_tables(refits),
        "performance": _performance_table(results),
        "comparisons": pd.DataFrame(all_comparisons(results)),
        "model_selection": model_selection_table(found.fitted.arms if found.fitted else {}),
        **evaluated,
        "learning_curve": learning,
        **importance_tables(refits),
        "grad_cam": _grad_cam(found, results),
        "subgroups": subgroup_table(run.cohort, outcome.predictions, list(results["arms"])),
        "audit": audit_table(run, refits, found.arms),
        "training": found.deep.history,
    }


def _grad_cam(found: FittedRun, results: Mapping[str, Any]) -> pd.DataFrame:
    if found.explained is None:
        return pd.DataFrame()
    return found.explained.table(results["arms"]["deep_learning"]["roles"]["train"]["threshold"])


def _agreement(patients: PatientTables, found: FittedRun) -> pd.DataFrame:
    """Return the agreement of the readers on outlines and, if measured, on features."""
    if found.radiomic is None or found.radiomic.agreement is None:
        return patients.readers.summary
    both = [patients.readers.summary, found.radiomic.agreement.summary]
    return pd.concat(both, ignore_index=True)


def _final_model_tables(
    found: FittedRun, results: Mapping[str, Any], nomogram: final_model.DrawnNomogram | None
) -> Tables:
    run = found.run
    tables = {"sample_size": final_model.sample_size_table(found.arms, run.training, results)}
    if nomogram is not None:
        tables |= {"nomogram": nomogram.points, "nomogram_total": nomogram.total_points}
    last_step = _last_step_optimism(found, results["notes"])
    tables["optimism"] = final_model.optimism_table(last_step, found.refits.optimism)
    return tables


def _last_step_optimism(found: FittedRun, notes: list[str]) -> pd.DataFrame:
    run, fitted = found.run, found.fitted
    n_resamples = min(run.settings.evaluation.n_resamples, MOST_BOOTSTRAPS)
    if fitted is None or fitted.combined is None or not n_resamples:
        return pd.DataFrame()
    try:
        return final_model.combined_optimism(
            fitted.combined, fitted.arms, run.training, n_resamples=n_resamples, seed=run.seed
        )
    except NotEstimable as reason:
        notes.append(f"The optimism of the combined model is not estimable: {reason}")
        return pd.DataFrame()


def _nomogram(found: FittedRun, notes: list[str]) -> final_model.DrawnNomogram | None:
    fitted = found.fitted
    if fitted is None or fitted.combined is None:
        return None
    try:
        return final_model.combined_nomogram(fitted.combined, fitted.arms, found.run.training)
    except NotEstimable as reason:
        notes.append(f"The nomogram of the combined model is not estimable: {reason}")
        return None


def _unnamed(adjudication: pd.DataFrame) -> pd.DataFrame:
    """Return the list with row numbers of adjudication.csv in place of identifiers."""
    anonymous = adjudication.drop(columns=["patient_id", "lesion_id"], errors="ignore")
    anonymous.insert(0, "row", range(1, len(anonymous) + 1))
    return anonymous


def _checklists(
    run: OpenRun, results: Mapping[str, Any], tables: Tables, pictures: set[str]
) -> Tables:
    """Return the filled checklists; they may name every file that the run will hold."""
    present = {
        path.relative_to(run.folder.path).as_posix()
        for path in run.folder.path.rglob("*")
        if path.is_file()
    }
    written = {f"tables/{name}.csv" for name, table in tables.items() if len(table.columns)}
    facts = StudyFacts(
        results=results,
        config=run.config,
        tables=tables,
        figures=frozenset(pictures),
        files=frozenset(present | written | {"results.json", "report.html"}),
        flow=run.flow,
        environment=environment(),
    )
    return fill_checklists(facts)


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
    return {
        "data (SHA-256)": run.cohort.data_sha256,
        "split (SHA-256)": run.split.sha256,
        "predictions (SHA-256)": file_sha256(run.folder.file("predictions.parquet")),
        "commit": f"{made['git']['commit']}{' with local changes' * bool(made['git']['dirty'])}",
        "lock (SHA-256)": str(made["lock_sha256"]),
        "her2": made["her2"],
        "python": made["python"],
        **{name: packages.get(name, "absent") for name in PACKAGES},
        "settings": yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
    }


def _track(run: OpenRun, results: dict[str, Any]) -> None:
    """Write the study down in MLflow; results.json then says where."""
    tracking = run.settings.tracking
    tracked = track_study(
        run.folder.path, results, run.config, environment(),
        uri=tracking.uri, experiment=tracking.experiment,
    )  # fmt: skip
    if tracked is None:
        results["notes"].append(NOT_SENT)
        return
    results["mlflow"] = {
        "tracking_uri": tracked.tracking_uri,
        "experiment": tracked.experiment,
        "run_id": tracked.run_id,
    }
    write_results(run.folder.path, results)
    upload_files(tracked, run.folder.path, uri=tracking.uri, models=tracking.models)


def _say_headline(run: OpenRun, results: Mapping[str, Any], doubts: Sequence[str]) -> None:
    """Print the AUC of every arm and the path of the report."""
    lines = [f"{'arm':<24} {'cross-validated':<26} test"]
    for arm, content in results["arms"].items():
        cells = [_interval(content["repeated_cv"]), _interval(content["roles"].get("test"))]
        lines.append(f"{ARM_TITLES[arm]:<24} {cells[0]:<26} {cells[1]}")
    lines.append(f"report: {run.folder.file('report.html')}")
    sys.stdout.write("\n".join(lines) + "\n")
    warn(run.warning, *doubts)


def _interval(p: Mapping[str, Any] | None) -> str:
    if p is None or p["auc"] is None:
        return "not estimable"
    return f"{p['auc']:.3f} ({p['auc_low']:.3f} to {p['auc_high']:.3f})"
