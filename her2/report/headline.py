"""The first screen of the report: what was found, in sentences and in one line an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from her2.plots.style import arm_colour, arms_in_order
from her2.plots.text import arm_title, count, interval, is_missing, number

HONEST_ROLES = ("out_of_fold", "test")
SCALE = (0.3, 1.0)  # AUC at the left and right end of the small interval drawing
TOO_GOOD = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Whisker:
    """Estimate and interval in percent of the drawing's width."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class HeadlineArm:
    """One line of the headline."""

    title: str
    colour: str
    out_of_fold: str
    test: str
    out_of_fold_whisker: Whisker | None
    test_whisker: Whisker | None


def headline_arms(results: Mapping[str, Any]) -> list[HeadlineArm]:
    """AUC with its interval, out of fold and on the test patients, of every arm."""
    return [_headline_arm(results, arm) for arm in arms_in_order(results["arms"])]


def _headline_arm(results: Mapping[str, Any], arm: str) -> HeadlineArm:
    out_of_fold, test = (_area(results, arm, role) for role in HONEST_ROLES)
    return HeadlineArm(
        arm_title(arm),
        arm_colour(arm),
        interval(*out_of_fold),
        interval(*test),
        _whisker(*out_of_fold),
        _whisker(*test),
    )


def _area(results: Mapping[str, Any], arm: str, role: str) -> tuple[Any, Any, Any]:
    p = results["arms"][arm]["roles"].get(role) or {}
    return p.get("auc"), p.get("auc_low"), p.get("auc_high")


def _whisker(value: Any, low: Any, high: Any) -> Whisker | None:
    if is_missing(value) or is_missing(low) or is_missing(high):
        return None
    return Whisker(*(_percent(x) for x in (low, value, high)))


def _percent(area: float) -> float:
    left, right = SCALE
    return round(100 * min(max((area - left) / (right - left), 0.0), 1.0), 2)


def leading_arm(results: Mapping[str, Any]) -> str | None:
    """Arm with the highest out-of-fold AUC: the test patients do not choose the headline."""
    areas = {arm: _area(results, arm, "out_of_fold")[0] for arm in arms_in_order(results["arms"])}
    known = {arm: area for arm, area in areas.items() if not is_missing(area)}
    return max(known, key=lambda arm: known[arm]) if known else None


def sentences(results: Mapping[str, Any]) -> list[str]:
    """State in plain language what the study found."""
    lead = leading_arm(results)
    texts = [_cohort_sentence(results["cohort"])]
    if lead is None:
        texts.append("No arm has an out-of-fold AUC that can be estimated; see the notes.")
    else:
        texts += [_lead_sentence(results, lead), _certainty_sentence(results, lead)]
    return [*texts, _comparison_sentence(results)]


def _cohort_sentence(cohort: Mapping[str, Any]) -> str:
    return (
        f"{count(cohort['n_patients'])} patients of the cohort {cohort['name']} were analysed, "
        f"{count(cohort['n_positive'])} of them with the positive outcome; "
        f"{count(cohort['n_train'])} trained the models and {count(cohort['n_test'])} were set "
        "aside for one test."
    )


def _lead_sentence(results: Mapping[str, Any], arm: str) -> str:
    return (
        f"Out of fold on the training patients the arm “{arm_title(arm)}” ranked first, with an "
        f"AUC of {_spoken(*_area(results, arm, 'out_of_fold'))}; on the test patients, who took "
        f"no part in any choice, its AUC was {_spoken(*_area(results, arm, 'test'))}."
    )


def _spoken(value: Any, low: Any, high: Any) -> str:
    if is_missing(value) or is_missing(low) or is_missing(high):
        return interval(value, low, high)
    return f"{number(value)} (95 % CI {number(low)} to {number(high)})"


def _certainty_sentence(results: Mapping[str, Any], arm: str) -> str:
    _, low, high = _area(results, arm, "test")
    if is_missing(low) or is_missing(high):
        return "How certain the test result is cannot be said; the notes give the reason."
    width = f"The test interval is {number(high - low, 2)} wide"
    if low <= 0.5 <= high:
        return f"{width} and includes 0.5: the model may be no better than chance."
    side = "above" if low > 0.5 else "below"
    return f"{width} and lies {side} 0.5."


def _comparison_sentence(results: Mapping[str, Any]) -> str:
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


def alarms(results: Mapping[str, Any]) -> list[str]:
    """Results that a reader should doubt before believing."""
    high = [
        arm_title(arm)
        for arm in arms_in_order(results["arms"])
        if any((_area(results, arm, role)[0] or 0.0) >= TOO_GOOD for role in HONEST_ROLES)
    ]
    if not high:
        return []
    return [
        f"An AUC of {TOO_GOOD} or more ({', '.join(high)}) is rare for such a task: look for "
        "leakage, duplicates or a variable that knows the outcome (her2 audit) first."
    ]
