"""Grad-CAM against class activation maps, gradients by hand and finite differences."""

import copy

import pytest
import timm
import torch
from torch import nn
from torchcam.methods import GradCAM

from her2.core.errors import BadConfig
from lightning_modules.grad_cam_maps import cam_layer, check_cam_layer, grad_cam
from lightning_modules.networks.crossformer import CrossFormer, StageSizes

GAP_HEADS = ("resnet18", "tf_efficientnet_lite0", "crossformer_tiny")
LAYERS = {
    "resnet18": "layer4",
    "vgg11": "features.19",
    "densenet121": "features.norm5",
    "tf_efficientnet_lite0": "bn2",
    "crossformer_tiny": "norm",
}


class Tiny(nn.Module):
    """One convolution, squares of its values, a weighted sum: every gradient is known."""

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.side = nn.Linear(1, 1)
        with torch.no_grad():
            self.conv.weight[:] = torch.tensor([1.0, -2.0])[:, None, None, None]

    def forward(self, images):
        values = self.act(self.conv(images))
        return values.square().sum(dim=(1, 2, 3))[:, None]


def network_of(name, **kwargs):
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=1, **kwargs).eval()


def images_of(size=64, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def built():
    """Networks by name, each built once."""
    small = {"vgg11": {"mlp_ratio": 0.05}}  # its head would be 120 million parameters
    return {name: network_of(name, **small.get(name, {})) for name in LAYERS}


def test_a_tiny_network_by_hand() -> None:
    """Channels x and -2x through a ReLU; d(sum a^2)/da = 2a, so the weight is twice the mean."""
    image = torch.tensor([[[[1.0, 3.0], [-2.0, 0.0]]]])
    first, second = torch.tensor([[1.0, 3.0], [0, 0]]), torch.tensor([[0, 0], [4.0, 0]])
    expected = 2 * 1.0 * first + 2 * 1.0 * second  # means over four places are 1 and 1
    found, logits = grad_cam(Tiny(), image, layer="act")
    torch.testing.assert_close(found[0], expected)
    assert logits.tolist() == [26.0]


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "crossformer_tiny"])
def test_torchcam_draws_the_same_maps(built, name) -> None:
    """Its maps are the positive part, and its channels come first, so CNNs only."""
    network, images, layer = copy.deepcopy(built[name]), images_of(96, n=1), LAYERS[name]
    found, _ = grad_cam(network, images, layer=layer)
    if found.mean() < 0:  # of untrained weights: the other outcome has the positive part
        with torch.no_grad():
            network.get_classifier().weight.neg_()
        found = -found
    with GradCAM(network, target_layer=layer) as oracle:
        (expected,) = oracle(0, network(images), normalized=False)
    assert expected.max() > 0
    torch.testing.assert_close(found.clamp(min=0), expected, atol=0, rtol=1e-5)


def test_a_layer_before_an_activation_in_place_keeps_its_own_values() -> None:
    image = torch.tensor([[[[1.0, 3.0], [-2.0, 0.0]]]])
    before = torch.tensor([[1.0, 3.0], [-2.0, 0.0]])
    expected = 2 * 1.0 * before + 2 * 1.0 * (-2 * before)
    found, _ = grad_cam(Tiny(), image, layer="conv")
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("name", GAP_HEADS)
def test_behind_average_pooling_it_is_the_class_activation_map(built, name) -> None:
    """Zhou et al. 2016: the head's weights on the last map, here over the number of places."""
    network, images = built[name], images_of(96)
    found, logits = grad_cam(network, images, layer=cam_layer(network, images))
    with torch.no_grad():
        tokens = network.forward_features(images)
        expected_logits = network(images)[:, 0]
    if name.startswith("crossformer"):
        tokens = tokens.permute(0, 3, 1, 2)
    weight = network.get_classifier().weight[0]
    expected = torch.einsum("c,nchw->nhw", weight, tokens) / tokens[0, 0].numel()
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(logits, expected_logits)
    bias = network.get_classifier().bias[0]
    torch.testing.assert_close(found.sum((1, 2)) + bias, logits, rtol=1e-4, atol=1e-5)


