"""The official checkpoint format, made here: weights beside an object of another library."""

import os
import pickle
import sys
import types

import pytest
import timm
import torch
from backbone_settings import backbone

from her2.core.errors import BadConfig, MissingInput
from lightning_modules.backbones import build_backbone
from lightning_modules.convert_crossformer import convert, main, read_checkpoint


class Trap:
    """Runs a command when it is unpickled in the usual way."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def network():
    return timm.create_model("crossformer_tiny", num_classes=3)


@pytest.fixture
def settings_class(monkeypatch):
    """A class of a library that is absent when the file is read, as yacs is."""
    module = types.ModuleType("absent_settings")
    node = type("CfgNode", (dict,), {"__module__": "absent_settings"})
    node.__reduce__ = lambda self: (node, (), {"frozen": True}, None, iter(self.items()))
    module.CfgNode = node
    monkeypatch.setitem(sys.modules, "absent_settings", module)
    return node


@pytest.fixture
def official(network, settings_class, tmp_path, monkeypatch):
    weights = dict(network.state_dict())
    for block in ("layers.0.blocks.0", "layers.3.blocks.5"):
        weights[f"{block}.attn.biases"] = torch.zeros(169, 2)
        weights[f"{block}.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    weights["layers.0.blocks.0.attn_mask"] = torch.zeros(4)
    settings = settings_class(MODEL=settings_class(NAME="crossformer"), EPOCHS=300)
    path = tmp_path / "official.pth"
    content = {"model": weights, "config": settings, "trap": Trap(tmp_path / "sprung")}
    torch.save({**content, "max_accuracy": 81.5, "epoch": 299}, path)
    monkeypatch.delitem(sys.modules, "absent_settings")
    return path


def test_the_file_is_one_that_torch_refuses(official) -> None:
    with pytest.raises(Exception, match="weights_only"):
        torch.load(official, weights_only=True)


def test_the_converted_weights_are_those_of_the_network(official, network, tmp_path) -> None:
    target = tmp_path / "tiny.safetensors"
    assert convert(official, target) == "crossformer_tiny"
    assert not (tmp_path / "sprung").exists()
    built = build_backbone(backbone("crossformer_tiny", str(target)), num_classes=0)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = network.eval().forward_head(network.forward_features(images), pre_logits=True)
        torch.testing.assert_close(built.network(images), expected)


def test_the_command_says_how_the_file_is_used(official, tmp_path, capsys) -> None:
    assert main([str(official), str(tmp_path / "tiny.safetensors")]) == 0
    assert "backbone=crossformer_tiny backbone.weights=" in capsys.readouterr().out
    assert main([str(official)]) == 2
    assert main([str(official), str(tmp_path / "tiny.pth")]) == 2
    assert main([str(tmp_path / "none.pth"), str(tmp_path / "tiny.safetensors")]) == 2
    assert "found no file" in capsys.readouterr().err


def test_other_files_are_refused(network, tmp_path) -> None:
    with pytest.raises(MissingInput):
        read_checkpoint(tmp_path / "none.pth")
    path = tmp_path / "other.pth"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(BadConfig, match="download it again"):
        read_checkpoint(path)
    torch.save({"weights": {}}, path)
    with pytest.raises(BadConfig, match="under the key model"):
        read_checkpoint(path)
    fewer = {k: v for k, v in network.state_dict().items() if "layers.2" not in k}
    torch.save({"model": fewer}, path)
    with pytest.raises(BadConfig, match="crossformer_tiny"):
        convert(path, tmp_path / "tiny.safetensors")


def test_the_format_of_before_2020_runs_nothing_either(network, tmp_path) -> None:
    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(BadConfig, match="cannot be read as one"):
        read_checkpoint(tmp_path / "trap.pth")
    content = {"model": dict(network.state_dict()), "trap": Trap(tmp_path / "sprung")}
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert convert(tmp_path / "old.pth", tmp_path / "old.safetensors") == "crossformer_tiny"
    assert not (tmp_path / "sprung").exists()


def test_weights_that_are_parameters_are_read(network, tmp_path) -> None:
    torch.save({"model": dict(network.named_parameters())}, tmp_path / "parameters.pth")
    assert set(read_checkpoint(tmp_path / "parameters.pth")) == set(network.state_dict())
