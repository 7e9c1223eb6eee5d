"""The first screen of the report: what was found, in sentences and in one line for each arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from her2.core.results import centre_roles, judged_roles
from her2.plots.style import arm_colour, arms_in_order
from her2.plots.text import (
    arm_title,
    beside,
    count,
    is_missing,
    mean_count,
    number,
    p_statement,
    role_title,
)
from her2.report.formats import interval_cell, interval_text
from her2.report.grad_cam_sentences import grad_cam_sentences

PRIMARY = "out_of_fold"
TITLES = {PRIMARY: "Cross-validated", "test": "Test (single split)"}
STABLE = 0.75  # Nogueira's index from which a selection counts as excellent
BEYOND_BIOPSY = "C23"
SCALE = (0.3, 1.0)  # AUC at the left and right end of the small interval drawing
TOO_GOOD = 0.95
CHANCE = 0.5
ALPHA = 0.05


def headline_kinds(results: Mapping[str, Any]) -> list[str]:
    """Names of the estimates: the primary one, and every role of held-out patients."""
    return [PRIMARY, *(role for role in judged_roles(results) if role != PRIMARY)]


def headline_columns(results: Mapping[str, Any]) -> list[str]:
    """Titles of the `headline_kinds`."""
    return [TITLES.get(kind, role_title(kind)) for kind in headline_kinds(results)]


def headline_arms(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Title, colour and estimates of every arm: the AUC in each of the `headline_columns`."""
    return [
        {
            "title": arm_title(arm),
            "colour": arm_colour(arm),
            "estimates": [
                _estimate(*auc_of(results, arm, kind)) for kind in headline_kinds(results)
            ],
        }
        for arm in arms_in_order(results["arms"])
    ]


def auc_of(results: Mapping[str, Any], arm: str, kind: str) -> tuple[Any, Any, Any]:
    """AUC, low and high end of its interval; None for what there is not."""
    p = results["arms"][arm]["roles"].get(kind) or {}
    return p.get("auc"), p.get("auc_low"), p.get("auc_high")


def _estimate(value: Any, low: Any, high: Any) -> dict[str, Any]:
    """AUC and interval as a cell, and, if both are known, in percent of the drawing's width."""
    ends = {"low": low, "value": value, "high": high}
    known = not any(map(is_missing, ends.values()))
    (left, right), whisker = SCALE, None
    if known:
        shares = {name: (x - left) / (right - left) for name, x in ends.items()}
        whisker = {n: round(100 * min(max(x, 0.0), 1.0), 2) for n, x in shares.items()}
    return {"cell": interval_cell(value, low, high), "whisker": whisker}


def leading_arm(results: Mapping[str, Any]) -> str | None:
    """Arm with the highest primary AUC: the test patients do not choose the headline."""
    areas = {arm: auc_of(results, arm, PRIMARY)[0] for arm in arms_in_order(results["arms"])}
    known = {arm: value for arm, value in areas.items() if not is_missing(value)}
    return max(known, key=lambda arm: known[arm]) if known else None


def headline_sentences(results: Mapping[str, Any]) -> list[str]:
    """State in plain language what the study found, in every role that it has."""
    lead = leading_arm(results)
    held_out = headline_kinds(results)[1:]
    texts = [_cohort_sentence(results)]
    if lead is None:
        texts.append("No arm has a cross-validated AUC that can be estimated; see the notes.")
    else:
        texts += [_lead_sentence(results, lead), choice_sentence(results)]
        for role in held_out:
            texts += [_area_sentence(results, lead, role), _shares_sentence(results, lead, role)]
        if not held_out:
            texts.append(_shares_sentence(results, lead, PRIMARY))
    return [text for text in (*texts, comparison_sentence(results)) if text]


def patients_of(role: str) -> str:
    """Patients of a role, in words.

    >>> patients_of("test"), patients_of("Lyon")
    ('the test patients', 'the patients of Lyon')
    """
    known = {"test": "the test patients", PRIMARY: "the training patients, cross-validated"}
    return known.get(role, "the external patients" if role == "external" else _of_centre(role))


