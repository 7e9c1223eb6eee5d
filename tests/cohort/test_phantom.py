"""The simulated cohort: margins, associations, images, files, reproducibility."""

import gzip
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
import statsmodels.api as sm
from scipy.ndimage import gaussian_filter, label
from scipy.stats import mannwhitneyu

from her2.cohort.phantom import write as write_module
from her2.cohort.phantom import write_phantom
from her2.cohort.phantom.appearance import draw_appearance
from her2.cohort.phantom.bmode import SCANNERS, receive, simulate_lesion, smooth_field
from her2.cohort.phantom.patient_table import (
    ASSOCIATIONS,
    PREVALENCE,
    VENDORS,
    her2_positive,
    simulate_table,
    stream,
)
from her2.core.errors import BadConfig

SMALL = {"n_patients": 4, "image_shape": (130, 161)}  # an odd number of pixels: DICOM pads one


@pytest.fixture(scope="module")
def large_table() -> pd.DataFrame:
    return simulate_table(40_000, seed=7)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom") / "cohort", **SMALL)


@pytest.fixture(scope="module")
def lesions() -> list:
    """Twelve lesions of each outcome, from all vendors."""
    return [
        (outcome, simulate_lesion(f"P{k}-{outcome}", outcome=outcome, has_calcification=k % 3 == 0,
                                  vendor=VENDORS[k % len(VENDORS)], image_shape=(200, 250)))
        for outcome in (0, 1)
        for k in range(12)
    ]  # fmt: skip


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_patients", [2, 30, 201, 210])
def test_number_of_positives_is_exact(n_patients: int) -> None:
    table = simulate_table(n_patients, seed=3)
    assert her2_positive(table).sum() == round(n_patients * 58 / 201)


def test_every_patient_is_analysable(large_table: pd.DataFrame) -> None:
    assert set(large_table["her2_ihc"]) == {"0", "1+", "2+", "3+"}
    equivocal = large_table["her2_ihc"] == "2+"
    assert set(large_table.loc[equivocal, "her2_fish"]) == {"positive", "negative"}
    assert set(large_table.loc[~equivocal, "her2_fish"]) == {""}
    assert large_table["patient_id"].is_unique
    assert large_table.drop(columns="ca199").notna().all(axis=None)
    assert 0.015 < large_table["ca199"].isna().mean() < 0.025


@pytest.mark.parametrize(
    ("column", "mean", "sd"),
    [
        ("age", 54.00, 11.04),
        ("ki67", 38.78, 23.31),
        ("ca125", 65.24, 38.06),
        ("ca199", 13.08, 34.56),
        ("ca153", 9.19, 7.71),
        ("cea", 4.80, 37.12),
    ],
)
def test_continuous_margins_are_those_of_table_1(
    large_table: pd.DataFrame, column: str, mean: float, sd: float
) -> None:
    values = large_table[column].dropna()
    assert values.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(values.size))
    assert values.std() == pytest.approx(sd, rel=0.2 if column in ("cea", "ca199") else 0.03)


def test_ki67_and_age_stay_in_range(large_table: pd.DataFrame) -> None:
    assert large_table["ki67"].between(1, 95).all()
    assert large_table["age"].between(24, 88).all()


def test_menopause_agrees_with_age(large_table: pd.DataFrame) -> None:
    assert (large_table.loc[large_table["age"] >= 60, "menopause"] == "post").all()
    assert (large_table.loc[large_table["age"] <= 45, "menopause"] == "pre").all()


# Odds ratios: golden reconstruction of the study's Table 2, fitted with an intercept.
@pytest.mark.parametrize(
    ("column", "level", "share", "odds_ratio"),
    [
        ("er", "positive", 0.7065, 0.240),
        ("pr", "positive", 0.5870, 0.260),
        ("lymph_node_metastasis", "yes", 0.3333, 1.323),
        ("calcification", "yes", 0.3980, 2.238),
        ("menopause", "post", 0.5473, 1.174),
        ("family_history", "yes", 0.0398, 1.528),
    ],
)
def test_binary_margins_and_fitted_odds_ratios(
    large_table: pd.DataFrame, column: str, level: str, share: float, odds_ratio: float
) -> None:
    x = (large_table[column] == level).to_numpy(dtype=float)
    assert x.mean() == pytest.approx(share, abs=0.01)
    fit = sm.Logit(her2_positive(large_table), sm.add_constant(x)).fit(disp=0)
    assert abs(fit.params[1] - np.log(odds_ratio)) < 4 * fit.bse[1]


