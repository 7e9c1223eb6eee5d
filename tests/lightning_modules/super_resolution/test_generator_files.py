"""A generator's file declares whom it has seen; one that does not is refused."""

import json

import pytest
import torch
from safetensors.torch import save_file

from her2.core.errors import BadConfig, LeakageError, MissingWeights
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.super_resolution.generator_files import (
    Seen,
    load_generator,
    patient_hash,
    refuse_seen,
    save_generator,
)

SEEN = Seen(("p1", "p2"), ("i1",))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "generator.safetensors"
    save_generator(path, RRDBGenerator(1, 4), SEEN, n_steps=7)
    return path


def test_what_is_written_is_read(file):
    found = load_generator(file)
    expected = RRDBGenerator(1, 4)
    assert (found.seen, found.n_steps) == (SEEN, 7)
    assert found.network.architecture == expected.architecture
    assert found.network.reach == expected.reach and not found.network.training


def test_the_declaration_may_lie_beside_the_weights(file):
    weights = {k: v.contiguous() for k, v in RRDBGenerator(1, 4).state_dict().items()}
    save_file(weights, file)
    with pytest.raises(BadConfig, match="declare"):
        load_generator(file)
    declared = {"architecture": {"n_blocks": 1, "n_channels": 4}, "n_steps": 3,
                "training": {"patients": ["p"], "images": ["i"]}}  # fmt: skip
    file.with_suffix(".json").write_text(json.dumps(declared))
    assert load_generator(file).seen == Seen(("p",), ("i",))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"patients": [], "images": []}},
        {"training": {"patients": ["p"]}},
        {"architecture": {"n_blocks": 1, "n_channels": 8}},
        {"architecture": {"nonsense": 1}},
    ],
)
def test_a_declaration_that_says_too_little_is_refused(file, change):
    weights = {k: v.contiguous() for k, v in RRDBGenerator(1, 4).state_dict().items()}
    declared = {"architecture": {"n_blocks": 1, "n_channels": 4}, "n_steps": 3,
                "training": {"patients": ["p"], "images": ["i"]}} | change  # fmt: skip
    save_file(weights, file, metadata={"her2": json.dumps(declared)})
    with pytest.raises(BadConfig, match="declare"):
        load_generator(file)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = RRDBGenerator(1, 4)
    torch.nn.init.constant_(network.first.weight, float("nan"))
    save_generator(tmp_path / "g.safetensors", network, SEEN, n_steps=1)
    with pytest.raises(BadConfig):
        load_generator(tmp_path / "g.safetensors")


def test_no_file_and_no_safetensors(tmp_path):
    with pytest.raises(MissingWeights, match="leave it out"):
        load_generator(tmp_path / "nowhere.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(BadConfig):
        load_generator(tmp_path / "text.safetensors")


def test_who_was_seen_is_refused_by_patient_and_by_image():
    refuse_seen(SEEN, Seen(("p3",), ("i2",)), "held-out")
    for judged in (Seen(("p1",), ()), Seen((), ("i1",))):
        with pytest.raises(LeakageError, match="held-out patients"):
            refuse_seen(SEEN, judged, "held-out")


def test_a_patient_is_known_by_cohort_and_identifier_and_not_by_name():
    assert patient_hash("A", "Smith") != patient_hash("A", "Smythe")
    assert "Smith" not in patient_hash("A", "Smith")
