"""Backbones: strict loading, new heads, and what the network is given to see."""

from dataclasses import replace

import pytest
import timm
import torch
from backbone_settings import backbone
from safetensors.torch import save_file

from her2.core.errors import BadConfig
from lightning_modules.backbones import (
    Normalisation,
    build_backbone,
    describe_backbone,
    embedding_width,
    network_input,
)

LITE0 = "tf_efficientnet_lite0"


def test_installed_weights_are_those_of_an_imagenet_network() -> None:
    built = build_backbone(backbone(LITE0, "offline"), num_classes=1)
    random = build_backbone(backbone(LITE0), num_classes=1)
    assert built.normalisation.mean == built.normalisation.std == (0.5, 0.5, 0.5)
    assert built.weights.kind == "offline"
    assert len(built.weights.sha256) == 64
    assert not built.network.training
    for key in ("conv_stem.weight", "blocks.0.0.bn2.running_var", "blocks.6.0.bn3.weight"):
        loaded, drawn = built.network.state_dict()[key], random.network.state_dict()[key]
        assert not torch.equal(loaded, drawn), key
    assert built.network.classifier.weight.shape == (1, 1280)


def test_random_parts_follow_the_seed_and_leave_the_global_generator() -> None:
    before = torch.get_rng_state()
    first, same, other = (
        build_backbone(backbone("test_resnet"), num_classes=1, seed=seed).network.fc.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("n_classes", [1000, 3, 0])
def test_files_load_whatever_head_they_have(tmp_path, suffix, n_classes) -> None:
    torch.manual_seed(3)
    state = timm.create_model("test_resnet", num_classes=n_classes).state_dict()
    path = tmp_path / f"weights.{suffix}"
    save = save_file if suffix == "safetensors" else torch.save
    save(state, path)
    built = build_backbone(backbone("test_resnet", str(path)), num_classes=1)
    loaded = built.network.state_dict()
    assert loaded["fc.weight"].shape[0] == 1
    for key, value in state.items():
        if not key.startswith("fc."):
            assert torch.equal(loaded[key], value), key
    assert "state_dict" not in built.network.pretrained_cfg


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_files_that_do_not_fit_are_refused(tmp_path, change) -> None:
    state = timm.create_model("test_resnet").state_dict()
    key = "layer1.0.conv1.weight"
    value = state.pop(key)
    if change == "unexpected":
        state |= {key: value, "layer9.weight": torch.zeros(1)}
    if change == "shape":
        state[key] = value[:1]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(BadConfig, match=r"must be those of test_resnet.*other\.pth"):
        build_backbone(backbone("test_resnet", str(tmp_path / "other.pth")))


def test_one_channel_sees_what_three_equal_channels_see() -> None:
    grey = build_backbone(backbone(LITE0, "offline", in_chans=1))
    colour = build_backbone(backbone(LITE0, "offline"))
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = colour.network(image.expand(1, 3, 64, 64))
        torch.testing.assert_close(grey.network(image), expected, rtol=1e-4, atol=1e-4)


def test_unknown_networks_are_named_with_near_ones() -> None:
    with pytest.raises(BadConfig, match="did you mean resnet50"):
        build_backbone(backbone("resnet5"))


def test_description_is_that_of_the_network() -> None:
    found = describe_backbone(backbone("test_resnet"), seed=4)
    network = timm.create_model("test_resnet", num_classes=0)
    assert found["n_parameters"] == sum(p.numel() for p in network.parameters())
    assert found["width"] == network.head_hidden_size == embedding_width("test_resnet")
    assert found["seed"] == 4
    assert describe_backbone(backbone(LITE0, "offline"), seed=4)["seed"] is None


def test_description_names_the_bytes_of_the_weights(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    settings = backbone("test_resnet", str(path))
    first = describe_backbone(settings)
    path.write_bytes(b"other")
    assert first["weights_sha256"] != describe_backbone(settings)["weights_sha256"]


def test_widths_are_those_of_the_penultimate_layer() -> None:
    names = ("resnet50", "resnet101", "vgg19", "densenet121", "crossformer_small")
    assert [embedding_width(name) for name in names] == [2048, 2048, 4096, 1024, 768]


def test_network_input_is_normalised_in_every_channel() -> None:
    seen = Normalisation((0.5, 0.4, 0.0), (0.5, 0.2, 1.0), image_size=4)
    crops = torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)
    images = network_input(crops, seen)
    assert images.shape == (2, 3, 4, 4)
    torch.testing.assert_close(images[0, :, 0, 0], torch.tensor([1.0, 3.0, 1.0]))
    assert network_input(crops, replace(seen, image_size=8)).shape == (2, 3, 8, 8)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "swinv2_tiny_window8_256", "maxvit_nano_rw_256"]
)
def test_a_network_of_a_fixed_size_is_built_for_the_images_at_hand(name) -> None:
    built = build_backbone(backbone(name, image_size=64), num_classes=1)
    assert built.network(torch.zeros(2, 3, 64, 64)).shape == (2, 1)


def test_pretrained_places_are_interpolated_for_another_size(tmp_path) -> None:
    name = "vit_tiny_patch16_224"
    published = timm.create_model(name)
    torch.save(published.state_dict(), tmp_path / "vit.pth")
    weights = str(tmp_path / "vit.pth")
    same = build_backbone(backbone(name, weights, image_size=224)).network
    torch.testing.assert_close(same.pos_embed, published.pos_embed)
    other = build_backbone(backbone(name, weights, image_size=64)).network
    assert other.pos_embed.shape == (1, 1 + 4 * 4, 192)
    torch.testing.assert_close(other.blocks[0].mlp.fc1.weight, published.blocks[0].mlp.fc1.weight)


@pytest.mark.parametrize(
    ("name", "size"), [("inception_v3", 32), ("efficientformer_l1", 64), ("crossformer_tiny", 16)]
)
def test_images_that_a_network_cannot_see_are_refused_with_a_size(name, size) -> None:
    with pytest.raises(BadConfig, match=rf"found {size}; set backbone\.image_size=\d+"):
        build_backbone(backbone(name, image_size=size))


def test_a_tag_that_timm_does_not_have_is_refused() -> None:
    with pytest.raises(BadConfig, match="leave the tag out"):
        build_backbone(backbone("resnet18.mine"))


def random_crops() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 1, 32, 32), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("in_chans", [1, 3])
def test_grey_levels_are_given_by_mean_and_std_of_the_network(in_chans) -> None:
    built = build_backbone(backbone("test_resnet", in_chans=in_chans, image_size=32))
    images = network_input(random_crops(), built.normalisation)
    assert images.shape == (3, in_chans, 32, 32)
    for channel in range(in_chans):
        mean = built.normalisation.mean[channel]
        expected = (random_crops()[:, 0] / 255 - mean) / built.normalisation.std[channel]
        torch.testing.assert_close(images[:, channel], expected)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert built.network(images).isfinite().all()


@pytest.mark.parametrize("in_chans", [1, 3])
def test_each_crop_may_have_its_own_mean_and_std(in_chans) -> None:
    settings = {"in_chans": in_chans, "normalisation": "zscore", "image_size": 32}
    built = build_backbone(backbone("test_resnet", **settings))
    images = network_input(random_crops(), built.normalisation)
    assert images.shape == (3, in_chans, 32, 32)
    std, mean = torch.std_mean(images, dim=(2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std))
