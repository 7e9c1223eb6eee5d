"""A parameter file of pyradiomics is a preset: validated, with names that it is held to."""

import json

import numpy as np
import pytest
import yaml
from pyradiomics_oracle import difference, disc, plain, speckle, volume

from her2.core.errors import BadConfig, MissingInput
from her2.radiomics import extract_features, read_parameter_file
from her2.radiomics.parameters import paper_1561

SMALL = {
    "setting": {"binWidth": 10, "label": 3, "minimumROIDimensions": 1},
    "imageType": {"Original": {}, "Wavelet": {"wavelet": "haar"}},
    "featureClass": {"firstorder": ["Mean", "Entropy"], "glcm": ["MCC"], "shape": None},
}


def written(folder, parameters, name="params.yaml"):
    path = folder / name
    text = json.dumps(parameters) if name.endswith("json") else yaml.safe_dump(parameters)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["params.yaml", "params.json"])
def test_features_are_what_pyradiomics_says_to_the_file(tmp_path, name):
    path = written(tmp_path, SMALL, name)
    preset = read_parameter_file(path)
    found = extract_features(speckle(), disc(), spacing_mm=(0.5, 0.2), preset=preset)
    mask = volume(disc().astype("uint8") * 3, (0.5, 0.2))
    expected = plain(volume(speckle(), (0.5, 0.2)), mask, str(path))
    assert list(found.index) == list(expected.index) == list(preset.feature_names)
    assert len(found) == 14 + 9 * 3
    assert difference(found, expected) == 0


def test_settings_of_the_file_reach_pyradiomics(tmp_path):
    path = written(tmp_path, SMALL)
    row = disc() & (np.arange(40)[:, np.newaxis] == 20)  # minimumROIDimensions: 1
    assert len(extract_features(speckle(), row, preset=read_parameter_file(path))) == 41


def test_a_file_that_says_what_a_preset_says_is_that_preset(tmp_path):
    """It is then measured by the short way, and shares the preset's cache."""
    preset = read_parameter_file(written(tmp_path, paper_1561().parameters))
    assert preset == paper_1561()


BAD = {
    "unknown setting": ({"setting": {"binwidth": 25}}, "found .*binwidth"),
    "wrong type": ({"setting": {"binWidth": "wide"}}, "found .*binWidth"),
    "unknown image type": ({"imageType": {"Sobel": {}}}, "found .*Sobel"),
    "unknown feature": ({"featureClass": {"glcm": ["Roughness"]}}, "found .*Roughness"),
    "a list": ([1, 2], "found no settings"),
    "nothing": ({}, "found no settings"),
    "LoG on a slice": (
        {"imageType": {"LoG": {"sigma": [1.0]}}, "featureClass": {"firstorder": ["Mean"]}},
        "features of image type LoG from 'params.yaml', found none; .* choose .* us2d",
    ),
    "shape2D without force2D": (
        {"featureClass": {"shape2D": None, "firstorder": ["Mean"]}}, "family shape2D .* force2D"
    ),
    "three dimensions asked of a slice": (
        {"setting": {"minimumROIDimensions": 3}}, "to suit a slice, .* too few dimensions"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_cannot_be_run_is_a_sentence(tmp_path, what):
    parameters, sentence = BAD[what]
    with pytest.raises(BadConfig, match=sentence) as caught:
        read_parameter_file(written(tmp_path, parameters))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_no_yaml_or_is_not_there(tmp_path):
    (tmp_path / "broken.yaml").write_text("setting: [1, {")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("broken.yaml", "binary.yaml"):
        with pytest.raises(BadConfig, match=f"expected '{name}' to be a parameter file"):
            read_parameter_file(tmp_path / name)
    with pytest.raises(MissingInput, match=r"set radiomics\.params"):
        read_parameter_file(tmp_path / "absent.yaml")
