"""Tables of `results.json`: performance, confusion counts, calibration, comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from her2.plots.style import arms_in_order
from her2.plots.text import arm_title, count, interval, number, p_value, role_title, signed
from her2.report.view import Table, columns, grouped

ROLE_ORDER = ("out_of_fold", "test", "external", "train")
IN_SAMPLE = "train"
Performance = Mapping[str, Any]
ArmRole = tuple[str, str, Performance]


def arm_roles(results: Mapping[str, Any]) -> Iterator[ArmRole]:
    """Arm, role, performance in the order of the report: honest roles first, in-sample last."""
    arms = results["arms"]
    for arm in arms_in_order(arms):
        roles = arms[arm]["roles"]
        ordered = [r for r in ROLE_ORDER if r in roles]
        for role in [*ordered, *(r for r in roles if r not in ROLE_ORDER)]:
            yield arm, role, roles[role]


def models_table(results: Mapping[str, Any]) -> Table:
    """Which model each arm is."""
    arms = results["arms"]
    rows = [
        (arm_title(arm), str(arms[arm]["model"]), count(arms[arm]["n_features"]))
        for arm in arms_in_order(arms)
    ]
    return Table(
        "Arms of the study",
        columns("Arm", "Model", "Features used", text=["Model"]),
        grouped(rows),
    )


def performance_table(results: Mapping[str, Any]) -> Table:
    """Discrimination, and classification at the threshold from training."""
    names = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")

    def cells(p: Performance) -> tuple[str, ...]:
        size = f"{count(p['n'])} ({count(p['n_positive'])})"
        area = interval(p["auc"], p["auc_low"], p["auc_high"])
        return (size, area, number(p["threshold"]), *(number(p[name]) for name in names))

    titles = (
        "n (positive)", "AUC (95 % CI)", "Threshold", "Sens.", "Spec.", "PPV", "NPV",
        "Accuracy", "F1",
    )  # fmt: skip
    return _by_arm_and_role(
        results,
        "Discrimination, and classification at the training threshold",
        titles,
        cells,
        note=(
            "AUC with DeLong's interval. The threshold maximises Youden's index on the "
            "out-of-fold predictions of training patients; the test patients had no part in it. "
            "Sens.: sensitivity; Spec.: specificity; PPV, NPV: predictive values. "
            "Out of fold and in sample: training patients; in-sample rows (grey) are optimistic "
            "and shown only for comparison with the paper."
        ),
    )


def calibration_table(results: Mapping[str, Any]) -> Table:
    """Brier score, calibration slope and intercept, Hosmer-Lemeshow test."""

    def cells(p: Performance) -> tuple[str, ...]:
        test = p["hosmer_lemeshow"] or {"statistic": None, "dof": None, "p_value": None}
        return (
            number(p["brier"]),
            number(p["calibration_slope"], 2),
            number(p["calibration_intercept"], 2),
            number(test["statistic"], 2),
            count(test["dof"]),
            p_value(test["p_value"]),
        )

    titles = ("Brier", "Slope", "Intercept", "HL statistic", "HL d.f.", "HL p")
    return _by_arm_and_role(
        results,
        "Calibration and overall error",
        titles,
        cells,
        note=(
            "A well calibrated model has slope 1 and intercept 0. HL: Hosmer-Lemeshow test; a "
            "large p is no proof of good calibration in a small group."
        ),
    )


def confusion_table(results: Mapping[str, Any]) -> Table:
    """Table of true and false positives and negatives at the threshold from training."""

    def cells(p: Performance) -> tuple[str, ...]:
        return (number(p["threshold"]), *(count(p.get(k)) for k in ("tp", "fn", "fp", "tn")))

    titles = ("Threshold", "True positive", "False negative", "False positive", "True negative")
    return _by_arm_and_role(results, "Confusion counts at the training threshold", titles, cells)


def comparison_table(results: Mapping[str, Any]) -> Table:
    """DeLong tests between arms."""
    rows = [_comparison_cells(c) for c in results["comparisons"]]
    return Table(
        "Differences of AUC between arms",
        columns("Role", "First", "Second", "Difference", "z", "p", "p (Holm)",
                text=["First", "Second"]),
        grouped(rows),
        note=(
            "Difference: AUC of the first minus AUC of the second arm on the same patients "
            "(paired DeLong test); Holm's correction within a role."
        ),
    )  # fmt: skip


def _short_role(role: str) -> str:
    """Role without the group it is about, for a narrow column: ``Out of fold``."""
    return role_title(role).split(", ")[-1].capitalize()


def _comparison_cells(c: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        role_title(c["role"]),
        arm_title(c["first"]),
        arm_title(c["second"]),
        signed(c["auc_difference"]),
        number(c["z"], 2),
        p_value(c["p_value"]),
        p_value(c["p_holm"]),
    )


def _by_arm_and_role(
    results: Mapping[str, Any],
    caption: str,
    titles: Sequence[str],
    cells: Callable[[Performance], tuple[str, ...]],
    *,
    note: str = "",
) -> Table:
    entries = list(arm_roles(results))
    rows = [(arm_title(arm), _short_role(role), *cells(p)) for arm, role, p in entries]
    muted = [role == IN_SAMPLE for _, role, _ in entries]
    heads = columns("Arm", "Role", *titles, text=["Role"])
    return Table(caption, heads, grouped(rows, muted=muted), note=note)
