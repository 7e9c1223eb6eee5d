"""Frozen networks under a linear head: the pipeline's own log odds, explained."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_settings import backbone
from scipy.special import expit

from her2.core.parallel import in_threads
from her2.explain.linear_head import LinearHead, linear_head
from her2.explain.saliency import explain_lesions
from her2.models.classifiers import candidates, fit_pipeline
from her2.selection import no_selection
from lightning_modules.backbones import build_backbone
from lightning_modules.frozen_features import embed
from lightning_modules.grad_cam_networks import logit_network
from lightning_modules.torch_runtime import torch_threads

LITE0, SIZE = "tf_efficientnet_lite0", 64


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    smooth = rng.random((24, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    return (60 * smooth + rng.integers(0, 190, (24, SIZE, SIZE))).astype(np.uint8)


@pytest.fixture(scope="module")
def pipeline(crops):
    X = embed(crops, backbone(LITE0, "offline", image_size=SIZE)).astype(np.float64)
    (point,) = candidates({"lr": {"fixed": {"C": 0.01}}})
    return X, fit_pipeline(
        X, np.arange(24) % 2, np.arange(24), preparation=no_selection(), candidate=point, seed=0
    )


@pytest.fixture(scope="module")
def network(pipeline):
    built = build_backbone(backbone(LITE0, "offline", image_size=SIZE))
    head = linear_head(pipeline[1], pipeline[0].shape[1])
    return logit_network(built, head=head)


def test_the_logit_is_the_pipelines(network, pipeline, crops) -> None:
    X, fitted = pipeline
    expected = fitted.predict_proba(X)[:, 1]
    np.testing.assert_allclose(network.probabilities(crops), expected, atol=1e-5)
    logits = [network.signed_map(crop)[1] for crop in crops[:4]]
    np.testing.assert_allclose(expit(logits), expected[:4], atol=1e-5)


def test_the_map_adds_up_to_the_logit_less_the_intercept(network, crops) -> None:
    """Average pooling and linear steps: the composed network has a class activation map."""
    signed, logit = network.signed_map(crops[0])
    assert signed.shape == (2, 2)
    assert signed.sum() + network.head.intercept == pytest.approx(logit, abs=1e-4)


def test_another_head_is_another_map_of_the_same_network(network, crops) -> None:
    other = replace(network, head=LinearHead(-network.head.weight, 0.0))
    first, second = network.signed_map(crops[0])[0], other.signed_map(crops[0])[0]
    np.testing.assert_allclose(first, -second, rtol=1e-4)
    assert other.network is network.network


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_shuffled_weights_reach_as_deep_as_asked(network, crops, share) -> None:
    shuffled = network.randomised(share, 0)
    pairs = list(zip(network.network.parameters(), shuffled.network.parameters(), strict=True))
    changed = [not torch.equal(a, b) for a, b in pairs if a.unique().numel() > 1]
    assert np.mean(changed) == pytest.approx(share, abs=0.02)
    assert share in (0, 1) or changed == sorted(changed)  # from the top
    assert all(torch.equal(a.sort().values, b.sort().values) for a, b in
               ((a.flatten(), b.flatten()) for a, b in pairs))  # fmt: skip
    assert sorted(shuffled.head.weight) == sorted(network.head.weight)
    assert not np.array_equal(shuffled.head.weight, network.head.weight)
    assert np.isfinite(shuffled.signed_map(crops[0])[0]).all()
    again = network.randomised(share, 0).signed_map(crops[0])[0]
    assert again.tobytes() == shuffled.signed_map(crops[0])[0].tobytes()


def test_the_head_of_a_fine_tuned_network_is_shuffled_too(crops) -> None:
    built = build_backbone(backbone("test_resnet", image_size=SIZE), num_classes=1)
    network = logit_network(built)
    assert network.layer == "layer4"
    shuffled = network.randomised(0.0, 0)
    before, after = (n.network.get_classifier().weight for n in (network, shuffled))
    assert not torch.equal(before, after)
    assert torch.equal(network.network.conv1[0].weight, shuffled.network.conv1[0].weight)


def test_maps_have_the_same_bytes_in_any_company_and_on_any_number_of_threads(
    network, crops
) -> None:
    masks = np.zeros((3, SIZE, SIZE), dtype=bool)
    masks[:, 16:48, 16:48] = True
    given = {"names": list("abc"), "is_tested": np.array([True, False, False]), "seed": 0}
    whole = explain_lesions(network, crops[:3], masks, **given)
    torch.set_num_threads(2)
    last = explain_lesions(
        network, crops[2:3], masks[2:], names=["c"], is_tested=np.array([False]), seed=0
    )
    assert torch.get_num_threads() == 2
    assert last.maps.tobytes() == whole.maps[2:].tobytes()
    assert whole.rows["deletion"].notna().tolist() == [True, False, False]


def test_a_network_that_was_left_in_training_is_judged_as_any_other(crops) -> None:
    """Lightning hands it back so; batch norm must neither use nor learn from these lesions."""
    built = build_backbone(backbone("test_resnet", image_size=SIZE), num_classes=1)
    network = logit_network(built)
    expected = network.probabilities(crops), network.signed_map(crops[0])
    state = {name: value.clone() for name, value in built.network.state_dict().items()}
    built.network.train()
    assert network.probabilities(crops).tobytes() == expected[0].tobytes()
    assert network.signed_map(crops[0])[0].tobytes() == expected[1][0].tobytes()
    assert built.network.training
    assert all(torch.equal(state[k], v) for k, v in built.network.state_dict().items())


def test_copies_in_threads_draw_the_same_maps(network, crops) -> None:
    copies = [replace(network, network=deepcopy(network.network)) for _ in range(4)]

    def maps(position: int) -> bytes:
        shuffled = copies[position].randomised(0.5, seed=1)
        drawn = [copies[position].signed_map(crop)[0] for crop in crops[position::4]]
        return np.stack([*drawn, shuffled.signed_map(crops[0])[0]]).tobytes()

    with torch_threads(1):
        alone = list(in_threads(maps, range(4), n_threads=1))
        together = list(in_threads(maps, range(4), n_threads=4))
    assert together == alone
