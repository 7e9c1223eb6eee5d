"""`enhance=`: images are enlarged by what has seen training patients only, and judged."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from her2.cohort import load_lesion
from her2.core.errors import LeakageError
from her2.core.settings import (
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    GeneratorSettings,
    SplitSettings,
    StudySettings,
    TrackingSettings,
)
from her2.models.nested_cv import Signature, TrainingSet
from her2.pipeline.enhance import Enhancement, enhanced_run, quarter, restored, seen_of
from her2.pipeline.enhancement_evidence import (
    NOT_COMPARED,
    _doubts,
    _quality_rows,
    _share_rows,
    compared,
)
from her2.pipeline.run import open_run
from her2.stats import auc_difference, auc_estimate, icc
from her2.tracking import open_run_id
from lightning_modules.super_resolution.generator_files import load_generator

GENERATOR = (
    "enhance=srgan_small", "enhance.max_steps_pixel=3", "enhance.max_steps_adversarial=2",
    "enhance.steps_per_epoch=2", "enhance.patch_size=8", "enhance.batch_size=2",
    "enhance.generator.n_blocks=1", "enhance.generator.n_channels=4",
    "enhance.discriminator_channels=4", "enhance.tile_size=32", "enhance.accelerator=cpu",
    "enhance.n_evidence=3",
)  # fmt: skip
NETWORK = (
    "backbone.weights=none", "backbone.image_size=32", "backbone.name=test_resnet",
    "trainer=smoke", "trainer.accelerator=cpu", "evaluation.n_folds=2", "split.test_size=0.5",
    "compute.n_workers=1", "tracking=none",
    "evaluation.n_permutations=20",
)  # fmt: skip
SIDE = 64  # of the cohort's images


@pytest.fixture(scope="module")
def train(her2_command):
    """Return a function that trains a tiny network, without figures of the arms."""

    def call(root, run_dir, cache, *arguments):
        with mock.patch("her2.pipeline.write_outputs.figures", return_value={}):
            return her2_command(
                "train", *NETWORK, "cohort=folder", f"cohort.root={root}", f"run_dir={run_dir}",
                f"cache={cache}", *arguments,
            )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def enhanced(train, image_cohort, tmp_path_factory):
    """Run folder, cache and output of a network that was trained on enlarged crops."""
    run_dir, cache = tmp_path_factory.mktemp("enhanced"), tmp_path_factory.mktemp("cache")
    finished = train(image_cohort, run_dir, cache, *GENERATOR)
    assert finished.status == 0, finished.err
    return run_dir, cache, finished


def test_a_run_leaves_generator_evidence_previews_and_history(enhanced, canary):
    run_dir, _, finished = enhanced
    evidence = pd.read_csv(run_dir / "tables" / "super_resolution.csv")
    assert list(evidence.columns) == ["measure", "family", "method", "n", "value", "low", "high"]
    of_method = evidence.groupby("method")["measure"].apply(set)
    assert of_method["bicubic"] == {"psnr", "ssim", "consistency_psnr"}
    assert of_method["srgan"] == of_method["bicubic"] | {"psnr_gain", "ssim_gain"}
    assert set(evidence["n"]) == {3}
    value = evidence.set_index(["measure", "method"])["value"]
    assert value["psnr_gain", "srgan"] == pytest.approx(
        value["psnr", "srgan"] - value["psnr", "bicubic"]
    )
    assert value["consistency_psnr", "srgan"] > 55 > value["consistency_psnr", "bicubic"]
    history = pd.read_csv(run_dir / "tables" / "super_resolution_history.csv")
    assert list(history["step"]) == [2, 4, 5]
    drawn = {path.name for path in (run_dir / "figures").iterdir()}
    assert {"super_resolution.png", "super_resolution_history.png"} <= drawn
    assert "super_resolution_preview_000005.png" in drawn
    results = json.loads((run_dir / "results.json").read_text())
    split = json.loads((run_dir / "split.json").read_text())
    assert results["enhancement"]["n_patients"] == len(split["train"])
    assert any("folds of the training patients share it" in note for note in results["notes"])
    assert NOT_COMPARED in results["notes"]
    report = (run_dir / "report.html").read_text()
    assert "PSNR, gain over bicubic" in report
    assert canary not in finished.out + finished.err + report


SETTINGS = EnhanceSettings(
    method="srgan", generator=GeneratorSettings(n_blocks=1, n_channels=4),
    discriminator_channels=4, max_steps_pixel=3, max_steps_adversarial=2, steps_per_epoch=2,
    patch_size=8, batch_size=2, tile_size=32,
    accelerator="cpu", n_evidence=3,
)  # fmt: skip
ONE = ComputeSettings(n_workers=1)


def opened(root, run_dir, seed=0):
    """A run of a cohort of which half is held out."""
    settings = StudySettings(
        cohort=CohortSettings(root=str(root)), split=SplitSettings(test_size=0.5),
        evaluation=EvaluationSettings(n_repeats=1, n_folds=2), compute=ONE, seed=seed,
    )  # fmt: skip
    return open_run("study", settings, run_dir)


UNTRACKED = TrackingSettings(enabled=False)


def enhance(run, cache, settings=SETTINGS, seed=0, tracking=UNTRACKED):
    changed = replace(
        run.settings, enhance=settings, tracking=tracking, cache=str(cache), seed=seed
    )
    return enhanced_run(replace(run, settings=changed))


def test_previews_can_be_watched_while_the_generator_learns(image_cohort, new_store, tmp_path):
    run, uri = opened(image_cohort, tmp_path / "run"), new_store()
    enhance(run, tmp_path / "cache", tracking=TrackingSettings(uri=uri))
    client = MlflowClient(tracking_uri=uri)
    live = client.get_run(open_run_id(tmp_path / "run"))
    assert live.info.status == "RUNNING"
    sent = client.list_artifacts(live.info.run_id, "previews")
    drawn = sorted(path.name for path in (tmp_path / "run" / "figures").iterdir())
    assert [Path(item.path).name for item in sent] == drawn
    assert drawn[-1] == "super_resolution_preview_000005.png"


@pytest.fixture(scope="module")
def fitted(image_cohort, tmp_path_factory):
    """A run before and after its images were enhanced, how, and the cache."""
    run, cache = opened(image_cohort, tmp_path_factory.mktemp("run")), tmp_path_factory.mktemp("c")
    after, made = enhance(run, cache)
    return run, after, made, cache


def test_lesions_get_enhanced_images_and_keep_everything_else(fitted):
    run, after, made, _ = fitted
    assert made.native == run.cohort.lesions
    for native, lesion in zip(run.cohort.lesions, after.cohort.lesions, strict=True):
        assert replace(lesion, enhanced=None) == native
        image = load_lesion(lesion)
        assert image.enlargement == 4 and image.grey.dtype == image.pixels.dtype
        means = image.grey.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
        assert np.abs(means - image.pixels).max() <= 0.5


def test_the_file_declares_the_training_patients_without_naming_them(fitted, canary):
    run, *_ = fitted
    path = run.folder.file("model") / "super_resolution.safetensors"
    assert canary.encode() not in path.read_bytes()
    trained = [x for x in run.cohort.lesions if x.key in set(run.training.keys)]
    assert load_generator(path).seen == seen_of(run.cohort.name, trained)


def test_a_file_does_the_same_again_where_it_has_seen_nobody(fitted, image_cohort, tmp_path):
    run, after, _, cache = fitted
    path = run.folder.file("model") / "super_resolution.safetensors"
    again, made = enhance(
        opened(image_cohort, tmp_path), cache, replace(SETTINGS, weights=str(path))
    )
    assert [x.enhanced for x in again.cohort.lesions] == [x.enhanced for x in after.cohort.lesions]
    assert made.history.empty and "from a file" in made.notes[0]
    other_split = opened(image_cohort, tmp_path / "other", seed=1)
    with pytest.raises(LeakageError, match="none of the held-out patients"):
        enhance(other_split, cache, replace(SETTINGS, weights=str(path)))


def test_a_second_run_takes_the_generator_from_the_cache(fitted, image_cohort, tmp_path):
    _, _, made, cache = fitted
    fit = "lightning_modules.super_resolution.generator_fitting.fit_generator"
    with mock.patch(fit, side_effect=Fitted):
        _, again = enhance(opened(image_cohort, tmp_path), cache)
        assert again.summary == made.summary and len(again.history) == 3
        with pytest.raises(Fitted):
            enhance(opened(image_cohort, tmp_path / "other"), cache,
                    replace(SETTINGS, batch_size=3))  # fmt: skip


class Fitted(Exception):
    """Stands for a fit that should not have been."""


def test_held_out_images_and_outcomes_do_not_move_the_generator(fitted, image_cohort, tmp_path):
    run, _, made, _ = fitted
    held_out = set(run.held_out)
    (tmp_path / "poison").mkdir()
    lesions = []
    for lesion in run.cohort.lesions:
        if lesion.key in held_out:
            path = tmp_path / "poison" / lesion.image.name
            Image.fromarray(255 - load_lesion(lesion).pixels).save(path)
            lesion = replace(lesion, image=path, verified_sha256=())
        lesions.append(replace(lesion, outcome=1 - lesion.outcome))
    poisoned = replace(run, cohort=replace(run.cohort, lesions=tuple(lesions)))
    _, again = enhance(poisoned, tmp_path / "cache")
    assert again.summary["weights_sha256"] == made.summary["weights_sha256"]


def test_an_image_that_a_training_and_a_held_out_patient_share_is_refused(fitted, tmp_path):
    run, *_ = fitted
    trained, held_out = run.training.keys[0], run.held_out[0]
    image = next(x.image for x in run.cohort.lesions if x.key == trained)
    lesions = tuple(
        replace(x, image=image, verified_sha256=()) if x.key == held_out else x
        for x in run.cohort.lesions
    )
    with pytest.raises(LeakageError, match="1 of their images"):
        enhance(replace(run, cohort=replace(run.cohort, lesions=lesions)), tmp_path)


def test_an_interrupted_fit_goes_on(fitted, image_cohort, tmp_path):
    _, _, made, _ = fitted

    def interrupt(run, lesions, step, network):
        if step == 4:
            raise KeyboardInterrupt

    run, cache = opened(image_cohort, tmp_path / "run"), tmp_path / "cache"
    heard = signal.getsignal(signal.SIGINT)
    with (
        mock.patch("her2.pipeline.enhance.draw_preview", interrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        enhance(run, cache)
    assert signal.getsignal(signal.SIGINT) is heard
    assert list((cache / "generators").glob("*/checkpoint.ckpt"))
    _, again = enhance(run, cache)
    assert again.summary == made.summary and len(again.history) == 3


def test_a_damaged_enhanced_image_is_made_again(fitted, image_cohort, tmp_path):
    _, after, _, cache = fitted
    path = after.cohort.lesions[0].enhanced
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    enhance(opened(image_cohort, tmp_path), cache)
    assert path.read_bytes() == whole


def test_features_of_a_cohort_without_a_split(her2_command, fitted, image_cohort, tmp_path):
    run, _, _, cache = fitted
    model = run.folder.file("model") / "super_resolution.safetensors"

    def features(run, *arguments):
        return her2_command("features", "cohort=folder", f"cohort.root={image_cohort}",
                            f"run_dir={tmp_path / run}", f"cache={cache}", *arguments)  # fmt: skip

    nobody = features("nobody", *GENERATOR)
    assert nobody.status == 2 and "expected enhance.weights" in nobody.sentences[0]
    seen = features("seen", *GENERATOR, f"enhance.weights={model}")
    assert seen.status == 2 and "the cohort's patients" in seen.sentences[0]


def test_features_have_no_arm_to_compare(her2_command, image_cohort, tmp_path):
    finished = her2_command(
        "features", "cohort=folder", f"cohort.root={image_cohort}", f"run_dir={tmp_path / 'run'}",
        "enhance=bicubic", "enhance.compare=true",
    )  # fmt: skip
    assert finished.status == 2 and "enhance.compare=false" in finished.sentences[0]


def check_compared(run_dir, arm):
    """The AUC with enhancement is the run's own, and the one without is another."""
    evidence = pd.read_csv(run_dir / "tables" / "super_resolution.csv")
    areas = evidence[evidence["family"].eq(arm) & evidence["measure"].str.startswith("auc")]
    value = areas.set_index(["measure", "method"])["value"]
    assert list(value.index) == [("auc", "none"), ("auc", "bicubic"), ("auc_gain", "bicubic")]
    results = json.loads((run_dir / "results.json").read_text())
    own = results["arms"][arm]["roles"]["out_of_fold"]["auc"]
    assert value["auc", "bicubic"] == pytest.approx(own)
    assert value["auc", "none"] != value["auc", "bicubic"]
    gain = value["auc", "bicubic"] - value["auc", "none"]
    assert value["auc_gain", "bicubic"] == pytest.approx(gain)
    assert (areas["low"] <= areas["value"]).all() and (areas["value"] <= areas["high"]).all()
    assert NOT_COMPARED not in results["notes"]
    assert "AUC, gain over native images" in (run_dir / "report.html").read_text()


