"""A seeded fuzz of every format: each file is used as it was, or refused; nothing else happens."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mutated_files
import pytest
import read_mutated

from her2.core.places import config_folder

N_EACH = 6  # mutants of a sample by one kind of damage
MOST_DEATHS = 5
# damage behind which no checksum and no length stands is not found in other formats
CHECKSUM = (".png", ".gz", ".xlsx", "packed.nrrd", "packed_mask.nrrd", "packed.mha", ".seg.nrrd")
LENGTH = (".nii", ".nrrd", ".mha", ".dcm", ".bmp")
Endings = dict[str, dict[str, list[str]]]


def read_all(folder: Path, said: Path) -> Endings:
    """How every file ended, each read in a process of its own limits."""
    for _ in range(MOST_DEATHS):
        done = subprocess.run(
            [sys.executable, read_mutated.__file__, str(folder), str(said)],
            env={"PYTHONPATH": str(config_folder().parent), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("", "")  # no library tells what a header holds
        if done.returncode == 0:
            break
    return dict(json.loads(line) for line in said.read_text().splitlines())


def is_told_by(sample: str, damage: str) -> bool:
    """Whether a format shows a kind of damage."""
    if damage.startswith("inner"):  # it was sealed again
        return False
    has_length = damage in ("repeat", "lose") and sample.endswith(LENGTH)
    return damage == "cut" or sample.endswith(CHECKSUM) or has_length


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Endings, Endings, dict[str, tuple[str, str]]]:
    """Return endings of the samples and of the mutants, and what each mutant is."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "samples").mkdir()
    (folder / "mutants").mkdir()
    samples = mutated_files.write_samples(folder / "samples")
    made = mutated_files.write_mutants(samples, folder / "mutants", N_EACH)
    whole = read_all(folder / "samples", folder / "samples.txt")
    return whole, read_all(folder / "mutants", folder / "mutants.txt"), made


def changed(whole: Endings, mutants: Endings, made: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Ways in which a mutant is used with other content than its sample."""
    for name, endings in mutants.items():
        sample, damage = made[name]
        if sample.endswith(".csv") or not is_told_by(sample, damage):
            continue
        for way, ending in endings.items():
            if ending[0] == "used" and ending != whole[sample].get(way):
                yield f"{name} as {way}"


@pytest.mark.slow
def test_every_sample_is_read(found):
    whole, _, _ = found
    assert len(whole) == 37
    assert all("used" in [how for how, _ in ways.values()] for name, ways in whole.items()
               if name != "loop.dcm")  # fmt: skip
    assert whole["loop.dcm"]["image"] == ["refused", "D19"]


@pytest.mark.slow
def test_no_mutant_does_anything_but_be_used_or_refused(found):
    _, mutants, made = found
    assert len(made) == len(mutants) == 37 * 7 * N_EACH
    bad = {
        f"{name} as {way}": what
        for name, ways in mutants.items()
        for way, (how, what) in ways.items()
        if how not in ("used", "refused")
    }
    assert not bad
    refused = sum("refused" in [how for how, _ in ways.values()] for ways in mutants.values())
    assert refused > len(mutants) / 2


@pytest.mark.slow
def test_no_mutant_that_its_format_shows_is_used_with_other_content(found):
    assert not list(changed(*found))
