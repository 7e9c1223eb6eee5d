"""Rings, second readers, vendors and lost lesions, through the user's commands."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from her2.compute import Finished, InProcess, Lost
from her2.radiomics import extraction

N_FEATURES = 1561


@pytest.fixture
def cheap(monkeypatch):
    """Features that cost nothing, in this process: mixtures of area, brightness and contrast."""
    mix = np.random.default_rng(0).normal(size=(N_FEATURES, 4))
    names = list(extraction.find_preset("paper_1561").feature_names)

    def features(image, mask, *, spacing_mm, preset):
        inside = image[mask].astype(float)
        own = np.random.default_rng(int(inside.sum())).normal()
        facts = np.array([mask.sum() / 100, inside.mean() / 10, inside.std() / 10, own])
        return pd.Series(mix @ facts, index=names)

    monkeypatch.setattr(extraction, "extract_features", features)
    monkeypatch.setattr("her2.pipeline.radiomic_features.engine", lambda compute: InProcess())


def second_mask(root, i: int) -> str:
    """The first mask a pixel further right, as the second reader's file."""
    row = pd.read_csv(root / "cohort.csv").loc[i, "mask"].split(";")
    mask = np.max([np.asarray(Image.open(root / name)) for name in row], axis=0)
    Image.fromarray(np.roll(mask, 1, axis=1)).save(root / f"second{i}.png")
    return f"second{i}.png"


@pytest.fixture(scope="module")
def two_readers(make_cohort):
    """Forty patients, of whom the last four have no second mask."""
    root = make_cohort(images=True)
    table = pd.read_csv(root / "cohort.csv", dtype=str, keep_default_na=False)
    table["mask_reader2"] = [second_mask(root, i) if i < 36 else "" for i in range(len(table))]
    table.to_csv(root / "cohort.csv", index=False)
    return root


@pytest.fixture
def classify(undrawn_command, tiny, tmp_path, two_readers, cheap):
    def call(*arguments, run="run"):
        return undrawn_command(
            "classify", *tiny, "cohort=folder", f"cohort.root={two_readers}",
            "selection.lasso_folds=3", f"run_dir={tmp_path / run}", f"cache={tmp_path / 'cache'}",
            *arguments,
        )  # fmt: skip

    return call


def table(folder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / f"{name}.csv")


def test_the_readers_agreement_is_the_first_step_and_stands_in_the_tables(classify, tmp_path):
    finished = classify("selection.reader_icc=0.75", "evaluation.n_stability=4")
    assert finished.status == 0, finished.err
    run = tmp_path / "run"
    first = table(run, "selection_steps").iloc[0]
    assert (first["step"], first["n_before"]) == ("Reader agreement (ICC)", N_FEATURES)
    agreement = table(run, "agreement").set_index("measure")
    assert agreement.loc["ICC(2,1) of a feature", "n"] == N_FEATURES
    assert table(run, "stability")["n_features"].tolist() == [N_FEATURES]
    assert table(run, "feature_counts")["n"].sum() == N_FEATURES
    audit = table(run, "audit")
    assert audit["passed"].all()
    assert audit["check"].str.contains("poisoned").any()
    copies = audit[audit["check"].str.contains("copies")].iloc[0]
    assert copies["check"].startswith("Overlap")  # by which the checklists know it as a check
    assert copies["found"].endswith("pairs")
    second = pd.read_parquet(run / "features_reader2.parquet")
    assert second.shape == (40, 2 + N_FEATURES)
    assert second.iloc[:, 2:].isna().all(axis=1).sum() == 4


