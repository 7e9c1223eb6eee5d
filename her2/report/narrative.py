"""Sentences at the top of each section: they phrase the numbers of a study, and compute none.

Each function takes the results and the tables by name, and returns no sentence where the
numbers for it are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from her2.plots.text import arm_title, count, is_missing, number
from her2.report.formats import interval_text, ratio
from her2.report.grad_cam_sentences import grad_cam_sentences
from her2.report.headline import (
    ALPHA,
    auc_of,
    choice_sentence,
    comparison_sentence,
    failed_checks,
    headline_kinds,
    leading_arm,
    patients_of,
)

Results: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, pd.DataFrame]
Record: TypeAlias = Mapping[Hashable, Any]
NAMED = 5  # names in a sentence before it says "and others"
INTERCEPT = "(intercept)"


def narrative(anchor: str, results: Results, tables: Tables) -> tuple[str, ...]:
    """Sentences of the section with this anchor."""
    write = SENTENCES.get(anchor)
    return tuple(sentence for sentence in write(results, tables) if sentence) if write else ()


def _rows(tables: Tables, name: str, *needed: str) -> list[dict[Hashable, Any]]:
    """Rows of a table; none if it was not given or lacks a column."""
    frame = tables.get(name)
    if frame is None or not set(needed) <= set(frame.columns):
        return []
    return frame.astype(object).to_dict("records")


def in_words(names: Sequence[str]) -> str:
    """Names as a part of a sentence.

    >>> in_words(["a"]), in_words(["a", "b", "c"]), in_words(list("abcdefg"))
    ('a', 'a, b and c', 'a, b, c, d, e and 2 others')
    """
    if len(names) > NAMED:
        rest = len(names) - NAMED
        return f"{', '.join(names[:NAMED])} and {rest} other{'s' * (rest > 1)}"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _is_below(value: Any, limit: float) -> bool:
    return isinstance(value, float | int) and not is_missing(value) and value < limit


def _name(record: Record) -> str:
    return str(record["variable"]).replace("_", " ")


def _flow(_results: Results, tables: Tables) -> list[str]:
    n = {row["step"]: row["n"] for row in _rows(tables, "flow_counts", "step", "n")}
    left_out = f"{count(n['Not eligible'])} were not eligible"
    bad = f"{count(n['Quarantined (bad input)'])} could not be used"
    return [
        f"Of {count(n['Rows of the patient table'])} rows of the patient table {left_out} and "
        f"{bad}; {count(n['Analysed lesions'])} lesions of {count(n['Analysed patients'])} "
        "patients were analysed."
    ]


def _baseline(_results: Results, tables: Tables) -> list[str]:
    return [
        _differing(tables, "baseline", _compared_groups(tables)),
        _differing(tables, "baseline_outcome", "Negative and positive patients"),
    ]


def _compared_groups(tables: Tables) -> str:
    names = set(tables["baseline"].columns) if "baseline" in tables else set()
    return "Training and test patients" if "test" in names else "Training and external patients"


def _differing(tables: Tables, table: str, groups: str) -> str:
    rows = _rows(tables, table, "variable", "p_value")
    names = list(dict.fromkeys(_name(r) for r in rows if _is_below(r["p_value"], ALPHA)))
    tested = {_name(row) for row in rows if not is_missing(row["p_value"])}
    if not tested:
        return ""
    found = f"differ in {in_words(names)}" if names else "differ in no variable"
    return f"{groups} {found} (p < .05, variables tested: {count(len(tested))}, not corrected)."


def _clinical(_results: Results, tables: Tables) -> list[str]:
    needed = ("variable", "adjusted_odds_ratio", "adjusted_low", "adjusted_high")
    rows = _rows(tables, "odds_ratios", *needed, "adjusted_p_value")
    rows = [row for row in rows if row["variable"] != INTERCEPT]
    kept = [row for row in rows if _is_below(row["adjusted_p_value"], ALPHA)]
    if not rows:
        return []
    if not kept:
        return ["Adjusted for the others, no variable is associated with the outcome (p < .05)."]
    found = [
        f"{_name(r)} (odds ratio {ratio(r['adjusted_odds_ratio'])}, 95 % CI "
        f"{ratio(r['adjusted_low'])} to {ratio(r['adjusted_high'])})"
        for r in kept
    ]
    return [f"Adjusted for the others, associated with the outcome (p < .05): {in_words(found)}."]


def _readers(_results: Results, tables: Tables) -> list[str]:
    medians = [
        f"{row['measure']} {interval_text(row['median'], row['low'], row['high'])}"
        for row in _rows(tables, "agreement", "measure", "median", "low", "high")
    ]
    texts = [f"Agreement of the readers, median: {in_words(medians)}."] if medians else []
    if "adjudication" in tables and len(tables["adjudication"]):
        n = len(tables["adjudication"])
        need = "lesions need" if n != 1 else "lesion needs"
        texts.append(f"{count(n)} {need} a third reader, because two outlines disagree.")
    return texts


def _features(results: Results, tables: Tables) -> list[str]:
    rows = _rows(tables, "selection_steps", "arm", "n_before", "n_after")
    first: dict[Any, Any] = {}
    last: dict[Any, Any] = {}
    for row in rows:
        first.setdefault(row["arm"], row["n_before"])
        last[row["arm"]] = row["n_after"]
    kept = [f"{arm_title(str(arm))} {count(last[arm])} of {count(first[arm])}" for arm in first]
    trained = f"the {count(results['cohort']['n_train'])} training patients"
    return [f"Selection kept, fitted on {trained}: {in_words(kept)}."] if kept else []


def _performance(results: Results, tables: Tables) -> list[str]:
    lead = leading_arm(results)
    if lead is None:
        return ["No AUC could be estimated; the notes give the reason."]
    return [
        _repeated_sentence(lead, results["arms"][lead]["repeated_cv"]),
        choice_sentence(results),
        *(
            f"On {patients_of(role)} its AUC was {interval_text(*auc_of(results, lead, role))}."
            for role in headline_kinds(results)[1:]
        ),
        _sample_size_sentence(tables),
    ]


def _repeated_sentence(arm: str, repeated: Mapping[str, Any]) -> str:
    found = interval_text(repeated["auc"], repeated["auc_low"], repeated["auc_high"])
    spread = number(repeated.get("sd_between_repeats"))
    return (
        f"“{arm_title(arm)}” ranked first in {count(repeated['n_repeats'])} repeats of "
        f"{count(repeated['n_folds'])}-fold cross-validation with an AUC of {found}; the split "
        f"into folds alone moved it by a standard deviation of {spread}."
    )


def _sample_size_sentence(tables: Tables) -> str:
    rows = _rows(tables, "sample_size", "supported")
    met = sum(row["supported"] is True or row["supported"] == 1 for row in rows)
    if not rows:
        return ""
    return (
        f"The cohort is large enough by {count(met)} of {count(len(rows))} criteria of sample "
        "size."
    )


def _roc(results: Results, _frames: Tables) -> list[str]:
    texts = []
    for role in headline_kinds(results)[1:]:
        areas = [
            (content["roles"][role]["auc"], arm_title(arm))
            for arm, content in results["arms"].items()
            if role in content["roles"] and not is_missing(content["roles"][role]["auc"])
        ]
        if len(areas) > 1:
            (low, worst), (high, best) = min(areas), max(areas)
            texts.append(
                f"On {patients_of(role)} AUC ran from {number(low)} ({worst}) to {number(high)} "
                f"({best})."
            )
    return texts


def _calibration(results: Results, _frames: Tables) -> list[str]:
    texts = []
    for lead, role, p in _lead_by_role(results):
        if is_missing(p.get("calibration_slope")):
            continue
        measures = [
            f"a calibration slope of {number(p['calibration_slope'], 2)}",
            f"an intercept of {number(p['calibration_intercept'], 2)}",
        ]
        measures += [] if is_missing(p.get("ici")) else [f"an ICI of {number(p['ici'])}"]
        texts.append(f"On {patients_of(role)} “{lead}” had {in_words(measures)}.")
    return texts


def _decision(results: Results, tables: Tables) -> list[str]:
    """Say between which thresholds the leading arm is better than treating all and than none."""
    lead, texts = leading_arm(results), []
    for role in headline_kinds(results):
        rows = _rows(tables, "decision_curve", "role", "arm", "low", "over_all_low")
        useful = [
            row["threshold_probability"]
            for row in rows
            if (row["role"], row["arm"]) == (role, lead)
            and min(row["low"], row["over_all_low"]) > 0
        ]
        where = f"On {patients_of(role)} acting on “{arm_title(str(lead))}” is"
        if useful:
            ends = f"{number(min(useful), 2)} and {number(max(useful), 2)}"
            texts.append(
                f"{where} better than treating all and than treating none, by the 95 % limits of "
                f"both gains, at {count(len(useful))} threshold probabilities between {ends}."
            )
        elif rows and lead is not None:
            texts.append(f"{where} at no threshold shown to be better than both.")
    return texts


def _individuals(results: Results, tables: Tables) -> list[str]:
    lead = leading_arm(results)
    moved = _rows(tables, "instability", "arm", "mean_distance", "mean_changed")
    texts = [
        "If the study had drawn other patients, as many of each outcome, a patient's risk by "
        f"“{arm_title(str(row['arm']))}” would move by about {number(row['mean_distance'], 2)} "
        f"on average, and {number(100 * row['mean_changed'], 0)} % of patients would change side "
        "of the threshold."
        for row in moved
        if row["arm"] == lead and not is_missing(row["mean_distance"])
    ]
    sets = _rows(tables, "conformal", "role", "arm", "outcome", "alpha", "n_certain", "accuracy")
    sets = [row for row in sets if row["arm"] == lead and row["outcome"] == "both"]
    sets = [row for row in sets if not is_missing(row["n_certain"])]
    return [*texts, *map(_sets_sentence, sets)]


def _sets_sentence(row: Record) -> str:
    right = row["accuracy"]
    rightly = "" if is_missing(right) else f" ({number(100 * right, 0)} % of them rightly)"
    return (
        f"Allowed to miss {number(100 * row['alpha'], 0)} % of each outcome, "
        f"“{arm_title(str(row['arm']))}” named one outcome for {count(row['n_certain'])} of "
        f"{count(row['n'])}{rightly} among {patients_of(str(row['role']))}, and abstained on "
        f"{number(100 * row['abstained'], 0)} %."
    )


def _confusion(results: Results, _frames: Tables) -> list[str]:
    return [
        f"At the training threshold “{lead}” found, on {patients_of(role)}, {count(p['tp'])} of "
        f"{count(p['tp'] + p['fn'])} positive ones and called {count(p['fp'])} of "
        f"{count(p['fp'] + p['tn'])} negative ones positive."
        for lead, role, p in _lead_by_role(results)
        if not any(is_missing(p.get(name)) for name in ("tp", "fp", "tn", "fn"))
    ]


def _lead_by_role(results: Results) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Title of the leading arm, role and performance, in every role of held-out patients."""
    lead = leading_arm(results)
    if lead is None:
        return []
    roles = results["arms"][lead]["roles"]
    return [(arm_title(lead), r, roles[r]) for r in headline_kinds(results)[1:] if r in roles]


