"""Controls of shortcuts see nothing of the lesion, and say where an arm may do the same."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from her2.cohort import load_lesion, read_folder_cohort
from her2.core.settings import BackboneSettings
from her2.core.types import LesionImage
from her2.pipeline.shortcut_controls import COLUMNS, beside_arms
from lightning_modules.shortcut_images import FRAME, frame, outline, surroundings

BACKBONE = BackboneSettings(image_size=64)
PICTURES = (outline, surroundings, frame)


def image(seed: int = 0) -> LesionImage:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:100, :160]
    mask = ((rows - 50) / 20) ** 2 + ((columns - 90) / 30) ** 2 < 1
    return LesionImage(rng.integers(30, 250, (100, 160)).astype(np.uint8), mask)


def with_pixels(of: LesionImage, where, value: int) -> LesionImage:
    pixels = of.pixels.copy()
    pixels[where] = value
    return replace(of, pixels=pixels)


@pytest.mark.parametrize("picture", PICTURES)
def test_no_picture_shows_a_grey_level_of_the_lesion(picture) -> None:
    found = picture(image(), BACKBONE)
    assert found.shape == (64, 64) and found.dtype == np.uint8
    changed = picture(with_pixels(image(), image().mask, 7), BACKBONE)
    np.testing.assert_array_equal(changed, found)


def test_an_outline_is_the_mask_alone() -> None:
    np.testing.assert_array_equal(outline(image(1), BACKBONE), outline(image(2), BACKBONE))
    assert set(np.unique(outline(image(), BackboneSettings(image_size=224)))) >= {0, 255}


def test_a_frame_shows_its_border_alone() -> None:
    inside = np.zeros((100, 160), dtype=bool)
    inside[round(FRAME * 100) : -round(FRAME * 100), round(FRAME * 160) : -round(FRAME * 160)] = 1
    found = frame(image(), BACKBONE)
    np.testing.assert_array_equal(frame(with_pixels(image(), inside, 0), BACKBONE), found)
    assert (frame(with_pixels(image(), ~inside, 0), BACKBONE) == 0).all()
    assert (surroundings(with_pixels(image(), inside, 0), BACKBONE) != surroundings(
        image(), BACKBONE)).any()  # fmt: skip


def controls(auc: float, low: float) -> pd.DataFrame:
    row = {"control": "frame", "n_features": 9, "auc": auc, "auc_low": low, "auc_high": 0.99}
    return pd.DataFrame([row])


def arm(auc: float, low: float) -> dict[str, object]:
    return {"repeated_cv": {"auc": auc, "auc_low": low, "auc_high": 0.99}}


ARMS = {"clinical": arm(0.95, 0.9), "radiomics": arm(0.7, 0.6), "dlr": arm(0.8, 0.72)}


@pytest.mark.parametrize(
    ("auc", "low", "arms", "is_alarm"),
    [
        (0.71, 0.6, ARMS, True),
        (0.69, 0.6, ARMS, False),  # less than two thirds of what the best image arm has
        (0.6, 0.51, {"dlr": arm(0.49, 0.4)}, True),  # an arm that has nothing
        (0.73, 0.49, ARMS, False),  # may be no better than chance
        (0.91, 0.8, {"dlr": arm(0.99, 0.97)}, True),
        (0.82, 0.8, {"dlr": arm(0.99, 0.97)}, False),
        (0.91, 0.8, {"clinical": arm(0.6, 0.5)}, True),  # no image arm at all
        (0.80, 0.7, {"clinical": arm(0.6, 0.5)}, False),
        (None, None, ARMS, False),  # one picture for all lesions
    ],
)
def test_an_alarm_needs_a_control_that_does_as_well(auc, low, arms, is_alarm) -> None:
    table = beside_arms(controls(auc, low), arms)
    assert list(table.columns) == list(COLUMNS)
    assert bool(table["alarm"][0]) is is_alarm
    if is_alarm:
        assert f"AUC {auc:.3f} ({low:.3f} to 0.990)" in table["alarm"][0]


def test_the_alarm_rings_for_a_control_that_has_all_and_not_for_one_that_has_nothing() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "shortcut_alarm.py"
    if not path.is_file():
        pytest.skip("the benchmarks are not beside the tests")
    rings = runpy.run_path(str(path))["rings"]
    rng = np.random.default_rng(0)
    rung = {share: np.mean([rings(200, 0.75, share, rng) for _ in range(40)]) for share in (0, 1)}
    assert rung[0] <= 0.025 and rung[1] >= 0.9


@pytest.mark.parametrize("columns", [COLUMNS[:5], ()])
def test_no_control_is_no_table(columns) -> None:
    table = beside_arms(pd.DataFrame(columns=list(columns)), ARMS)
    assert table.empty and list(table.columns) == list(COLUMNS)


def test_a_study_with_images_has_all_four_controls(study) -> None:
    table = pd.read_csv(study.run_dir / "tables" / "shortcut_controls.csv")
    named = ["outline_shape", "outline_network", "surroundings", "frame"]
    assert table["control"].tolist() == named
    assert (table["auc_low"] <= table["auc"]).all() and (table["auc"] <= table["auc_high"]).all()
    assert not set(named) & set(study.results["arms"])
    assert not set(named) & set(study.predictions["arm"])


def ellipse(mask: np.ndarray) -> np.ndarray:
    """The ellipse with a mask's centre and second moments: all lesions are drawn in one style."""
    points = np.argwhere(mask)
    inverse = np.linalg.inv(np.cov(points.T))
    apart = np.indices(mask.shape).reshape(2, -1).T - points.mean(axis=0)
    inside = np.einsum("ij,jk,ik->i", apart, inverse, apart) <= 4
    return inside.reshape(mask.shape)


