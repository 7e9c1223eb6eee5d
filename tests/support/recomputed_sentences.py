"""The numbers of a report's sentences, from the predictions alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import own_formulas as own
from recomputed import ARMS, REPEATED, Truth, comparisons


def sentences(truth: Truth) -> list[tuple[str, str, list[float]]]:
    """Section, a part of a sentence there, and all numbers of that sentence, in their order."""
    primary = {arm: truth.wins(arm, REPEATED).mean() for arm in truth.arms}
    lead = max(truth.arms, key=lambda arm: primary[arm])
    area = own.clipped_interval(truth.wins(lead, REPEATED))
    folds = truth.repeated["fold"].nunique()
    repeats = truth.repeated["repeat"].nunique()
    of_role = truth.predictions.drop_duplicates("patient_id").groupby("role")["y_true"]
    n_train, n_test = (len(of_role.get_group(role)) for role in ("train", "test"))
    n, n_positive = n_train + n_test, of_role.sum().sum()
    title = ARMS[lead]
    spread = np.std([won.mean() for won in truth.wins_over_repeats(lead)], ddof=1)
    cross_validated = [repeats, folds, n_train, area[0], 95, *area[1:]]
    return [
        ("headline", "were analysed", [n, n_positive, n_train, n_test]),
        ("headline", f"the arm “{title}” ranked first", cross_validated),
        ("performance", f"“{title}” ranked first", [repeats, folds, *area, spread]),
        *_of_test_patients(truth, lead),
        ("headline", "show a difference", [0.05, *_differing(truth)]),
    ]


def _of_test_patients(truth: Truth, lead: str) -> list[tuple[str, str, list[float]]]:
    y, p = truth.scores(lead, "Test")
    at = truth.threshold(lead)
    n, found, area = own.counts(y, p, at), own.classified(y, p, at), list(own.auc(y, p))
    areas = sorted(own.auc(*truth.scores(arm, "Test"))[0] for arm in truth.arms)
    line = own.logistic(y, np.log(p / (1 - p)))
    ici = own.calibration_distances(y, p)
    assert line is not None and ici is not None
    hits = [n["tp"], n["tp"] + n["fn"]]
    shares = [
        at, found["sensitivity"][0], *hits, found["specificity"][0], n["tn"], n["tn"] + n["fp"]
    ]  # fmt: skip
    includes = "includes 0.5" if area[1] <= 0.5 else "lies above 0.5"
    return [
        ("headline", includes, [area[0], 95, *area[1:], 0.5]),
        ("headline", "At the threshold", shares),
        ("performance", "On the test patients its AUC", area),
        ("roc", "AUC ran from", [areas[0], areas[-1]]),
        ("calibration", f"“{ARMS[lead]}” had", [line[1], line[0], ici[0]]),
        ("confusion", "At the training threshold", [*hits, n["fp"], n["fp"] + n["tn"]]),
    ]


def _differing(truth: Truth) -> Iterator[int]:
    """Number of tests below .05 and of all tests, cross-validated and of the test patients."""
    cells = comparisons(truth).cells
    for role in (REPEATED, "Test"):
        adjusted = [values["p (Holm)"] for key, values in cells.items() if key[0] == role]
        yield from (sum(p < 0.05 for p in adjusted), len(adjusted))
