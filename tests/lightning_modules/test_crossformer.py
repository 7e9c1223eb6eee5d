"""CrossFormer against outputs, gradients, key lists and sizes of the published network."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from timm.models import group_parameters

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


@pytest.mark.parametrize("case", ["t_224", "t_256", "s_224"])
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


def test_checkpointing_gives_the_same_gradient(tiny) -> None:
    images = torch.randn(1, 3, 64, 64)
    gradients = []
    for enable in (False, True):
        tiny.set_grad_checkpointing(enable)
        tiny.train().zero_grad()
        tiny(images).sum().backward()
        gradients.append(tiny.patch_embed.projs[0].weight.grad.clone())
    tiny.set_grad_checkpointing(False)
    tiny.eval()
    torch.testing.assert_close(*gradients)


def test_features_are_the_stages_before_their_merge() -> None:
    network = timm.create_model("crossformer_tiny", features_only=True, out_indices=(0, 2)).eval()
    assert network.feature_info.channels() == [64, 256]
    assert network.feature_info.reduction() == [4, 16]
    shapes = [tuple(tap.shape) for tap in network(torch.zeros(1, 3, 128, 64))]
    assert shapes == [(1, 64, 32, 16), (1, 256, 8, 4)]


def test_intermediates_end_in_the_features(tiny) -> None:
    images = torch.randn(1, 3, 64, 64)
    final, taps = tiny.forward_intermediates(images, norm=True, output_fmt="NHWC")
    torch.testing.assert_close(final, tiny.forward_features(images))
    torch.testing.assert_close(taps[-1], final)
