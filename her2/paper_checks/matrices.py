"""Confusion matrices against the size of their group, each other, and their measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from her2.core.errors import BadArgument
from her2.paper_checks.claims import ConfusionMatrix, PrintedStudy
from her2.paper_checks.finding import Contradiction, Rule, listed
from her2.paper_checks.sizes import agreed_size, stated_positives

_SIX_DIGITS = 6


def matrix_measures(matrix: ConfusionMatrix) -> dict[str, float | None]:
    """Sensitivity, specificity, ppv, npv, accuracy and f1; None where the denominator is 0.

    Examples
    --------
    >>> matrix_measures(ConfusionMatrix("Results", "test", tp=19, fp=9, tn=24, fn=11))["f1"]
    0.6551724137931034
    """
    tp, fp, tn, fn = matrix.tp, matrix.fp, matrix.tn, matrix.fn
    ratios = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "accuracy": (tp + tn, matrix.n),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }
    return {name: k / n if n else None for name, (k, n) in ratios.items()}


def check_matrices(study: PrintedStudy) -> list[Contradiction]:
    """Confusion matrices whose total, positives or measures cannot be right.

    Raises
    ------
    BadArgument
        If a printed measure has a name that is not known.

    Examples
    --------
    >>> matrix = ConfusionMatrix("Results", "test", 19, 9, 24, 11, {})
    >>> from her2.paper_checks.claims import Size
    >>> study = PrintedStudy(sizes=(Size("Table 1", "test", 61),), matrices=(matrix,))
    >>> [str(x) for x in check_matrices(study)]
    ['Results: found 63 cases, expected 61 (a confusion matrix has as many cases as its group)']
    """
    found = [x for matrix in study.matrices for x in _total(study, matrix)]
    found += _positives(study)
    return [*found, *(x for matrix in study.matrices for x in _measures(matrix))]


def _total(study: PrintedStudy, matrix: ConfusionMatrix) -> Iterator[Contradiction]:
    n = agreed_size(study, matrix.group)
    if n is not None and matrix.n != n:
        yield Contradiction(matrix.where, Rule.MATRIX_TOTAL, f"{matrix.n} cases", str(n))


def _positives(study: PrintedStudy) -> Iterator[Contradiction]:
    places: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for matrix in study.matrices:
        places[matrix.group][matrix.n_positive].append(matrix.where)
    for group, by_number in places.items():
        stated = stated_positives(study, group)
        ranked = sorted(by_number.items(), key=lambda entry: -len(entry[1]))
        agreed, supporters = next(iter(stated.items()), ranked[0])
        for n_positive, where in ranked:
            if n_positive != agreed:
                expected = f"{agreed} ({listed(supporters)})"
                found = f"{n_positive} positive cases of {group}"
                yield Contradiction(listed(where), Rule.MATRIX_POSITIVES, found, expected)


def _measures(matrix: ConfusionMatrix) -> Iterator[Contradiction]:
    right = matrix_measures(matrix)
    unknown = [name for name in matrix.measures if name not in right]
    if unknown:
        raise BadArgument(
            f"{matrix.where}: measures must be of {', '.join(right)}, found {unknown[0]}; "
            "use these names"
        )
    counts = f"TP {matrix.tp}, FP {matrix.fp}, TN {matrix.tn}, FN {matrix.fn}"
    for name, printed in matrix.measures.items():
        value = right[name]
        if value is None or not printed.admits(value):
            digits = min(printed.decimals, _SIX_DIGITS)
            expected = "none, as its denominator is 0" if value is None else f"{value:.{digits}f}"
            found = f"{name} {printed} for {counts}"
            yield Contradiction(matrix.where, Rule.MATRIX_METRIC, found, expected)