def _comparisons(results: Results, _frames: Tables) -> list[str]:
    return [comparison_sentence(results)] if results["comparisons"] else []


def _robustness(_results: Results, tables: Tables) -> list[str]:
    stable = [
        f"{arm_title(str(row['arm']))} {number(row['nogueira'], 2)}"
        for row in _rows(tables, "stability", "arm", "nogueira")
        if not is_missing(row["nogueira"])
    ]
    texts = [f"Stability of the selection (Nogueira): {in_words(stable)}."] if stable else []
    tests = _rows(tables, "subgroups", "variable", "interaction_p")
    tests = [row for row in tests if not is_missing(row["interaction_p"])]
    names = list(dict.fromkeys(_name(r) for r in tests if _is_below(r["interaction_p"], ALPHA)))
    if tests:
        found = f"is below .05 for {in_words(names)}" if names else "is below .05 for no variable"
        texts.append(f"The p of interaction in subgroups {found}.")
    return texts


def _models(results: Results, tables: Tables) -> list[str]:
    if tables["model_selection"].empty:
        return []
    trained = f"the {count(results['cohort']['n_train'])} training patients"
    chosen = [f"{arm_title(arm)} {content['model']}" for arm, content in results["arms"].items()]
    return [f"Chosen by inner cross-validation of {trained}: {in_words(chosen)}."]


