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

from her2 import plots, stats
from her2.cohort import CATALOGUE
from her2.core.errors import NotEstimable
from her2.core.results import Results, area_text, judged_roles, write_results
from her2.core.run_folder import environment
from her2.core.settings import BackboneSettings
from her2.core.store import file_sha256, write_atomic
from her2.core.types import ARM_TITLES
from her2.evaluation.prediction_rows import RoleRows
from her2.pipeline import final_model
from her2.pipeline.copies import find_copies, write_copies
from her2.pipeline.cost import cost_entry
from her2.pipeline.enhancement_evidence import enhancement_figures
from her2.pipeline.evaluate import judge, results_document
from her2.pipeline.figures import figures
from her2.pipeline.fit_arms import FittedRun, model_selection_table, save_models, selection_notes
from her2.pipeline.individual_risks import conformal_table, instability_tables
from her2.pipeline.leakage_checks import audit_notes, audit_table
from her2.pipeline.load_cohort import warn
from her2.pipeline.patient_tables import ReaderAgreement, patient_tables
from her2.pipeline.resampling_checks import (
    importance_tables,
    learning_table,
    refit_run,
    selection_tables,
)
from her2.pipeline.run import OpenRun
from her2.pipeline.shortcut_controls import beside_arms
from her2.radiomics.parameters import family_counts
from her2.report import ReportInput, write_report, write_tables
from her2.report.checklists import StudyFacts, fill_checklists, metrics_score
from her2.report.headline import which_number
from her2.report.report_tables import differences
from her2.tracking import NOT_SENT, NOT_WANTED, track_study, upload_files

logger = logging.getLogger(__name__)

Tables = dict[str, pd.DataFrame]
PACKAGES = (
    "pyradiomics-bhklab", "scikit-learn", "torch", "numpy", "scipy", "xgboost", "lightgbm",
)  # fmt: skip


def conclude(found: FittedRun, notes: Sequence[str]) -> int:
    """Save the models, refit, evaluate, and write everything; return the exit status.

    notes: of the report, on the fit.
    """
    run, tracking = found.run, found.run.settings.tracking
    said = [*(found.radiomic.notes if found.radiomic else ()), *notes]
    if found.fitted:
        save_models(found)
        found = replace(found, refits=refit_run(run, found.arms, found.fitted, found.combined))
        said += selection_notes(found.fitted)
    judged, evaluation = judge(run, found.signatures, said)
    results = results_document(run, evaluation)
    if found.enhancement.summary:
        results["enhancement"] = dict(found.enhancement.summary)
    with run.watch.step("report"):
        doubts = _write_pages(found, judged, results, evaluation.tables)
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
    return _headline(run, write_results(run.folder.path, results), doubts)


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
    known = {"data_sha256": run.cohort.data_sha256, "split_sha256": run.split.sha256}
    same = known.items() <= results["cohort"].items()
    if not same or results.get("made_by") != now or now["dirty"]:
        return None
    logger.info("run: already finished, nothing is repeated; a new run_dir repeats it")
    return _headline(run, Results.of(results), ())


