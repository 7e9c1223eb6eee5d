"""Sentences at the top of each section: they phrase the numbers of a study, and compute none.

Each function takes the results and the tables by name, and returns no sentence where the
numbers for it are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from her2.explain.saliency import (
    CENTRE,
    CORRELATIONS,
    DELETION_GAIN,
    ENRICHMENT,
    FLAT,
    INSERTION_GAIN,
    POINTING,
    SHARE_INSIDE,
)
from her2.plots.text import arm_title, count, is_missing, number
from her2.report.formats import interval_text, ratio
from her2.report.headline import ALPHA, REPEATED, auc_of, comparison_sentence, leading_arm

Results: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, pd.DataFrame]
Record: TypeAlias = Mapping[Hashable, Any]
NAMED = 5  # names in a sentence before it says "and others"
INTERCEPT = "(intercept)"
LAST_STEP = "regression of signatures"  # the scope of the optimism behind the nomogram
SAME_MAP = 0.5  # rank correlation from which a map with random weights counts as the same
IN_WORDS = {"test": "test", "external": "external", "out_of_fold": "training (out of fold)"}


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
        _differing(tables, "baseline", "Training and test patients"),
        _differing(tables, "baseline_outcome", "Negative and positive patients"),
    ]


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


def _features(_results: Results, tables: Tables) -> list[str]:
    rows = _rows(tables, "selection_steps", "arm", "n_before", "n_after")
    first: dict[Any, Any] = {}
    last: dict[Any, Any] = {}
    for row in rows:
        first.setdefault(row["arm"], row["n_before"])
        last[row["arm"]] = row["n_after"]
    kept = [f"{arm_title(str(arm))} {count(last[arm])} of {count(first[arm])}" for arm in first]
    return [f"Selection kept, fitted on all training patients: {in_words(kept)}."] if kept else []


def _performance(results: Results, tables: Tables) -> list[str]:
    lead = leading_arm(results)
    if lead is None:
        return ["No AUC could be estimated; the notes give the reason."]
    repeated = results["arms"][lead].get(REPEATED)
    single, test = (
        interval_text(*auc_of(results, lead, kind)) for kind in ("out_of_fold", "test")
    )
    first = f"“{arm_title(lead)}” ranked first out of fold with an AUC of {single}."
    return [
        _repeated_sentence(lead, repeated) if repeated else first,
        f"In the single split its AUC on the test patients was {test}.",
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
    areas = [
        (content["roles"]["test"]["auc"], arm_title(arm))
        for arm, content in results["arms"].items()
        if "test" in content["roles"] and not is_missing(content["roles"]["test"]["auc"])
    ]
    if len(areas) < 2:
        return []
    (low, worst), (high, best) = min(areas), max(areas)
    return [
        f"On the test patients AUC ran from {number(low)} ({worst}) to {number(high)} ({best})."
    ]


def _calibration(results: Results, _frames: Tables) -> list[str]:
    lead, p = _lead_on_test(results)
    if p is None or is_missing(p.get("calibration_slope")):
        return []
    measures = [
        f"a calibration slope of {number(p['calibration_slope'], 2)}",
        f"an intercept of {number(p['calibration_intercept'], 2)}",
    ]
    measures += [] if is_missing(p.get("ici")) else [f"an ICI of {number(p['ici'])}"]
    return [f"On the test patients “{lead}” had {in_words(measures)}."]


def _confusion(results: Results, _frames: Tables) -> list[str]:
    lead, p = _lead_on_test(results)
    if p is None or any(is_missing(p.get(name)) for name in ("tp", "fp", "tn", "fn")):
        return []
    return [
        f"At the training threshold “{lead}” found {count(p['tp'])} of "
        f"{count(p['tp'] + p['fn'])} positive test patients and called {count(p['fp'])} of "
        f"{count(p['fp'] + p['tn'])} negative ones positive."
    ]


def _lead_on_test(results: Results) -> tuple[str, Mapping[str, Any] | None]:
    lead = leading_arm(results)
    if lead is None:
        return "", None
    return arm_title(lead), results["arms"][lead]["roles"].get("test")


def _comparisons(results: Results, _frames: Tables) -> list[str]:
    return [comparison_sentence(results)] if results["comparisons"] else []


def _nomogram(_results: Results, tables: Tables) -> list[str]:
    rows = _rows(tables, "optimism", "measure", "apparent", "corrected")
    rows = [row for row in rows if str(row.get("scope", LAST_STEP)).endswith(LAST_STEP)]
    found = [
        f"{row['measure']} {number(row['apparent'])} as fitted, {number(row['corrected'])} "
        "corrected"
        for row in rows
        if not is_missing(row["corrected"])
    ]
    return [f"Corrected for optimism: {in_words(found)}."] if found else []


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
    chosen = [f"{arm_title(arm)} {content['model']}" for arm, content in results["arms"].items()]
    return [f"Chosen by inner cross-validation: {in_words(chosen)}."]


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


def failed_checks(tables: Tables) -> list[str]:
    """Names of the checks of the protocol that failed."""
    checks = _rows(tables, "audit", "check", "passed")
    return [str(r["check"]) for r in checks if not is_missing(r["passed"]) and not r["passed"]]


def _grad_cam(_results: Results, tables: Tables) -> list[str]:
    rows = _rows(tables, "grad_cam", "role", "measure", "n", "value", "low", "high")
    return grad_cam_sentences([row for row in rows if not is_missing(row["value"])])


def grad_cam_sentences(rows: Sequence[Record]) -> list[str]:
    """Sentences of the table `grad_cam`: where the maps lie, and whether they can be trusted."""
    found = {(row["role"], row["measure"]): row for row in rows}
    sizes = {role: row["n"] for (role, measure), row in found.items() if measure == ENRICHMENT}
    texts = _place(found, max(sizes, key=lambda role: sizes[role])) if sizes else []
    return [text for text in (*texts, *_trust(found)) if text]


def _place(found: Mapping[tuple[Any, Any], Record], role: str) -> list[str]:
    share, enriched = found[role, SHARE_INSIDE], found[role, ENRICHMENT]
    hits, empty = found.get((role, POINTING)), found.get((role, FLAT))
    centre = found.get((role, CENTRE))
    lesions = f"{count(share['n'])} {IN_WORDS[role]} lesions"
    texts = [
        f"In {lesions} {_percent(share['value'])} of the map lay inside the lesion, which fills "
        f"{_percent(share['without_knowledge'])} of the crop: an enrichment of "
        f"{interval_text(enriched['value'], enriched['low'], enriched['high'])}.",
        _outside(enriched),
    ]
    if hits:
        by_chance = f"; the crop's centre does in {_percent(centre['value'])}" if centre else ""
        text = f"The map's largest value lay inside the lesion in {_percent(hits['value'])}"
        texts.append(f"{text}{by_chance}.")
    if empty and empty["value"]:
        texts.append(
            f"Warning: {_percent(empty['value'])} of the lesions have an empty map: nothing in "
            "the image speaks for the predicted outcome."
        )
    return texts


def _outside(enriched: Record) -> str:
    """Return the warning that the map does not lie inside the lesion; nothing where it does."""
    if is_missing(enriched["low"]):
        return ""
    if enriched["high"] < 1:
        return (
            "Warning: the map lies outside the lesion more than inside it; the network may use "
            "the surroundings, the scanner or text in the image."
        )
    if enriched["low"] <= 1:
        return (
            "Warning: the map lies inside the lesion no more than a map without any knowledge of "
            "it would; nothing shows that the network uses the lesion."
        )
    return ""


def _trust(found: Mapping[tuple[Any, Any], Record]) -> list[str]:
    gains = [row for (_, m), row in found.items() if m in (DELETION_GAIN, INSERTION_GAIN)]
    gains = [row for row in gains if not is_missing(row["low"])]
    texts = []
    if gains and not any(row["low"] > 0 for row in gains):
        texts.append(
            f"Warning: in {count(gains[0]['n'])} lesions, removing or restoring what the map "
            "marks changed the probability no more than random places did; the maps are not "
            "shown to mark what the network uses."
        )
    elif gains:
        texts.append(
            "What the map marks counts more for the probability than random places (deletion or "
            "insertion)."
        )
    worst = max(
        (row["value"] for (_, m), row in found.items() if m in CORRELATIONS.values()), default=0
    )
    if worst > SAME_MAP:
        texts.append(
            f"Warning: with random weights the map stays much the same (rank correlation "
            f"{number(worst, 2)}); it shows the image more than what was learned."
        )
    return texts


def _percent(share: Any) -> str:
    return f"{number(100 * share, 0)} %"


SENTENCES: dict[str, Callable[[Results, Tables], list[str]]] = {
    "flow": _flow,
    "baseline": _baseline,
    "clinical": _clinical,
    "readers": _readers,
    "features": _features,
    "performance": _performance,
    "roc": _roc,
    "calibration": _calibration,
    "confusion": _confusion,
    "comparisons": _comparisons,
    "nomogram": _nomogram,
    "grad-cam": _grad_cam,
    "robustness": _robustness,
    "model-selection": _models,
    "audit": _audit,
    "checklists": _checklists,
}
