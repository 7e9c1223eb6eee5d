"""The first screen of the report: what was found, in sentences and in one line for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from her2.plots.style import arm_colour, arms_in_order
from her2.plots.text import arm_title, count, is_missing, number
from her2.report.formats import interval_cell, interval_text

REPEATED = "repeated_cv"
TITLES = {
    REPEATED: "Repeated cross-validation",
    "out_of_fold": "Training, out of fold",
    "test": "Test (single split)",
}
SCALE = (0.3, 1.0)  # AUC at the left and right end of the small interval drawing
TOO_GOOD = 0.95
ALPHA = 0.05


def primary_estimate(results: Mapping[str, Any]) -> str:
    """Name of the estimate that leads: repeated cross-validation where a study has it."""
    arms = results["arms"].values()
    return REPEATED if any(arm.get(REPEATED) for arm in arms) else "out_of_fold"


def headline_columns(results: Mapping[str, Any]) -> list[str]:
    """Titles of the estimates: the primary one, and the single split beside it."""
    return [TITLES[primary_estimate(results)], TITLES["test"]]


def headline_arms(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Title, colour and estimates of every arm: the AUC in each of the `headline_columns`."""
    kinds = (primary_estimate(results), "test")
    return [
        {
            "title": arm_title(arm),
            "colour": arm_colour(arm),
            "estimates": [_estimate(*auc_of(results, arm, kind)) for kind in kinds],
        }
        for arm in arms_in_order(results["arms"])
    ]


def auc_of(results: Mapping[str, Any], arm: str, kind: str) -> tuple[Any, Any, Any]:
    """AUC, low and high end of its interval; None for what there is not."""
    content = results["arms"][arm]
    p = (content.get(REPEATED) if kind == REPEATED else content["roles"].get(kind)) or {}
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
    kind = primary_estimate(results)
    areas = {arm: auc_of(results, arm, kind)[0] for arm in arms_in_order(results["arms"])}
    known = {arm: value for arm, value in areas.items() if not is_missing(value)}
    return max(known, key=lambda arm: known[arm]) if known else None


def headline_sentences(results: Mapping[str, Any]) -> list[str]:
    """State in plain language what the study found."""
    lead = leading_arm(results)
    texts = [_cohort_sentence(results["cohort"])]
    if lead is None:
        kind = "cross-validated" if primary_estimate(results) == REPEATED else "out-of-fold"
        texts.append(f"No arm has an {kind} AUC that can be estimated; see the notes.")
    else:
        texts += [_lead_sentence(results, lead), _certainty_sentence(results, lead)]
    return [*texts, comparison_sentence(results)]


def _cohort_sentence(cohort: Mapping[str, Any]) -> str:
    return (
        f"{count(cohort['n_patients'])} patients of the cohort {cohort['name']} were analysed, "
        f"{count(cohort['n_positive'])} of them with the positive outcome; in the single split "
        f"{count(cohort['n_train'])} trained the models and {count(cohort['n_test'])} were set "
        "aside for one test."
    )


def _lead_sentence(results: Mapping[str, Any], arm: str) -> str:
    if primary_estimate(results) == REPEATED:
        repeated = results["arms"][arm][REPEATED]
        where = (
            f"Over {count(repeated['n_repeats'])} repeats of {count(repeated['n_folds'])}-fold "
            "cross-validation"
        )
        models = "of the single split, who took no part in any choice of its models"
    else:
        where, models = "Out of fold on the training patients", "who took no part in any choice"
    beside = f"on the test patients{'' if models.startswith('of') else ','} {models}"
    return (
        f"{where} the arm “{arm_title(arm)}” ranked first, with an AUC of "
        f"{_spoken(*auc_of(results, arm, primary_estimate(results)))}; {beside}, its AUC was "
        f"{_spoken(*auc_of(results, arm, 'test'))}."
    )


def _spoken(value: Any, low: Any, high: Any) -> str:
    if is_missing(value) or is_missing(low) or is_missing(high):
        return interval_text(value, low, high)
    return f"{number(value)} (95 % CI {number(low)} to {number(high)})"


def _certainty_sentence(results: Mapping[str, Any], arm: str) -> str:
    _, low, high = auc_of(results, arm, "test")
    if is_missing(low) or is_missing(high):
        return "The certainty of the test result is not estimable; the notes give the reason."
    width = f"The test interval is {number(high - low, 2)} wide"
    if low <= 0.5 <= high:
        return f"{width} and includes 0.5: the model may be no better than chance."
    side = "above" if low > 0.5 else "below"
    return f"{width} and lies {side} 0.5."


def comparison_sentence(results: Mapping[str, Any]) -> str:
    """Say how many arms differ on the test patients after correction."""
    tests = [c for c in results["comparisons"] if c["role"] == "test"]
    adjusted = [c["p_holm"] for c in tests if not is_missing(c["p_holm"])]
    if not adjusted:
        return "No two arms could be compared on the test patients."
    n_different = sum(p < ALPHA for p in adjusted)
    if n_different == 0:
        return (
            f"None of the {count(len(adjusted))} comparisons between arms on the test patients "
            "shows a difference (DeLong, Holm-adjusted p ≥ .05); that is not proof of equality."
        )
    return (
        f"{count(n_different)} of {count(len(adjusted))} comparisons between arms on the test "
        "patients show a difference (DeLong, Holm-adjusted p < .05)."
    )


def headline_alarms(results: Mapping[str, Any], failed: Sequence[str] = ()) -> list[str]:
    """Results to doubt: an AUC too good to be true, checks of the protocol that `failed`."""
    texts = []
    kinds = (REPEATED, "out_of_fold", "test", "external")
    high = [
        arm_title(arm)
        for arm in arms_in_order(results["arms"])
        if any((auc_of(results, arm, kind)[0] or 0.0) >= TOO_GOOD for kind in kinds)
    ]
    if high:
        texts.append(
            f"An AUC of {TOO_GOOD} or more ({', '.join(high)}) is rare for such a task: check "
            "for leakage, duplicates or a variable that reveals the outcome first (her2 audit)."
        )
    if failed:
        texts.append(f"A check of the protocol failed: {'; '.join(failed)}.")
    return texts
