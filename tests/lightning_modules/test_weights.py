"""Sources of weights: what is found, what is refused, and that nothing waits for a network."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from her2.core.errors import BadConfig, MissingWeights
from lightning_modules import weights
from lightning_modules.weights import WeightSource, file_sha256, read_state, resolve_weights


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """No cached weights and no network; counts the attempts to reach one."""
    attempts = []

    def refuse(*args, **kwargs):
        attempts.append(kwargs.get("timeout"))
        raise ConnectionError("no network")

    def never(*args, **kwargs):
        raise AssertionError("nothing may be downloaded, with many attempts, without a network")

    monkeypatch.setattr(weights.huggingface_hub, "try_to_load_from_cache", lambda *a: None)
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights.huggingface_hub, "get_hf_file_metadata", refuse)
    monkeypatch.setattr(weights.huggingface_hub, "hf_hub_download", never)
    return attempts


def test_without_a_network_one_sentence_names_the_ways_out(no_hub) -> None:
    with pytest.raises(MissingWeights) as caught:
        resolve_weights("resnet50", "imagenet")
    message = str(caught.value)
    for way_out in ("backbone.weights=FILE", "backbone.weights=none", "efficientnet_lite0"):
        assert way_out in message
    assert "resnet50" in message
    assert "\n" not in message
    assert no_hub == [weights.HUB_TIMEOUT_S]


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet101", "vgg19", "densenet121", "crossformer_small"]
)
def test_every_backbone_of_the_paper_names_its_ways_out(no_hub, name) -> None:
    with pytest.raises(MissingWeights) as caught:
        resolve_weights(name, "imagenet")
    sentence = str(caught.value)
    assert weights.WAYS_OUT in sentence
    assert name in sentence and "\n" not in sentence
    assert ("convert_crossformer" in sentence) == name.startswith("crossformer")


def test_the_offline_switch_of_the_hub_is_respected(no_hub, monkeypatch) -> None:
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights):
        resolve_weights("resnet50", "imagenet")
    assert no_hub == []


def test_cached_weights_need_no_network(no_hub, monkeypatch, tmp_path) -> None:
    asked = []
    cached = tmp_path / "model.safetensors"
    cached.write_bytes(b"weights")

    def cache(repository, filename):
        asked.append((repository, filename))
        return str(cached)

    monkeypatch.setattr(weights.huggingface_hub, "try_to_load_from_cache", cache)
    found = resolve_weights("densenet121", "imagenet")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert found == WeightSource("imagenet", cached, sha256)
    assert asked == [("timm/densenet121.tv_in1k", "model.safetensors")]  # the paper's years
    assert no_hub == []


def test_a_network_without_published_weights_is_said(no_hub) -> None:
    with pytest.raises(MissingWeights, match="no ImageNet weights of crossformer_small"):
        resolve_weights("crossformer_small", "imagenet")


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_lite0"])
def test_installed_weights_belong_to_one_network(name) -> None:
    with pytest.raises(BadConfig, match="tf_efficientnet_lite0 only"):
        resolve_weights(name, "offline")


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(MissingWeights, match=r"found no file absent\.pth; correct the path"):
        resolve_weights("resnet50", "absent.pth")


def test_random_weights_are_noted() -> None:
    assert "random weights" in resolve_weights("resnet50", "none").note


def test_hash_follows_the_file(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    first = file_sha256(path)
    path.write_bytes(b"other")
    assert first == hashlib.sha256(b"one").hexdigest()
    assert file_sha256(path) == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_state_is_read_from_its_wrapper(tmp_path, wrapper) -> None:
    state = {"fc.weight": torch.ones(2, 3)}
    path = tmp_path / "weights.pth"
    torch.save({wrapper: state} if wrapper else state, path)
    assert torch.equal(read_state(WeightSource("file", path, None))["fc.weight"], torch.ones(2, 3))


def test_safetensors_are_read(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.arange(3.0)}, path)
    assert read_state(WeightSource("file", path, None))["a"].tolist() == [0, 1, 2]


class _Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_pickled_objects_are_refused_and_not_run(tmp_path) -> None:
    target = tmp_path / "executed"
    path = tmp_path / "weights.pth"
    torch.save({"model": {}, "config": _Payload(target)}, path)
    with pytest.raises(BadConfig, match="convert it to safetensors"):
        read_state(WeightSource("file", path, None))
    assert not target.exists()


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_broken_files_are_refused(tmp_path, name) -> None:
    path = tmp_path / name
    path.write_bytes(b"not weights")
    with pytest.raises(BadConfig, match=name):
        read_state(WeightSource("file", path, None))


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"state_dict": {}}])
def test_a_file_without_weights_is_refused_and_not_replaced_by_the_hubs(tmp_path, content) -> None:
    torch.save(content, tmp_path / "empty.pth")
    save_file({}, tmp_path / "empty.safetensors")
    for name in ("empty.pth", "empty.safetensors"):
        with pytest.raises(BadConfig, match="plain state dict"):
            read_state(resolve_weights("resnet18", str(tmp_path / name)))


@pytest.mark.parametrize("seed", range(30))
def test_no_file_of_words_ends_in_an_error_of_its_reader(tmp_path, seed) -> None:
    words = np.random.default_rng(seed).integers(32, 127, 200).astype(np.uint8).tobytes()
    (tmp_path / "words.pth").write_bytes(words)
    with pytest.raises(BadConfig, match="plain state dict"):
        read_state(resolve_weights("resnet18", str(tmp_path / "words.pth")))


def test_weights_that_are_no_numbers_are_refused(tmp_path) -> None:
    torch.save({"weight": torch.tensor([1.0, float("nan")])}, tmp_path / "nan.pth")
    with pytest.raises(BadConfig, match="must be finite numbers"):
        read_state(resolve_weights("resnet18", str(tmp_path / "nan.pth")))