def small_crossformer():
    torch.manual_seed(0)
    sizes = StageSizes(embed_dim=32, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))
    return CrossFormer(sizes, num_classes=1).eval()


@pytest.mark.parametrize(
    ("make", "layer", "is_channels_last"),
    [
        (lambda: network_of("test_resnet"), "layer2", False),
        (small_crossformer, "layers.0.blocks", True),
    ],
)
def test_channel_weights_are_the_slopes_of_the_logit(make, layer, is_channels_last) -> None:
    """Moving all of a channel by a little moves the logit by its weight times the places."""
    network, images, step = make().double(), images_of(64, 1).double(), 1e-5
    module = network.get_submodule(layer)

    def run(change):
        seen = []
        handle = module.register_forward_hook(lambda _m, _i, out: seen.append(out) or change(out))
        with torch.no_grad():
            logit = network(images).item()
        handle.remove()
        return logit, seen[0]

    activation = run(lambda out: out)[1]
    channels = activation.permute(0, 3, 1, 2) if is_channels_last else activation
    expected = torch.zeros_like(channels[0, 0])
    for c, values in enumerate(channels[0]):
        shift = torch.zeros_like(channels)
        shift[:, c] = step
        shift = shift.permute(0, 2, 3, 1) if is_channels_last else shift
        above, below = (run(lambda out, by=by: out + by)[0] for by in (shift, -shift))
        expected += values * (above - below) / (2 * step) / values.numel()
    found, _ = grad_cam(network, images, layer=layer)
    torch.testing.assert_close(found[0], expected.float(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", LAYERS)
def test_the_layer_of_the_studys_networks(built, name) -> None:
    network = built[name]
    assert cam_layer(network, images_of()) == LAYERS[name]
    found, _ = grad_cam(network, images_of(96), layer=LAYERS[name])
    side = 6 if name == "vgg11" else 3
    assert found.shape == (2, side, side)
    assert torch.isfinite(found).all() and found.std() > 0


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet50", "layer4"), ("resnet101", "layer4"), ("vgg19", "features.35"),
        ("densenet121", "features.norm5"), ("crossformer_small", "norm"),
    ],
)  # fmt: skip
def test_the_layer_of_the_papers_networks(name, layer) -> None:
    with torch.device("meta"):
        assert cam_layer(timm.create_model(name), torch.zeros(1)) == layer


@pytest.mark.parametrize(
    ("name", "size", "kwargs"),
    [
        ("convnext_atto", 64, {}),  # channels first, nothing listed
        ("swin_tiny_patch4_window7_224", 64, {"img_size": 64, "depths": (1, 1, 1, 1)}),
        ("vit_tiny_patch16_224", 64, {"img_size": 64, "depth": 2}),  # a class token
        ("mixer_s32_224", 64, {"img_size": 64}),  # tokens, no class token
        ("xcit_nano_12_p16_224", 64, {"img_size": 64, "depth": 2}),  # read by the class token
        ("mobilenetv3_small_050", 64, {}),  # a convolution behind the pooling
    ],
)
def test_any_network_of_timm_has_a_layer_whose_places_count(name, size, kwargs) -> None:
    network, images = network_of(name, **kwargs), images_of(size)
    nn.init.normal_(network.get_classifier().weight, generator=torch.Generator().manual_seed(0))
    found, logits = grad_cam(network, images, layer=cam_layer(network, images))
    assert found.ndim == 3 and len(found) == len(logits) == 2
    assert min(found.shape[1:]) > 1
    assert found.std() > 0


