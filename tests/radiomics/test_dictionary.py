"""docs/features.md explains every feature and every image type, and nothing else."""

import re
from pathlib import Path

import pytest

from her2.radiomics.parameters import (
    FAMILIES,
    IMAGE_TYPES,
    PLANE_IMAGE_TYPES,
    PLANE_SHAPE,
    PRESETS,
    SHAPE,
    STACK_IMAGE_TYPES,
)

DICTIONARY = Path(__file__).parents[2] / "docs" / "features.md"
SHARED = ("glrlm", "glszm", "gldm")


def section(title: str) -> str:
    found = re.search(rf"^## [^\n]*\b{title}\b[^\n]*\n(.*?)(?=^## |\Z)", text(), re.S | re.M)
    assert found, title
    return found[1]


def text() -> str:
    return DICTIONARY.read_text(encoding="utf-8")


def explained(title: str) -> list[str]:
    """Names in the columns of features: the first, and the fourth where a table has two halves."""
    rows = [line.split("|")[1:-1] for line in section(title).splitlines() if "| `" in line]
    cells = [cell for row in rows for cell in (row[::3] if len(row) == 5 else row[:1])]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("family", ["firstorder", "glcm", "ngtdm"])
def test_every_feature_of_a_family_is_explained_once(family):
    assert sorted(explained(family)) == sorted(FAMILIES[family])


def test_every_feature_of_the_families_with_sizes_is_explained_once():
    rows = [line.split("|")[1:-1] for line in section("glrlm").splitlines()]
    for column, family in enumerate(SHARED):
        cells = [row[2 * column] for row in rows if len(row) == 2 * len(SHARED)]
        found = [name for cell in cells for name in re.findall(r"`(\w+)`", cell) if name != family]
        assert sorted(found) == sorted(FAMILIES[family])


def test_shape_is_explained():
    assert sorted(explained("shape")) == sorted(SHAPE)
    in_plane = section("shape").partition("shape2D (`us2d`)")[2]
    assert set(PLANE_SHAPE) <= set(re.findall(r"`(\w+)`", in_plane))


def test_identifiers_have_four_signs_and_mean_one_feature():
    cells = [cell.strip() for line in text().splitlines() for cell in line.split("|")]
    found = [code for cell in cells if re.fullmatch(r"[A-Z0-9]{4}(, [A-Z0-9]{4})*", cell)
             for code in cell.split(", ")]  # fmt: skip
    codes = [code for code in found if code != "IBSI"]
    assert len(codes) == len(set(codes)) > 90


def test_every_image_type_and_preset_is_named():
    types = section("Image types")
    for name in {*IMAGE_TYPES, *STACK_IMAGE_TYPES, *PLANE_IMAGE_TYPES}:
        family = re.sub(r"-(?:[LH]{2,3}|[23]-0-mm-3D)$", "", name)
        assert family.removesuffix("-sigma") in types, name
    for preset, make in PRESETS.items():
        n_shape = sum("_shape" in name for name in make().feature_names)
        n_types = len({name.split("_")[0] for name in make().feature_names})
        assert re.search(
            rf"`{preset}` .*{n_shape} shape(2D)? \+ {n_types} image types x 91", text()
        )
