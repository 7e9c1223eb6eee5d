"""The documents name what exists: commands, codes, files, pages, links."""

import re
from pathlib import Path

import pytest
import yaml

from her2.cli.problem_page import problem_page
from her2.cohort import CATALOGUE
from her2.core.settings import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
GENERATED = {"tutorial.md"}  # from docs/tutorial.py, by make docs
PLANNED_COMMANDS = {"check-paper"}
PAGES = [*sorted(DOCS.glob("*.md")), *(REPOSITORY / n for n in ("README.md", "CONTRIBUTING.md"))]
written = pytest.mark.parametrize("page", [p for p in PAGES if p.name not in GENERATED], ids=str)


def rows(page: str) -> list[list[str]]:
    """Return the cells of every table row of a page."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]


def test_every_problem_code_is_explained_once():
    page = [row for row in rows("problem_codes.md") if re.fullmatch(r"[A-Z]\d\d", row[0])]
    listed = [tuple(row) for row in page if not row[0].startswith("L")]  # those have no code
    assert sorted(listed) == sorted((code, *entry) for code, entry in CATALOGUE.items())


def test_page_of_problem_codes_is_up_to_date():
    page = (DOCS / "problem_codes.md").read_text(encoding="utf-8")
    assert page == problem_page(page), "run python -m her2.cli.problem_page docs/problem_codes.md"


def test_every_problem_code_says_what_to_do_in_one_sentence():
    for code, entry in CATALOGUE.items():
        assert re.fullmatch(r"[A-Z][^|\n]*[^.]\.", entry.advice), code


def test_every_command_is_documented():
    headings = set(re.findall(r"^## ([\w-]+)$", (DOCS / "commands.md").read_text(), re.MULTILINE))
    in_readme = set(
        re.findall(r"^\| `her2 ([\w-]+)` \|", (REPOSITORY / "README.md").read_text(), re.M)
    )
    assert set(COMMANDS) <= headings <= set(COMMANDS) | PLANNED_COMMANDS
    assert set(COMMANDS) <= in_readme <= set(COMMANDS) | PLANNED_COMMANDS


@written
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:her2|lightning_modules|benchmarks|conf|sweeps|tests)/[\w/.]+)", text)
    )
    missing = [name for name in sorted(named) if not (REPOSITORY / name.rstrip(".")).exists()]
    assert not missing


@written
def test_modules_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in sorted(set(re.findall(r"`((?:her2|lightning_modules)\.[a-z_.]+[a-z_])", text))):
        path = REPOSITORY / name.replace(".", "/")
        parent = path.parent
        assert (
            path.is_dir()
            or path.with_suffix(".py").is_file()
            or parent.with_suffix(".py").is_file()
            or (parent / "__init__.py").is_file()
        ), name


@written
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (page.parent / target).exists() or Path(target).name in GENERATED, target


def test_every_page_is_in_the_navigation():
    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        children = entry.values() if isinstance(entry, dict) else entry
        return [page for child in children for page in pages(child)]

    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    listed = pages(yaml.safe_load(text)["nav"])
    assert sorted(listed) == sorted({path.name for path in DOCS.glob("*.md")} | GENERATED)