def test_a_moved_blob_moves_the_map(built) -> None:
    """Channels last are not read as channels first: left in the image is left in the map."""
    network = built["crossformer_tiny"]
    images = torch.zeros(2, 3, 128, 128)
    images[0, :, 40:80, :40] = images[1, :, 40:80, 88:] = 3.0
    found, _ = grad_cam(network, images, layer="layers.0.blocks")
    unlike = (found - found.median()).abs().mean(dim=1)  # by column
    assert unlike[0, :10].mean() > 2 * unlike[0, -10:].mean()
    assert unlike[1, -10:].mean() > 2 * unlike[1, :10].mean()


def in_mixed(name, size):
    """Networks that have both, of this size."""
    shallow = {"depths": (1, 1, 1, 1)}
    kwargs = {
        "maxvit_pico_rw_256": {"img_size": size},
        "coatnet_pico_rw_224": {"img_size": size},
        "swin_tiny_patch4_window7_224": {"img_size": size, **shallow},
        "convnext_tiny": {"dims": (24, 48, 96, 192), **shallow},
    }
    network = network_of(name, **kwargs.get(name, {}))
    nn.init.normal_(network.get_classifier().weight, generator=torch.Generator().manual_seed(0))
    return network


@pytest.mark.parametrize(
    ("name", "size", "layer", "channels"),
    [
        ("crossformer_tiny", 64, "patch_embed.projs.0", 1),  # convolutions among channels last
        ("crossformer_tiny", 128, "patch_embed.projs.0", 1),  # 32 channels of 32 x 32 places
        ("crossformer_tiny", 64, "layers.0.downsample.reductions.0", 1),
        ("crossformer_tiny", 64, "layers.1.blocks.0.mlp.act", 3),
        ("crossformer_tiny", 256, "layers.0.blocks", 3),  # 64 channels of 64 x 64 places
        ("crossformer_tiny", 256, "patch_embed.norm", 3),
        ("swin_tiny_patch4_window7_224", 64, "patch_embed.proj", 1),
        ("swin_tiny_patch4_window7_224", 64, "layers.1", 3),
        ("convnext_tiny", 64, "stages.1.blocks.0.conv_dw", 1),
        ("convnext_tiny", 64, "stages.1.blocks.0.mlp.act", 3),  # channels last inside
        ("maxvit_pico_rw_256", 64, "stages.1.blocks.0.conv", 1),
        ("maxvit_pico_rw_256", 64, "stages.1.blocks.0.attn_block.mlp", 3),
        ("coatnet_pico_rw_224", 64, "stages.1", 1),
        ("densenet121", 64, "features.transition1", 1),
        ("efficientnet_lite0", 64, "blocks.2", 1),
        ("resnet18", 128, "conv1", 1),  # 64 channels of 64 x 64 places, nothing channels last
        ("resnet18", 128, "act1", 1),
    ],
)  # fmt: skip
def test_a_map_adds_up_channels(name, size, layer, channels) -> None:
    network, images, seen = in_mixed(name, size), images_of(size), []
    handle = network.get_submodule(layer).register_forward_hook(lambda m, i, out: seen.append(out))
    logits = network(images)[:, 0]
    handle.remove()
    (gradient,) = torch.autograd.grad(logits.sum(), seen)
    places = [axis for axis in (1, 2, 3) if axis != channels]
    expected = (gradient.mean(places, keepdim=True) * seen[0]).sum(channels)
    assert expected.std() > 0
    found, _ = grad_cam(network, images, layer=layer)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("crossformer_tiny", 128, "layers.0.blocks.0.attn"),  # groups and their tokens
        ("swin_tiny_patch4_window7_224", 128, "layers.0.blocks.0.attn"),  # windows as rows
        ("mambaout_femto", 192, "stages.0.blocks.0.drop_path"),  # 48 channels of 48 x 48 places
        ("maxvit_pico_rw_256", 128, "stages.0.blocks.0.attn_block.mlp"),  # 32 of 32 x 32
    ],
)
def test_values_whose_places_cannot_be_told_are_refused(name, size, layer) -> None:
    network, images = in_mixed(name, size), images_of(size)
    with pytest.raises(BadConfig, match="that can be told from channels; choose the block around"):
        grad_cam(network, images, layer=layer)


