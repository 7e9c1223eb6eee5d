import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import adjudication_list, dice, icc, mask_icc


def disc(radius: float, *, shift: int = 0, side: int = 40) -> np.ndarray:
    rows, columns = np.indices((side, side)) - side // 2
    return rows**2 + (columns - shift) ** 2 <= radius**2


def test_dice():
    square = np.zeros((8, 8), dtype=bool)
    square[2:6, 2:6] = True
    assert dice(square, square) == 1.0
    assert dice(square, ~square) == 0.0
    assert dice(square, np.roll(square, 2, axis=0)) == 0.5
    assert dice(square, np.zeros_like(square)) == 0.0
    with pytest.raises(NotEstimable, match="two empty"):
        dice(~square & square, ~square & square)
    with pytest.raises(BadArgument, match="one shape"):
        dice(square, square[1:])
    with pytest.raises(BadArgument, match="boolean"):
        dice(square.astype(np.uint8), square)


# ---- mask_icc


def test_icc_of_masks_by_hand():
    """Two pixels against one of them: box 1 x 2, grown to 3 x 4, so 12 pixels rated 0 or 1."""
    first, second = np.zeros((2, 6, 6), dtype=bool)
    first[2, 2:4] = second[2, 2] = True
    ratings = np.array([[1, 1], [1, 0]] + 10 * [[0, 0]])
    assert mask_icc(first, second) == pytest.approx(icc(ratings).value)
    n, k, correction = 12, 2, 3**2 / 24  # sums of the two pixels: 2 and 1; of the readers: 2 and 1
    between = ((2**2 + 1**2) / 2 - correction) / 11
    raters = (2**2 + 1**2) / 12 - correction
    residual = (3 - correction - 11 * between - raters) / 11
    value = (between - residual) / (between + residual + k * (raters - residual) / n)
    assert mask_icc(first, second) == pytest.approx(value)


def test_icc_of_masks_does_not_depend_on_the_background_far_away():
    near, far = (mask_icc(disc(8, side=n), disc(8, shift=3, side=n)) for n in (30, 200))
    assert near == far
    assert 0.5 < near < dice(disc(8), disc(8, shift=3))


def test_icc_of_masks_is_symmetric_and_falls_with_the_shift():
    values = [mask_icc(disc(9), disc(9, shift=s)) for s in range(6)]
    assert values[0] == 1.0
    assert (np.diff(values) < 0).all()
    assert mask_icc(disc(9, shift=3), disc(9)) == pytest.approx(values[3])


def test_identical_rectangles_agree_although_they_fill_their_box():
    whole = np.ones((5, 5), dtype=bool)
    assert mask_icc(whole, whole) == 1.0


def test_icc_of_masks_that_do_not_touch_is_negative():
    left, right = np.zeros((2, 6, 6), dtype=bool)
    left[:, :2] = right[:, 4:] = True
    assert mask_icc(left, right) < 0


def test_icc_of_empty_masks():
    empty = np.zeros((4, 4), dtype=bool)
    with pytest.raises(NotEstimable, match="two empty"):
        mask_icc(empty, empty)
    with pytest.raises(BadArgument, match="one shape"):
        mask_icc(empty, empty[1:])


# ---- adjudication_list


def lesions(**columns) -> pd.DataFrame:
    table = pd.DataFrame(
        {"dice": [0.9, 0.7, 0.95, np.nan], "hausdorff_mm": [1.0, 2.0, 9.0, np.nan]}
    ).assign(**columns)
    table.insert(0, "patient_id", [f"P{i}" for i in range(4)])
    return table.assign(lesion_id="L1")


def test_lesions_below_a_limit_are_listed_with_the_reason_worst_first():
    found = adjudication_list(lesions(icc=[0.8, 0.6, 0.74, np.nan]))
    assert found.columns.tolist() == ["patient_id", "lesion_id", "dice", "hausdorff_mm", "reason"]
    assert found[["patient_id", "reason"]].to_numpy().tolist() == [
        ["P3", "Dice was not measured; ICC was not measured"],
        ["P1", "Dice 0.700 is below 0.75; ICC 0.600 is below 0.75"],
        ["P2", "ICC 0.740 is below 0.75"],
    ]


def test_a_distance_counts_only_with_a_limit_and_may_be_unknown():
    assert "P2" not in adjudication_list(lesions())["patient_id"].tolist()
    found = adjudication_list(lesions(), hausdorff_limit_mm=5.0).set_index("patient_id")["reason"]
    assert found["P2"] == "Hausdorff distance 9.0 mm is above 5 mm"
    assert found["P3"] == "Dice was not measured"


def test_a_value_on_the_limit_is_not_below_it():
    assert "P1" not in adjudication_list(lesions(), dice_limit=0.7)["patient_id"].tolist()


def test_an_empty_table_has_an_empty_list():
    assert adjudication_list(lesions().iloc[:0]).empty


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"dice_limit": 75}, "dice_limit must lie in"),
        ({"icc_limit": -0.1}, "icc_limit must lie in"),
        ({"hausdorff_limit_mm": 0.0}, "must be positive"),
    ],
)
def test_limits_outside_their_range(arguments, reason):
    with pytest.raises(BadArgument, match=reason):
        adjudication_list(lesions(), **arguments)


def test_a_table_without_a_column():
    with pytest.raises(BadArgument, match="lacks dice"):
        adjudication_list(lesions().drop(columns="dice"))


@pytest.mark.parametrize(
    ("value", "said"), [(0.7498, "0.7498"), (0.7499996, "0.7499996"), (0.74, "0.740")]
)
def test_a_reason_shows_on_which_side_of_the_limit_it_lies(value, said):
    row = {"patient_id": "P1", "lesion_id": "1", "dice": value, "hausdorff_mm": 5.04}
    listed = adjudication_list(pd.DataFrame([row]), hausdorff_limit_mm=5.0)
    assert listed.loc[0, "reason"] == (
        f"Dice {said} is below 0.75; Hausdorff distance 5.04 mm is above 5 mm"
    )
