"""Weights of the hub, from a server on this machine: had, cached, refused, never made up."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from backbone_settings import backbone
from hub_server import STORAGE, hub_server
from safetensors.torch import load, save

from her2.core.errors import BadConfig, MissingWeights
from lightning_modules.backbones import build_backbone, describe_backbone
from lightning_modules.weights import WAYS_OUT, resolve_weights

NAME, REPOSITORY = "test_resnet", "timm/test_resnet.r160_in1k"
RESOLVE = f"from lightning_modules.weights import *; print(resolve_weights({NAME!r}, 'imagenet'))"
RESOLVE_TOGETHER = f"""
import os, sys
from lightning_modules.weights import resolve_weights
child = os.fork()
print(resolve_weights({NAME!r}, "imagenet"), flush=True)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def weights_of(name: str) -> bytes:
    torch.manual_seed(7)
    return save(timm.create_model(name).state_dict())


@pytest.fixture(scope="module")
def served() -> bytes:
    """Weights as they would be on the hub, 1000 classes and all."""
    return weights_of(NAME)


@pytest.fixture
def serving(monkeypatch, tmp_path, served):
    """Return a context: a hub in whose place huggingface_hub looks, and an empty cache."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    # between two attempts the hub's client sleeps for a second
    clock = SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    monkeypatch.setattr(huggingface_hub.file_download, "time", clock)

    @contextmanager
    def start(fault: str = "", content: bytes = served):
        with hub_server(REPOSITORY, content, fault) as hub:
            template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(constants, "ENDPOINT", hub.address)
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            yield hub
        huggingface_hub.close_session()

    return start


def refused(caught) -> str:
    """Return the sentence, which names the network and the ways out."""
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert NAME in sentence
    assert WAYS_OUT in sentence
    return sentence


# weights that are had


def test_the_network_is_that_of_the_served_weights(serving, served) -> None:
    with serving() as hub:
        built = build_backbone(backbone(NAME, "imagenet"), num_classes=1)
    assert hub.asked.count(f"GET {STORAGE}") == 1
    reference = timm.create_model(NAME).eval()
    reference.load_state_dict(load(served))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = reference.forward_head(reference.forward_features(images), pre_logits=True)
        found = built.network.forward_head(built.network.forward_features(images), pre_logits=True)
    torch.testing.assert_close(found, expected)
    assert built.network(images).shape == (2, 1)
    assert built.weights.sha256 == hub.sha256
    assert built.normalisation.mean == (0.5, 0.5, 0.5)


def test_one_channel_is_made_of_the_three_of_the_served_weights(serving) -> None:
    with serving():
        grey = build_backbone(backbone(NAME, "imagenet", in_chans=1))
        colour = build_backbone(backbone(NAME, "imagenet"))
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = colour.network(image.expand(1, 3, 64, 64))
        torch.testing.assert_close(grey.network(image), expected, rtol=1e-4, atol=1e-4)


def test_a_description_names_the_bytes_that_were_served(serving) -> None:
    with serving() as hub:
        assert describe_backbone(backbone(NAME, "imagenet"))["weights_sha256"] == hub.sha256


def test_the_second_time_no_server_is_asked_and_none_is_needed(serving) -> None:
    with serving() as hub:
        first = resolve_weights(NAME, "imagenet")
        n_asked = len(hub.asked)
        assert resolve_weights(NAME, "imagenet") == first
        assert len(hub.asked) == n_asked
    assert resolve_weights(NAME, "imagenet") == first
    build_backbone(backbone(NAME, "imagenet"))


@pytest.mark.slow
def test_processes_that_begin_together_download_once(tmp_path, served) -> None:
    with hub_server(REPOSITORY, served, "slow") as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-c", RESOLVE_TOGETHER]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended
    assert ended.stdout.count(hub.sha256) == 2
    assert hub.asked.count(f"GET {STORAGE}") == 1


# weights that are not


def test_without_server_or_cache_the_command_ends_with_one_sentence(
    serving, her2_command, tmp_path
) -> None:
    with serving():
        pass  # it has stopped
    finished = her2_command(
        "train", f"backbone.name={NAME}", "backbone.weights=imagenet", "tracking=none",
        "enhance=srgan_small", f"run_dir={tmp_path / 'run'}", f"cache={tmp_path / 'cache'}",
    )  # fmt: skip
    assert not (tmp_path / "cache").exists()  # not even the cohort was opened
    assert finished.status == 2
    assert "Traceback" not in finished.err
    (sentence,) = finished.sentences
    assert "ConnectError" in sentence and WAYS_OUT in sentence


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("404", "404"),
        ("401", "401"),
        ("500", "500"),
        ("hangs", "ReadTimeout"),
        ("stalls", "ReadTimeout"),
        ("truncated", "RemoteProtocolError"),
        ("short", "Consistency check failed"),
        ("page", "X-Repo-Commit"),
    ],
)
def test_a_fault_of_the_hub_is_one_sentence(serving, monkeypatch, fault, found) -> None:
    monkeypatch.setattr("lightning_modules.weights.HUB_TIMEOUT_S", 0.2)
    with serving(fault), pytest.raises(MissingWeights) as caught:
        build_backbone(backbone(NAME, "imagenet"))
    assert found in refused(caught)


def test_an_address_without_its_protocol_is_one_sentence(serving, monkeypatch) -> None:
    template = "hub.invalid/{repo_id}/resolve/{revision}/{filename}"
    with serving(), pytest.raises(MissingWeights) as caught:
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        build_backbone(backbone(NAME, "imagenet"))
    assert "protocol" in refused(caught)


def test_a_fault_of_the_chunked_storage_is_one_sentence(tmp_path, served) -> None:
    with hub_server(REPOSITORY, served, "xet") as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-c", RESOLVE]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1].startswith(
        "her2.core.errors.MissingWeights: the ImageNet"
    )
    assert "404" in ended.stderr.splitlines()[-1]


def test_other_bytes_than_announced_are_refused_until_they_are_deleted(serving) -> None:
    with serving("changed"), pytest.raises(MissingWeights, match="found other bytes") as caught:
        build_backbone(backbone(NAME, "imagenet"))
    with serving() as hub:
        with pytest.raises(MissingWeights, match="delete that file"):  # cached, still wrong
            build_backbone(backbone(NAME, "imagenet"))
        (damaged,) = Path(huggingface_hub.constants.HF_HUB_CACHE).glob("*/blobs/*")
        assert str(damaged) in str(caught.value)
        damaged.unlink()
        assert build_backbone(backbone(NAME, "imagenet")).weights.sha256 == hub.sha256


def test_weights_of_another_network_are_refused(serving) -> None:
    with serving(content=weights_of("test_vit")), pytest.raises(BadConfig) as caught:
        build_backbone(backbone(NAME, "imagenet"))
    assert f"must be those of {NAME}" in str(caught.value)
    assert "\n" not in str(caught.value)
