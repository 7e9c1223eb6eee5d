"""Two readers' masks of a cohort on disk, compared lesion by lesion."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from her2.cohort import read_cohort
from her2.core.errors import BadArgument
from her2.pipeline.patient_tables import feature_agreement, reader_agreement
from her2.stats import dice, hausdorff_distance, icc, mask_icc

SIDE = 64
# second mask of each patient: how many pixels lower it lies, or what else is there
SECOND = (0, 1, 2, 12, None, "empty", 1)


def disc(row: int, radius: float) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE))
    return np.hypot(rows - row, columns - 32) < radius


def first_mask(i: int) -> np.ndarray:
    return disc(28, 9 + i)


def second_mask(i: int) -> np.ndarray:
    return np.zeros((SIDE, SIDE), bool) if SECOND[i] == "empty" else disc(28 + SECOND[i], 9 + i)


def write_png(path, array) -> None:
    Image.fromarray(array).save(path)


def write_cohort(root, *, spacing: str = "0.2x0.1", second: bool = True):
    rows = []
    for i, found in enumerate(SECOND):
        pixels = np.random.default_rng(i).integers(1, 200, (SIDE, SIDE)).astype(np.uint8)
        write_png(root / f"i{i}.png", pixels)
        write_png(root / f"m{i}.png", first_mask(i).astype(np.uint8))
        row = {"patient_id": f"P{i}", "image": f"i{i}.png", "mask": f"m{i}.png", "outcome": i % 2}
        if found is not None and second:
            write_png(root / f"s{i}.png", second_mask(i).astype(np.uint8))
            row["mask_reader2"] = f"s{i}.png"
        rows.append(row | {"spacing_mm": spacing})
    pd.DataFrame(rows).to_csv(root / "cohort.csv", index=False)
    return read_cohort("folder", root=root)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("readers"))


def test_each_lesion_with_a_second_mask_has_its_row(cohort):
    table = reader_agreement(cohort).per_lesion.set_index("patient_id")
    assert table.index.tolist() == ["P0", "P1", "P2", "P3", "P5", "P6"]
    for i in (0, 1, 2, 3, 6):
        row, masks = table.loc[f"P{i}"], (first_mask(i), second_mask(i))
        assert row["dice"] == dice(*masks)
        assert row["icc"] == mask_icc(*masks)
        expected = hausdorff_distance(*masks, spacing_mm=(0.2, 0.1)).maximum_mm
        assert row["hausdorff_mm"] == pytest.approx(expected)
        areas = [mask.sum() for mask in masks]
        assert row["area_difference_pct"] == pytest.approx(
            100 * (areas[1] - areas[0]) / np.mean(areas)
        )


def test_a_second_mask_that_cannot_be_used_leaves_nothing_measured(cohort):
    found = reader_agreement(cohort)
    table = found.per_lesion.set_index("patient_id")
    assert table.loc["P5", ["dice", "hausdorff_mm", "icc"]].isna().all()
    assert found.summary["n"].eq(5).all()


def test_a_third_reader_sees_where_the_two_disagree(cohort):
    listed = reader_agreement(cohort).adjudication.set_index("patient_id")["reason"]
    assert set(listed.index) >= {"P3", "P5"}
    assert "P0" not in listed.index
    assert listed["P3"].startswith("Dice 0.")
    assert listed["P5"].startswith("Dice was not measured")
    strict = reader_agreement(cohort, limit=1.0).adjudication["patient_id"]
    assert set(strict) == {"P1", "P2", "P3", "P5", "P6"}


def test_the_summary_is_the_median_and_range_of_the_lesions(cohort):
    found = reader_agreement(cohort)
    summary = found.summary.set_index("measure")
    values = found.per_lesion["dice"].dropna()
    row = summary.loc["Dice overlap"]
    assert (row["median"], row["low"], row["high"]) == (
        values.median(), values.min(), values.max(),
    )  # fmt: skip
    areas = [[first_mask(i).sum(), second_mask(i).sum()] for i in (0, 1, 2, 3, 6)]
    expected = icc(0.02 * np.array(areas))
    row = summary.loc["ICC(2,1) of the lesions' areas"]
    assert (row["median"], row["low"], row["high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_roles_come_from_the_split(cohort):
    roles = {lesion.key: "test" for lesion in cohort.lesions if lesion.patient_id == "P1"}
    table = reader_agreement(cohort, roles=roles).per_lesion.set_index("patient_id")["role"]
    assert table["P1"] == "test"
    assert table.drop("P1").isna().all()


def test_without_a_spacing_there_are_no_millimetres(tmp_path):
    found = reader_agreement(write_cohort(tmp_path, spacing=""))
    assert found.per_lesion["hausdorff_mm"].isna().all()
    assert found.per_lesion["dice"].notna().any()
    row = found.summary.set_index("measure").loc["Hausdorff distance (mm)"]
    assert row["n"] == 0
    assert np.isnan(row["median"])


def test_one_reader_has_nobody_to_agree_with(tmp_path):
    found = reader_agreement(write_cohort(tmp_path, second=False))
    for table, column in (
        (found.per_lesion, "dice"), (found.summary, "measure"), (found.adjudication, "reason"),
    ):  # fmt: skip
        assert table.empty
        assert column in table


# ---- feature_agreement


def readings(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    keys, names = [f"P{i}/1" for i in range(20)], ["a", "b", "c"]
    first = pd.DataFrame(rng.normal(size=(20, 3)), keys, names)
    return first, first + rng.normal(size=(20, 3)) * [0.1, 0.5, 2.0]


def test_features_are_compared_by_lesion_not_by_row():
    first, second = readings(0)
    per_feature, summary = feature_agreement(first, second.iloc[::-1].iloc[:15])
    for name, row in per_feature.set_index("feature").iterrows():
        pairs = np.column_stack([first[name].iloc[5:], second[name].iloc[5:]])
        assert row["value"] == pytest.approx(icc(pairs).value)
        assert row["n_pairs"] == 15
    row, values = summary.iloc[0], per_feature["value"]
    assert (row["n"], row["median"]) == (3, values.median())
    assert (row["low"], row["high"]) == (values.min(), values.max())


def test_readers_have_the_same_features():
    first, second = readings(1)
    with pytest.raises(BadArgument, match="same features"):
        feature_agreement(first, second[["b", "a", "c"]])


def test_too_few_pairs_have_reasons_and_no_value():
    first, second = readings(2)
    per_feature, summary = feature_agreement(first, second.iloc[:4])
    assert per_feature["note"].str.contains("needs 10 subjects").all()
    assert summary.iloc[0]["n"] == 0
