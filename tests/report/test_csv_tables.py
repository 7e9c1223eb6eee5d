"""CSV: no cell is a formula, numbers stay numbers, and what was written can be read back."""

import string

import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadConfig
from her2.report import guard, unguard, write_tables

FORMULAS = (
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", " =1",
    "＝1+1",
)  # fmt: skip


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_could_be_a_formula_is_quoted(text):
    assert guard(text) == "'" + text
    assert unguard(guard(text)) == text


def test_every_short_text_round_trips_and_is_harmless():
    rng = np.random.default_rng(5)
    alphabet = np.array(list(string.printable + "'=+-@＝é"))
    for _ in range(2000):
        text = "".join(rng.choice(alphabet, size=rng.integers(0, 6)))
        assert unguard(guard(text)) == text
        if guard(text) == text and text[:1] in "+-" and text:
            float(text)  # the only unguarded text with such a start is a number


def test_numbers_stay_numbers(tmp_path):
    table = pd.DataFrame({"x": [-0.5, 1e-9], "n": [-3, 4], "mixed": [-0.25, "-0.5"]})
    path, _ = write_tables(tmp_path, {"t": table})
    assert path.read_text() == "x,n,mixed\n-0.5,-3,-0.25\n1e-09,4,-0.5\n"


def test_headers_categories_and_missing_cells(tmp_path):
    table = pd.DataFrame(
        {"=bad()": pd.Categorical(["@a", "b"]), "text": pd.Series(["=1", None], dtype="string")}
    )
    path, _ = write_tables(tmp_path, {"t": table})
    back = read(path)
    assert list(back) == ["'=bad()", "text"]
    assert back.to_numpy().tolist() == [["'@a", "'=1"], ["b", ""]]


def test_bytes_are_the_same_twice_and_the_table_is_not_changed(tmp_path):
    table = pd.DataFrame({"text": ["=1", "a,b", 'say "x"']})
    first, _ = write_tables(tmp_path / "a", {"t": table})
    second, _ = write_tables(tmp_path / "b", {"t": table})
    assert first.read_bytes() == second.read_bytes()
    assert table["text"].tolist() == ["=1", "a,b", 'say "x"']


def test_an_empty_table_has_a_header(tmp_path):
    path, _ = write_tables(tmp_path, {"t": pd.DataFrame(columns=["a", "b"])})
    assert path.read_text() == "a,b\n"


@pytest.mark.parametrize("name", ["../t", "", "a/b", "t.csv"])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(BadConfig, match="rename"):
        write_tables(tmp_path, {name: pd.DataFrame()})
