"""What every public function of the statistics has: an example that runs, a source, its size."""

import ast
import inspect
from pathlib import Path

import pytest

from her2 import stats

FOLDER = Path(stats.__file__).parent
PUBLIC = {
    name: getattr(stats, name)
    for name in stats.__all__
    if inspect.isfunction(getattr(stats, name))
}
LONGEST = 40  # lines of a function without its docstring


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_has_an_example_and_a_source(name):
    text = inspect.getdoc(PUBLIC[name]) or ""
    assert ">>>" in text
    assert "doi:" in text or "jmlr.org" in text  # a journal without DOIs


def length(function: ast.FunctionDef) -> int:
    first = function.body[0]
    has_text = ast.get_docstring(function) is not None
    text = first.end_lineno - first.lineno + 1 if has_text else 0
    return function.end_lineno - function.lineno + 1 - text


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_no_function_is_long(path):
    functions = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)
    ]
    assert {f.name: length(f) for f in functions if length(f) > LONGEST} == {}
