"""A file of printed numbers: what it may hold, and one sentence for each mistake in it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from her2.core.errors import BadConfig, MissingInput
from her2.paper_checks import Printed, read_numbers
from her2.paper_checks.claims import Area, HolmFamily, OddsRatio, Proportion, Size
from her2.paper_checks.numbers_file import CLAIMS

DOCS = Path(__file__).resolve().parents[2] / "docs/check_paper.md"


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "numbers.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(BadConfig) as raised:
        read_numbers(path)
    return [line.removeprefix(f"{path}: ") for line in str(raised.value).splitlines()]


def test_numbers_keep_what_is_printed(written):
    study = read_numbers(
        written(
            "sizes: [{where: Methods, group: all, n: '1,561'}]\n"
            "areas:\n"
            "  - {where: Results, auc: 0.90, low: .850, high: 95.0%, sensitivity: }\n"
            "odds_ratios:\n"
            "  - {where: Table 2, ratio: 0.95, low: 0.9, high: 1, p_value: <.001, decimals: 3,\n"
            "     n_exposed: 43, is_wald: no, level: 0.9}\n"
            "holm_families:\n"
            "  - members: [[a - b, .010, .020], [a - c, .5, .5]]\n"
        )
    )
    assert study.sizes == (Size("Methods", "all", 1561),)
    assert study.areas == (Area("Results", Printed(0.9, 2), Printed(0.85, 3), Printed(0.95, 3)),)
    ratio, low, high = Printed(0.95, 3), Printed(0.9, 3), Printed(1.0, 3)
    p_value = Printed(0.001, 3, "<")
    (row,) = study.odds_ratios
    assert row == OddsRatio(
        "Table 2", ratio, low, high, p_value, is_wald=False, n_exposed=(43,), level=0.9
    )
    first = ("a - b", Printed(0.01, 3), Printed(0.02, 3))
    second = ("a - c", Printed(0.5, 1), Printed(0.5, 1))
    assert study.holm_families == (HolmFamily((first, second)),)


def test_defaults_hold_for_every_claim_of_a_kind_and_give_way_to_its_own(written):
    study = read_numbers(
        written(
            "defaults: {proportions: {n: 61, level: 0.9}}\n"
            "proportions:\n"
            "  - {where: a, value: 60%}\n"
            "  - {where: b, value: 60%, n: 15}\n"
        )
    )
    sixty = Printed(0.6, 2)
    assert study.proportions == (
        Proportion("a", sixty, 61, level=0.9),
        Proportion("b", sixty, 15, level=0.9),
    )


MISTAKES = {
    "an unknown section": ("siezs: [{where: a, group: all, n: 1}]",
                           r"expected one of .*, found siezs; did you mean sizes\?"),
    "an unknown key": ("sizes: [{where: a, group: all, n: 1, positive: 1}]",
                       r"sizes 1 \(a\): expected .*found positive; did you mean n_positive\?"),
    "a missing key": ("sizes: [{group: all, n: 1}]", "sizes 1: expected where, found none"),
    "no number": ("proportions: [{where: a, value: abc, n: 15}]",
                  r"proportions 1 \(a\): value: expected one number .* found 'abc'"),
    "no whole number": ("sizes: [{where: a, group: all, n: 20.5}]",
                        r"sizes 1 \(a\): n: expected a whole number of at least 0, found '20.5'"),
    "no level": ("proportions: [{where: a, value: 60%, n: 15, level: 95}]",
                 r"proportions 1 \(a\): level must lie in \(0, 1\), found 95"),
    "no level at all": ("proportions: [{where: a, value: 60%, n: 15, level: high}]",
                        "level: expected a number of at least 0, found 'high'"),
    "an unknown choice": ("areas: [{where: a, auc: 0.8, curve: concav}]",
                          r"curve: expected one of .*; did you mean concave\?"),
    "neither yes nor no": ("areas: [{where: a, auc: 0.8, is_wald: maybe}]", "found maybe"),
    "a list for a number": ("areas: [{where: a, auc: [0.8, 0.9]}]", "expected one value"),
    "a value for a list": ("means: [{where: a, mean_sd: {all: 5.0}}]", "expected 2 values"),
    "a value for names": ("totals: [{where: a, n: 3, parts: 3}]", "expected names with values"),
    "a claim that is no mapping": ("sizes: [20]", "sizes 1: expected keys, found '20'"),
    "a section that is no list": ("sizes: {where: a}", "sizes: expected a list of claims"),
    "levels that differ": ("counts: [{where: a, counts: {all: [1, 2], test: [1]}}]",
                           "one cell a level"),
    "a matrix that is not there": ("areas: [{where: a, auc: 0.8, matrix: DL}]", "found 'DL'"),
    "an unknown measure": (
        "matrices: [{where: a, group: test, tp: 1, fp: 1, tn: 1, fn: 1, measures: {recall: 0.5}}]",
        "found recall"),
    "unknown defaults": ("defaults: {area: {}}\nsizes: [{where: a, group: all, n: 1}]",
                         r"found area; did you mean areas\?"),
    "a key twice": ("sizes: []\nsizes: []", "expected YAML, found sizes twice in line 1"),
    "no YAML": ("sizes: [", "expected YAML, found .* in line"),
    "nothing": ("", "expected sections such as sizes, found none"),
    "no claim": ("sizes: []", "expected a claim, found none"),
    "a partition that is no mapping": ("partition: all\nsizes: [{where: a, group: all, n: 1}]",
                                       "expected names with values"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_one_sentence(written, name):
    text, sentence = MISTAKES[name]
    (problem,) = problems(written(text))
    assert re.search(sentence, problem), problem


def test_all_mistakes_of_a_file_are_named_at_once(written):
    path = written(
        "siezs: []\n"
        "sizes: [{where: a, group: all}, {where: b, group: all, n: x, m: 1}]\n"
        "proportions: [{where: c, value: much, n: 15}]\n"
    )
    found = problems(path)
    assert len(found) == 5
    assert [text.split(":")[0] for text in found[1:]] == [
        "sizes 1 (a)", "sizes 2 (b)", "sizes 2 (b)", "proportions 1 (c)"
    ]  # fmt: skip


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(MissingInput, match="found no file"):
            read_numbers(path)
    binary = tmp_path / "numbers.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in problems(binary)[0]


def test_every_section_and_key_is_documented():
    text = DOCS.read_text(encoding="utf-8")
    for section, claim in CLAIMS.items():
        rows = [line for line in text.splitlines() if line.startswith(f"| `{section}`")]
        assert len(rows) == 1, section
        for field in fields(claim):
            shared = field.name in {"where", "level", "missing", "p_value", "test", "compared"}
            assert f"`{field.name}`" in (text if shared else rows[0]), (section, field.name)