def _of_centre(name: str) -> str:
    return f"the patients of {name}"


def _cohort_sentence(results: Mapping[str, Any]) -> str:
    cohort = results["cohort"]
    roles = [f"{count(cohort['n_train'])} trained the models"]
    if cohort["n_test"]:
        roles.append(f"{count(cohort['n_test'])} were set aside for one test")
    external = cohort.get("centres") or {}
    roles += [f"{count(n)} of {name} judged them from outside" for name, n in external.items()]
    left_out = [role for role in centre_roles(results) if role not in external]
    if left_out:
        names = f"{', '.join(left_out[:-1])} and {left_out[-1]}"
        roles.append(f"each of the centres {names} was judged by models of the others")
    *first, last = roles
    return (
        f"{count(cohort['n_patients'])} patients of the cohort {cohort['name']} were analysed, "
        f"{count(cohort['n_positive'])} of them with the positive outcome; "
        f"{', '.join(first)}{' and ' if first else ''}{last}."
    )


def _lead_sentence(results: Mapping[str, Any], arm: str) -> str:
    trained = f"the {count(results['cohort']['n_train'])} training patients"
    repeated = results["arms"][arm]["repeated_cv"]
    folds = f"{count(repeated['n_folds'])}-fold cross-validation of {trained}"
    n = repeated["n_repeats"]
    where = f"Over {count(n)} repeats of {folds}" if n > 1 else f"In {folds}"
    if set(centre_roles(results)) - set(results["cohort"].get("centres") or {}):
        where = "With each centre left out in turn"
    return (
        f"{where} the arm “{arm_title(arm)}” ranked first, with an AUC of "
        f"{_spoken(*auc_of(results, arm, PRIMARY))}."
    )


def choice_sentence(results: Mapping[str, Any]) -> str:
    """Say what the leading arm is worth without the luck of having been the best of several."""
    best = results.get("best_arm")
    if not best or best["n_arms"] < 2:
        return ""
    n_tied, n_others = len(best["tied"]) - 1, best["n_arms"] - 1
    others = f"the {count(n_others)} others" if n_others > 1 else "the other arm"
    if not n_tied:
        return (
            f"It can be told apart from {others}, so its AUC needs no correction for the choice."
        )
    tied = f"{count(n_tied)} of {others}" if n_others > 1 else others
    corrected = _spoken(best["corrected"], best["low"], best["high"])
    return (
        f"It was chosen because its AUC was the largest, and {tied} cannot be told apart from it; "
        f"corrected for the choice, the AUC is {corrected}."
    )


def _area_sentence(results: Mapping[str, Any], arm: str, role: str) -> str:
    """Say how the leading arm did on patients who took no part in any choice of its models."""
    value, low, high = auc_of(results, arm, role)
    if is_missing(value):
        return f"On {patients_of(role)} its AUC is not estimable; the notes give the reason."
    text = f"On {patients_of(role)} its AUC was {_spoken(value, low, high)}"
    if is_missing(low) or is_missing(high):
        return f"{text}; its certainty is not estimable."
    if low <= CHANCE <= high:
        return f"{text}; the interval includes 0.5: the model may be no better than chance."
    return f"{text}; the interval lies {'above' if low > CHANCE else 'below'} 0.5."


def _spoken(value: Any, low: Any, high: Any) -> str:
    if is_missing(value) or is_missing(low) or is_missing(high):
        return interval_text(value, low, high)
    ends = [beside(end, CHANCE) for end in (low, high)]
    return f"{beside(value, CHANCE)} (95 % CI {' to '.join(ends)})"