def test_odds_ratios_agree_with_the_reconstruction(shared: Path) -> None:
    golden = json.loads((shared / "golden/statistics/golden.json").read_text())
    table_2 = golden["datasets"]["paper_reconstruction"]["table2_univariable"]["value"]
    names = {"er": "ER", "menopause": "menopausal", "lymph_node_metastasis": "lymph",
             "calcification": "calcification", "family_history": "family"}  # fmt: skip
    for name, golden_name in names.items():
        expected = table_2[golden_name]["proper_OR"]
        assert ASSOCIATIONS[name].odds_ratio == pytest.approx(expected, rel=2e-3)


def test_receptors_are_correlated_and_markers_are_null(large_table: pd.DataFrame) -> None:
    er, pr = large_table["er"] == "positive", large_table["pr"] == "positive"
    assert np.corrcoef(er, pr)[0, 1] > 0.5
    for column in ("ki67", "ca125", "ca153", "cea"):
        rank = large_table[column].rank()
        assert abs(np.corrcoef(rank, her2_positive(large_table))[0, 1]) < 0.02


def test_row_order_and_vendor_say_nothing_of_the_outcome(large_table: pd.DataFrame) -> None:
    outcome = her2_positive(large_table)
    assert abs(np.corrcoef(np.arange(outcome.size), outcome)[0, 1]) < 0.02
    share = pd.Series(outcome).groupby(large_table["vendor"].to_numpy()).mean()
    assert len(share) == len(SCANNERS)
    assert np.abs(share - PREVALENCE).max() < 0.02


def test_table_follows_the_seed() -> None:
    pd.testing.assert_frame_equal(simulate_table(50, seed=1), simulate_table(50, seed=1))
    assert not simulate_table(50, seed=1).equals(simulate_table(50, seed=2))


# --- the images ------------------------------------------------------------------------------


def test_lesion_is_a_pure_function_of_its_arguments() -> None:
    arguments = {"outcome": 1, "has_calcification": True, "vendor": VENDORS[0],
                 "image_shape": (128, 140)}  # fmt: skip
    first, again = (simulate_lesion("P1", **arguments) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.reader2, again.reader2)
    other = simulate_lesion("P2", **arguments)
    assert (first.pixels != other.pixels).mean() > 0.5


def test_default_lesion_has_the_stated_size() -> None:
    for k in range(2):
        lesion = simulate_lesion(
            f"P{k}", outcome=k % 2, has_calcification=False, vendor=VENDORS[k % 4]
        )
        columns = np.flatnonzero(lesion.reader1.any(axis=0))
        assert lesion.pixels.shape == (400, 500)
        assert 50 <= np.ptp(columns) <= 190
        assert 0.08 <= lesion.spacing_mm[0] <= 0.12


def test_masks_are_one_piece_away_from_the_border(lesions: list) -> None:
    for _, lesion in lesions:
        for mask in (lesion.true_mask, lesion.reader1, lesion.reader2):
            assert label(mask)[1] == 1
            assert label(~mask)[1] == 1  # no hole
            edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
            assert not edge.any()


def test_readers_differ_as_readers_do(lesions: list) -> None:
    between = [dice(lesion.reader1, lesion.reader2) for _, lesion in lesions]
    first = [dice(lesion.true_mask, lesion.reader1) for _, lesion in lesions]
    second = [dice(lesion.true_mask, lesion.reader2) for _, lesion in lesions]
    assert 0.85 < np.median(between) < 0.96
    assert min(between) > 0.8
    assert np.median(first) > np.median(second)


def test_lesion_is_hypoechoic_and_not_clipped(lesions: list) -> None:
    for _, lesion in lesions:
        ring = gaussian_filter(lesion.true_mask.astype(float), 6) > 0.2
        beside = lesion.pixels[ring & ~lesion.true_mask & ~lesion.reader2]
        assert np.median(lesion.pixels[lesion.true_mask]) < np.median(beside)
        assert (lesion.pixels == 255).mean() < 0.02
        assert (lesion.pixels == 0).mean() < 0.3


