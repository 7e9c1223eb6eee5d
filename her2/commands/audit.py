"""The audit of a study's protocol: what it makes of data whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from her2.cohort.duplicates import NearDuplicate
from her2.commands.study import check_study, study_arms
from her2.core.progress import progress
from her2.core.settings import StudySettings
from her2.core.store import write_atomic, write_json
from her2.core.types import split_groups
from her2.models.negative_controls import (
    Change,
    Control,
    ControlResult,
    Protocol,
    Rows,
    noise,
    planted,
    poisoned,
    rearranged,
    run_controls,
    selected_before_split,
    shuffled,
    unchanged,
)
from her2.models.nested_cv import Arm
from her2.pipeline.fit_arms import StudyProtocol
from her2.pipeline.leakage_checks import (
    Row,
    as_table,
    audit_notes,
    copies,
    design_rows,
)
from her2.pipeline.protocol_checks import (
    control_row,
    mean_areas,
    null_rows,
    poison_row,
    power_rows,
    rearranged_row,
    stacking_row,
)
from her2.pipeline.run import OpenRun, open_run
from her2.report import guard, write_page, write_tables
from her2.selection import TTestFilter, paper_chain

N_CONTROL_FEATURES = 500  # of a cohort without features to select among
Groups = Mapping[str, Sequence[ControlResult]]


def audit(settings: StudySettings, run_dir: Path) -> int:
    """Try the protocol, write what was found, and return the exit status (1: a check failed)."""
    check_study(settings)
    run = open_run("audit", settings.untracked(), run_dir)
    run, arms = study_arms(run)
    with run.watch.step("controls"):
        checks = protocol_checks(
            StudyProtocol(settings), study_trial(run, arms, run.seed), settings=settings,
            n_workers=run.n_workers,
        )  # fmt: skip
    table = as_table([*design_rows(run, arms), *checks.rows])
    _write(run, table, checks.areas)
    return _say(run, table)


@dataclass(frozen=True)
class Checks:
    """Rows of the audit, and the table of mean AUCs behind them."""

    rows: list[Row]
    areas: pd.DataFrame


def study_trial(run: OpenRun, arms: Sequence[Arm], seed: int) -> Control:
    """Return the study's own material: its arms, training rows and held-out rows."""
    position = {lesion.key: i for i, lesion in enumerate(run.cohort.lesions)}
    rows = np.array([position[key] for key in run.held_out], dtype=np.int64)
    unit_of = split_groups(run.cohort.lesions)
    held_out = Rows(run.held_out, run.cohort.y_true[rows], unit_of[rows])
    return Control(tuple(arms), run.training, held_out, seed)


def protocol_checks(
    protocol: Protocol,
    trial: Control,
    *,
    settings: StudySettings,
    n_workers: int = 1,
) -> Checks:
    """Return what the protocol makes of every control, as rows of the audit.

    The second leaking control fuses in-sample signatures of the members of the combined arm.
    """
    control = _control_trial(trial)
    done = _run(protocol, trial, control, settings, n_workers)
    areas = {
        name: mean_areas(name, judged, is_null=name not in _FOUND)
        for name, judged in done.items()
        if name not in _SINGLE
    }
    fused = [arm.name for arm in trial.arms if arm.name in settings.fusion.members]
    rows = [
        *null_rows("shuffled outcomes", areas["shuffled"]),
        *null_rows("noise", areas["noise"]),
        *power_rows(areas["planted"]),
        poison_row(done["unchanged"][0], done["poisoned"][0]),
        rearranged_row(done["unchanged"][0], done["rearranged"][0]),
        control_row(areas["control"], areas["control_leaks"], control.arms[0].features.shape[1]),
        *([stacking_row(done["noise"], areas["noise"], fused)] if len(fused) > 1 else []),
    ]
    return Checks(rows, pd.concat(areas.values(), ignore_index=True))


_SINGLE = ("unchanged", "poisoned", "rearranged")
_FOUND = ("planted", "control_leaks")  # trials in which there is something to be found