def _write_pages(
    found: FittedRun, judged: Sequence[RoleRows], results: dict[str, Any], evaluated: Tables
) -> list[str]:
    """Write tables, figures and report; return the checks that failed."""
    run, notes = found.run, results["notes"]
    tables, readers = patient_tables(run, notes)
    nomogram = _nomogram(found, notes)
    copies = find_copies(run, found.arms)
    write_copies(run, copies)
    tables |= _tables(found, readers, results, evaluated)
    tables["audit"] = audit_table(run, found.refits, found.arms, copies)
    members = found.combined.members if found.combined else ()
    tables["sample_size"] = final_model.sample_size_table(
        found.arms, run.training, results, members
    )
    if nomogram is not None:
        tables |= {"nomogram": nomogram.points, "nomogram_total": nomogram.total_points}
    tables["optimism"] = final_model.optimism_table(found.refits.optimism)
    tables |= _individuals(found, judged, results)
    notes.extend(found.refits.unexplained)
    notes.extend(found.explained.notes if found.explained else ())
    tables["shortcut_controls"] = beside_arms(found.controls, results["arms"])
    notes.extend(text for text in tables["shortcut_controls"]["alarm"] if text)
    doubts = audit_notes(tables["audit"])
    notes.extend(doubts)
    drawn = figures(found, judged, results, tables, readers.per_lesion, nomogram)
    pictures = plots.save_figures(
        chain(drawn, enhancement_figures(found.enhancement).items()),
        run.folder.file("figures"), n_workers=run.n_workers,
    )  # fmt: skip
    tables |= _checklists(run, results, tables, set(pictures))
    results["metrics_score"] = asdict(metrics_score(tables["metrics"]))
    write_tables(run.folder.file("tables"), {k: v for k, v in tables.items() if len(v.columns)})
    # like quarantine.csv it names lesions, stays in the run folder and is never sent anywhere
    listed = readers.adjudication.to_csv(index=False, lineterminator="\n")
    write_atomic(run.folder.file("adjudication.csv"), listed.encode())
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
    found: FittedRun,
    readers: ReaderAgreement,
    results: Mapping[str, Any],
    evaluated: Tables,
) -> Tables:
    run, refits, radiomic = found.run, found.refits, found.radiomic
    names = [] if radiomic is None else [str(name) for name in radiomic.features.columns]
    agreement, explained = readers.summary, pd.DataFrame()
    if radiomic is not None and radiomic.agreement is not None:
        agreement = pd.concat([agreement, radiomic.agreement], ignore_index=True)
    if found.explained is not None:
        threshold = results["arms"]["deep_learning"]["roles"]["train"]["threshold"]
        explained = found.explained.table(threshold)
    return {
        "agreement": agreement,
        "adjudication": _unnamed(readers.adjudication),
        "feature_counts": family_counts(names),
        "robustness": pd.DataFrame() if radiomic is None else radiomic.robustness,
        "super_resolution": found.enhancement.evidence,
        "super_resolution_history": found.enhancement.history,
        **selection_tables(refits),
        "performance": _performance_table(results),
        "which_number": which_number(results),
        "comparisons": pd.DataFrame(results["comparisons"]),
        "model_selection": model_selection_table(found),
        **evaluated,
        "learning_curve": learning_table(refits, run, evaluated["repeated_cv"]),
        **importance_tables(refits),
        "grad_cam": explained,
        "training": found.deep.history,
    }


def _individuals(
    found: FittedRun, judged: Sequence[RoleRows], results: Mapping[str, Any]
) -> Tables:
    """Return what is said of single patients: instability of their risks, prediction sets."""
    run, notes = found.run, results["notes"]
    risks = {name: signature.in_sample for name, signature in found.signatures.items()}
    alpha = run.settings.evaluation.conformal_alpha
    return {
        **instability_tables(
            found.refits.resampled, risks, run.training, results, patients=run.patients_judged,
            notes=notes,
        ),
        "conformal": conformal_table(judged, alpha=alpha, notes=notes),
    }  # fmt: skip


def _nomogram(found: FittedRun, notes: list[str]) -> stats.Nomogram | None:
    """Return the nomogram of the combined model, if any."""
    if found.combined is None:
        return None
    try:
        return final_model.combined_nomogram(found.combined, found.fitted, found.run.training)
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
    root = run.folder.path
    present = {x.relative_to(root).as_posix() for x in root.rglob("*") if x.is_file()}
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
            flat = {k: v for k, v in p.items() if k != "hosmer_lemeshow"}
            fit = {f"hosmer_lemeshow_{k}": v for k, v in p["hosmer_lemeshow"].items()}
            rows.append({"arm": arm, "model": content["model"], "role": role, **flat, **fit})
    return pd.DataFrame(rows)


def _problems(run: OpenRun) -> pd.DataFrame:
    counted = sorted(Counter((p.severity, p.code) for p in run.cohort.problems).items())
    rows = [(code, severity, CATALOGUE[code].title, n) for (severity, code), n in counted]
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
    results["mlflow"] = asdict(tracked)
    write_results(run.folder.path, results)
    upload_files(tracked, run.folder.path, uri=tracking.uri, models=tracking.models)


def _headline(run: OpenRun, results: Results, doubts: Sequence[str]) -> int:
    """Print the AUC of every arm and the path of the report; return the exit status."""
    roles = [role for role in judged_roles(results.document()) if role != "out_of_fold"]
    lines = [" ".join(f"{x:<26}" for x in ("arm", "cross-validated", *roles)).rstrip()]
    for arm, found in results.arms.items():
        areas = [found.repeated_cv, *(found.roles.get(role) for role in roles)]
        cells = [ARM_TITLES[arm], *(area_text(area) for area in areas)]
        lines.append(" ".join(f"{cell:<26}" for cell in cells).rstrip())
    lines.append(f"report: {run.folder.file('report.html')}")
    sys.stdout.write("\n".join(lines) + "\n")
    warn(run.warning, *doubts)
    return results.status