def test_speckle_is_fully_developed_and_wider_than_deep() -> None:
    """An envelope of many scatterers is Rayleigh: its mean over its SD is 1.91."""
    scanner = SCANNERS["SIMULATED C"]  # no compounding
    nothing = np.zeros((400, 500), dtype=np.float32)
    raw = replace(scanner, smoothing=0.0, noise_db=-200.0)
    envelope = receive(nothing, nothing, raw, spacing_mm=0.1, rng=stream(0, "speckle"))
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.06)
    assert np.sqrt((envelope**2).mean()) == pytest.approx(1.0, abs=0.05)

    def neighbour_correlation(axis: int) -> float:
        ahead = np.roll(envelope, -2, axis=axis)
        return float(np.corrcoef(envelope.ravel(), ahead.ravel())[0, 1])

    assert neighbour_correlation(1) > neighbour_correlation(0) + 0.2


def test_smooth_field_has_unit_variance() -> None:
    field = smooth_field((300, 300), (3, 5), stream(0, "field"))
    assert field.std() == pytest.approx(1, abs=0.05)


def test_traits_differ_with_the_outcome_but_overlap() -> None:
    """Each trait alone has an AUC well below what the hidden severity allows."""
    drawn = {
        outcome: [
            draw_appearance(outcome, has_calcification=False, rng=stream(0, f"{outcome}-{k}"))
            for k in range(1500)
        ]
        for outcome in (0, 1)
    }
    for name, low, high in (
        ("lobulation", 0.80, 0.90),
        ("heterogeneity_db", 0.73, 0.85),
        ("posterior_db_per_mm", 0.20, 0.34),
        ("width", 0.46, 0.54),
        ("contrast_db", 0.46, 0.54),
    ):
        positive, negative = ([getattr(a, name) for a in drawn[outcome]] for outcome in (1, 0))
        auc = mannwhitneyu(positive, negative).statistic / 1500**2
        assert low < auc < high, name


def test_texture_tells_something_and_not_everything() -> None:
    """One statistic of 50 images: AUC 0.5 would be no task, 1.0 no noise."""

    def spread(outcome: int, k: int) -> float:
        lesion = simulate_lesion(
            f"T{k}-{outcome}",
            outcome=outcome,
            has_calcification=False,
            vendor=VENDORS[k % len(VENDORS)],
            image_shape=(200, 250),
        )
        return float(np.subtract(*np.percentile(lesion.pixels[lesion.reader1], [75, 25])))

    positive, negative = ([spread(outcome, k) for k in range(25)] for outcome in (1, 0))
    auc = mannwhitneyu(positive, negative).statistic / 25**2
    assert 0.6 < auc < 0.93


def test_calcifications_follow_the_clinical_table() -> None:
    def share(has_calcification: bool) -> float:
        drawn = (
            draw_appearance(0, has_calcification=has_calcification, rng=stream(1, str(k)))
            for k in range(500)
        )
        return float(np.mean([appearance.n_calcifications > 0 for appearance in drawn]))

    assert share(True) == pytest.approx(0.80, abs=0.06)
    assert share(False) == pytest.approx(0.08, abs=0.05)


# --- the files -------------------------------------------------------------------------------


def test_layout(cohort: Path) -> None:
    table = pd.read_csv(cohort / "cohort.csv", dtype=str, keep_default_na=False)
    assert list(table.columns[:8]) == [
        "patient_id", "lesion_id", "image", "mask", "mask_reader2", "her2_ihc", "her2_fish",
        "vendor",
    ]  # fmt: skip
    named = set(table["image"]) | set(table["mask"]) | set(table["mask_reader2"])
    assert set(digests(cohort)) == named | {"cohort.csv", "README.txt"}
    readme = (cohort / "README.txt").read_text()
    assert "SIMULATED" in readme
    assert "her2 study cohort=folder cohort.root=DIR" in readme


