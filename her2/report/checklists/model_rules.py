"""Rules about models: what they are, how they were tuned and chosen, what they give."""

from __future__ import annotations

from her2.report.checklists.feature_rules import fine_tuned, not_tabular
from her2.report.checklists.patient_rules import audit_passed, sample_size_enough
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

LIBRARIES = ("scikit-learn", "xgboost", "lightgbm", "torch")
DISTURBANCES = ("perturb", "disturb", "reader", "mask", "stability")


def algorithms(facts: StudyFacts) -> Answer:
    """Whether every arm names its algorithm, and the versions are on record."""
    models = [named(f"{arm}:", facts.result(f"arms.{arm}.model")) for arm in facts.arms]
    versions = [named(name, facts.version(name)) for name in LIBRARIES]
    if not any(models) or not any(versions):
        return not_met("algorithms or their versions are not on record (results.json)")
    return met(*models, *versions)


def tuning(facts: StudyFacts) -> Answer:
    """Whether grids, folds and the training of networks are on record."""
    epochs = fine_tuned(facts)
    if epochs is not None:
        return met(f"epochs {epochs}", named("initial weights", facts.setting("backbone.weights")))
    return met_by(
        "grids or folds of the tuning are not on record (config.yaml)",
        named("grids of", facts.setting("classifier")),
        named("inner folds", facts.setting("evaluation.n_inner_folds")),
        more=[named("frozen network", facts.setting("backbone.name"))],
    )


def model_selection(facts: StudyFacts) -> Answer:
    """Whether models were chosen by inner folds, and the audit found no leak."""
    folds, scoring = _choice(facts)
    if folds is None or scoring is None:
        return not_met("the rule that chose the models is not on record (config.yaml)")
    audit = audit_passed(facts)
    if audit is None:
        return needs_author(
            folds, scoring, "no passed leakage audit (tables/audit.csv): say how test patients "
            "were kept out of the choice",
        )  # fmt: skip
    return met(folds, scoring, audit)


def model_building(facts: StudyFacts) -> Answer:
    """Whether kind, steps, tuning and internal validation are on record."""
    return met_by(
        "model, tuning or internal validation are not on record (config.yaml)",
        named(f"{facts.final_arm}:", facts.result(f"arms.{facts.final_arm}.model")),
        *_choice(facts),
        named("outer folds", facts.setting("evaluation.n_folds")),
        more=[named("repeats", facts.setting("evaluation.n_repeats"))],
    )


def _choice(facts: StudyFacts) -> tuple[str | None, str | None]:
    folds = facts.setting("evaluation.n_inner_folds")
    return named("inner folds", folds), named("chosen by", facts.setting("evaluation.scoring"))


def dimensionality(facts: StudyFacts) -> Answer:
    """Whether the number of patients supports the number of predictors."""
    return not_tabular(facts) or sample_size_enough(facts)


def network_robustness(facts: StudyFacts) -> Answer:
    """Whether an end-to-end network was tested with disturbed inputs."""
    if fine_tuned(facts) is None:
        if not facts.arms:
            return not_met("no network is on record (results.json)")
        return not_applicable("no network was trained from image to prediction (config.yaml)")
    checks = facts.column("audit", "check").astype(str)
    found = [name for name in checks if any(word in name.lower() for word in DISTURBANCES)]
    if not found:
        return not_met("the network was not tested with other masks or disturbed images")
    return met(f"{', '.join(found)} (tables/audit.csv)")


def prediction_means(facts: StudyFacts) -> Answer:
    """Whether predictions of the evaluation and what made them are kept."""
    if not facts.has_file("predictions.parquet") or not facts.has_file("model"):
        return not_met("predictions or the models behind them are not kept")
    return met("every probability is in predictions.parquet", "the frozen pipelines are in model/")


def specification(facts: StudyFacts) -> Answer:
    """Whether the model is kept; who may use it is the author's to say."""
    if not facts.has_file("model"):
        return not_met("no model is kept (model/)")
    shown = None if facts.table("nomogram").empty else "nomogram (tables/nomogram.csv)"
    return needs_author(
        "the frozen pipelines are in model/", shown, "say where others get them and on what terms"
    )


def output(facts: StudyFacts) -> Answer:
    """Whether threshold and its origin are reported."""
    rules = facts.column("operating_points", "rule").astype(str).unique()
    more = [f"also {', '.join(rules)} (tables/operating_points.csv)"] if len(rules) else []
    threshold = facts.performance("threshold")
    return met_by(
        "no threshold is reported (results.json)",
        named("a probability, and a class at the threshold", threshold),
        "it maximises Youden's index of out-of-fold training predictions",
        more=more,
    )


def updating(facts: StudyFacts) -> Answer:
    """Whether a model was changed after its evaluation: this package never does."""
    if not facts.arms:
        return needs_author("say whether a model was updated after its evaluation")
    return not_applicable(
        "models are frozen before they are judged and were not updated after (results.json: arms)"
    )
