"""Rules about results: patients, measures, uncertainty, comparisons, subgroups."""

from __future__ import annotations

from itertools import chain

import pandas as pd

from her2.core.results import centre_roles
from her2.plots.text import p_statement
from her2.report.checklists.feature_rules import fine_tuned
from her2.report.checklists.study_facts import (
    Answer,
    Found,
    StudyFacts,
    met,
    met_by,
    named,
    needs_author,
    not_met,
    shown,
)

EXPLAINING = ("nomogram", "grad_cam", "selection_weights", "selection_lasso", "odds_ratios")
CONFUSION = ("tp", "fp", "tn", "fn")
# parts of a variable's name
ACQUISITION = ("vendor", "scanner", "manufacturer", "device", "machine", "probe")
PLACES = ("centre", "center", "site", "hospital", "institution", "country", "region")


def testing(facts: StudyFacts) -> Answer:
    """Whether the kind of test and the number of patients are reported."""
    roles = ("test", *centre_roles(facts.results))
    found = [named(f"{role}: lesions", _size(facts, role)) for role in roles]
    if not any(found):
        return not_met("no arm was judged on patients who were set aside (results.json)")
    return met(*found)


def internal_test(facts: StudyFacts) -> Answer:
    """Whether patients of the same source were set aside and judged."""
    return _judged(facts, "test")


def external_test(facts: StudyFacts) -> Answer:
    """Whether patients of another source were judged; where they come from is the author's."""
    judged = [_judged(facts, centre) for centre in centre_roles(facts.results)]
    lacking = [answer for answer in judged if answer.status != "met"]
    if not judged:
        return not_met("no external patients were judged (results.json)")
    return lacking[0] if lacking else met(*[answer.proof for answer in judged])


def limitations(facts: StudyFacts) -> Answer:
    """Whether other centres took part: what there is to discuss is the author's."""
    centres = centre_roles(facts.results)
    missing = "that no patients of another centre judged the models"
    return needs_author(
        "discuss every item of these tables that is not met, the width of the intervals, and "
        + (f"whom the patients of {shown(centres)} stand for" if centres else missing)
    )


def next_steps(facts: StudyFacts) -> Answer:
    """Whether other centres took part: which are next is the author's."""
    centres = centre_roles(facts.results)
    done = f"after {shown(centres)}, " if centres else ""
    return needs_author(
        f"plan the next evaluation: {done}patients of another centre, judged by the frozen "
        "pipelines of model/"
    )


def _judged(facts: StudyFacts, role: str) -> Answer:
    n, auc = _size(facts, role), _role_result(facts, role, "auc")
    lacking = f"no {role} patients were judged (results.json)"
    return met_by(lacking, named(f"{role}: lesions", n), named("AUC", auc))


def _size(facts: StudyFacts, role: str) -> Found | None:
    n = _role_result(facts, role, "n")
    return n if n is not None and n.value else None


def _role_result(facts: StudyFacts, role: str, name: str) -> Found | None:
    return facts.of_role(facts.final_arm or "", role, name)


def measures_used(facts: StudyFacts) -> Answer:
    """Which kinds of measures the run has; why these is the author's to say."""
    found = [named("AUC", facts.performance("auc")), _calibration(facts), _usefulness(facts)]
    if None in found:
        return not_met("discrimination, calibration or net benefit is missing (results.json)")
    return needs_author(*found, "say why these measures were chosen")


def appropriate_measures(facts: StudyFacts) -> Answer:
    """Whether the AUC comes with the confusion matrix, and a trained network with its loss."""
    if fine_tuned(facts) is not None and not any(f.startswith("training") for f in facts.figures):
        return not_met("the network's training loss is not drawn (figures)")
    cells = [named(name, facts.performance(name)) for name in CONFUSION]
    lacking = "AUC or confusion matrix is missing (results.json)"
    return met_by(lacking, named("AUC", facts.performance("auc")), *cells)


def uncertainty(facts: StudyFacts) -> Answer:
    """Whether the AUC has an interval."""
    low, high = facts.performance("auc_low"), facts.performance("auc_high")
    if low is None or high is None:
        return not_met("the AUC has no interval (results.json)")
    spread = facts.result(f"arms.{facts.final_arm}.repeated_cv.sd_between_repeats")
    return met(
        f"95 % interval of the AUC by DeLong's method, {low} to {high}",
        named("standard deviation between repeats", spread),
    )


def uncertainty_with_calibration(facts: StudyFacts) -> Answer:
    """Whether the AUC has an interval and calibration was assessed."""
    interval, slope = uncertainty(facts), _calibration(facts)
    if interval.status != "met" or slope is None:
        return not_met("interval or calibration is missing (results.json)")
    return met(interval.proof, slope)


