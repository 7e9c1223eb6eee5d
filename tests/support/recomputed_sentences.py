"""The numbers of a report's sentences, from the predictions alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import own_formulas as own
from recomputed import ARMS, CROSS_VALIDATED, Best, Truth, comparisons


def sentences(truth: Truth) -> list[tuple[str, str, list[float]]]:
    """Section, a part of a sentence there, and all numbers of that sentence, in their order."""
    best = truth.best()
    y, p = truth.scores(best.arm, CROSS_VALIDATED)
    area = truth.auc(best.arm, CROSS_VALIDATED).estimate
    repeats, folds = len(p), truth.n_folds(CROSS_VALIDATED)
    of_role = truth.predictions.drop_duplicates("patient_id").groupby("role")["y_true"]
    n_train, n_test = (len(of_role.get_group(role)) for role in ("train", "test"))
    n, n_positive = n_train + n_test, of_role.sum().sum()
    title = ARMS[best.arm]
    spread = np.std([own.wins(y, x).mean() for x in p], ddof=1)
    cross_validated = [repeats, folds, n_train, area[0], 95, *area[1:]]
    return [
        ("headline", "were analysed", [n, n_positive, n_train, n_test]),
        ("headline", f"the arm “{title}” ranked first", cross_validated),
        ("performance", f"“{title}” ranked first", [repeats, folds, *area, spread]),
        *_of_the_choice(best, len(truth.arms) - 1),
        *_of_test_patients(truth, best.arm),
        ("headline", "show a difference", [0.05, *_differing(truth)]),
    ]


def _of_the_choice(best: Best, n_others: int) -> list[tuple[str, str, list[float]]]:
    value, low, high = best.corrected
    numbers = [len(best.tied) - 1, n_others, value, 95, low, high]
    assert len(best.tied) > 1
    return [
        (section, "corrected for the choice", numbers) for section in ("headline", "performance")
    ]


def _of_test_patients(truth: Truth, lead: str) -> list[tuple[str, str, list[float]]]:
    y, p = truth.scores(lead, "Test")
    found, area = truth.classified(lead, "Test"), list(truth.auc(lead, "Test").estimate)
    areas = sorted(truth.auc(arm, "Test").value for arm in truth.arms)
    line, ici = own.calibration_line(y, p), own.calibration_distances(y, p)
    assert line is not None and ici is not None
    hits = [found["TP"], found["TP"] + found["FN"]]
    of_negative = found["TN"] + found["FP"]
    at, sensitivity, specificity = (
        found["Threshold"], found["Sensitivity"][0], found["Specificity"][0]
    )  # fmt: skip
    shares = [at, sensitivity, *hits, specificity, found["TN"], of_negative]
    includes = "includes 0.5" if area[1] <= 0.5 else "lies above 0.5"
    return [
        ("headline", includes, [area[0], 95, *area[1:], 0.5]),
        ("headline", "At the threshold", shares),
        ("performance", "On the test patients its AUC", area),
        ("roc", "AUC ran from", [areas[0], areas[-1]]),
        ("calibration", f"“{ARMS[lead]}” had", [line[1][0], line[0][0], ici[0]]),
        ("confusion", "At the training threshold", [*hits, found["FP"], of_negative]),
    ]


def _differing(truth: Truth) -> Iterator[int]:
    """Number of tests below .05 and of all tests, cross-validated and of the test patients."""
    cells = comparisons(truth).cells
    for role in (CROSS_VALIDATED, "Test"):
        adjusted = [values["p (Holm)"] for key, values in cells.items() if key[0] == role]
        yield from (sum(p < 0.05 for p in adjusted), len(adjusted))