def _shares_sentence(results: Mapping[str, Any], arm: str, role: str) -> str:
    """Say sensitivity and specificity with their counts at the training threshold."""
    p = results["arms"][arm]["roles"].get(role) or {}
    if any(is_missing(p.get(name)) for name in ("tp", "fp", "tn", "fn", "threshold")):
        return ""
    parts = []
    for name, of, hit, other in (
        ("sensitivity", "positive", p["tp"], p["fn"]),
        ("specificity", "negative", p["tn"], p["fp"]),
    ):
        if hit + other:
            found = f"{mean_count(hit)} of {count(hit + other)}"
            parts.append(f"{name} {number(p[name], 2)} ({found} {of})")
    at = f"At the threshold {number(p['threshold'])} of its training patients"
    if role == PRIMARY:
        at = "At the thresholds of the other folds (counts are means over the repeats)"
    return f"{at} it had, on {patients_of(role)}: {', '.join(parts)}."


WHICH = {
    "cross-validated": "What a model of this procedure is worth for new patients like these: the "
    "number to quote. Each training patient is judged by models without him or her, in every "
    "repeat; the interval is meant to hold the AUC of the model of all training patients.",
    "corrected": "The same without the luck of having been the best of several arms: the number "
    "to quote where the arm was chosen here.",
    "test": "One draw of patients who took no part in anything: unbiased for the final model, "
    "and uncertain where they are few.",
    "external": "Patients of another centre: what changes with place, devices and patients.",
    "left out": "Patients of a centre, judged by models of the other centres.",
    "in sample": "Patients the model has learned from: how well it remembers, and no estimate.",
}


