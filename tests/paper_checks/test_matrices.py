import pytest

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, check
from her2.paper_checks.claims import ConfusionMatrix, Size
from her2.stats import operating_point

SIZE = Size("Table 1", "test", 61, 15)


def matrix(tp: int, fp: int, tn: int, fn: int, **measures: str) -> ConfusionMatrix:
    printed = {name: Printed.read(text) for name, text in measures.items()}
    return ConfusionMatrix("Results", "test", tp, fp, tn, fn, printed)


def found(*matrices: ConfusionMatrix, sizes: tuple[Size, ...] = (SIZE,)) -> list[Rule]:
    return [x.rule for x in check(PrintedStudy(sizes=sizes, matrices=matrices))]


def test_measures_are_those_of_the_operating_point():
    y, p = [1] * 15 + [0] * 46, [0.9] * 11 + [0.1] * 4 + [0.9] * 12 + [0.1] * 34
    point = operating_point(y, p, 0.5)
    for name, value in matrix(11, 12, 34, 4).right_measures.items():
        assert value == pytest.approx(getattr(point, name), rel=1e-14)


def test_right_matrix():
    right = {"sensitivity": "73.3%", "specificity": "0.739", "ppv": "0.48", "npv": "0.895"}
    assert found(matrix(11, 12, 34, 4, accuracy="0.738", f1="0.579", **right)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sensitivity", "0.734"),
        ("specificity", "0.740"),
        ("ppv", "0.49"),
        ("npv", "0.894"),
        ("accuracy", "0.737"),
        ("f1", "0.580"),
    ],
)
def test_wrong_measure(name, text):
    assert found(matrix(11, 12, 34, 4, **{name: text})) == [Rule.MATRIX_METRIC]


def test_wrong_total_and_positives():
    assert found(matrix(11, 13, 34, 4)) == [Rule.MATRIX_TOTAL]
    assert found(matrix(11, 12, 33, 5)) == [Rule.MATRIX_POSITIVES]


def test_matrices_agree_among_themselves_where_nothing_is_stated():
    two = (matrix(19, 9, 24, 11), matrix(20, 14, 28, 1), matrix(20, 14, 28, 1))
    study = PrintedStudy(matrices=two)
    (one,) = check(study)
    assert (one.rule, one.found) == (Rule.MATRIX_POSITIVES, "30 positive cases of test")


def test_measure_of_no_case():
    none_called = matrix(0, 0, 46, 15, ppv="0.000")
    assert [x.expected for x in check(PrintedStudy(matrices=(none_called,)))] == [
        "none, as its denominator is 0"
    ]


def test_unknown_measure_is_refused():
    with pytest.raises(BadArgument, match="found recall"):
        matrix(11, 12, 34, 4, recall="0.733")
