from __future__ import annotations

import pandas as pd
import pytest

from her2.core.errors import BadArgument
from her2.report.checklists import metrics_score, quality_category

CONDITIONAL = {"8", "9", "10", "12", "14", "15", "16", "17"}


def answered(**answers: str) -> pd.DataFrame:
    """Return 30 rows: ``i3="met"`` answers item 3, the rest is not met."""
    given = {name[1:]: answer for name, answer in answers.items()}
    rows = [(str(n), given.get(str(n), "not met")) for n in range(1, 31)]
    return pd.DataFrame(rows, columns=["number", "answer"])


def test_score_by_hand():
    # weights .0735 and .0176 of a whole that lacks items 9 (.0225) and 17 (.0200)
    score = metrics_score(answered(i2="met", i22="met", i9="not applicable", i17="not applicable"))
    assert score.score == pytest.approx(100 * 0.0911 / 0.9575, abs=1e-10)
    assert (score.n_applicable, score.n_met, score.n_open) == (28, 2, 0)
    assert score.quality_category == "very low"


def test_a_conditional_item_leaves_the_denominator():
    counted = metrics_score(answered(i2="met"))
    excluded = metrics_score(answered(i2="met", i12="not applicable"))
    assert counted.score == pytest.approx(7.35)
    assert excluded.score == pytest.approx(100 * 0.0735 / (1 - 0.0311))


def test_open_items_count_as_not_met_but_stay_attainable():
    score = metrics_score(answered(i3="needs author", i27="met"))
    assert score.score == pytest.approx(7.49)
    assert score.attainable == pytest.approx(7.49 + 9.19)
    assert (score.n_met, score.n_open) == (1, 1)


def test_everything_met_is_100_percent():
    table = answered()
    table["answer"] = "met"
    table.loc[table["number"].isin(CONDITIONAL), "answer"] = "not applicable"
    score = metrics_score(table)
    assert score.score == pytest.approx(100)
    assert score.quality_category == "excellent"
    assert score.n_applicable == 22


def test_the_order_of_the_rows_does_not_matter():
    table = answered(i3="met", i21="needs author", i9="not applicable")
    assert metrics_score(table.iloc[::-1]) == metrics_score(table)


def test_an_unconditional_item_cannot_leave():
    with pytest.raises(BadArgument, match=r"METRICS item 27 to apply.*found not applicable"):
        metrics_score(answered(i27="not applicable"))


@pytest.mark.parametrize("answer", ["yes", "", "Met"])
def test_another_word_is_refused(answer):
    with pytest.raises(BadArgument, match=f"METRICS item 5 .*found '{answer}'"):
        metrics_score(answered(i5=answer))


def test_a_missing_item_is_refused():
    with pytest.raises(BadArgument, match=r"METRICS item 30 .*found None"):
        metrics_score(answered().iloc[:-1])


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (0, "very low"), (19.999, "very low"), (20, "low"), (40, "moderate"), (59.99, "moderate"),
        (60, "good"), (80, "excellent"), (100, "excellent"),
    ],
)  # fmt: skip
def test_bands(score, name):
    assert quality_category(score) == name


@pytest.mark.parametrize("score", [-1, 101, float("nan")])
def test_a_score_outside_is_refused(score):
    with pytest.raises(BadArgument, match="0 to 100, found"):
        quality_category(score)