def which_number(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the AUCs of the leading arm: estimate, n, auc, auc_low, auc_high, meaning."""
    lead = leading_arm(results)
    if lead is None:
        return pd.DataFrame()
    roles, best = results["arms"][lead]["roles"], results.get("best_arm")
    external = results["cohort"].get("centres") or {}
    rows = []
    for role in (*headline_kinds(results), "train"):
        kind = {PRIMARY: "cross-validated", "test": "test", "train": "in sample"}.get(role)
        kind = kind or ("external" if role in external else "left out")
        if role in roles:
            values = auc_of(results, lead, role)
            title = TITLES.get(role, role_title(role))
            rows.append((title, roles[role]["n"], *values, WHICH[kind]))
        if role == PRIMARY and best and len(best["tied"]) > 1:
            values = (best["corrected"], best["low"], best["high"])
            title = "Cross-validated, corrected for the choice"
            rows.append((title, roles[role]["n"], *values, WHICH["corrected"]))
    columns = ["estimate", "n", "auc", "auc_low", "auc_high", "meaning"]
    return pd.DataFrame(rows, columns=columns)


def comparison_sentence(results: Mapping[str, Any]) -> str:
    """Say how many arms differ after correction: cross-validated, then in every held-out role."""
    found: dict[str, list[Any]] = {}
    for c in results["comparisons"]:
        if not is_missing(c["p_holm"]):
            found.setdefault(c["role"], []).append(c)
    if not found:
        return "No two arms could be compared."
    parts = []
    for role, tests in found.items():
        where = "cross-validated" if role == PRIMARY else f"on {patients_of(role)}"
        different = [c for c in tests if c["p_holm"] < ALPHA]
        text = f"{count(len(different))} of {count(len(tests))} {where}"
        if different:
            least = min(different, key=lambda c: float(c["p_holm"]))
            better, worse = (least["first"], least["second"])
            if least["auc_difference"] < 0:
                better, worse = worse, better
            text += f" (most clearly {arm_title(better)} above {arm_title(worse)}, "
            text += f"{p_statement(least['p_holm'])})"
        parts.append(text)
    end = (
        "; no difference is no proof of equality" if any(x.startswith("0 ") for x in parts) else ""
    )
    return (
        f"Comparisons between arms that show a difference (Holm-adjusted p < .05): "
        f"{'; '.join(parts)}{end}."
    )


def headline_alarms(
    results: Mapping[str, Any], tables: Mapping[str, pd.DataFrame] | None = None
) -> list[str]:
    """Everything that a reader must know before believing the results.

    An AUC too good to be true, failed checks of the protocol, controls of shortcuts that do as
    well, variables known only after biopsy, too few patients, an unstable selection, maps that
    fail their own test, lesions that were left out.
    """
    tables = tables or {}
    return [
        text
        for text in (
            _too_good(results), _failed(tables), *_shortcuts(tables), _after_biopsy(tables),
            _too_few(tables), _unstable(tables), *_untrusted_maps(tables), _left_out(results),
        )
        if text
    ]  # fmt: skip


def _too_good(results: Mapping[str, Any]) -> str:
    kinds = judged_roles(results)
    high = [
        arm_title(arm)
        for arm in arms_in_order(results["arms"])
        if any((auc_of(results, arm, kind)[0] or 0.0) >= TOO_GOOD for kind in kinds)
    ]
    if not high:
        return ""
    return (
        f"An AUC of {TOO_GOOD} or more ({', '.join(high)}) is rare for such a task: check "
        "for leakage, duplicates or a variable that reveals the outcome first (her2 audit)."
    )


def _records(tables: Mapping[str, pd.DataFrame], name: str, *needed: str) -> list[Any]:
    frame = tables.get(name)
    if frame is None or not set(needed) <= set(frame.columns):
        return []
    return frame.astype(object).to_dict("records")


def failed_checks(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Names of the checks of the protocol that failed."""
    checks = _records(tables, "audit", "check", "passed")
    return [str(r["check"]) for r in checks if not is_missing(r["passed"]) and not r["passed"]]


def _failed(tables: Mapping[str, pd.DataFrame]) -> str:
    found = {str(r["check"]): r.get("found") for r in _records(tables, "audit", "check")}
    failed = [f"{name}, found {found[name]}" for name in failed_checks(tables)]
    return f"A check of the protocol failed: {'; '.join(failed)}." if failed else ""


def _shortcuts(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    rows = _records(tables, "shortcut_controls", "alarm")
    return [str(row["alarm"]) for row in rows if not is_missing(row["alarm"]) and row["alarm"]]


def _after_biopsy(tables: Mapping[str, pd.DataFrame]) -> str:
    rows = _records(tables, "problems", "code")
    if not any(row["code"] == BEYOND_BIOPSY for row in rows):
        return ""
    return (
        f"A clinical variable is known only after biopsy ({BEYOND_BIOPSY}; the notes name it): "
        "arms that use it cannot be applied before one."
    )


def _too_few(tables: Mapping[str, pd.DataFrame]) -> str:
    rows = _records(tables, "sample_size", "arm", "criterion", "supported")
    rows = [row for row in rows if not is_missing(row["supported"])]
    arms = dict.fromkeys(arm_title(str(r["arm"])) for r in rows if not r["supported"])
    if not arms:
        return ""
    return (
        "There are too few training patients for the number of candidate predictors, by at least "
        f"one criterion of sample size: {', '.join(arms)}."
    )


def _unstable(tables: Mapping[str, pd.DataFrame]) -> str:
    rows = _records(tables, "stability", "arm", "nogueira")
    weak = [
        f"{arm_title(str(row['arm']))} {beside(row['nogueira'], STABLE, 2)}"
        for row in rows
        if not is_missing(row["nogueira"]) and row["nogueira"] < STABLE
    ]
    if not weak:
        return ""
    return (
        "The selection of features is unstable, other patients would select others (Nogueira's "
        f"index, {STABLE} and more is excellent): {', '.join(weak)}."
    )


def _untrusted_maps(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    rows = _records(tables, "grad_cam", "role", "measure", "n", "value", "low", "high")
    texts = grad_cam_sentences([row for row in rows if not is_missing(row["value"])])
    return [f"Grad-CAM: {text}" for text in texts if text.startswith("Warning")]


def _left_out(results: Mapping[str, Any]) -> str:
    n = results["cohort"].get("n_quarantined") or 0
    if not n:
        return ""
    lesions = "1 lesion was" if n == 1 else f"{count(n)} lesions were"
    return f"{lesions} left out because of bad input; quarantine.csv names them and the reasons."