@pytest.mark.slow
def test_a_network_is_trained_with_and_without_enhancement(
    train, image_cohort, new_store, tmp_path
):
    uri = new_store()
    finished = train(
        image_cohort, tmp_path / "run", tmp_path / "cache", "enhance=bicubic",
        "enhance.n_evidence=3", "enhance.compare=true", "evaluation.grad_cam=false",
        "tracking=mlflow", f"tracking.uri={uri}",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    check_compared(tmp_path / "run", "deep_learning")
    kept = [path.name for path in (tmp_path / "run" / "model").glob("*.safetensors")]
    assert kept == ["deep_learning-all-network0.safetensors"]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    history = pd.read_csv(tmp_path / "run" / "tables" / "training.csv")
    told = MlflowClient(tracking_uri=uri).get_metric_history(
        results["mlflow"]["run_id"], "training/fold1-network0/val_loss"
    )
    assert len(told) == history["fold"].eq(1).sum()  # of the run's own network alone


@pytest.mark.slow
def test_classify_compares_with_native_lesions(undrawn_command, make_cohort, tmp_path, tiny):
    finished = undrawn_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={make_cohort(14, images=True)}",
        f"run_dir={tmp_path / 'run'}", f"cache={tmp_path / 'cache'}", "enhance=bicubic",
        "enhance.n_evidence=0", "enhance.compare=true", "radiomics=us2d", "selection=none",
        "evaluation.n_folds=2", "evaluation.n_inner_folds=2",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    check_compared(tmp_path / "run", "radiomics")


@pytest.mark.slow
def test_classify_measures_enlarged_lesions_and_what_of_them_comes_back(
    undrawn_command, make_cohort, tmp_path, tiny
):
    root = make_cohort(14, images=True)
    finished = undrawn_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={root}", f"run_dir={tmp_path / 'run'}",
        f"cache={tmp_path / 'cache'}", "enhance=bicubic", "enhance.n_evidence=4",
        "radiomics=us2d", "selection=none", "evaluation.n_folds=2", "evaluation.n_inner_folds=2",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    evidence = pd.read_csv(tmp_path / "run" / "tables" / "super_resolution.csv")
    shares = evidence[evidence["measure"].eq("icc_share")]
    assert set(shares["method"]) == {"bicubic"} and "glcm" in set(shares["family"])
    assert not shares["family"].str.startswith("shape").any()
    assert shares["value"].between(0, 1).all()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["enhancement"] == {"method": "bicubic"}


@pytest.mark.parametrize(
    ("setting", "fragment"),
    [
        ("enhance.weights=nowhere.safetensors", "nowhere.safetensors"),
        ("enhance.generator.n_blocks=0", "n_blocks"),
        ("enhance.generator.n_blocks=two", "n_blocks"),
        ("enhance.max_steps_pixel=0", "max_steps_pixel=0"),
        ("enhance.loss.adversarial=-1", "enhance.loss"),
        ("enhance.ema=1", "enhance.ema"),
        ("enhance.n_evidence=-1", "n_evidence"),
        ("+enhance.nonsense=1", "nonsense"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(train, image_cohort, tmp_path, setting, fragment):
    finished = train(image_cohort, tmp_path, tmp_path, *GENERATOR, setting)
    assert finished.status == 2
    assert fragment in finished.sentences[0]


def test_weights_need_a_generator_and_enhancement_needs_images(
    her2_command, train, image_cohort, table_cohort, tmp_path, tiny
):
    finished = train(image_cohort, tmp_path, tmp_path, "enhance=bicubic", "+enhance.weights=x")
    assert finished.status == 2 and "enhance=srgan only" in finished.sentences[0]
    finished = her2_command(
        "study", *tiny, "cohort=folder", f"cohort.root={table_cohort}", "cohort.clinical=[age]",
        "cohort.features=features.csv", f"run_dir={tmp_path / 'run'}", "enhance=bicubic",
    )  # fmt: skip
    assert finished.status == 2 and "use enhance=none" in finished.sentences[0]


# the table of evidence


def test_the_share_of_features_is_by_family_and_by_hand():
    rng = np.random.default_rng(0)
    names = ["original_glcm_A", "original_glcm_B", "original_ngtdm_C", "original_shape_D"]
    native = pd.DataFrame(rng.normal(size=(12, 4)), columns=names)
    again = native + rng.normal(scale=[0.1, 3.0, 0.1, 0.0], size=(12, 4))
    values = [icc(np.column_stack([native[name], again[name]])).value for name in names]
    assert values[0] > 0.75 > values[1]
    patients = {i: f"p{i}" for i in native.index}
    found = _share_rows(native, again, patients, method="srgan", seed=0)
    rows = {row["family"]: row for row in found}
    assert set(rows) == {"glcm", "ngtdm"}
    assert rows["glcm"]["value"] == 0.5 and rows["glcm"]["n"] == 2
    assert 0 <= rows["glcm"]["low"] <= 0.5 <= rows["glcm"]["high"] <= 1
    assert rows["ngtdm"]["value"] == 1.0


def test_the_interval_of_a_share_is_of_patients():
    """Lesions of a patient that come four times say no more than those that come once."""
    rng = np.random.default_rng(3)
    names = [f"original_glcm_{i}" for i in range(20)]
    native = pd.DataFrame(rng.normal(size=(8, 20)), columns=names)
    again = native + rng.normal(scale=0.7, size=(8, 20))

    def limits(times, n_patients=8):
        one, other = (pd.concat([t] * times, ignore_index=True) for t in (native, again))
        patients = {i: f"p{i % 8 % n_patients}" for i in one.index}
        row = next(_share_rows(one, other, patients, method="srgan", seed=0))
        return row["low"], row["high"]

    assert limits(4)[1] - limits(4)[0] == pytest.approx(limits(1)[1] - limits(1)[0], abs=0.1)
    assert np.isnan(limits(1, n_patients=1)).all()


def test_quality_counts_an_image_once_and_its_interval_is_of_patients(image_cohort, tmp_path):
    """Of three lesions of one image, a second image of the patient, and one of another patient."""
    lesions = opened(image_cohort, tmp_path).cohort.lesions
    first, second, other = (lesions[i] for i in (6, 7, 8))
    second = replace(second, patient_id=first.patient_id, lesion_id="second")
    first = replace(first, verified_sha256=())
    again = [replace(first, lesion_id=name, masks=second.masks) for name in ("b", "c")]

    def quality(*of):
        rows = _quality_rows(of, Enhancement("bicubic"), None)
        return next(row for row in rows if row["measure"] == "psnr")

    found = quality(first, *again, second, other)
    one, two, three = (quality(lesion)["value"] for lesion in (first, second, other))
    of_patients = np.array([(one + two) / 2, three])
    assert found["n"] == 2
    assert found["value"] == pytest.approx(of_patients.mean())
    half = 12.706 * of_patients.std(ddof=1) / np.sqrt(2)  # Student's t at 1 degree of freedom
    assert found["high"] - found["value"] == pytest.approx(half, rel=1e-4)
    assert np.isnan(quality(first, *again, second)["low"])


def signature(arm, repeats):
    return Signature(arm, "model", 1, repeats, repeats[0], {})


def test_the_auc_with_and_without_is_compared_pair_by_pair():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 20)
    probabilities = [np.clip(0.5 + 0.2 * y + rng.normal(0, s, (2, 40)), 0, 1) for s in (0.3, 0.2)]
    keys = tuple(f"p{i}/1" for i in range(40))
    folds = np.array([np.arange(40) % 2, np.arange(40) // 2 % 2])
    training = TrainingSet(keys, y, np.arange(40), folds[0], more_folds=(folds[1],))
    native, enhanced = ({"dlr": signature("dlr", p), "clinical": signature("clinical", p)}
                        for p in probabilities)  # fmt: skip
    made = compared(Enhancement("srgan"), training, enhanced, training, native)
    gain = made.evidence.set_index("measure").loc["auc_gain"]
    test = auc_difference(y, probabilities[1], probabilities[0], n_folds=2)
    assert (gain["value"], gain["low"], gain["high"]) == (test.difference, test.low, test.high)
    areas = made.evidence[made.evidence["measure"].eq("auc")][["value", "low", "high"]]
    expected = [auc_estimate(y, p, folds=folds) for p in probabilities]
    assert areas.to_numpy().tolist() == [[x.auc, x.low, x.high] for x in expected]
    assert set(made.evidence["family"]) == {"dlr"}
    other = TrainingSet(keys[1:], y[1:], np.arange(39), np.arange(39) % 2)
    unpaired = compared(Enhancement("srgan"), training, enhanced, other, native)
    assert unpaired.evidence.empty and "not the same lesions" in unpaired.notes[0]


def test_patients_who_are_judged_are_compared_by_the_mean_of_their_lesions():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 20)
    probabilities = rng.uniform(size=(2, 2, 40))
    patients = [f"p{i // 2}" for i in range(40)]
    keys = tuple(f"{p}/{i % 2}" for i, p in enumerate(patients))
    fold = np.arange(40) // 2 % 2
    training = TrainingSet(keys, y, np.arange(40) // 2, fold, more_folds=(fold,))
    native, enhanced = ({"dlr": signature("dlr", p)} for p in probabilities)
    made = compared(Enhancement("srgan"), training, enhanced, training, native, patients=patients)
    gain = made.evidence.set_index("measure").loc["auc_gain"]
    without, with_it = (p.reshape(2, 20, 2).mean(axis=2) for p in probabilities)
    test = auc_difference(y[::2], with_it, without, n_folds=2)
    assert gain["n"] == 20
    assert (gain["value"], gain["low"]) == pytest.approx((test.difference, test.low))


def test_a_generator_that_does_no_better_than_bicubic_is_said():
    evidence = pd.DataFrame({"measure": ["psnr_gain", "ssim_gain"], "value": [0.5, -0.01]})
    assert "SSIM on patients" in _doubts(evidence, "srgan")[0]
    assert _doubts(evidence.assign(value=1.0), "srgan") == []


def test_a_quarter_is_made_of_means_and_has_whole_grey_levels():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert quarter(np.full((5, 8), 7, np.uint8)).tolist() == [[7, 7], [7, 7]]
    small = quarter(pixels)
    assert small.dtype == np.uint8 and small.shape == (2, 2)
    assert small[0, 0] == np.rint(pixels[:4, :4].mean())
    again = restored(pixels, lambda x: x.repeat(4, axis=0).repeat(4, axis=1))
    assert again.shape == pixels.shape
