"""Spaces: what a file may say, what it becomes, and the sentence for what it may not."""

import itertools

import optuna
import pytest
import yaml

from her2.core.errors import BadConfig, MissingInput
from her2.search.hydra_jobs import key_of
from her2.search.space import (
    SPACES,
    Parameter,
    Space,
    default_space,
    hydra_text,
    known_spaces,
    parse_space,
    read_space,
    short_setting_names,
)


def space(text: str) -> Space:
    return parse_space(yaml.safe_load(text), "test")


def test_types_ranges_steps_and_choices_are_those_of_the_file():
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found = space(
        "parameters:\n"
        "  a: {type: float, low: 1e-5, high: 1, log: true}\n"  # YAML reads 1e-5 as text
        "  b: {type: float, low: 0, high: 1, step: 0.25}\n"
        "  c: {type: int, low: 2, high: 10, step: 2}\n"
        "  d: {type: choice, values: [sqrt, 0.5, null, true, [1, 2], 'a b']}\n"
    )
    trial = optuna.create_study().ask()
    found.suggest(trial)
    assert list(trial.distributions.values()) == [
        FloatDistribution(1e-5, 1, log=True), FloatDistribution(0, 1, step=0.25),
        IntDistribution(2, 10, step=2),
        CategoricalDistribution(("sqrt", "0.5", "null", "true", "[1,2]", "'a b'")),
    ]  # fmt: skip


WRONG = {
    "parameters: {a: {type: double}}": "a with a type among float, int, choice",
    "parameters: {a: {type: float, low: 1, high: 0}}": "low up to high, found 1 to 0",
    "parameters: {a: {type: float, low: 0, high: 1, log: true}}": "a low above 0 for log",
    "parameters: {a: {type: float, high: 1}}": "found no low",
    "parameters: {a: {type: float, low: x, high: 1}}": "a number as low, found 'x'",
    "parameters: {a: {type: int, low: 0.5, high: 3}}": "whole limits",
    "parameters: {a: {type: int, low: 1, high: 9, step: 2, log: true}}": "none with log",
    "parameters: {a: {type: choice, values: []}}": "values to choose from, found none",
    "parameters: {a: {type: choice, values: [x, x]}}": "different values",
    "parameters: {a: {type: choice, values: 3}}": "a list of values, found 3",
    "parameters: {a: {type: float, low: 0, high: 1, hihg: 2}}": "found hihg",
    "parameters: {a: {type: float, low: 0, high: 1, when: b}}": "when: {SETTING: VALUE}",
    "parameters: {a: {type: float, low: 0, high: 1, when: {b: 1}}}": "stand before it.*found b",
    "parameters: {}": "expected settings to search, found none",
    "params: {}": "expected `parameters` and `fixed`",
    "just text": "expected `parameters` and `fixed`",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_space_is_refused_with_what_is_wrong(text):
    with pytest.raises(BadConfig, match=WRONG[text]):
        space(text)


def test_a_setting_is_asked_for_only_where_it_matters():
    found = space(
        "parameters:\n"
        "  a: {type: choice, values: [x, y, z]}\n"
        "  b: {type: int, low: 1, high: 2, when: {a: [x, y]}}\n"
        "  c: {type: choice, values: [1, 2], when: {a: x, b: 2}}\n"
    )
    assert found.points() == [
        {"a": "x", "b": 1}, {"a": "x", "b": 2, "c": "1"}, {"a": "x", "b": 2, "c": "2"},
        {"a": "y", "b": 1}, {"a": "y", "b": 2}, {"a": "z"},
    ]  # fmt: skip
    assert any(parameter.when for parameter in found.parameters)


def test_a_space_that_cannot_be_counted_has_no_points():
    assert space("parameters: {a: {type: float, low: 0, high: 1}}").points() is None
    assert space("parameters: {a: {type: int, low: 0, high: 1000000}}").points() is None
    steps = space("parameters: {a: {type: float, low: 0, high: 0.3, step: 0.1}}").points()
    assert [point["a"] for point in steps] == pytest.approx([0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.5, 1e-07, "sqrt", "a b", "null", "3", "it's", "a,b", [1, "x y"]]
)
def test_hydra_reads_back_what_was_written(value):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(f"key={hydra_text(value)}")
    assert parsed.value() == value


def test_short_names_tell_settings_apart():
    names = ["classifier.lr.grid.C", "classifier.svc.grid.C", "trainer.dropout"]
    short = short_setting_names(names)
    assert short["trainer.dropout"] == "dropout"
    assert len(set(short.values())) == 3


def test_files_of_the_package_are_found_by_name_and_others_by_path(tmp_path):
    assert {"lightgbm", "xgboost", "lr", "random_forest", "extra_trees", "finetune"} <= set(
        known_spaces()
    )
    path = tmp_path / "own.yaml"
    path.write_text("parameters: {a: {type: int, low: 1, high: 2}}")
    assert read_space(str(path)).title == "own"
    with pytest.raises(MissingInput, match=r"among .*lightgbm.*found nowhere"):
        read_space("nowhere")
    path.write_text("parameters: {a: [}")
    with pytest.raises(BadConfig, match=r"YAML in .*own\.yaml"):
        read_space(str(path))


def test_the_default_space_is_that_of_the_classifier():
    assert default_space({"classifier": "xgboost"}) == "xgboost"
    assert default_space({"classifier": "all"}) is None
    assert default_space({"backbone": "vgg19"}) == "finetune"
    assert default_space({}) is None


def test_every_space_names_each_setting_once_and_has_its_own_file_of_search():
    for name, path in itertools.product(known_spaces(), [SPACES]):
        keys = [key_of(x) for x in read_space(name).fixed]
        searched = [p.name for p in read_space(name).parameters]
        assert not set(keys) & set(searched), (name, path)


def test_a_space_knows_a_point():
    both = (Parameter("a", "int", 2, 5), Parameter("b", "choice", choices=("x", "y")))
    assert Space(both).first() == {"a": 2, "b": "x"}


@pytest.mark.parametrize(("n_rows", "highest"), [(33, 6), (100, 20), (1000, 40), (4, 2)])
def test_no_leaf_of_lightgbm_asks_for_more_rows_than_a_fold_can_split(n_rows, highest):
    found = read_space("lightgbm").within(n_rows)
    limits = {p.name.rpartition(".")[2]: (p.low, p.high) for p in found.parameters}
    assert limits["min_child_samples"] == (2, highest)
    assert limits["num_leaves"] == (2, min(highest, 15))
    assert limits["reg_lambda"] == (0.01, 100.0)
    assert "of_rows" not in str(found.document())


def test_a_space_without_a_share_stays_as_it_is():
    assert read_space("xgboost").within(10) == read_space("xgboost")
