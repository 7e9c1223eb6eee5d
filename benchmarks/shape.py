"""The shape of the code: what a newcomer meets, counted by reading the source.

Usage: python benchmarks/shape.py [CHECKOUT ...]   (default: this one; several stand side by side)

Everything but the two lines about `import her2` is read from the syntax trees, so a checkout needs
no environment of its own. Product code is her2, lightning_modules, hydra_plugins and sweeps.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles

PRODUCT = ("her2", "lightning_modules", "hydra_plugins", "sweeps")
MANY = 7  # parameters
IMPORTS = 5  # times that `import her2` is measured
PROBE = """
import time; start = time.perf_counter(); import her2; seconds = time.perf_counter() - start
from types import ModuleType
names = getattr(her2, "__all__", None) or [
    name for name, value in vars(her2).items() if not isinstance(value, ModuleType)]
print(len([name for name in names if not name.startswith("_")]), seconds)
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the product.

    Attributes
    ----------
    name
        Dotted, as it is imported.
    path
        The file.
    tree
        Its syntax.
    n_lines
        Blank lines and docstrings included.
    """

    name: str
    path: Path
    tree: ast.Module
    n_lines: int

    @property
    def functions(self) -> Iterator[Function]:
        """All functions and methods, inner ones included."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    @property
    def dataclasses(self) -> Iterator[ast.ClassDef]:
        """Classes with a decorator `dataclass`, from whichever library."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and any(
                "dataclass" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                yield node


@dataclass(frozen=True)
class Checkout:
    """A folder with the project's sources."""

    root: Path

    @cached_property
    def modules(self) -> list[Module]:
        """All product modules, packages' own files included."""
        found = []
        for package in PRODUCT:
            for path in sorted((self.root / package).rglob("*.py")):
                parts = path.relative_to(self.root).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                text = path.read_text(encoding="utf-8")
                found.append(Module(name, path, ast.parse(text), text.count("\n")))
        return found

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """Modules, and the names of the product modules that import each."""
        importers: dict[str, set[str]] = {module.name: set() for module in self.modules}
        for module in self.modules:
            for name in _imported(module, set(importers)):
                importers[name].add(module.name)
        return importers

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what is measured, and what was found."""
        names, seconds = self._import()
        files = [module for module in self.modules if module.path.name != "__init__.py"]
        lengths = sorted(
            (f.end_lineno or f.lineno) - f.lineno + 1
            for module in self.modules
            for f in module.functions
        )
        dataclasses = [c for module in self.modules for c in module.dataclasses if _has_fields(c)]
        public = [c for c in dataclasses if not c.name.startswith("_")]
        undescribed = [c for c in public if "Attributes\n---" not in (ast.get_docstring(c) or "")]
        repeated = [n for n in Counter(file.path.name for file in files).values() if n > 1]
        loose = [file for file in files if file.path.parent == self.root / "her2"]
        many = [
            f
            for module in self.modules
            if not module.name.startswith("her2.stats")
            for f in module.functions
            if _n_parameters(f) > MANY
        ]
        single = [m for m in files if len(self.importers[m.name]) == 1]
        yield "names that `import her2` offers", names
        yield "time of `import her2`, best of 5", seconds
        yield f"functions with more than {MANY} parameters outside her2.stats", f"{len(many)}"
        yield "files loose in her2/", f"{len(loose)}"
        yield "modules in no import contract", f"{len(self._without_contract())}"
        yield "modules", f"{len(files)}"
        yield "modules with one importer", f"{len(single)}"
        yield "  of these under 100 lines", f"{sum(m.n_lines < 100 for m in single)}"
        yield "file names that occur more than once", f"{len(repeated)}"
        yield "product lines", f"{sum(module.n_lines for module in self.modules):,}"
        yield (
            "public dataclasses with fields but no Attributes section",
            f"{len(undescribed)} of {len(public)}",
        )
        yield "function length, median", f"{median(lengths):.0f}"
        yield "function length, 90th percentile", f"{quantiles(lengths, n=10)[-1]:.0f}"
        yield "function length, longest", f"{lengths[-1]}"
        yield "test lines", f"{self._test_lines():,}"

    def _import(self) -> tuple[str, str]:
        command = [sys.executable, "-c", PROBE]
        runs = []
        for _ in range(IMPORTS):
            done = subprocess.run(
                command, cwd=self.root, capture_output=True, text=True, check=True
            )
            runs.append(done.stdout.split())
        return runs[0][0], f"{min(float(seconds) for _, seconds in runs):.3f} s"

    def _without_contract(self) -> list[str]:
        settings = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        covered: set[str] = set()
        for contract in settings["tool"]["importlinter"]["contracts"]:
            listed = [*contract.get("layers", []), *contract.get("source_modules", [])]
            covered |= {name.strip() for line in listed for name in line.split("|")}
        inside = tuple(f"{name}." for name in covered)
        return [
            module.name
            for module in self.modules
            if "." in module.name and not f"{module.name}.".startswith(inside)
        ]

    def _test_lines(self) -> int:
        tests = (self.root / "tests").rglob("*.py")
        return sum(path.read_text(encoding="utf-8").count("\n") for path in tests)


def _imported(module: Module, known: set[str]) -> set[str]:
    """Return the product modules that a module imports, at its top or later."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known
            names |= inner
            if len(inner) < len(node.names):
                names.add(node.module)
    return (names & known) - {module.name}


def _n_parameters(function: Function) -> int:
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _has_fields(node: ast.ClassDef) -> bool:
    return any(isinstance(statement, ast.AnnAssign) for statement in node.body)


def main(roots: list[Path]) -> None:
    checkouts = [Checkout(root.resolve()) for root in roots]
    columns = [dict(checkout.rows()) for checkout in checkouts]
    width = max(map(len, columns[0]))
    if len(roots) > 1:
        print(" " * width, *(f"{root.resolve().name:>12}" for root in roots))
    for name in columns[0]:
        print(f"{name:<{width}}", *(f"{column[name]:>12}" for column in columns))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or [Path(__file__).parents[1]])