@pytest.mark.slow
def test_features_that_change_with_the_mask_leave_before_the_readers_are_compared(
    classify, tmp_path
):
    finished = classify(
        "radiomics.robustness=[dilation,shift]", "selection.robust_icc=0.6",
        "selection.reader_icc=0.6",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    steps = table(tmp_path / "run", "selection_steps")
    assert steps["step"].tolist()[:2] == ["Robustness (ICC)", "Reader agreement (ICC)"]
    assert steps["n_before"].tolist()[:2] == [N_FEATURES, steps["n_after"][0]]
    assert 0 < steps["n_after"][0] < N_FEATURES
    assert "its 2 changed versions at least 0.6" in steps["rule"][0]
    kept = pd.read_parquet(tmp_path / "run" / "features_robustness.parquet").set_index("feature")
    assert set(kept["n_versions"]) == {3}
    audit = table(tmp_path / "run", "audit")
    assert audit["passed"].all()


def test_too_few_second_masks_are_a_sentence(her2_command, tiny, image_cohort, tmp_path, cheap):
    finished = her2_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={image_cohort}", f"run_dir={tmp_path}",
        f"cache={tmp_path / 'cache'}", "selection.reader_icc=0.75",
    )  # fmt: skip
    assert finished.status == 2
    assert (
        "at least 20 training lesions for selection.reader_icc, found 0" in finished.sentences[0]
    )


def test_vendors_are_taken_out_and_those_of_few_lesions_left_alone(
    classify, tmp_path, monkeypatch
):
    def vendors(cohort):
        names = ["A" if i % 2 else "B" for i in range(38)] + ["C", None]
        return pd.Series(names, index=[x.key for x in cohort.lesions], dtype=object)

    monkeypatch.setattr("her2.pipeline.radiomic_features.vendors", vendors)
    assert classify("radiomics.harmonise=combat", "selection.reader_icc=0.75").status == 0
    steps = table(tmp_path / "run", "selection_steps")
    assert steps["step"].tolist()[:2] == ["Reader agreement (ICC)", "Harmonisation (ComBat)"]
    assert steps["rule"][1] == "effect of the vendor taken out"
    notes = " ".join(json.loads((tmp_path / "run" / "results.json").read_text())["notes"])
    assert "ComBat takes the effect of the vendor (A, B) out" in notes
    assert "2 lesions of a vendor that is unknown, or has fewer than 5 training lesions" in notes
    assert table(tmp_path / "run", "audit")["passed"].all()


def test_without_vendors_there_is_nothing_to_harmonise(classify):
    finished = classify("radiomics.harmonise=combat")
    assert finished.status == 2
    assert "found none that is known; leave the setting out" in finished.sentences[0]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("radiomics.harmonise=vendor", "radiomics.harmonise among none, combat"),
        ("selection.reader_icc=75", "selection.reader_icc below 1, found 75"),
        ("selection.robust_icc=0.75", "changes in radiomics.robustness for selection.robust_icc"),
        ("radiomics.robustness=[rotation]", "radiomics.robustness among erosion, dilation, shift"),
        ("radiomics.region=breast", "radiomics.region among lesion, ring, both"),
        ("compute.engine=slurm", "compute.engine among local, dask"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused(classify, setting, sentence):
    finished = classify(setting)
    assert finished.status == 2
    assert sentence in finished.sentences[0]


def test_brought_features_have_no_readers(undrawn_command, tiny, table_cohort, tmp_path):
    finished = undrawn_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={table_cohort}",
        "cohort.features=features.csv", f"run_dir={tmp_path}", "selection.reader_icc=0.75",
    )  # fmt: skip
    assert finished.status == 2
    assert "images and masks for selection.reader_icc, found features" in finished.sentences[0]


# ---- lesions that are lost


class LosesTwo:
    """An engine on which the third and the fourth lesion are lost."""

    def __init__(self, compute):
        pass

    def run(self, function, calls):
        for position, arguments in enumerate(calls):
            if position in (2, 3):
                yield Lost(position, "killed" if position == 2 else "hung")
            else:
                yield Finished(position, function(*arguments))


def test_lost_lesions_leave_the_run_with_their_codes(classify, tmp_path, monkeypatch, canary):
    monkeypatch.setattr("her2.pipeline.radiomic_features.engine", LosesTwo)
    finished = classify()
    assert finished.status == 1, finished.err
    assert "2 of 40 eligible lesions were left out" in finished.sentences[-1]
    assert canary not in finished.err
    run = tmp_path / "run"
    quarantine = pd.read_csv(run / "quarantine.csv").query("severity == 'quarantined'")
    assert sorted(quarantine["code"]) == ["R01", "R02"]
    lost = set(quarantine["patient_id"])
    predictions = pd.read_parquet(run / "predictions.parquet")
    assert not lost & set(predictions["patient_id"])
    results = json.loads((run / "results.json").read_text())["cohort"]
    assert (results["n_quarantined"], results["n_lesions"]) == (2, 38)
    assert results["n_train"] + results["n_test"] == 38
    split = json.loads((run / "split.json").read_text())
    assert len(split["train"]) + len(split["test"]) == 40  # as it was drawn