def calibration(facts: StudyFacts) -> Answer:
    """Whether the calibration of the final model was assessed."""
    names = {"calibration_intercept": "intercept", "brier": "Brier score", "ici": "ICI"}
    more = [named(title, facts.performance(name)) for name, title in names.items()]
    lacking = "the final model has no calibration slope (results.json)"
    return met_by(lacking, _calibration(facts), more=more)


def _calibration(facts: StudyFacts) -> str | None:
    return named("slope", facts.performance("calibration_slope"))


def _usefulness(facts: StudyFacts) -> str | None:
    points = facts.column("decision_curve", "net_benefit")
    if points.empty:
        return None
    return f"net benefit at {len(points)} points (tables/decision_curve.csv)"


def comparison_test(facts: StudyFacts) -> Answer:
    """Whether models were compared by a test, corrected for their number."""
    tested = _tested(facts)
    if tested.empty:
        return not_met("no comparison with an adjusted p value (tables/comparisons.csv)")
    adjusted = tested["p_holm"].notna()
    if not adjusted.any():
        return not_met("p values are not adjusted for their number (tables/comparisons.csv)")
    n = int(adjusted.sum())
    smallest = p_statement(float(tested["p_holm"].min()))
    return met(
        f"{n} comparisons by DeLong's test, Holm-adjusted, smallest {smallest} "
        "(tables/comparisons.csv)",
        named("scipy", facts.version("scipy")),
    )


def clinical_comparison_planned(facts: StudyFacts) -> Answer:
    """Whether clinical and combined models stand beside radiomics, with net benefit."""
    absent = [arm for arm in ("clinical", "combined") if arm not in facts.arms]
    useful = _usefulness(facts)
    if absent or useful is None:
        lacking = [*absent, *([] if useful else ["decision curve"])]
        return not_met(f"missing: {', '.join(lacking)} (results.json, tables/decision_curve.csv)")
    models = [f"{arm}: {facts.result(f'arms.{arm}.model')}" for arm in ("clinical", "combined")]
    return met(*models, useful)


def clinical_comparison(facts: StudyFacts) -> Answer:
    """Whether the model was compared with the clinical one by a test."""
    lacking = "no test against the clinical model (tables/comparisons.csv)"
    return met_by(lacking, _against_clinical(facts))


def clinical_comparison_reported(facts: StudyFacts) -> Answer:
    """Whether that comparison comes with confusion matrices and net benefit."""
    counts = appropriate_measures(facts)
    return met_by(
        "test, confusion matrix or net benefit is missing (tables/comparisons.csv)",
        _against_clinical(facts),
        _usefulness(facts),
        counts.proof if counts.status == "met" else None,
    )


def _tested(facts: StudyFacts) -> pd.DataFrame:
    table = facts.table("comparisons")
    needed = {"role", "first", "second", "auc_difference", "p_value", "p_holm"}
    if not needed <= set(table.columns):
        return pd.DataFrame()
    return table[table["p_value"].notna()]


def _against_clinical(facts: StudyFacts) -> str | None:
    """Comparison of the final arm with the clinical one where the final was judged."""
    tested, arm = _tested(facts), facts.final_arm
    if tested.empty or arm is None or arm == "clinical":
        return None
    role, pair = facts.judged_role(arm), {"clinical", arm}
    for row in tested[tested["role"] == role].to_dict("records"):
        if {row["first"], row["second"]} == pair:
            p_holm = row["p_holm"]
            holm = "" if pd.isna(p_holm) else f", Holm-adjusted {p_statement(p_holm)}"
            return (
                f"{row['first']} minus {row['second']}, {role}: {row['auc_difference']:+.3f}, "
                f"{p_statement(row['p_value'])}{holm} (tables/comparisons.csv)"
            )
    return None


def simple_model_comparison(facts: StudyFacts) -> Answer:
    """Whether the final model was tested against one that knows nothing."""
    table, arm = facts.table("against_chance"), facts.final_arm
    if table.empty or arm is None:
        return not_met("no test against an uninformed model (tables/against_chance.csv)")
    rows = table[table["arm"].eq(arm) & table["p_value"].notna()]
    if rows.empty:
        return not_met("the final model was not tested against chance (tables/against_chance.csv)")
    row = rows.iloc[0]
    permuted = row["n_permutations"]
    chance = (
        "an uninformed .500 by its standard error" if pd.isna(permuted)
        else f"{permuted:.0f} permutations of the outcome"
    )  # fmt: skip
    return met(
        f"{row['arm']}, {row['role']}: AUC {row['auc']:.3f} against {chance}, "
        f"{p_statement(float(row['p_value']))} "
        "(tables/against_chance.csv)"
    )


