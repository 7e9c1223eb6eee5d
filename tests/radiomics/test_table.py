"""The table of a cohort: cached by content, repaired when damaged, the same for any workers."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from her2.cohort import load_lesion
from her2.errors import BadCohort, BadConfig, InputProblem
from her2.radiomics import extract_features, extract_table, extraction
from her2.radiomics import table as table_module
from her2.radiomics.settings import Preset, find_preset, paper_1561
from her2.seeds import generator
from her2.store import Store
from her2.types import Lesion

SIZE = 48


def write_lesion(folder, name: str) -> Lesion:
    """A lesion of 48 x 48 pixels as two PNG files; each name has its own speckle."""
    image, mask = folder / f"{name}.png", folder / f"{name}_mask.png"
    pixels = generator(0, name).rayleigh(50, (SIZE, SIZE)).clip(0, 250).astype(np.uint8)
    Image.fromarray(pixels).save(image)
    rows, columns = np.indices((SIZE, SIZE))
    disc = np.hypot(rows - 24, columns - 24) < 7
    Image.fromarray(disc.astype(np.uint8) * 255).save(mask)
    return Lesion(name, "1", 0, image=image, masks=(mask,))


@pytest.fixture(scope="module")
def lesions(tmp_path_factory) -> list[Lesion]:
    folder = tmp_path_factory.mktemp("lesions")
    return [write_lesion(folder, name) for name in ("a", "b", "c")]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def first(lesions, store):
    """The table as it is extracted into an empty cache."""
    return extract_table(lesions, store=store)


@pytest.fixture
def no_extraction(monkeypatch):
    def forbidden(*args: object, **named: object) -> None:
        raise AssertionError("extracted although the cache holds it")

    monkeypatch.setattr(extraction, "extract_features", forbidden)


@pytest.fixture
def cheap(monkeypatch):
    """Features that cost nothing: the grey levels' sum under every name."""

    def features(image, mask, *, spacing_mm, preset):
        chosen = find_preset(preset) if isinstance(preset, str) else preset
        return pd.Series(float(image.sum()) + spacing_mm[0], index=list(chosen.feature_names))

    monkeypatch.setattr(extraction, "extract_features", features)


def entries(store: Store) -> list:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_a_row_holds_the_features_of_its_lesion(lesions, first):
    assert first.values.index.tolist() == ["a/1", "b/1", "c/1"]
    assert first.values.shape == (3, 1561)
    image = load_lesion(lesions[1])
    expected = extract_features(image.pixels, image.mask, spacing_mm=image.spacing_mm)
    pd.testing.assert_series_equal(
        first.values.loc["b/1"], expected, check_exact=True, check_names=False
    )


def test_the_first_table_is_extracted_and_the_second_is_not(lesions, store, first, no_extraction):
    assert (first.n_extracted, first.n_cached) == (3, 0)
    again = extract_table(lesions, store=store)
    assert (again.n_extracted, again.n_cached) == (0, 3)
    assert again.values.to_numpy().tobytes() == first.values.to_numpy().tobytes()


def test_the_order_of_lesions_is_the_caller_s(lesions, store, first, no_extraction):
    backwards = extract_table(lesions[::-1], store=store).values
    pd.testing.assert_frame_equal(backwards, first.values[::-1], check_exact=True)


def test_a_damaged_shard_alone_is_computed_again(lesions, store, first, caplog):
    damaged = entries(store)[1]
    content = bytearray(damaged.read_bytes())
    content[200] ^= 1
    damaged.write_bytes(content)
    again = extract_table(lesions, store=store)
    assert (again.n_extracted, again.n_cached) == (1, 2)
    assert "damaged" in caplog.text
    assert again.values.to_numpy().tobytes() == first.values.to_numpy().tobytes()
    assert len(entries(store)) == 3


def test_the_number_of_workers_changes_nothing(lesions, first, tmp_path):
    parallel = extract_table(lesions, store=Store(tmp_path), n_workers=2)
    assert parallel.n_extracted == 3
    pd.testing.assert_frame_equal(parallel.values, first.values, check_exact=True)
    assert parallel.values.to_numpy().tobytes() == first.values.to_numpy().tobytes()


def test_progress_is_told_of_every_lesion(lesions, tmp_path, cheap):
    seen = []
    extract_table(lesions, store=Store(tmp_path), advance=seen.append)
    assert seen == [1, 2, 3]


