"""Shape features of any mask are pyradiomics' own, whatever the pixel size."""

import numpy as np
import pytest
import SimpleITK as sitk
from radiomics.shape import RadiomicsShape

from her2.core.seeds import generator
from her2.radiomics.parameters import SHAPE
from her2.radiomics.shape import shape_features

SIDE = 40


def disc(radius: float) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE))
    return np.hypot(rows - 19.5, (columns - 19.5) / 1.4) < radius


def masks() -> dict[str, np.ndarray]:
    found = {name: np.zeros((SIDE, SIDE), dtype=bool) for name in ("pieces", "bar", "border", "L")}
    found["pieces"][2:5, 30:39] = True
    found["pieces"] |= disc(5.0)
    found["bar"][7:9, 3:30] = True
    found["border"][:12, :9] = True
    found["L"][20:30, 20] = found["L"][29, 20:26] = True
    noise = {f"noise {i}": generator(i, "mask").random((SIDE, SIDE)) < 0.45 for i in range(3)}
    return {"disc": disc(8.0), "ring": disc(8.0) & ~disc(4.0), **found, **noise}


def pyradiomics(mask: np.ndarray, spacing_mm: tuple[float, float]) -> dict[str, float]:
    volume = sitk.GetImageFromArray(mask[np.newaxis].astype(np.uint8))
    volume.SetSpacing((spacing_mm[1], spacing_mm[0], 1.0))
    extractor = RadiomicsShape(volume, volume, label=1)
    extractor.enableAllFeatures()
    return {name: float(value) for name, value in extractor.execute().items()}


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (0.078, 0.078), (0.3, 0.07), (0.07, 0.3)])
@pytest.mark.parametrize("name", masks())
def test_shape_is_that_of_pyradiomics(name, spacing_mm):
    expected = pyradiomics(masks()[name], spacing_mm)
    found = shape_features(masks()[name], spacing_mm=spacing_mm)
    assert list(found) == list(SHAPE)
    assert found == pytest.approx({k: expected[k] for k in SHAPE}, rel=1e-9, abs=1e-9)


def test_shape_depends_neither_on_where_the_lesion_lies_nor_on_the_image_around_it():
    here = shape_features(disc(8.0), spacing_mm=(0.3, 0.07))
    there = np.zeros((90, 70), dtype=bool)
    there[50:90, 0:40] = disc(8.0)
    assert shape_features(there, spacing_mm=(0.3, 0.07)) == pytest.approx(here, rel=1e-9)
