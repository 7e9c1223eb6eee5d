"""Robustness of features: the ICC of versions of a lesion, by hand and against its definition."""

import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.core.store import Store
from her2.core.types import Lesion, LesionImage
from her2.radiomics import Length, Perturbation, Recipe, extraction, feature_robustness
from her2.stats import icc

NAMES = ("area", "brightness", "constant", "position")
PX = Length(1.0, px=2)


@pytest.fixture
def lesions(monkeypatch) -> list[Lesion]:
    """Discs of radius 7 to 14 that get brighter; four features that cost nothing."""
    rows, columns = np.indices((40, 40)) - 20

    def load(lesion):
        number = int(lesion.patient_id)
        pixels = np.full((40, 40), 60 + 10 * number, np.uint8)
        return LesionImage(pixels, np.hypot(rows, columns) < 7 + number)

    def features(image, mask, *, spacing_mm, preset):
        where = float(np.argwhere(mask)[:, 0].mean())
        return pd.Series([mask.sum(), image[mask].mean(), 1.0, where], index=NAMES, dtype=float)

    monkeypatch.setattr("her2.radiomics.recipe.load_lesion", load)
    monkeypatch.setattr(extraction, "extract_features", features)
    preset = extraction.find_preset("paper_1561")
    few = type(preset)(preset.name, preset.parameters, NAMES)
    monkeypatch.setattr("her2.radiomics.recipe.find_preset", lambda name: few)
    return [Lesion(str(i), "1", i % 2) for i in range(8)]


def test_it_is_the_icc_of_the_versions(lesions, tmp_path):
    changes = [Perturbation("erosion", PX), Perturbation("dilation", PX), Perturbation("gain")]
    found = feature_robustness(lesions, changes, store=Store(tmp_path))
    assert found["changed"].tolist() == ["mask"] * 4 + ["image"] * 4
    assert found["n_lesions"].unique().tolist() == [8]
    assert found["n_versions"].tolist() == [3] * 4 + [2] * 4
    rows, columns = np.indices((40, 40)) - 20
    areas = [
        [image.mask.sum(), *(c.of(image, "x").mask.sum() for c in changes[:2])]
        for image in (
            LesionImage(np.zeros((40, 40)), np.hypot(rows, columns) < 7 + i) for i in range(8)
        )
    ]
    expected = icc(areas)
    area = found.set_index(["changed", "feature"]).loc[("mask", "area")]
    assert area[["value", "low", "high"]].tolist() == pytest.approx(
        [expected.value, expected.low, expected.high]
    )


def test_what_a_change_does_not_touch_is_robust_and_a_constant_has_no_icc(lesions, tmp_path):
    changes = [Perturbation("shift", PX), Perturbation("noise")]
    found = feature_robustness(lesions, changes, store=Store(tmp_path))
    found = found.set_index(["changed", "feature"])
    assert found.loc[("mask", "area"), "value"] == pytest.approx(1.0)
    assert found.loc[("image", "area"), "value"] == pytest.approx(1.0)
    assert found.loc[("mask", "position"), "low"] < 0.75
    for changed in ("mask", "image"):
        assert np.isnan(found.loc[(changed, "constant"), "value"])
        assert "drop this feature" in found.loc[(changed, "constant"), "note"]


def test_a_lesion_that_loses_a_version_does_not_count(lesions, tmp_path):
    found = feature_robustness(
        lesions, [Perturbation("erosion", Length(1.0, px=4))], store=Store(tmp_path)
    )
    assert found["n_lesions"].unique().tolist() == [6]  # 64 pixels need a radius of 4.5
    with pytest.raises(NotEstimable, match="two lesions with all 2 versions, found 0"):
        feature_robustness(
            lesions, [Perturbation("erosion", Length(1.0, px=14))], store=Store(tmp_path)
        )


def test_the_same_change_twice_is_refused(lesions, tmp_path):
    twice = [Perturbation("gain"), Perturbation("gain")]
    for changes in ([], twice):
        with pytest.raises(BadArgument, match="one perturbation or more, each different"):
            feature_robustness(lesions, changes, store=Store(tmp_path))


def test_the_ring_follows_the_changed_mask():
    recipe = Recipe(region="both", ring=PX, perturbation=Perturbation("shift", PX))
    assert recipe.lengths == (PX, PX)
    assert Recipe(perturbation=Perturbation("gain")).lengths == ()