def test_other_pixels_mask_spacing_or_code_are_extracted_again(tmp_path, cheap, monkeypatch):
    lesion, store = write_lesion(tmp_path, "x"), Store(tmp_path / "cache")

    def n_extracted(lesion: Lesion) -> int:
        return extract_table([lesion], store=store).n_extracted

    assert [n_extracted(lesion), n_extracted(lesion)] == [1, 0]
    spaced = Lesion("x", "1", 0, lesion.image, lesion.masks, spacing_mm=(0.1, 0.1))
    assert [n_extracted(spaced), n_extracted(spaced)] == [1, 0]

    mask = np.asarray(Image.open(lesion.masks[0])).copy()
    mask[24, 31] = 255
    Image.fromarray(mask).save(lesion.masks[0])
    assert [n_extracted(lesion), n_extracted(lesion)] == [1, 0]

    pixels = np.asarray(Image.open(lesion.image)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(lesion.image)
    assert [n_extracted(lesion), n_extracted(lesion)] == [1, 0]

    monkeypatch.setattr(table_module, "_code_version", lambda: "another")
    assert [n_extracted(lesion), n_extracted(lesion)] == [1, 0]


def test_other_features_are_extracted_again_and_no_name_hides_it(tmp_path, cheap):
    lesion, store = write_lesion(tmp_path, "x"), Store(tmp_path / "cache")

    def n_extracted(preset: str | Preset) -> int:
        return extract_table([lesion], store=store, preset=preset).n_extracted

    wider = paper_1561()
    wider.parameters["setting"]["binWidth"] = 32
    by_pyradiomics = replace(paper_1561(), engine="pyradiomics")
    presets = ["paper_1561", "us2d", wider, by_pyradiomics]
    assert [n_extracted(preset) for preset in presets] == [1, 1, 1, 1]
    assert [n_extracted(preset) for preset in presets] == [0, 0, 0, 0]
    assert n_extracted(paper_1561()) == n_extracted(replace(wider, name="mine")) == 0


def test_every_module_that_decides_a_value_is_in_the_key():
    """Those that the extraction imports, and those that they import; packages only refuse."""
    folder = Path(table_module.__file__).parent
    found, left = set(), ["extraction"]
    while left:
        module = left.pop()
        found.add(module)
        imported = re.findall(
            r"^from her2\.radiomics\.(\w+) ", (folder / f"{module}.py").read_text(), re.M
        )
        left += [name for name in imported if name not in found]
    assert found - {"packages"} == set(table_module.MODULES)


def test_a_preset_for_stacks_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(BadConfig, match=r"preset for slices, .* volume_1834 for stacks"):
        extract_table([Lesion("a", "1", 0)], store=Store(tmp_path), preset="volume_1834")


def test_the_name_of_a_patient_is_not_part_of_the_content(lesions, store, first, no_extraction):
    one = lesions[0]
    renamed = Lesion("another", "2", 1, image=one.image, masks=one.masks)
    assert extract_table([renamed], store=store).values.index.tolist() == ["another/2"]


def test_a_missing_family_is_told_as_what_it_is(lesions, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh.creation", None)
    with pytest.raises(BadConfig, match=r"expected trimesh 4\.5 or later for image type LBP3D"):
        extract_table(lesions[:1], store=Store(tmp_path))
    assert entries(Store(tmp_path)) == []


def test_what_pyradiomics_cannot_do_is_a_sentence_without_the_patient(
    lesions, tmp_path, monkeypatch
):
    def impossible(*args: object, **named: object) -> None:
        raise ValueError("No labels found in this mask (i.e. nothing is segmented)!")

    monkeypatch.setattr(extraction, "extract_features", impossible)
    with pytest.raises(BadCohort, match=r"lesion number 1, pyradiomics found No labels") as caught:
        extract_table(lesions[:1], store=Store(tmp_path))
    assert "a/1" not in str(caught.value)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_mask_that_went_bad_is_an_input_problem_in_any_process(tmp_path, n_workers):
    bad = [write_lesion(tmp_path, name) for name in ("x", "y")]
    for lesion in bad:
        Image.fromarray(np.zeros((SIZE, SIZE), dtype=np.uint8)).save(lesion.masks[0])
    with pytest.raises(InputProblem, match="M06") as caught:
        extract_table(bad, store=Store(tmp_path / "cache"), n_workers=n_workers)
    assert caught.value.code == "M06"


def test_an_unknown_region_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(BadConfig, match=r"expected radiomics\.region to be one of lesion"):
        extract_table([Lesion("a", "1", 0)], store=Store(tmp_path), region="peritumour")


def test_a_cohort_without_lesions_has_an_empty_table(tmp_path):
    found = extract_table([], store=Store(tmp_path))
    assert found.values.shape == (0, 1561)
