"""Commands, settings and files that reports, hints, messages and pages name are there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from report_page import Page

from her2.core.settings import COMMANDS, StudySettings
from her2.core.settings.base import keys_of
from her2.core.types import ARMS
from her2.report.table_columns import table_formats
from her2.search.search_settings import SearchSettings

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
SOURCES = [
    path
    for folder in ("her2", "lightning_modules", "hydra_plugins", "conf", "sweeps", "benchmarks")
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.suffix in (".py", ".yaml", ".html")
]
PAGES = [*sorted(DOCS.glob("*.md")), DOCS / "tutorial.py",
         *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md"))]  # fmt: skip
REPORT = [path for path in SOURCES if path.is_relative_to(REPOSITORY / "her2" / "report")]
WRITERS = "\n".join(
    path.read_text(encoding="utf-8")
    for path in SOURCES
    if path.suffix == ".py" and path not in REPORT and "benchmarks" not in path.parts
)

# "her2" that is no command line: an import, HER2 in a name, our own name
_NOT_TYPED = re.compile(
    r"(?:from|import|that|beside|run) her2\b|\bher2 (?:itself|in|is|without|super-resolution)\b"
    r"|_her2\b|^FORMAT"
)
_COMMAND = re.compile(r"\bher2 ([a-z][a-z-]+)\b")
KEYS = {key.name for key in keys_of(StudySettings)}
FREE = tuple(f"{name}." for name in KEYS if name.startswith(("classifier.", "backbone.head")))
SWEEPER = {f"hydra.sweeper.{one.name}" for one in fields(SearchSettings)}
GROUPS = "|".join(sorted({name.partition(".")[0] for name in KEYS if "." in name}))
_TYPED = re.compile(rf"(?<![\w./-])((?:{GROUPS}|hydra\.sweeper)(?:\.[a-z0-9_]+)+)=(?![=\s])")
_QUOTED = re.compile(rf"`((?:{GROUPS}|hydra\.sweeper)(?:\.[a-z0-9_]+)+)`")
_FILE = re.compile(r"(?<![\w/.<-])((?:tables|model)/\w[\w.]*|\w+\.(?:json|parquet|csv))\b")
_PAGE = re.compile(r"\bdocs/(\w+\.md)(?:, (\w+))?")
_TABLE = re.compile(
    r"(?<!a )(?<!the )(?<!other )\btable ([a-z]+(?:_[a-z]+)*) (?:compares|has|lists|shows|says)\b"
)
BROUGHT = {"cohort.csv", "features.csv", "bus_data.csv", "devices.csv", "a.csv"}  # by users


def commands_in(text: str) -> set[str]:
    lines = (line for line in text.splitlines() if not _NOT_TYPED.search(line))
    return {name for line in lines for name in _COMMAND.findall(line)}


def settings_in(text: str) -> set[str]:
    quoted = {name for name in _QUOTED.findall(text) if Path(name).suffix not in _SUFFIXES}
    return {*_TYPED.findall(text), *quoted}


_SUFFIXES = (".csv", ".json", ".xlsx", ".md", ".py", ".parquet")


def is_setting(name: str) -> bool:
    is_section = any(key.startswith(f"{name}.") for key in KEYS)
    return name in KEYS | SWEEPER or name.startswith(FREE) or is_section


def is_file(name: str) -> bool:
    """Whether the product writes it, or a user brings it."""
    folder, _, rest = name.rpartition("/")
    if folder == "tables":
        return rest.removesuffix(".csv") in table_formats() or f'"{Path(rest).stem}"' in WRITERS
    if folder == "model" and rest.endswith(".skops"):
        return Path(rest).stem in ARMS
    known = rest in BROUGHT or Path(rest).stem in table_formats()
    return known or f'{rest}"' in WRITERS or f"{rest}`" in WRITERS


def wrong_names(text: str) -> set[str]:
    """Every command, setting, page and file of a text that is not there."""
    pages = {
        f"docs/{page}, {word}"
        for page, word in _PAGE.findall(text)
        if not (DOCS / page).is_file()
        or word.lower() not in (DOCS / page).read_text(encoding="utf-8").lower()
    }
    return {
        *(f"her2 {name}" for name in commands_in(text) - set(COMMANDS)),
        *(name for name in settings_in(text) if not is_setting(name)),
        *(name for name in _FILE.findall(text) if not is_file(name)),
        *(f"table {name}" for name in _TABLE.findall(text) if name not in table_formats()),
        *pages,
    }


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda x: str(x.relative_to(REPOSITORY)))
def test_what_a_file_names_is_there(path):
    assert wrong_names(path.read_text(encoding="utf-8")) == set()


def test_what_a_report_names_is_there(study):
    page = Page(study.run_dir / "report.html")
    texts = [text for texts in page.paragraphs.values() for text in texts]
    page.tables.pop("Data, software and settings of this result")  # YAML, not sentences
    texts += [c.text for table in page.tables.values() for row in table.rows for c in row]
    assert set().union(*map(wrong_names, texts)) == set()
    named = {name for text in texts for name in _FILE.findall(text)}
    places = [study.run_dir, study.run_dir / "tables"]
    assert {n for n in named if not any((place / n).exists() for place in places)} == set()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("her2 validate applies the frozen model", "her2 validate"),
        ("set evaluation.n_fold=5", "evaluation.n_fold"),
        ("`selection.keep` decides", "selection.keep"),
        ("hydra.sweeper.n_tries=3", "hydra.sweeper.n_tries"),
        ("all of them are in tables/everything.csv", "tables/everything.csv"),
        ("see outcomes.json", "outcomes.json"),
        ("(docs/methods.md)", "docs/methods.md, "),
        ("(docs/method.md, telepathy)", "docs/method.md, telepathy"),
        ("table reads_minds compares the roles", "table reads_minds"),
    ],
)
def test_a_name_of_nothing_is_found(text, wrong):
    assert wrong_names(text) == {wrong}


@pytest.mark.parametrize(
    "text",
    ["her2 study evaluation.n_folds=5", "from her2 import stats", "a file that her2 wrote",
     "classifier.lightgbm.fixed.num_leaves=4", "(tables/audit.csv)", "results.json: arms",
     "(docs/method.md)", "split.train == x", "table baseline compares the roles"],
)  # fmt: skip
def test_what_is_there_is_not_objected_to(text):
    assert wrong_names(text) == set()
