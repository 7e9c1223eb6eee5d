"""CrossFormer against outputs, gradients, key lists and sizes of the published network."""

import copy
import importlib.util
import io
import json
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from timm.models import group_parameters

from her2.core.errors import BadArgument
from lightning_modules.networks.crossformer import CrossFormer, checkpoint_filter_fn

SIZES = {"t": "tiny", "s": "small", "b": "base", "l": "large"}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "crossformer"


@pytest.fixture(scope="module")
def recipe(golden: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("crossformer_recipe", golden / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tiny() -> CrossFormer:
    torch.manual_seed(0)
    return timm.create_model("crossformer_tiny", num_classes=3, drop_path_rate=0.0).eval()


def key_list(golden: Path, name: str) -> dict[str, list[int]]:
    return json.loads((golden / f"crossformer_{name}_keys.json").read_text())


def filled(golden: Path, recipe: ModuleType, letter: str) -> CrossFormer:
    network = timm.create_model(f"crossformer_{SIZES[letter]}").double().eval()
    keys = key_list(golden, letter)
    state = {key: torch.from_numpy(recipe.fill(key, shape)) for key, shape in keys.items()}
    network.load_state_dict(state, strict=True)
    return network


def sampled(tokens: torch.Tensor) -> torch.Tensor:
    """The tokens and channels of a stage's output that the reference file keeps."""
    tokens = tokens.flatten(1, 2)
    return tokens[:, :: tokens.shape[1] // 16, :: tokens.shape[2] // 16]


def outputs(network: CrossFormer, images: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {"patch_embed": network.patch_embed(images)}
    x = found["patch_embed"]
    for i, stage in enumerate(network.layers):
        x = stage(x)
        found[f"stage{i}"] = sampled(x)
    found["patch_embed"] = found["patch_embed"].flatten(1, 2)[:, ::97, ::3]
    tokens = network.forward_features(images)
    found["features"] = network.forward_head(tokens, pre_logits=True)
    found["logits"] = network(images)
    found["dpb_stage3_last"] = network.layers[2].blocks[-1].attn.pos.table(7)
    return found


@pytest.mark.parametrize(
    "case", ["t_224", *(pytest.param(c, marks=pytest.mark.slow) for c in ("t_256", "s_224"))]
)
def test_outputs_equal_the_published_network(golden, recipe, case) -> None:
    letter, size = case.split("_")
    expected = np.load(golden / f"crossformer_{case}.npz")
    network = filled(golden, recipe, letter)
    images = torch.from_numpy(recipe.images(2, int(size)))
    for dtype, kind, tolerance in ((torch.float64, "f64", 1e-10), (torch.float32, "f32", 2e-5)):
        with torch.inference_mode():
            found = outputs(network.to(dtype), images.to(dtype))
        for name, value in found.items():
            reference = expected[f"{name}_{kind}"]
            atol = tolerance if name in ("features", "logits") else tolerance * 5
            np.testing.assert_allclose(value, reference, rtol=0, atol=atol, err_msg=name)


def test_gradients_equal_the_published_network(golden, recipe) -> None:
    expected = np.load(golden / "crossformer_t_256.npz")
    network = filled(golden, recipe, "t")
    logits = network(torch.from_numpy(recipe.images(2, 256)))
    (logits * torch.from_numpy(recipe.cotangent(2, 1000))).sum().backward()
    norms = {name: p.grad.norm().item() for name, p in network.named_parameters()}
    found = [norms[name] for name in expected["grad_names"]]
    np.testing.assert_allclose(found, expected["grad_norm_f64"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("letter", SIZES)
def test_parameters_are_those_of_the_published_network(golden, letter) -> None:
    with torch.device("meta"):
        network = timm.create_model(f"crossformer_{SIZES[letter]}")
    counts = json.loads((golden / "counts.json").read_text())[f"crossformer_{letter}"]
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == key_list(golden, letter)
    assert sum(p.numel() for p in network.parameters()) == counts["params"]
    assert network.num_features == network.head_hidden_size == counts["num_features"]


@pytest.mark.parametrize("letter", ["t", "s"])
def test_published_checkpoints_are_reduced_to_the_parameters(golden, letter) -> None:
    checkpoint = {"model": key_list(golden, f"{letter}_official_ckpt"), "config": object()}
    found = checkpoint_filter_fn(checkpoint, torch.nn.Identity())
    assert found == key_list(golden, letter)


def test_head_follows_timm(tiny) -> None:
    images = torch.zeros(1, 3, 64, 64)
    tokens = tiny.forward_features(images)
    assert tokens.shape == (1, 2, 2, 512)
    torch.testing.assert_close(tiny.forward_head(tokens, pre_logits=True), tokens.mean((1, 2)))
    torch.testing.assert_close(tiny.forward_head(tokens), tiny(images))
    assert tiny(images).shape == (1, 3)


def test_reset_classifier_replaces_or_removes_the_head() -> None:
    network = timm.create_model("crossformer_tiny", num_classes=0, in_chans=1).eval()
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 512)
    network.reset_classifier(2)
    assert network.get_classifier().weight.shape == (2, 512)
    network.reset_classifier(0, "")
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 2, 2, 512)


def test_a_new_head_has_the_type_and_device_of_the_network() -> None:
    network = timm.create_model("crossformer_tiny").double().eval()
    network.reset_classifier(2)
    assert network(torch.zeros(1, 3, 64, 64, dtype=torch.float64)).dtype == torch.float64
    with torch.device("meta"):
        elsewhere = timm.create_model("crossformer_tiny")
    elsewhere.reset_classifier(2)
    assert elsewhere.head.weight.is_meta and elsewhere.head.weight.shape == (2, 512)


@pytest.mark.parametrize("global_pool", ["max", "average", "AVG"])
def test_a_pooling_that_is_not_there_is_refused(global_pool) -> None:
    with torch.device("meta"):
        with pytest.raises(BadArgument, match="global_pool 'avg', or '' for the grid"):
            timm.create_model("crossformer_tiny", global_pool=global_pool)
        network = timm.create_model("crossformer_tiny")
    with pytest.raises(BadArgument, match=f"found '{global_pool}'"):
        network.reset_classifier(2, global_pool)
    assert (network.global_pool, network.num_classes) == ("avg", 1000)


def test_weight_decay_exempts_what_the_published_training_does(tiny) -> None:
    assert tiny.no_weight_decay() == set()


def test_no_images_have_no_logits(tiny) -> None:
    images = torch.zeros(0, 3, 128, 64)  # padded
    assert tiny(images).shape == (0, 3)
    assert tiny.forward_features(images).shape == (0, 4, 2, 512)


@pytest.mark.parametrize("size", [64, 96, 100])
def test_every_size_of_image_gives_finite_logits(tiny, size) -> None:
    """64 px: groups as wide as the grid; 100 px: padding, and groups of padding only."""
    assert torch.isfinite(tiny(torch.randn(2, 3, size, size + 32))).all()


def test_half_precision_stays_finite_where_whole_groups_are_padding(tiny) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(tiny(torch.randn(1, 3, 256, 256))).all()


def test_images_do_not_influence_each_other(tiny) -> None:
    images = torch.randn(3, 3, 100, 100)
    torch.testing.assert_close(tiny(images)[1:2], tiny(images[1:2]), rtol=0, atol=1e-5)


def test_layer_decay_orders_parameters_from_stem_to_head(tiny) -> None:
    order = group_parameters(tiny, tiny.group_matcher(), reverse=True)
    path = [
        "patch_embed.norm.weight",
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.downsample.norm.weight",
        "layers.1.blocks.0.attn.qkv.weight",
        "layers.2.blocks.7.mlp.fc1.weight",
        "layers.2.downsample.norm.weight",
        "layers.3.blocks.5.norm2.bias",
        "head.weight",
    ]
    ranks = [order[name] for name in path]
    assert ranks == sorted(set(ranks))
    assert order["norm.weight"] == order["layers.3.blocks.5.norm2.bias"]  # as timm's own do
    coarse = group_parameters(tiny, tiny.group_matcher(coarse=True), reverse=True)
    assert coarse["layers.3.blocks.0.norm1.bias"] == coarse["layers.3.blocks.5.norm1.bias"] == 4


def test_features_are_the_stages_before_their_merge() -> None:
    network = timm.create_model("crossformer_tiny", features_only=True, out_indices=(0, 2)).eval()
    assert network.feature_info.channels() == [64, 256]
    assert network.feature_info.reduction() == [4, 16]
    shapes = [tuple(tap.shape) for tap in network(torch.zeros(1, 3, 128, 64))]
    assert shapes == [(1, 32, 16, 64), (1, 8, 4, 256)]  # channels last, as its output_fmt says


@pytest.mark.parametrize("letter", SIZES)
def test_every_variant_takes_every_size(letter) -> None:
    """On the meta device: shapes without numbers."""
    with torch.device("meta"):
        network = timm.create_model(f"crossformer_{SIZES[letter]}", num_classes=2)
        sizes = [(32, 32), (200, 200), (225, 230), (288, 288), (224, 320)]
        for height, width in sizes if letter == "t" else sizes[1:2]:
            tokens = network.forward_features(torch.zeros(1, 3, height, width))
            assert tokens.shape == (1, height // 32, width // 32, network.num_features)
            assert network.forward_head(tokens).shape == (1, 2)


def test_drop_path_rises_linearly_over_all_blocks() -> None:
    with torch.device("meta"):
        network = timm.create_model("crossformer_tiny")
    rates = [block.drop_path.drop_prob for stage in network.layers for block in stage.blocks]
    np.testing.assert_allclose(rates, np.linspace(0, 0.1, 16), atol=1e-12)


def test_copies_and_saved_states_give_the_same_bytes(tiny) -> None:
    images = torch.randn(1, 3, 64, 64)
    expected = tiny(images)
    assert torch.equal(copy.deepcopy(tiny)(images), expected)
    assert torch.equal(pickle.loads(pickle.dumps(tiny))(images), expected)  # noqa: S301
    buffer = io.BytesIO()
    torch.save(tiny.state_dict(), buffer)
    buffer.seek(0)
    other = timm.create_model("crossformer_tiny", num_classes=3).eval()
    other.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    assert torch.equal(other(images), expected)


def test_nothing_but_parameters_is_saved(tiny) -> None:
    assert set(tiny.state_dict()) == {name for name, _ in tiny.named_parameters()}


def test_weights_of_three_channels_serve_one(tiny) -> None:
    """timm adds the channels up: a grey image then gives the logits of its copy in three."""
    state = {"state_dict": tiny.state_dict(), "num_classes": 3}
    grey = timm.create_model(
        "crossformer_tiny", pretrained=True, pretrained_cfg_overlay=state, num_classes=3,
        in_chans=1,
    ).eval()  # fmt: skip
    image = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(grey(image), tiny(image.expand(1, 3, 64, 64)), rtol=0, atol=1e-5)


def test_weights_are_loaded_strictly(tiny) -> None:
    state = dict(tiny.state_dict())
    state.pop("layers.2.blocks.3.attn.pos.pos3.2.bias")
    overlay = {"state_dict": state, "num_classes": 3}
    with pytest.raises(RuntimeError, match=r"pos3\.2\.bias"):
        timm.create_model(
            "crossformer_tiny", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=3
        )


def test_layer_decay_gives_every_parameter_a_group(tiny) -> None:
    from timm.optim import param_groups_layer_decay

    groups = param_groups_layer_decay(tiny, weight_decay=0.05, layer_decay=0.7)
    assert sum(len(g["params"]) for g in groups) == len(list(tiny.parameters()))
    rates = {id(p): g["lr_scale"] for g in groups for p in g["params"]}
    assert rates[id(tiny.head.weight)] == 1.0
    assert rates[id(tiny.patch_embed.projs[0].weight)] == min(rates.values())
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert all(decays[id(p)] == 0 for p in tiny.parameters() if p.ndim == 1)
