"""The table of a cohort: cached by content, repaired when damaged, the same for any workers."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import killing
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from her2.cohort import load_lesion
from her2.compute import DaskCluster, Finished, LocalPool, Lost
from her2.core.errors import BadCohort, BadConfig, InputProblem
from her2.core.progress import Work
from her2.core.seeds import generator
from her2.core.store import Store
from her2.core.types import Lesion
from her2.radiomics import (
    Length,
    Recipe,
    extract_features,
    extract_table,
    extraction,
    feature_table,
)
from her2.radiomics.parameters import Preset, find_preset, paper_1561

SIZE = 48


def write_lesion(folder, name: str, radius: float = 7, spacing_mm=None) -> Lesion:
    """A lesion of 48 x 48 pixels as two PNG files; each name has its own speckle."""
    image, mask = folder / f"{name}.png", folder / f"{name}_mask.png"
    pixels = generator(0, name).rayleigh(50, (SIZE, SIZE)).clip(0, 250).astype(np.uint8)
    Image.fromarray(pixels).save(image)
    rows, columns = np.indices((SIZE, SIZE))
    disc = np.hypot(rows - 24, columns - 24) < radius
    Image.fromarray(disc.astype(np.uint8) * 255).save(mask)
    return Lesion(name, "1", 0, image=image, masks=(mask,), spacing_mm=spacing_mm)


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
    parallel = extract_table(lesions, store=Store(tmp_path), engine=LocalPool(2))
    assert parallel.n_extracted == 3
    pd.testing.assert_frame_equal(parallel.values, first.values, check_exact=True)
    assert parallel.values.to_numpy().tobytes() == first.values.to_numpy().tobytes()


@pytest.mark.filterwarnings("default")
def test_the_workers_of_dask_change_nothing(lesions, first, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra her2[dask] is absent")
    monkeypatch.chdir(lesions[0].image.parent)
    relative = [
        replace(x, image=Path(x.image.name), masks=(Path(x.masks[0].name),)) for x in lesions
    ]
    found = extract_table(relative, store=Store(tmp_path), engine=DaskCluster(n_workers=1))
    pd.testing.assert_frame_equal(found.values, first.values, check_exact=True)
    assert len(entries(Store(tmp_path))) == 3


def test_progress_is_told_in_pixels(lesions, store, first, tmp_path, cheap):
    seen = []
    extract_table(lesions, store=Store(tmp_path), advance=seen.append)
    area = int(load_lesion(lesions[0]).mask.sum())
    assert seen == [Work(i, 3, i * area, 3 * area) for i in range(4)]
    seen.clear()
    extract_table(lesions, store=store, advance=seen.append)  # what is cached is no work
    assert seen == [Work(0, 0, 0, 0)]


class Loses:
    """An engine that loses some positions, and remembers which lesions it was given."""

    def __init__(self, lost=()):
        self.lost, self.names = dict(lost), []

    def run(self, function, calls):
        for position, arguments in enumerate(calls):
            self.names.append(arguments[0].patient_id)
            if position in self.lost:
                yield Lost(position, self.lost[position])
            else:
                yield Finished(position, function(*arguments))


def test_the_largest_lesion_is_begun_first(tmp_path, cheap):
    radii = {"p": 6, "q": 9, "r": 7, "s": 9}
    mixed = [write_lesion(tmp_path, name, radius) for name, radius in radii.items()]
    engine = Loses()
    table = extract_table(mixed, store=Store(tmp_path / "cache"), engine=engine)
    assert engine.names == ["q", "s", "r", "p"]
    assert table.values.index.tolist() == ["p/1", "q/1", "r/1", "s/1"]


def test_a_lost_lesion_has_a_code_and_the_others_their_rows(lesions, tmp_path, cheap):
    engine = Loses({0: "killed", 2: "hung"})
    found = extract_table(lesions, store=Store(tmp_path), engine=engine)
    assert found.values.index.tolist() == ["b/1"]
    assert (found.n_extracted, found.n_cached) == (1, 0)
    assert [(p.code, p.severity, p.patient_id) for p in found.problems] == [
        ("R01", "quarantined", "a"), ("R02", "quarantined", "c"),
    ]  # fmt: skip
    again = extract_table(lesions, store=Store(tmp_path))
    assert (again.n_extracted, again.n_cached, again.problems) == (2, 1, ())


def test_a_lesion_that_kills_its_process_costs_itself_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("her2.radiomics.feature_table.measure", killing.measure)
    three = [write_lesion(tmp_path, name) for name in ("good", "killer", "well")]
    found = extract_table(three, store=Store(tmp_path / "cache"), engine=LocalPool(1))
    assert found.values.index.tolist() == ["good/1", "well/1"]
    assert [(p.code, p.patient_id) for p in found.problems] == [("R01", "killer")]
    alone = extract_table(three[::2], store=Store(tmp_path / "other"))
    pd.testing.assert_frame_equal(found.values, alone.values, check_exact=True)


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

    monkeypatch.setattr(feature_table, "values_version", lambda: "another")
    assert [n_extracted(lesion), n_extracted(lesion)] == [1, 0]


def test_other_features_are_extracted_again_and_no_name_hides_it(tmp_path, cheap):
    lesion, store = write_lesion(tmp_path, "x"), Store(tmp_path / "cache")

    def n_extracted(preset: str | Preset) -> int:
        return extract_table([lesion], Recipe(preset), store=store).n_extracted

    wider = paper_1561()
    wider.parameters["setting"]["binWidth"] = 32
    by_pyradiomics = replace(paper_1561(), engine="pyradiomics")
    presets = ["paper_1561", "us2d", wider, by_pyradiomics]
    assert [n_extracted(preset) for preset in presets] == [1, 1, 1, 1]
    assert [n_extracted(preset) for preset in presets] == [0, 0, 0, 0]
    assert n_extracted(paper_1561()) == n_extracted(replace(wider, name="mine")) == 0


def test_every_module_that_decides_a_value_is_in_the_key():
    """Those that the extraction imports, and those that they import."""
    folder = Path(extraction.__file__).parent
    found, left = set(), ["extraction"]
    while left:
        module = left.pop()
        found.add(module)
        imported = re.findall(
            r"^from her2\.radiomics\.(\w+) ", (folder / f"{module}.py").read_text(), re.M
        )
        left += [name for name in imported if name not in found]
    left_out = {name.removesuffix(".py") for name in feature_table._NOT_IN_VALUES}
    assert not found & left_out


def test_a_preset_for_stacks_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(BadConfig, match=r"preset for slices, .* volume_1834 for stacks"):
        extract_table([Lesion("a", "1", 0)], Recipe("volume_1834"), store=Store(tmp_path))


def test_the_name_of_a_patient_is_not_part_of_the_content(lesions, store, first, no_extraction):
    one = lesions[0]
    renamed = Lesion("another", "2", 1, image=one.image, masks=one.masks)
    assert extract_table([renamed], store=store).values.index.tolist() == ["another/2"]


def test_a_missing_family_is_told_as_what_it_is(lesions, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh.creation", None)
    with pytest.raises(BadConfig, match=r"expected trimesh .* for image type LBP3D"):
        extract_table(lesions[:1], store=Store(tmp_path))
    assert entries(Store(tmp_path)) == []


REFUSAL = "No labels found in this mask (i.e. nothing is segmented)!"


@pytest.fixture(params=[ValueError(REFUSAL), InputProblem("D48", REFUSAL, "look at it")])
def impossible(monkeypatch, request):
    """pyradiomics refuses a mask of 197 pixels (radius 8)."""

    def features(image, mask, *, spacing_mm, preset):
        if mask.sum() > 190:
            raise request.param
        return pd.Series(1.0, index=list(preset.feature_names))

    monkeypatch.setattr(extraction, "extract_features", features)


def test_what_pyradiomics_cannot_do_costs_the_lesion(tmp_path, impossible):
    two = [write_lesion(tmp_path, "x"), write_lesion(tmp_path, "y", radius=8)]
    found = extract_table(two, store=Store(tmp_path / "cache"))
    assert found.values.index.tolist() == ["x/1"]
    (problem,) = found.problems
    assert (problem.code, problem.patient_id) == ("R03", "y")
    assert "No labels found" in problem.what


def test_a_cohort_of_which_nothing_can_be_measured_is_refused_without_a_name(tmp_path, impossible):
    with pytest.raises(BadCohort, match=r"of 1 lesions, found not one .*R03") as caught:
        extract_table(
            [write_lesion(tmp_path, "Wilhelmina", radius=8)], store=Store(tmp_path / "c")
        )
    assert "Wilhelmina" not in str(caught.value)


def test_a_mask_that_went_bad_costs_its_own_lesion(tmp_path):
    bad, good = (write_lesion(tmp_path, name) for name in ("x", "y"))
    Image.fromarray(np.zeros((SIZE, SIZE), dtype=np.uint8)).save(bad.masks[0])
    found = extract_table([bad, good], store=Store(tmp_path / "cache"))
    assert list(found.values.index) == [good.key]
    assert [(p.code, p.patient_id, p.severity) for p in found.problems] == [
        ("M06", "x", "quarantined")
    ]


def test_an_unknown_region_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(BadConfig, match=r"radiomics\.region to be one of lesion, ring, both"):
        extract_table([Lesion("a", "1", 0)], Recipe(region="peritumour"), store=Store(tmp_path))


def test_a_cohort_without_lesions_has_an_empty_table(tmp_path):
    found = extract_table([], store=Store(tmp_path))
    assert found.values.shape == (0, 1561)


# ---- regions

RING = Length(mm=0.6)


def test_both_regions_have_twice_the_columns_and_share_their_shards(tmp_path, cheap):
    lesion = write_lesion(tmp_path, "x", spacing_mm=(0.1, 0.2))
    store = Store(tmp_path / "cache")
    both = extract_table([lesion], Recipe(region="both", ring=RING), store=store)
    assert both.values.shape == (1, 2 * 1561)
    names = list(both.values)
    assert names[1561:] == [f"ring_{name}" for name in names[:1561]]
    for region in ("lesion", "ring"):
        one = extract_table([lesion], Recipe(region=region, ring=RING), store=store)
        assert (one.n_extracted, one.n_cached) == (0, 1)
        pd.testing.assert_frame_equal(one.values, both.values[list(one.values)])


def test_another_width_is_another_ring(tmp_path, cheap):
    lesion, store = write_lesion(tmp_path, "x", spacing_mm=(0.1, 0.1)), Store(tmp_path / "cache")
    for width in (RING, Length(0.8), Length(0.6, px=5)):
        found = extract_table([lesion], Recipe(region="ring", ring=width), store=store)
        assert found.n_extracted == 1
    # 6 pixels are 0.6 mm
    same = extract_table([lesion], Recipe(region="ring", ring=Length(9.0, px=6)), store=store)
    assert same.n_cached == 1


def test_a_ring_in_millimetres_needs_every_pixel_size(tmp_path, cheap):
    two = [write_lesion(tmp_path, "x"), write_lesion(tmp_path, "y", spacing_mm=(0.1, 0.1))]
    store = Store(tmp_path / "cache")
    with pytest.raises(BadCohort, match=r"\(0\.6 mm\), found 1 of 2 .*radiomics\.ring_px"):
        extract_table(two, Recipe(region="ring", ring=RING), store=store)
    found = extract_table(two, Recipe(region="ring", ring=Length(0.6, px=4)), store=store)
    assert len(found.values) == 2


def test_a_ring_that_is_cut_off_is_said(tmp_path, cheap):
    lesions = [write_lesion(tmp_path, "w", 20), write_lesion(tmp_path, "n", 8)]
    recipe = Recipe(region="ring", ring=Length(1.0, px=12))
    found = extract_table(lesions, recipe, store=Store(tmp_path / "cache"))
    (problem,) = found.problems
    assert (problem.code, problem.severity, problem.patient_id) == ("R05", "warning", "w")
    assert "% of the ring lies beyond the image" in problem.what
    assert found.values.index.tolist() == ["w/1", "n/1"]


def test_a_ring_of_too_few_pixels_leaves_its_lesion_out(tmp_path, cheap):
    lesions = [write_lesion(tmp_path, "small", 5), write_lesion(tmp_path, "large", 20)]
    recipe = Recipe(region="both", ring=Length(1.0, px=1))
    found = extract_table(lesions, recipe, store=Store(tmp_path / "cache"))
    assert [(p.code, p.patient_id) for p in found.problems] == [("R04", "small")]
    assert found.values.index.tolist() == ["large/1"]


# ---- a second reader


def test_a_second_reader_s_table_has_the_lesions_with_a_usable_second_mask(tmp_path, cheap):
    one, two, three = (write_lesion(tmp_path, name) for name in ("x", "y", "z"))
    other = write_lesion(tmp_path, "other", radius=8).masks
    empty = tmp_path / "empty.png"
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(empty)
    cohort = [replace(one, masks_reader2=other), two, replace(three, masks_reader2=(empty,))]
    found = extract_table(cohort, Recipe(reader=2), store=Store(tmp_path / "cache"))
    assert found.values.index.tolist() == ["x/1"]
    assert found.problems == ()
