"""Rules about groups of patients: scanners, centres, people."""

from __future__ import annotations

from her2.report.checklists.facts import Answer, StudyFacts, met, needs_author, not_met

# parts of a variable's name
ACQUISITION = ("vendor", "scanner", "manufacturer", "device", "machine", "probe")
PLACES = ("centre", "center", "site", "hospital", "institution", "country", "region")


def confounders(facts: StudyFacts) -> Answer:
    """Whether performance was held against the acquisition or the place."""
    if facts.column("subgroups", "auc").empty:
        return not_met("no subgroup was looked at (tables/subgroups.csv)")
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
    places = [
        name for name in _subgroup_variables(facts, "auc")
        if _is_one_of(name, PLACES) and _n_levels(facts, name) > 1
    ]  # fmt: skip
    if not places:
        return needs_author(
            "no centre is among the subgroups (tables/subgroups.csv): say that there was a single "
            "centre, or how differences between centres were handled"
        )
    levels = facts.table("subgroups")
    auc = levels.loc[levels["variable"].isin(places), "auc"].dropna()
    return met(
        f"AUC {auc.min():.3f} to {auc.max():.3f} by {', '.join(places)} (tables/subgroups.csv)"
    )


def fairness(facts: StudyFacts) -> Answer:
    """Whether performance was looked at in groups of people; what to do about it is human."""
    variables = _subgroup_variables(facts, "auc")
    if not variables:
        return not_met("no subgroup was looked at (tables/subgroups.csv)")
    return needs_author(
        f"performance is reported by {', '.join(variables)} (tables/subgroups.csv): say which of "
        "these matter for fairness, and why"
    )


def _subgroup_variables(facts: StudyFacts, column: str) -> list[str]:
    table = facts.table("subgroups")
    if table.empty or column not in table:
        return []
    return [str(name) for name in table.loc[table[column].notna(), "variable"].unique()]


def _n_levels(facts: StudyFacts, variable: str) -> int:
    table = facts.table("subgroups")
    known = table[table["variable"].eq(variable) & table["auc"].notna()]
    return int(known["level"].nunique())


def _is_one_of(variable: str, words: tuple[str, ...]) -> bool:
    return any(word in variable.lower() for word in words)