def explanation(facts: StudyFacts) -> Answer:
    """Whether figures explain the model."""
    named = sorted(name for name in facts.figures if name.startswith(EXPLAINING))
    if not named:
        return not_met("no figure explains a model (figures)")
    return met(*[f"figures/{name}" for name in named[:4]])


def performance(facts: StudyFacts) -> Answer:
    """Whether performance is reported in training, out of fold and on unseen patients."""
    has_test = _role_result(facts, "test", "auc") is not None
    held_out = "test" if has_test else next(iter(centre_roles(facts.results)), "external")
    roles = ("train", "out_of_fold", held_out)
    areas = {role: _role_result(facts, role, "auc") for role in roles}
    absent = [role for role, auc in areas.items() if auc is None]
    if absent:
        return not_met(f"no AUC for {', '.join(absent)} (results.json)")
    repeated = facts.result(f"arms.{facts.final_arm}.repeated_cv.auc")
    return met(
        named("repeated cross-validation: AUC", repeated),
        *[f"{role}: AUC {auc}" for role, auc in areas.items()],
        "figures/roc" if "roc" in facts.figures else None,
    )


def performance_in_groups(facts: StudyFacts) -> Answer:
    """Whether performance has intervals, overall and in subgroups."""
    overall = uncertainty(facts)
    if overall.status != "met":
        return overall
    groups = facts.column("subgroups", "auc")
    if groups.empty:
        return not_met(overall.proof, "but no subgroup has an AUC (tables/subgroups.csv)")
    return met(overall.proof, f"{len(groups)} AUCs of subgroups (tables/subgroups.csv)")


def analysis_sizes(facts: StudyFacts) -> Answer:
    """Whether lesions and events of every analysis are reported."""
    arm = facts.final_arm
    roles = list((facts.results.get("arms", {}).get(arm) or {}).get("roles") or {}) if arm else []
    pairs = [(_role_result(facts, r, "n"), _role_result(facts, r, "n_positive")) for r in roles]
    if not pairs or any(value is None for value in chain.from_iterable(pairs)):
        return not_met("lesions and events of the analyses are not counted (results.json)")
    return met(*[f"{role}: {n}, events {m}" for role, (n, m) in zip(roles, pairs, strict=True)])


def confounders(facts: StudyFacts) -> Answer:
    """Whether performance was compared between scanners or places."""
    if facts.column("subgroups", "auc").empty:
        return not_met("no subgroup was examined (tables/subgroups.csv)")
    tested = _subgroup_variables(facts, "interaction_p")
    relevant = [name for name in tested if _is_one_of(name, (*ACQUISITION, *PLACES))]
    if not relevant:
        return needs_author(
            f"performance was tested for interaction with {', '.join(tested) or 'no variable'} "
            "(tables/subgroups.csv): say how scanner and centre were dealt with"
        )
    return met(f"interaction with {', '.join(relevant)} was tested (tables/subgroups.csv)")


def clusters(facts: StudyFacts) -> Answer:
    """Whether performance was estimated by centre."""
    names = [n for n in _subgroup_variables(facts, "auc") if _is_one_of(n, PLACES)]
    known = facts.table("subgroups").dropna(subset="auc") if names else pd.DataFrame()
    places = [n for n in names if known.loc[known["variable"].eq(n), "level"].nunique() > 1]
    apart = external_test(facts)
    if not places and apart.status == "met":
        return needs_author(apart.proof, "say how differences between centres were handled")
    if not places:
        return needs_author(
            "no centre is among the subgroups (tables/subgroups.csv): say that there was a single "
            "centre, or how differences between centres were handled"
        )
    auc = known.loc[known["variable"].isin(places), "auc"]
    return met(
        f"AUC {auc.min():.3f} to {auc.max():.3f} by {', '.join(places)} (tables/subgroups.csv)"
    )


def fairness(facts: StudyFacts) -> Answer:
    """Whether performance was examined in groups of people; what follows is the author's."""
    variables = _subgroup_variables(facts, "auc")
    if not variables:
        return not_met("no subgroup was examined (tables/subgroups.csv)")
    return needs_author(
        f"performance is reported by {', '.join(variables)} (tables/subgroups.csv): say which of "
        "these matter for fairness, and why"
    )


def _subgroup_variables(facts: StudyFacts, column: str) -> list[str]:
    table = facts.table("subgroups")
    if table.empty or column not in table:
        return []
    return [str(name) for name in table.loc[table[column].notna(), "variable"].unique()]


def _is_one_of(variable: str, words: tuple[str, ...]) -> bool:
    return any(word in variable.lower() for word in words)
