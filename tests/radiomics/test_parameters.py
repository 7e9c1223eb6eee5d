"""The preset's names are those of the reference implementation, in its order."""

import csv
import json
from collections import Counter

import pytest

from her2.radiomics.parameters import (
    IMAGE_TYPES,
    LOG_TYPES,
    PLANE_IMAGE_TYPES,
    PRESETS,
    image_type_and_family,
    paper_1561,
    us2d,
    volume_1834,
)


def test_the_names_and_their_order_are_those_of_the_reference(shared):
    files = sorted((shared / "golden" / "radiomics").glob("*.csv"))
    assert len(files) == 5
    for path in files:
        with path.open(newline="") as stream:
            names = [row["feature"] for row in csv.DictReader(stream)]
        assert list(paper_1561().feature_names) == names


def test_what_pyradiomics_is_told_is_what_made_the_reference(shared):
    reference = json.loads((shared / "golden" / "radiomics" / "params.json").read_text())
    found = paper_1561().parameters
    assert found["setting"] == reference["setting"]
    assert found["imageType"] == reference["imageType"]
    classes = found["featureClass"]
    assert set(classes) == set(reference["featureClass"])
    assert classes["glcm"] == reference["featureClass"]["glcm"]


def test_there_are_as_many_features_of_a_family_as_the_paper_counts():
    names = paper_1561().feature_names
    assert len(names) == len(set(names)) == 1561
    assert Counter(image_type_and_family(name)[1] for name in names) == {
        "shape": 14, "firstorder": 306, "glcm": 374, "glrlm": 272, "glszm": 272, "gldm": 238,
        "ngtdm": 85,
    }  # fmt: skip
    assert len(IMAGE_TYPES) == 17


def test_a_stack_has_the_laplacian_too():
    names = volume_1834().feature_names
    assert len(names) == len(set(names)) == 1834
    assert {name.split("_")[0] for name in set(names) - set(paper_1561().feature_names)} == set(
        LOG_TYPES
    )
    assert LOG_TYPES[0] == "log-sigma-1-0-mm-3D"


def test_a_plane_has_four_bands_and_no_third_dimension():
    names = us2d().feature_names
    assert len(names) == len(set(names)) == 9 + 14 * 91 == 1283
    assert len(PLANE_IMAGE_TYPES) == 14
    assert sum(image_type.startswith("wavelet-") for image_type in PLANE_IMAGE_TYPES) == 4
    assert us2d().bin_width("lbp-2D") == 1
    assert us2d().bin_width("original") == us2d().bin_width("wavelet-LL") == 25


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_under_its_own_name(name):
    assert PRESETS[name]().name == name


def test_changing_a_preset_s_parameters_does_not_change_the_next_one():
    paper_1561().parameters["setting"]["binWidth"] = 1
    paper_1561().parameters["featureClass"]["glcm"].clear()
    assert paper_1561().parameters["setting"] == {"binWidth": 25, "label": 1}
    assert len(paper_1561().parameters["featureClass"]["glcm"]) == 22
