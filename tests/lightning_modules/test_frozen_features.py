"""Frozen features are a function of the image alone."""

import numpy as np
import pytest
import torch
from backbone_settings import backbone

from her2.core.errors import BadConfig
from lightning_modules.backbones import build_backbone, embedding_width, network_input
from lightning_modules.frozen_features import embed

LITE0 = "tf_efficientnet_lite0"
SETTINGS = backbone(LITE0, "offline", image_size=64)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def features(crops):
    return embed(crops, SETTINGS)


def test_a_row_has_the_same_bytes_whatever_else_is_in_the_call(crops, features) -> None:
    chosen = [4, 1]
    alone = embed(crops[chosen], SETTINGS)
    assert alone.tobytes() == features[chosen].tobytes()


def test_the_number_of_threads_changes_no_byte(crops, features) -> None:
    torch.set_num_threads(2)
    again = embed(crops, SETTINGS)
    assert torch.get_num_threads() == 2
    assert again.tobytes() == features.tobytes()


def test_images_at_the_same_time_change_no_byte(crops, features) -> None:
    again = embed(crops, SETTINGS, n_threads=3)
    assert again.tobytes() == features.tobytes()


def test_features_are_the_pooled_penultimate_layer(crops, features) -> None:
    built = build_backbone(SETTINGS, num_classes=7)
    images = network_input(torch.from_numpy(crops)[:, None], built.normalisation)
    with torch.inference_mode():
        tokens = built.network.forward_features(images)
        expected = built.network.forward_head(tokens, pre_logits=True)
    assert features.dtype == np.float32
    assert features.shape == (5, embedding_width(LITE0))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_crops_may_be_read_only(crops, features, recwarn) -> None:
    shared = crops[:1].copy()
    shared.flags.writeable = False  # as workers get them
    again = embed(shared, SETTINGS)
    assert again.tobytes() == features[:1].tobytes()
    assert len(recwarn) == 0


def test_random_weights_follow_the_seed(crops) -> None:
    first, same, other = (
        embed(
            crops[:2],
            backbone("test_resnet", image_size=32),
            seed=seed,
        )
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", ["crossformer_tiny", "densenet121", "resnet10t"])
def test_width_is_that_of_the_features(crops, name) -> None:
    features = embed(crops[:1], backbone(name, image_size=64))
    assert features.shape == (1, embedding_width(name))


def test_no_crops_give_no_features() -> None:
    none = np.zeros((0, 64, 64), dtype=np.uint8)
    assert embed(none, backbone(LITE0, "offline")).shape == (0, 1280)


@pytest.mark.parametrize("bad", [np.zeros((2, 8, 8)), np.zeros((2, 1, 8, 8), np.uint8)])
def test_crops_are_checked(bad) -> None:
    with pytest.raises(BadConfig, match="lesion_crop"):
        embed(bad, backbone("test_resnet"))
