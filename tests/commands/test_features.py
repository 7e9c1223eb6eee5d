"""`her2 features`: radiomic features of a cohort as parquet."""

import re

import numpy as np
import pandas as pd
import pytest

from her2.cohort import load_lesion, read_folder_cohort
from her2.radiomics import extract_features


@pytest.fixture(scope="module")
def six(make_cohort):
    return make_cohort(6, images=True)


@pytest.fixture(scope="module")
def extracted(her2_command, six, tmp_path_factory):
    """Run of one worker with a cache of its own, and its folder."""
    run_dir = tmp_path_factory.mktemp("features")
    finished = her2_command(
        "features", "cohort=folder", f"cohort.root={six}", f"run_dir={run_dir}",
        f"cache={run_dir / 'cache'}", "compute.n_workers=1",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    return finished, run_dir


def test_every_lesion_has_1561_finite_features(extracted):
    finished, run_dir = extracted
    table = pd.read_parquet(run_dir / "features.parquet")
    assert list(table)[:2] == ["patient_id", "lesion_id"]
    assert table.shape == (6, 2 + 1561)
    assert np.isfinite(table.iloc[:, 2:].to_numpy()).all()
    assert finished.out == f"6 lesions x 1561 features: {run_dir / 'features.parquet'}\n"
    assert "6 extracted, 0 from the cache" in finished.err


def test_the_table_is_what_the_function_gives(extracted, six):
    table = pd.read_parquet(extracted[1] / "features.parquet").set_index("patient_id")
    lesion = read_folder_cohort(six).lesions[4]  # RGBA, two masks
    image = load_lesion(lesion)
    values = extract_features(image.pixels, image.mask, spacing_mm=image.spacing_mm)
    pd.testing.assert_series_equal(
        table.loc[lesion.patient_id].drop("lesion_id").astype(float), values, check_names=False
    )


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(extracted, her2_command, six, tmp_path):
    finished = her2_command(
        "features", "cohort=folder", f"cohort.root={six}", f"run_dir={tmp_path}",
        f"cache={tmp_path / 'cache'}", "compute.n_workers=2",
    )  # fmt: skip
    assert re.search("6 extracted", finished.err)
    name = "features.parquet"
    assert (tmp_path / name).read_bytes() == (extracted[1] / name).read_bytes()


def test_a_damaged_cache_is_noticed_and_repaired(extracted, her2_command, six, tmp_path):
    cache = extracted[1] / "cache"
    entry = sorted(path for path in cache.rglob("*") if path.is_file())[0]
    entry.write_bytes(entry.read_bytes().replace(b"1", b"2", 3))
    finished = her2_command(
        "features", "cohort=folder", f"cohort.root={six}", f"run_dir={tmp_path}",
        f"cache={cache}", "compute.n_workers=1",
    )  # fmt: skip
    assert finished.status == 0
    assert "1 extracted, 5 from the cache" in finished.err
    name = "features.parquet"
    assert (tmp_path / name).read_bytes() == (extracted[1] / name).read_bytes()


def test_a_cohort_without_images_is_refused(her2_command, table_cohort, tmp_path):
    finished = her2_command(
        "features", "cohort=folder", f"cohort.root={table_cohort}", "cohort.clinical=[age]",
        f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 2
    assert "expected an image and a mask of every lesion" in finished.sentences[0]
