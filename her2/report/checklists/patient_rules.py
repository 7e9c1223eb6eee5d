"""Rules about patients: number, split, missing values, readers, characteristics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from her2.core.results import centre_roles
from her2.report.checklists.feature_rules import fine_tuned
from her2.report.checklists.study_facts import (
    Answer,
    StudyFacts,
    met,
    met_by,
    named,
    needs_author,
    not_applicable,
    not_met,
)

# rows of the baseline table that are no characteristics
COUNTS = ("n", "outcome")
LEAKAGE_CHECKS = ("overlap", "leak", "poison")
BALANCING = ("class_weight", "scale_pos_weight", "is_unbalance", "sampler", "oversampling")
RECALIBRATED = {"weights": "classes weighted", "smote": "smaller class filled up by SMOTE"}
IMPUTATION = (
    "filled in by the training median for numbers and a level of their own for categories, "
    "learned inside every fold; the outcome is never filled in"
)


def sample_size_stated(facts: StudyFacts) -> Answer:
    """Whether the number of patients is held against a calculation."""
    required = facts.column("sample_size", "n_required")
    supplied = facts.column("sample_size", "n_supplied")
    if required.empty or supplied.empty:
        return not_met("no calculation of the sample size (tables/sample_size.csv)")
    return met(
        f"{len(required)} criteria, the strictest needs {required.max():.0f} patients, "
        f"{supplied.iloc[0]:.0f} supplied (tables/sample_size.csv)"
    )


def sample_size_enough(facts: StudyFacts) -> Answer:
    """Whether the calculation says that there were enough patients."""
    table = facts.table("sample_size")
    if table.empty or "supported" not in table:
        return not_met("no calculation of the sample size (tables/sample_size.csv)")
    failed = table[~table["supported"].eq(True)]
    if failed.empty:
        return met(f"all {len(table)} criteria are supported (tables/sample_size.csv)")
    worst = failed.iloc[0]
    return not_met(
        f"{len(failed)} of {len(table)} criteria are not supported: {worst['criterion']} needs "
        f"{worst['n_required']:.0f}, {worst['n_supplied']:.0f} supplied (tables/sample_size.csv)"
    )


def data_use(facts: StudyFacts) -> Answer:
    """Whether it is on record which patients trained and which judged."""
    training = facts.result("cohort.n_train")
    if not facts.has_file("split.json") or training is None:
        return not_met("no split of the patients is on record (split.json)")
    held_out = [
        f"{role} {found}"
        for role in ("test", "external")
        if (found := facts.result(f"cohort.n_{role}")) is not None and found.value
    ]
    inside = named("folds within training", facts.setting("evaluation.n_folds"))
    return met(f"training {training}", *held_out, inside, "who is where: split.json")


def data_split(facts: StudyFacts) -> Answer:
    """Whether the split is on record and the audit found no leak."""
    used = data_use(facts)
    if used.status != "met":
        return used
    failed = _failed_checks(facts)
    if failed:
        return not_met(f"failed checks: {', '.join(failed)} (tables/audit.csv)")
    leakage = _leakage_checks(facts)
    if not leakage:
        return needs_author(
            used.proof, "no leakage check is in tables/audit.csv: say how leakage was prevented"
        )
    n_checks = int(facts.column("audit", "passed").eq(True).sum())
    return met(
        used.proof, f"all {n_checks} checks passed, with {', '.join(leakage)} (tables/audit.csv)"
    )


def audit_passed(facts: StudyFacts) -> str | None:
    """Evidence that the leakage audit was made and every check passed; None otherwise."""
    if _failed_checks(facts) or not _leakage_checks(facts):
        return None
    n_checks = int(facts.column("audit", "passed").eq(True).sum())
    return f"all {n_checks} checks passed (tables/audit.csv)"


def _failed_checks(facts: StudyFacts) -> list[str]:
    return _checks(facts, passed=False)


def _leakage_checks(facts: StudyFacts) -> list[str]:
    names = _checks(facts, passed=True)
    return [name for name in names if any(word in name.lower() for word in LEAKAGE_CHECKS)]


def _checks(facts: StudyFacts, *, passed: bool) -> list[str]:
    audit = facts.table("audit")
    if audit.empty:
        return []
    return audit.loc[audit["passed"].eq(passed), "check"].astype(str).tolist()


def missing_values(facts: StudyFacts) -> Answer:
    """Whether missing values are counted and those left out are named."""
    baseline = facts.table("baseline")
    if baseline.empty or "missing" not in baseline:
        return not_met("missing values are not counted (tables/baseline.csv)")
    missing = baseline.groupby("variable", sort=False)["missing"].max().fillna(0)
    worst = f"most in {missing.idxmax()}: {missing.max():.0f}" if missing.max() else "none"
    return met(f"missing values: {worst} (tables/baseline.csv)", IMPUTATION, *_left_out(facts))


def _left_out(facts: StudyFacts) -> list[str | None]:
    names = {"n_excluded": "not eligible", "n_quarantined": "quarantined"}
    return [named(title, facts.result(f"cohort.{name}")) for name, title in names.items()]


def class_balance(facts: StudyFacts) -> Answer:
    """Whether the balance of the classes is reported and left alone."""
    positive, patients = facts.result("cohort.n_positive"), facts.result("cohort.n_patients")
    if positive is None or patients is None:
        return not_met("the classes are not counted (results.json)")
    counts = f"positive {positive} of {patients}"
    if (recalibrated := _recalibrated_balancing(facts)) is not None:
        return met(counts, recalibrated)
    changed = _balancing(facts)
    if changed is None:
        return needs_author(counts, "the run does not record its classifiers: say if balanced")
    if changed:
        return needs_author(counts, f"balanced by {', '.join(changed)} (config.yaml): say how")
    return met(counts, "no setting of a classifier balances the classes (config.yaml)")


def balancing_methods(facts: StudyFacts) -> Answer:
    """Whether classes were balanced at all."""
    if (recalibrated := _recalibrated_balancing(facts)) is not None:
        return needs_author(recalibrated, "say why")
    changed = _balancing(facts)
    if changed is None:
        return needs_author(
            "the run does not record its classifiers: say if classes were balanced"
        )
    if changed:
        names = ", ".join(changed)
        return needs_author(f"balanced by {names} (config.yaml): say why and how calibrated after")
    return not_applicable("no setting of a classifier balances the classes (config.yaml)")


def _recalibrated_balancing(facts: StudyFacts) -> str | None:
    """Return how the grid balances the classes; None where it does not."""
    method = facts.setting("classifier.imbalance")
    if method is None or method.value not in RECALIBRATED:
        return None
    how = RECALIBRATED[method.value]
    return f"{how} inside every fold, probabilities moved back to the prevalence ({method.source})"


def _balancing(facts: StudyFacts) -> list[str] | None:
    """Return settings that balance classes; None where no classifier is on record."""
    groups = [facts.setting(group) for group in ("classifier", "trainer", "backbone.head")]
    known = [group.value for group in groups if group is not None]
    balance = facts.setting("trainer.balance")
    if fine_tuned(facts) is not None and balance is not None and balance.value != "none":
        return [f"trainer.balance={balance.value}, probabilities moved back to the prevalence"]
    return [name for group in known for name in _keys(group) if name in BALANCING] or (
        [] if known else None
    )


def _keys(tree: Any) -> list[str]:
    if not isinstance(tree, Mapping):
        return []
    return [str(key) for key in tree] + [name for part in tree.values() for name in _keys(part)]


def reader_agreement(facts: StudyFacts) -> Answer:
    """Whether the agreement of readers was measured."""
    rows = _measured_agreement(facts)
    if rows.empty:
        return not_met("no second reader: agreement is not measured (tables/agreement.csv)")
    return met(*_agreement_texts(rows), "tables/agreement.csv")


def automated_segmentation(facts: StudyFacts) -> Answer:
    """Whether lesions were outlined without a person, which the run cannot see."""
    rows = _measured_agreement(facts)
    if rows.empty:
        return needs_author(
            "say who or what drew the masks; not applicable if a person did, else report the "
            "agreement with experts"
        )
    n = rows["n"].max()
    return not_applicable(f"two readers outlined {n:.0f} lesions (tables/agreement.csv)")


def _measured_agreement(facts: StudyFacts) -> pd.DataFrame:
    table = facts.table("agreement")
    return table if table.empty else table[table["n"].gt(0) & table["median"].notna()]


def _agreement_texts(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row['measure']} {row['median']:.3f}"
        + ("" if pd.isna(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})")
        + f", n {row['n']:.0f}"
        for row in rows.head(2).to_dict("records")
    ]


def predictors_chosen(facts: StudyFacts) -> Answer:
    """List what the run was offered; why it was offered is the author's to say."""
    offered = [facts.setting("cohort.clinical"), facts.setting("radiomics.preset")]
    known = [named("offered:", found) for found in offered]
    return needs_author(*known, "say why these predictors were offered and which were dropped")


