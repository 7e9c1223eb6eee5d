"""The audit of a study's protocol: its results on data whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from her2.commands.study import study_arms
from her2.core.progress import progress
from her2.core.settings import StudySettings
from her2.core.store import write_json
from her2.core.types import split_groups
from her2.models.negative_controls import (
    Change,
    Control,
    ControlResult,
    Protocol,
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
from her2.models.splits import Rows
from her2.pipeline.arm_definitions import check_study
from her2.pipeline.audit_power import audit_power
from her2.pipeline.copies import Row, find_copies, write_copies
from her2.pipeline.fit_arms import combined_members, study_signatures
from her2.pipeline.leakage_checks import (
    as_table,
    audit_notes,
    control_row,
    design_rows,
    mean_areas,
    null_rows,
    poison_row,
    power_rows,
    rearranged_row,
    stacking_row,
)
from her2.pipeline.load_cohort import warn
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.run import OpenRun, open_run
from her2.report import write_page, write_tables
from her2.selection import TTestFilter, paper_chain

N_CONTROL_FEATURES = 500  # of a cohort without features to select among


def audit(settings: StudySettings, run_dir: Path) -> int:
    """Check the protocol, write the audit, and return the exit status (1: a check failed)."""
    check_study(settings)
    run = open_run("audit", settings.untracked(), run_dir)
    run, arms = on_readable(study_arms, run)
    with run.watch.step("controls"):
        study, protocol = study_material(run, arms), partial(study_signatures, settings)
        rows, areas = protocol_checks(protocol, study, settings, n_workers=run.n_workers)
    copies = find_copies(run, arms)
    write_copies(run, copies)
    with run.watch.step("power"):
        power = audit_power(run, arms, rows)
    table = as_table([*design_rows(run, arms, copies), *rows])
    _write(run, {"audit": table, "audit_power": power, "audit_arms": areas})
    return _say(run, table)


def study_material(run: OpenRun, arms: Sequence[Arm]) -> Control:
    """Return the study's own material: its arms, training rows and held-out rows."""
    position = {lesion.key: i for i, lesion in enumerate(run.cohort.lesions)}
    rows = np.array([position[key] for key in run.held_out], dtype=np.int64)
    unit_of = split_groups(run.cohort.lesions)
    held_out = Rows(run.held_out, run.cohort.y_true[rows], unit_of[rows])
    return Control(tuple(arms), run.training, held_out, run.seed)


def protocol_checks(
    protocol: Protocol, study: Control, settings: StudySettings, n_workers: int = 1
) -> tuple[list[Row], pd.DataFrame]:
    """Return rows of the audit, and the mean AUC of every arm under every control (`mean_areas`).

    Two controls leak on purpose, so that their checks must flag them: one selects features before
    the split, the other fuses in-sample signatures of the members of the combined arm.
    """
    selecting = _selecting_arm(study)
    done = _run(protocol, study, selecting, settings, n_workers)
    areas = {
        name: mean_areas(name, found, is_null=name not in _WITH_EFFECT)
        for name, found in done.items()
        if name not in _ONCE
    }
    n_features = selecting.arms[0].features.shape[1]
    members = combined_members(settings, study.arms)
    fused = [arm.name for arm in study.arms if arm.name in members]
    rows = [
        *null_rows("shuffled outcomes", areas["shuffled"]),
        *null_rows("noise", areas["noise"]),
        *power_rows(areas["planted"]),
        poison_row(done["unchanged"][0], done["poisoned"][0]),
        rearranged_row(done["unchanged"][0], done["rearranged"][0]),
        control_row(areas["control"], areas["control_leaks"], n_features),
        *([stacking_row(done["noise"], areas["noise"], fused)] if len(fused) > 1 else []),
    ]
    return rows, pd.concat(areas.values(), ignore_index=True)


_ONCE: dict[str, Change] = {
    "unchanged": unchanged, "poisoned": poisoned, "rearranged": rearranged,
}  # fmt: skip
_WITH_EFFECT = ("planted", "control_leaks")  # an AUC above .5 is right there


def _run(
    protocol: Protocol, study: Control, selecting: Control, settings: StudySettings, workers: int
) -> dict[str, list[ControlResult]]:
    """Return the results of every control by its name."""
    repeated: list[tuple[str, Change, int]] = [
        ("shuffled", shuffled, settings.evaluation.n_shuffles),
        ("noise", noise, settings.controls.n_noise),
        ("planted", planted, settings.controls.n_planted),
    ]
    plan = [(name, protocol, change, 0) for name, change in _ONCE.items()]
    plan += [(name, protocol, change, i) for name, change, n in repeated for i in range(n)]
    leaks = selected_before_split(protocol)
    of_selection = [
        (name, how, noise, i)
        for name, how in (("control", protocol), ("control_leaks", leaks))
        for i in range(settings.controls.n_leaking)
    ]
    done: dict[str, list[ControlResult]] = {}
    with progress("audit", len(plan) + len(of_selection), "controls") as advance:
        for of, tasks, before in ((study, plan, 0), (selecting, of_selection, len(plan))):
            steps = [task[1:] for task in tasks]
            found = run_controls(steps, of, n_workers=workers, advance=_after(before, advance))
            for task, result in zip(tasks, found, strict=True):
                done.setdefault(task[0], []).append(result)
    return done


def _after(before: int, advance: Callable[[int], None]) -> Callable[[int], None]:
    return lambda n: advance(before + n)


def _selecting_arm(study: Control) -> Control:
    """Return the control with one arm that selects among many columns: the study's, or a made one.

    A cohort without such an arm needs this control too: it shows that the check can flag.
    """
    for arm in study.arms:
        if any(isinstance(step, TTestFilter) for _, step in arm.preparation.steps):
            return replace(study, arms=(arm,), number=0)
    keys = [*study.training.keys, *study.held_out.keys]
    empty = pd.DataFrame(np.zeros((len(keys), N_CONTROL_FEATURES)), index=keys)
    made = Arm("control", empty, paper_chain(seed=study.seed), study.arms[0].points)
    return replace(study, arms=(made,), number=0)


def _write(run: OpenRun, tables: dict[str, pd.DataFrame]) -> None:
    """Write audit.json, tables/ and audit.html."""
    table = tables["audit"]
    write_tables(run.folder.file("tables"), tables)
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
        "power": tables["audit_power"].to_dict("records"),
        "arms": tables["audit_arms"].to_dict("records"),
        "timing": dict(run.watch.seconds),
    })  # fmt: skip
    passed = int(table["passed"].eq(True).sum())
    said = f"{passed} of {int(table['passed'].notna().sum())} checks of the protocol passed."
    write_page(
        run.folder.file("audit.html"), title=f"Audit of the protocol: {run.cohort.name}",
        simulated=run.cohort.simulated, sentences=[said], alarms=audit_notes(table),
        tables=tables,
    )  # fmt: skip


def _say(run: OpenRun, table: pd.DataFrame) -> int:
    """Print a line for each check and the path of the page; return the exit status."""
    words: dict[object, str] = {None: "skipped", True: "passed", False: "FAILED"}
    lines = [
        f"{words[row.passed]:<8} {row.check}: {row.found} (expected {row.expected})"
        for row in table.itertuples()
    ]
    lines.append(f"audit: {run.folder.file('audit.html')}")
    sys.stdout.write("\n".join(lines) + "\n")
    return warn(run.warning, *audit_notes(table))
