"""Settings of the trainer do what they say, and none of them lets a judged row in."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_settings import backbone
from small_training import FIELDS, FOLDS, N_TRAIN, TEST, TRAIN, cohort, tuned

from her2.core.errors import BadCohort, BadConfig, MissingInput
from her2.core.settings import TrainerSettings
from lightning_modules.backbones import build_backbone
from lightning_modules.fine_tuned import FILE, load_fine_tuned
from lightning_modules.fine_tuning.classifier import LesionClassifier, floating_pairs
from lightning_modules.fine_tuning.cross_fitting import REFIT
from lightning_modules.fine_tuning.data import Batch
from lightning_modules.fine_tuning.fitting import Predictor
from lightning_modules.fine_tuning.temperature import learned_log_odds

QUICK = {"max_epochs": 1}
PLAIN = TrainerSettings(learning_rate=1.0, ema=0.0, layer_decay=1.0)
CHANGES = [
    {"ema": 0.9},
    {"balance": "sampler"},
    {"label_smoothing": 0.2},
    {"dropout": 0.5},
    {"weight_decay": 0.5},
    {"warmup": 0.5},
    {"augmentation": "paper"},
    {"n_seeds": 2},
    {"refit": "folds"},
    {"test_time_augmentation": True},
    {"temperature": True},
    {"patience": 1, "inner_folds": 3},
    {"normalisation": "zscore"},
    {"in_chans": 1},
]


@pytest.fixture(scope="module")
def plain():
    return tuned(*cohort(), **QUICK)


ALL = {name: value for change in CHANGES[7:] for name, value in change.items()}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_an_option_changes_the_result(change, plain) -> None:
    found = tuned(*cohort(), **QUICK, **change)
    assert any(getattr(found, f).tobytes() != getattr(plain, f).tobytes() for f in FIELDS)
    for field in FIELDS:
        assert ((getattr(found, field) > 0) & (getattr(found, field) < 1)).all()


@pytest.mark.parametrize(
    "change",
    [pytest.param(ALL, marks=pytest.mark.slow), {**ALL, "refit": "all"}],
    ids=["folds", "all"],
)
def test_no_held_out_row_reaches_what_is_learned_with_all_options(change) -> None:
    crops, y_true = cohort()
    found = tuned(crops, y_true, **QUICK, **change)
    poisoned = y_true.astype(float)
    poisoned[TEST] = np.nan
    crops[TEST] = 255 - crops[TEST]
    again = tuned(crops, poisoned, **QUICK, **change)
    assert again.in_sample.tobytes() == found.in_sample.tobytes()
    assert again.out_of_fold.tobytes() == found.out_of_fold.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"patience": 1},
        *(
            pytest.param(c, marks=pytest.mark.slow)
            for c in ({"refit": "folds"}, {"balance": "none"})
        ),
    ],
)
def test_a_judged_folds_outcomes_change_nothing_of_its_own(change) -> None:
    """Outcomes swapped within fold 0, so that the prevalence stays: its networks are the same."""
    crops, y_true = cohort()
    before = tuned(crops, y_true, **QUICK, **change, inner_folds=3)
    judged = TRAIN[FOLDS == 0]
    y_true[judged] = 1 - y_true[judged]
    after = tuned(crops, y_true, **QUICK, **change, inner_folds=3)
    own = FOLDS == 0
    assert after.out_of_fold[own].tobytes() == before.out_of_fold[own].tobytes()
    assert after.out_of_fold[~own].tobytes() != before.out_of_fold[~own].tobytes()


def test_an_inner_fold_stops_a_network_that_gets_no_better() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, cohort()[0].shape).astype(np.uint8)
    found = tuned(noise, cohort()[1], max_epochs=30, patience=2, inner_folds=3)
    epochs = found.history.groupby("fold")["epoch"].max()
    assert (epochs < 30).all()
    for _, rows in found.history.groupby("fold"):
        assert rows["inner_loss"].notna().all()
        assert len(rows) - 1 - rows["inner_loss"].to_numpy().argmin() == 2
    assert "stopped by an inner fold" in found.notes[0]


def test_an_inner_fold_keeps_a_patient_together(monkeypatch) -> None:
    from lightning_modules.fine_tuning import cross_fitting

    seen = []
    monkeypatch.setattr(
        cross_fitting, "_train", lambda jobs, task, log: seen.extend(jobs) or _leave()
    )
    groups = np.arange(32) // 4 * 2 + np.arange(32) % 2
    with pytest.raises(_Left):
        tuned(*cohort(), patience=1, inner_folds=2, groups=groups)
    for job in seen:
        assert len(job.inner)
        assert not set(groups[job.inner]) & set(groups[job.learned])
        assert not set(job.judged) & {*job.inner, *job.learned}


class _Left(Exception):
    pass


def _leave() -> None:
    raise _Left


@pytest.mark.slow
def test_several_networks_are_averaged_on_the_scale_of_logits(tmp_path) -> None:
    crops, y_true = cohort()
    found = tuned(crops, y_true, **QUICK, n_seeds=2, folder=tmp_path)
    first, second = (
        np.load(path)["logits"] for path in sorted(tmp_path.glob("all-network?-*.npz"))
    )
    assert not np.allclose(first, second)
    mean = 1 / (1 + np.exp(-(first + second) / 2))
    np.testing.assert_allclose(np.r_[found.in_sample, found.held_out], mean, rtol=1e-12)
    assert set(found.history["network"]) == {0, 1}


@pytest.mark.parametrize(
    "balance", ["sampler", *(pytest.param(b, marks=pytest.mark.slow) for b in ("weights", "none"))]
)
def test_probabilities_are_at_the_prevalence_of_the_training_rows(balance) -> None:
    """Nothing to learn, a quarter positive: the mean probability is near a quarter."""
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (64, 32, 32)).astype(np.uint8)
    y_true = (np.arange(64) % 4 == 0).astype(int)
    found = tuned(
        noise, y_true, folds=np.arange(64) // 4 % 2, train=np.arange(64), test=TEST[:0],
        max_epochs=2, learning_rate=1e-5, balance=balance, augmentation="none", weight_decay=0.0,
    )  # fmt: skip
    odds = found.out_of_fold.mean() / (1 - found.out_of_fold.mean())
    assert odds == pytest.approx(1 / 3, rel=0.25)


@pytest.mark.parametrize(
    ("balance", "smoothing"),
    [
        ("weights", 0.2),
        ("none", 0.0),
        *(pytest.param(*c, marks=pytest.mark.slow) for c in (("sampler", 0.0), ("none", 0.2))),
    ],
)
def test_how_many_are_positive_in_a_judged_fold_does_not_show_in_its_answers(balance, smoothing):
    """One image for all, folds of 2, 6 and 10 positives: a network that knows no more says so."""
    grey = np.full((48, 32, 32), 90, dtype=np.uint8)
    folds = np.arange(48) % 3
    y_true = np.array([i // 3 < (2, 6, 10)[i % 3] for i in range(48)]).astype(int)
    found = tuned(
        grey, y_true, folds=folds, train=np.arange(48), test=TEST[:0], max_epochs=1,
        learning_rate=1e-7, balance=balance, label_smoothing=smoothing, augmentation="none",
    )  # fmt: skip
    means = [found.out_of_fold[folds == fold].mean() for fold in range(3)]
    np.testing.assert_allclose(means, y_true.mean(), atol=0.06)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_the_loss_is_lowest_at_the_odds_that_are_taken_back(weight, smoothing) -> None:
    y_true = torch.tensor([1.0] * 2 + [0.0] * 8)
    built = build_backbone(backbone("test_resnet", image_size=32), num_classes=1)
    module = LesionClassifier(built, PLAIN, positive_weight=weight)

    def loss(logit: float) -> float:
        module._run = (lambda images: torch.full((len(images), 1), logit),)
        batch = Batch(torch.zeros(10, 1, 32, 32), y_true, 0.1)
        return float(module._losses(batch, smoothing=smoothing).sum())

    balanced = weight != 1.0
    best = learned_log_odds(y_true.numpy(), balanced=balanced, smoothing=smoothing)
    assert loss(best) < min(loss(best - 0.05), loss(best + 0.05))


@pytest.mark.parametrize("name", ["test_resnet", "deit_tiny_distilled_patch16_224"])
def test_a_network_begins_at_the_odds_of_its_rows(name) -> None:
    built = build_backbone(backbone(name, image_size=32), num_classes=1)
    module = LesionClassifier(built, PLAIN, first_logit=-2.0)
    assert float(module.eval()(torch.zeros(1, 1, 32, 32)).detach()) == pytest.approx(-2, abs=0.5)


def test_what_timm_spares_of_weight_decay_is_spared() -> None:
    built = build_backbone(backbone("vit_tiny_patch16_224", image_size=32), num_classes=1)
    module = LesionClassifier(built, replace(PLAIN, weight_decay=0.1))
    module.trainer = type("Steps", (), {"estimated_stepping_batches": 10})()
    groups = module.configure_optimizers()["optimizer"].param_groups
    spared = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
    assert id(module.network.pos_embed) in spared
    assert id(module.network.blocks[0].mlp.fc1.weight) not in spared


def test_batches_of_one_row_are_refused_where_batch_norm_would_learn_from_them() -> None:
    crops, y_true = cohort()
    with pytest.raises(BadConfig, match="two rows or more"):
        tuned(crops, y_true, **QUICK | {"batch_size": 1})
    found = tuned(crops, y_true, **QUICK | {"batch_size": 1}, name="test_vit")
    assert np.isfinite(found.out_of_fold).all()


def test_networks_of_mixed_precision_predict_on_a_machine_without_a_gpu(tmp_path) -> None:
    crops, y_true = cohort()
    found = tuned(crops, y_true, **QUICK, precision="bf16-mixed", model_dir=tmp_path)
    model = load_fine_tuned(tmp_path)
    assert model.in_bf16
    np.testing.assert_allclose(model.predict(crops[TEST]), found.held_out, atol=0.02)


def test_too_many_inner_folds_name_their_own_setting() -> None:
    crops, y_true = cohort()
    with pytest.raises(BadCohort, match=r"set trainer\.inner_folds to 6 or fewer"):
        tuned(crops, y_true, **QUICK, patience=1, inner_folds=7)


def test_mirror_images_are_averaged() -> None:
    built = build_backbone(backbone("test_resnet", image_size=32), num_classes=1)
    crops = cohort()[0][:5]
    arguments = (built.normalisation, 4, torch.device("cpu"))
    both = Predictor(*arguments, mirrors=True).logits(built.network, crops)
    single = Predictor(*arguments)
    halves = [single.logits(built.network, c) for c in (crops, crops[..., ::-1])]
    np.testing.assert_allclose(both, np.mean(halves, axis=0), rtol=1e-5)


def test_the_averaged_network_follows_the_trained_one() -> None:
    built = build_backbone(backbone("test_resnet", image_size=32), num_classes=1)
    module = LesionClassifier(built, replace(PLAIN, ema=0.5))
    averaged, network = floating_pairs(module.averaged, module.network)
    before = [tensor.clone() for tensor in averaged]
    for tensor in network:
        tensor.add_(1.0)
    module.on_train_start()
    module.trainer = _Trainer()
    module.on_train_batch_end(None, None, 0)
    for old, new in zip(before, averaged, strict=True):
        torch.testing.assert_close(new, old + 0.5)
    assert module.judge is module.averaged
    assert not any(p.requires_grad for p in module.averaged.parameters())


class _Trainer:
    """Late enough that the decay has its full value."""

    global_step = 1000


def test_layer_decay_is_of_the_layers_before_the_head() -> None:
    built = build_backbone(
        backbone("tf_efficientnet_lite0", "offline", image_size=32), num_classes=1
    )
    module = LesionClassifier(built, replace(PLAIN, layer_decay=0.5, weight_decay=0.1))
    module.trainer = type("Steps", (), {"estimated_stepping_batches": 10})()
    groups = module.configure_optimizers()["optimizer"].param_groups
    rates = sorted({group["initial_lr"] for group in groups})
    assert rates[-1] == 1.0
    assert np.allclose(np.diff(np.log2(rates)), 1.0)
    decays = {group["weight_decay"] for group in groups}
    assert decays == {0.0, 0.1}


@pytest.fixture(scope="module", params=["all", "folds"])
def kept(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    options = {"refit": request.param, "temperature": True, "keep": "all", "ema": 0.9}
    found = tuned(*cohort(), **QUICK, **options, model_dir=folder, seed=5)
    return folder, found, request.param


def test_kept_networks_predict_what_the_run_has_predicted(kept) -> None:
    folder, found, refit = kept
    model = load_fine_tuned(folder)
    assert len(model.networks) == {"all": 3, "folds": 2}[refit]
    assert {n.fold for n in model.networks if n.is_final} == {"all": {REFIT}, "folds": {0, 1}}[
        refit
    ]
    crops = cohort()[0]
    np.testing.assert_allclose(model.predict(crops[TEST]), found.held_out, rtol=1e-6)
    assert model.crop == {"size": 32, "margin_px": 10, "margin_mm": None, "aspect": "squash"}


def test_changed_or_missing_weights_are_refused(kept, tmp_path) -> None:
    folder = kept[0]
    with pytest.raises(MissingInput, match=FILE):
        load_fine_tuned(tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = tmp_path / names[1]
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(BadConfig, match="as it was written"):
        load_fine_tuned(tmp_path)
    weights.unlink()
    with pytest.raises(MissingInput, match="copy the whole folder"):
        load_fine_tuned(tmp_path)


def test_features_of_each_folds_network_describe_every_row() -> None:
    found = tuned(*cohort(), **QUICK, wants_features=True)
    shapes = [features.shape for features in found.features]
    width = shapes[0][1]
    assert shapes == [(N_TRAIN, width), (N_TRAIN, width), (N_TRAIN + len(TEST), width)]
    assert not np.allclose(found.features[0], found.features[1])


def test_features_need_one_network_a_fold() -> None:
    with pytest.raises(BadConfig, match="not aligned"):
        tuned(*cohort(), wants_features=True, n_seeds=2)


def test_losses_of_every_epoch_are_told() -> None:
    told = []
    found = tuned(*cohort(), **QUICK, record=lambda losses, epoch: told.append((losses, epoch)))
    assert len(told) == len(found.history) == 3
    losses, epoch = told[0]
    row = found.history.iloc[0]
    assert epoch == row["epoch"] == 1
    assert losses == {
        "training/fold0-network0/train_loss": row["train_loss"],
        "training/fold0-network0/val_loss": row["val_loss"],
    }


@pytest.mark.slow  # the compiler takes ten seconds
def test_a_network_is_compiled_once_for_all_folds_and_gives_nearly_the_same_losses(
    monkeypatch,
) -> None:
    """Graphs are counted and run as they are; no code is generated."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_with(network, backend=backend))
    torch.compiler.reset()
    plain, compiled = (
        tuned(*cohort(), **QUICK, dropout=0.0, compile=compiles) for compiles in (False, True)
    )
    assert compiled.history["fold"].nunique() > 1
    # one for whole batches, one for the last of an epoch, whatever its size
    assert len(graphs) == 2
    np.testing.assert_allclose(
        compiled.history["train_loss"], plain.history["train_loss"], rtol=1e-3
    )


def test_mixed_precision_runs() -> None:
    found = tuned(*cohort(), **QUICK, precision="bf16-mixed")
    assert np.isfinite(found.out_of_fold).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augmentation": "wild"}, "found wild"),
        ({"max_epochs": 0}, "at least 1"),
        ({"ema": 1.0}, "trainer.ema below 1"),
        ({"layer_decay": 0.0}, "layer_decay above 0"),
        ({"precision": "8"}, "trainer.precision among"),
        ({"refit": "some"}, "trainer.refit among all, folds"),
        ({"devices": 4, "batch_size": 4}, "two rows a device"),
    ],
)
def test_settings_of_the_trainer_are_checked(change, message) -> None:
    with pytest.raises(BadConfig, match=message):
        TrainerSettings(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aspect": "stretch"}, "backbone.aspect among squash, keep"),
        ({"in_chans": 2}, "backbone.in_chans among 1, 3"),
        ({"margin_mm": -1.0}, "margin_mm of at least 0"),
        ({"mode": "thaw"}, "backbone.mode among"),
    ],
)
def test_settings_of_the_backbone_are_checked(change, message) -> None:
    with pytest.raises(BadConfig, match=message):
        backbone("resnet50", **change)