def wavy(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An outline drawn by an unsteady hand."""
    noise = gaussian_filter(rng.standard_normal(mask.shape), 3)
    return gaussian_filter(mask.astype(float), 3) + 0.35 * noise / noise.std() > 0.5


def redrawn(root: Path, style: str) -> None:
    """Draw the masks of a cohort anew: all as ellipses, those of one outcome unsteadily."""
    cohort = read_folder_cohort(root)
    table = pd.read_csv(root / "cohort.csv", dtype=str).set_index("patient_id")
    rng = np.random.default_rng(0)
    for lesion in cohort.lesions:
        mask = ellipse(load_lesion(lesion).mask)
        if style == "smoother" and lesion.outcome:
            mask |= wavy(mask, rng)
        name = f"masks/{lesion.patient_id}_drawn.png"
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / name)
        table.loc[lesion.patient_id, "mask"] = name
    kept = table.loc[[lesion.patient_id for lesion in cohort.lesions]]
    kept.drop(columns="mask_reader2", errors="ignore").to_csv(root / "cohort.csv")


@pytest.mark.slow
@pytest.mark.parametrize("style", ["alike", "smoother"])
def test_outlines_that_are_smoother_in_one_outcome_ring_an_alarm(
    style, her2_command, undrawn_command, tmp_path
) -> None:
    root, run_dir = tmp_path / "cohort", tmp_path / "run"
    size = ("cohort.n_patients=160", "cohort.image_shape=[256,320]")
    assert her2_command("phantom", f"cohort.root={root}", *size).status == 0
    redrawn(root, style)
    finished = undrawn_command(
        "study", "study=quick", "cohort=folder", f"cohort.root={root}", "tracking=none",
        "evaluation.grad_cam=false", "evaluation.n_repeats=2", f"run_dir={run_dir}",
    )  # fmt: skip
    assert finished.status in (0, 1), finished.err
    table = pd.read_csv(run_dir / "tables" / "shortcut_controls.csv").set_index("control")
    alarms = table["alarm"].notna()
    if style == "alike":
        assert not alarms.any(), table.drop(columns="alarm").to_string()
    else:
        assert alarms["outline_network"], table.drop(columns="alarm").to_string()
        assert "cannot see the lesion" in (run_dir / "report.html").read_text()