def _audit(_results: Results, tables: Tables) -> list[str]:
    checks = _rows(tables, "audit", "check", "passed")
    failed = failed_checks(tables)
    if not checks:
        return []
    passed = sum(not is_missing(row["passed"]) and bool(row["passed"]) for row in checks)
    text = f"{count(passed)} of {count(len(checks))} checks of the protocol passed"
    return [f"{text}; failed: {in_words(failed)}." if failed else f"{text}."]


def _checklists(results: Results, _frames: Tables) -> list[str]:
    found = results.get("metrics_score")
    if not found:
        return []
    return [
        f"METRICS score {number(found['score'], 1)} % ({found['quality_category']}), with every "
        f"item that needs the author counted as not met: {count(found['n_met'])} of "
        f"{count(found['n_applicable'])} applicable items are proven by this run and "
        f"{count(found['n_open'])} wait for the author. Each answer names the number or file that "
        "proves it."
    ]


def _grad_cam(_results: Results, tables: Tables) -> list[str]:
    rows = _rows(tables, "grad_cam", "role", "measure", "n", "value", "low", "high")
    return grad_cam_sentences([row for row in rows if not is_missing(row["value"])])


SENTENCES: dict[str, Callable[[Results, Tables], list[str]]] = {
    "flow": _flow,
    "baseline": _baseline,
    "clinical": _clinical,
    "readers": _readers,
    "features": _features,
    "performance": _performance,
    "roc": _roc,
    "calibration": _calibration,
    "decision-curves": _decision,
    "individual-risks": _individuals,
    "confusion": _confusion,
    "comparisons": _comparisons,
    "grad-cam": _grad_cam,
    "robustness": _robustness,
    "model-selection": _models,
    "audit": _audit,
    "checklists": _checklists,
}