@pytest.mark.slow
def test_a_run_that_lost_lesions_can_be_run_again(classify, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("her2.pipeline.radiomic_features.engine", LosesTwo)
        assert classify(run="first").status == 1
    again = classify(run="first")
    assert again.status == 0, again.err
    assert "2 extracted, 38 from the cache" in again.err
    assert classify(run="other").status == 0
    found = [(tmp_path / run / "predictions.parquet").read_bytes() for run in ("first", "other")]
    assert found[0] == found[1]


# ---- her2 features


@pytest.fixture
def features(her2_command, make_cohort, tmp_path):
    root = make_cohort(4, images=True)

    def call(*arguments, run="run"):
        return her2_command(
            "features", "cohort=folder", f"cohort.root={root}", f"run_dir={tmp_path / run}",
            f"cache={tmp_path / 'cache'}", *arguments,
        )  # fmt: skip

    return call


def test_both_regions_and_their_robustness(features, tmp_path, cheap):
    finished = features(
        "radiomics.region=both", "radiomics.ring_mm=0.5", "radiomics.robustness=[dilation,gain]"
    )
    assert finished.status == 0, finished.err
    assert "4 lesions x 3122 features" in finished.out
    robust = pd.read_parquet(tmp_path / "run" / "features_robustness.parquet")
    assert len(robust) == 2 * 2 * N_FEATURES
    assert robust["n_versions"].unique().tolist() == [2]
    assert robust["feature"].str.startswith("ring_").sum() == 2 * N_FEATURES


def test_a_ring_in_millimetres_is_refused_without_a_pixel_size(
    her2_command, make_cohort, tmp_path, cheap
):
    root = make_cohort(4, images=True, columns={"spacing_mm": None})
    arguments = (
        "features", "cohort=folder", f"cohort.root={root}", f"cache={tmp_path / 'cache'}",
        "radiomics.region=ring",
    )  # fmt: skip
    refused = her2_command(*arguments, f"run_dir={tmp_path / 'mm'}")
    assert refused.status == 2
    assert "found 4 of 4 lesions without; add the column spacing_mm" in refused.sentences[0]
    assert (
        her2_command(*arguments, f"run_dir={tmp_path / 'px'}", "radiomics.ring_px=6").status == 0
    )


@pytest.mark.slow  # test_table has the workers of dask in the default suite
@pytest.mark.filterwarnings("default")  # what dask's event loops leave behind
def test_dask_gives_the_same_bytes_as_this_machine(features, tmp_path):
    pytest.importorskip("distributed", reason="the extra her2[dask] is absent")
    local = features("compute.n_workers=1", f"cache={tmp_path / 'local'}", run="local")
    dask = features("compute=dask", "compute.n_workers=2", f"cache={tmp_path / 'd'}", run="dask")
    assert (local.status, dask.status) == (0, 0), dask.err
    assert "4 extracted, 0 from the cache" in dask.err
    found = [(tmp_path / run / "features.parquet").read_bytes() for run in ("local", "dask")]
    assert found[0] == found[1]


def test_dask_that_is_absent_is_a_sentence(features, monkeypatch):
    monkeypatch.setattr("her2.compute.dask_cluster.importlib.util.find_spec", lambda name: None)
    finished = features("compute=dask")
    assert finished.status == 2
    assert "install it with pip install 'her2[dask]'" in finished.sentences[0]


@pytest.mark.parametrize("value", ["0", "-3"])
def test_a_time_limit_must_be_positive(features, value):
    finished = features(f"compute.timeout_s={value}")
    assert finished.status == 2
    assert "compute.timeout_s above 0, found" in finished.sentences[0]