def baseline_by_role_and_outcome(facts: StudyFacts) -> Answer:
    """Whether patients are described by part of the split and by outcome."""
    by_role = _characteristics(facts, "baseline")
    by_outcome = _characteristics(facts, "baseline_outcome")
    if not by_role or not by_outcome:
        missing = "by part of the split" if not by_role else "by outcome"
        return not_met(f"no characteristics {missing} (tables/baseline.csv, baseline_outcome.csv)")
    return met(
        f"{len(by_role)} characteristics by part of the split with tests (tables/baseline.csv)",
        f"{len(by_outcome)} by outcome (tables/baseline_outcome.csv)",
    )


def characteristics(facts: StudyFacts) -> Answer:
    """Whether patients are described; dates and treatments are the author's."""
    described = _characteristics(facts, "baseline")
    if not described:
        return not_met("no characteristics of the patients (tables/baseline.csv)")
    return needs_author(
        f"{len(described)} characteristics with their missing values (tables/baseline.csv)",
        "add dates, treatments and differences between demographic groups",
    )


def characteristics_of_evaluation(facts: StudyFacts) -> Answer:
    """Whether evaluation patients stand beside those of development."""
    described = _characteristics(facts, "baseline")
    judged = ("test", *centre_roles(facts.results))
    roles = [role for role in judged if not facts.column("baseline", role).empty]
    if not described or not roles or facts.column("baseline", "train").empty:
        return not_met(
            "development and evaluation patients are not compared (tables/baseline.csv)"
        )
    return met(
        f"{len(described)} characteristics, training beside {' and '.join(roles)} "
        "(tables/baseline.csv)"
    )


def _characteristics(facts: StudyFacts, table: str) -> list[str]:
    names = facts.column(table, "variable").astype(str).unique()
    return [name for name in names if name not in COUNTS]


def flow_reported(facts: StudyFacts) -> Answer:
    """Whether the flow of patients is drawn with its counts."""
    lacking = "no flow diagram with counts (figures/flow)"
    if "flow" not in facts.figures:
        return not_met(lacking)
    positive = named("with the outcome", facts.result("cohort.n_positive"))
    return met_by(
        lacking,
        named("rows offered", facts.counted("n_rows")),
        named("patients analysed", facts.counted("n_patients")),
        more=[*_left_out(facts), positive, "figures/flow"],
    )


def quality_checks(facts: StudyFacts) -> Answer:
    """Count what was refused when read; equality between groups is the author's to judge."""
    if not facts.has_file("quarantine.csv"):
        return not_met("the checks of the input are not on record (quarantine.csv)")
    return needs_author(
        "every problem of the input is listed by code (quarantine.csv)", *_left_out(facts),
        "say whether quality was alike for all groups of people",
    )  # fmt: skip