def test_images_are_marked_as_simulated_and_calibrated(cohort: Path) -> None:
    uids = set()
    for path in sorted((cohort / "images").iterdir()):
        dataset = pydicom.dcmread(path)
        spacing = [float(value) for value in dataset.PixelSpacing]
        region = dataset.SequenceOfUltrasoundRegions[0]
        assert dataset.pixel_array.shape == SMALL["image_shape"]
        assert dataset.pixel_array.dtype == np.uint8
        assert dataset.PhotometricInterpretation == "MONOCHROME2"
        assert dataset.Modality == "US"
        assert region.PhysicalUnitsXDirection == 3
        assert region.PhysicalDeltaX * 10 == pytest.approx(spacing[1], rel=1e-9)
        assert region.PhysicalDeltaY * 10 == pytest.approx(spacing[0], rel=1e-9)
        assert dataset.ImageType[0] == "DERIVED"
        assert dataset.SeriesDescription == "SIMULATED"
        assert dataset.Manufacturer in VENDORS
        assert "SIMULATED" in dataset.ManufacturerModelName
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        uids |= {dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID}
    assert len(uids) == 3 * SMALL["n_patients"]


def test_masks_share_the_geometry_of_their_image(cohort: Path) -> None:
    table = simulate_table(SMALL["n_patients"])
    row = table.iloc[0]
    expected = simulate_lesion(
        row["patient_id"],
        outcome=int(her2_positive(table)[0]),
        has_calcification=row["calcification"] == "yes",
        vendor=row["vendor"],
        image_shape=SMALL["image_shape"],
    )
    for reader, mask in ((1, expected.reader1), (2, expected.reader2)):
        image = sitk.ReadImage(str(cohort / f"masks/{row['patient_id']}_reader{reader}.nii.gz"))
        assert image.GetSpacing()[::-1] == pytest.approx(expected.spacing_mm, rel=1e-6)
        values = sitk.GetArrayFromImage(image)
        assert values.dtype == np.uint8
        np.testing.assert_array_equal(values, mask.astype(np.uint8))
    pixels = pydicom.dcmread(cohort / f"images/{row['patient_id']}.dcm").pixel_array
    np.testing.assert_array_equal(pixels, expected.pixels)


def test_bytes_follow_the_seed_and_not_the_workers(cohort: Path, tmp_path: Path) -> None:
    again = write_phantom(tmp_path / "parallel", **SMALL, n_workers=2)
    assert digests(again) == digests(cohort)
    other = write_phantom(tmp_path / "other", **SMALL, seed=1)
    assert not set(digests(other).values()) & set(digests(cohort).values())


def test_masks_carry_no_time(cohort: Path) -> None:
    content = next((cohort / "masks").iterdir()).read_bytes()
    assert content[4:8] == bytes(4)  # MTIME of the gzip header, RFC 1952
    assert gzip.decompress(content)[344:347] == b"n+1"  # NIfTI-1 in a single file


def test_progress_counts_patients(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_phantom(tmp_path / "c", **SMALL, progress=lambda done, n: seen.append((done, n)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_one_patient_takes_well_under_a_second() -> None:
    start = time.process_time()
    for k in range(3):
        simulate_lesion(f"P{k}", outcome=1, has_calcification=True, vendor=VENDORS[0])
    assert (time.process_time() - start) / 3 < 0.6  # 0.1 s where this was written


# --- faults ----------------------------------------------------------------------------------


def test_an_empty_folder_gives_way_and_a_full_one_does_not(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    root.mkdir()
    write_phantom(root, **SMALL)
    before = digests(root)
    with pytest.raises(BadConfig, match="new or empty folder"):
        write_phantom(root, **SMALL)
    assert digests(root) == before
    with pytest.raises(BadConfig, match="new or empty folder"):
        write_phantom(root / "cohort.csv", **SMALL)


def test_a_stopped_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(**named: int) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_module, "README", SimpleNamespace(format=stop))
    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "cohort", **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_patients": 1}, "at least 2 patients"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"image_shape": (100, 500)}, "at least 128 rows"),
        ({"n_workers": 0}, "n_workers must be 1 or more"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict, sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        write_phantom(tmp_path / "cohort", **{**SMALL, **settings})
    assert list(tmp_path.iterdir()) == []


def test_unknown_vendor_is_refused() -> None:
    with pytest.raises(BadConfig, match="vendor must be one of"):
        simulate_lesion("P1", outcome=1, has_calcification=False, vendor="X")