@pytest.mark.parametrize("name", ["crossformer_tiny", "tf_efficientnet_lite0"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (100, 164)])
def test_images_that_are_not_square_have_maps(built, name, height, width) -> None:
    """Convolutions round the last row and column up, CrossFormer's embedding rounds them down."""
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    found, _ = grad_cam(built[name], images, layer=LAYERS[name])
    up = name != "crossformer_tiny"
    assert found.shape == (1, *((side + 31 * up) // 32 for side in (height, width)))


def test_a_class_token_that_is_not_declared_hides_no_later_places() -> None:
    network, images = network_of("coat_tiny", img_size=64), images_of()
    layer = cam_layer(network, images)
    assert layer.startswith("parallel_blocks.5.")  # and not the patches of the last stage
    assert grad_cam(network, images, layer=layer)[0].shape == (2, 2, 2)


def test_the_network_is_left_as_it_was(built) -> None:
    network = copy.deepcopy(built["tf_efficientnet_lite0"])
    network.train()
    network.blocks[2].eval()  # as frozen batch norm is in training
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    grad_cam(network, images_of(), layer="bn2")
    cam_layer(network, images_of())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert not nn.modules.module._global_forward_hooks
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_an_error_leaves_no_hook(built) -> None:
    network = built["tf_efficientnet_lite0"]
    with pytest.raises(ZeroDivisionError):
        grad_cam(
            network, images_of(), layer="bn2", logit=lambda images: network(images) / (1 // 0)
        )
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_same_bytes_again_and_under_every_setting(built, mode) -> None:
    network, images = built["tf_efficientnet_lite0"], images_of()
    expected, _ = grad_cam(network, images, layer="bn2")
    with mode():
        given = images * 1  # an inference tensor under inference mode
        found, _ = grad_cam(network, given, layer="bn2")
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
    assert torch.equal(found, expected)


def test_frozen_parameters_are_no_obstacle(built) -> None:
    network = copy.deepcopy(built["tf_efficientnet_lite0"]).requires_grad_(False)
    expected, _ = grad_cam(built["tf_efficientnet_lite0"], images_of(), layer="bn2")
    assert torch.equal(grad_cam(network, images_of(), layer="bn2")[0], expected)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("bn3", "must be a layer of EfficientNet, found 'bn3'; did you mean"),
        ("", "must be a layer"),
        ("classifier", "must know places"),
    ],
)
def test_a_layer_that_cannot_be_shown_is_refused(built, layer, message) -> None:
    with pytest.raises(BadConfig, match=message):
        grad_cam(built["tf_efficientnet_lite0"], images_of(), layer=layer)


def test_a_layer_that_does_not_run_once_or_feeds_nothing_is_refused() -> None:
    network = Tiny()
    image = torch.ones(1, 1, 2, 2)
    with pytest.raises(BadConfig, match="runs 0 times"):
        grad_cam(network, image, layer="side")
    with pytest.raises(BadConfig, match="must feed the logit"):
        grad_cam(network, image, layer="act", logit=lambda x: 0 * network(x).detach()[:, 0])
    twice = nn.Sequential(network.conv, network.act, nn.Conv2d(2, 1, 1), network.act)
    with pytest.raises(BadConfig, match="runs 2 times"):
        grad_cam(twice, image, layer="1", logit=lambda x: twice(x).sum((1, 2, 3)))


def test_a_name_is_checked_without_building_the_network() -> None:
    check_cam_layer("resnet50", "layer3")
    with pytest.raises(BadConfig, match="did you mean layer4"):
        check_cam_layer("resnet50", "layer44")
    with pytest.raises(BadConfig, match="a network of timm"):
        check_cam_layer("resnet51", "layer4")