def _run(
    protocol: Protocol,
    trial: Control,
    control: Control,
    settings: StudySettings,
    workers: int,
) -> dict[str, list[ControlResult]]:
    """Return what came of each trial by its name."""
    once: list[tuple[str, Change]] = [
        ("unchanged", unchanged), ("poisoned", poisoned), ("rearranged", rearranged),
    ]  # fmt: skip
    plan = [(name, protocol, change, 0) for name, change in once]
    plan += [("shuffled", protocol, shuffled, i) for i in range(settings.evaluation.n_shuffles)]
    plan += [("noise", protocol, noise, i) for i in range(settings.controls.n_noise)]
    plan += [("planted", protocol, planted, i) for i in range(settings.controls.n_planted)]
    done: dict[str, list[ControlResult]] = {}
    leaks = selected_before_split(protocol)
    beside = [
        (name, how, noise, i)
        for name, how in (("control", protocol), ("control_leaks", leaks))
        for i in range(settings.controls.n_leaking)
    ]
    with progress("audit", len(plan) + len(beside), "trials") as advance:
        for of, tasks, before in ((trial, plan, 0), (control, beside, len(plan))):
            steps = [task[1:] for task in tasks]
            found = run_controls(steps, of, n_workers=workers, advance=_after(before, advance))
            for task, judged in zip(tasks, found, strict=True):
                done.setdefault(task[0], []).append(judged)
    return done


def _after(before: int, advance: Callable[[int], None]) -> Callable[[int], None]:
    return lambda n: advance(before + n)


def _control_trial(trial: Control) -> Control:
    """Return the trial with one arm that selects among many columns: the study's, or a made one.

    A cohort without such an arm still needs the control: it shows that the criterion can flag.
    """
    for arm in trial.arms:
        if any(isinstance(step, TTestFilter) for _, step in arm.preparation.steps):
            return Control((arm,), trial.training, trial.held_out, trial.seed)
    keys = [*trial.training.keys, *trial.held_out.keys]
    empty = pd.DataFrame(np.zeros((len(keys), N_CONTROL_FEATURES)), index=keys)
    made = Arm("control", empty, paper_chain(seed=trial.seed), trial.arms[0].points)
    return Control((made,), trial.training, trial.held_out, trial.seed)


def _write(run: OpenRun, table: pd.DataFrame, areas: pd.DataFrame) -> None:
    """Write audit.json, tables/, audit.html, and near_duplicates.csv where there are copies."""
    found = copies(run)
    tables = {"audit": table, "audit_arms": areas}
    write_tables(run.folder.file("tables"), tables)
    if found:
        write_atomic(run.folder.file("near_duplicates.csv"), _named(run, found).encode())
    write_json(run.folder.file("audit.json"), {
        "schema": 1,
        "cohort": {
            "name": run.cohort.name,
            "simulated": run.cohort.simulated,
            "n_patients": run.cohort.n_patients,
            "data_sha256": run.cohort.data_sha256,
            "split_sha256": run.split.sha256,
        },
        "passed": not audit_notes(table),
        "checks": table.to_dict("records"),
        "arms": areas.to_dict("records"),
        "timing": dict(run.watch.seconds),
    })  # fmt: skip
    write_page(
        run.folder.file("audit.html"), title=f"Audit of the protocol: {run.cohort.name}",
        simulated=run.cohort.simulated, sentences=[_sentence(table)], alarms=audit_notes(table),
        tables=tables,
    )  # fmt: skip


def _sentence(table: pd.DataFrame) -> str:
    passed = int(table["passed"].eq(True).sum())
    return f"{passed} of {int(table['passed'].notna().sum())} checks of the protocol passed."


def _named(run: OpenRun, found: Sequence[NearDuplicate]) -> str:
    """Return the pairs as CSV with the patients' names: for the run folder only."""
    lesions, roles = run.cohort.lesions, run.split.roles()
    rows = []
    for pair in found:
        row: dict[str, Any] = {}
        for which, i in (("first", pair.first), ("second", pair.second)):
            row[f"{which}_patient_id"] = lesions[i].patient_id
            row[f"{which}_lesion_id"] = lesions[i].lesion_id
            row[f"{which}_role"] = roles[lesions[i].key]
        rows.append(row | {k: v for k, v in asdict(pair).items() if k not in ("first", "second")})
    return pd.DataFrame(rows).map(guard).to_csv(index=False, lineterminator="\n")


def _say(run: OpenRun, table: pd.DataFrame) -> int:
    """Print a line a check and where to look; return the exit status."""
    lines = [
        f"{_word(row.passed):<8} {row.check}: {row.found} (expected {row.expected})"
        for row in table.itertuples()
    ]
    lines.append(f"audit: {run.folder.file('audit.html')}")
    sys.stdout.write("\n".join(lines) + "\n")
    doubts = [*([run.warning] if run.warning else []), *audit_notes(table)]
    for sentence in doubts:
        sys.stderr.write(f"her2: {sentence}\n")
    return 1 if doubts else 0


def _word(passed: object) -> str:
    if passed is None:
        return "skipped"
    return "passed" if passed else "FAILED"
