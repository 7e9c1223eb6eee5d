"""Commands, settings and files that reports, hints, messages and pages name are there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from her2.core.settings import COMMANDS, StudySettings
from her2.core.settings.base import keys_of
from her2.search.search_settings import SearchSettings

REPOSITORY = Path(__file__).resolve().parents[1]
PRODUCT = ("her2", "lightning_modules", "hydra_plugins", "conf", "sweeps", "benchmarks")
SOURCES = [
    path
    for folder in PRODUCT
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.suffix in (".py", ".yaml", ".html")
]
PAGES = [
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "docs" / "tutorial.py",
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
]
EVERYTHING = [*SOURCES, *PAGES]

# "her2" as a word and not as a command: imports, FISH, our own name
NO_COMMAND = re.compile(
    r"(?:from|import) her2\b|that her2 |beside her2 |run her2 |[\w-]her2|her2 (?:itself|is|in|not)\b"
)
COMMAND = re.compile(r"\bher2 ([a-z][a-z-]+)\b(?! super-resolution 1)")
GROUPS = "|".join(sorted({key.name.partition(".")[0] for key in keys_of(StudySettings)}))
SETTING = re.compile(rf"(?<![\w./-])((?:{GROUPS})(?:\.[a-z0-9_]+)+)(?==|`|\b)")
OUTPUT = re.compile(r"(?<![\w/.-])((?:tables|model|figures)/[\w./]+|[\w]+\.(?:json|parquet|csv))\b")
"""Names of what a run writes."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def commands_in(text: str) -> set[str]:
    lines = (line for line in text.splitlines() if not NO_COMMAND.search(line))
    return {name for line in lines for name in COMMAND.findall(line)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("apply it with her2 validate", {"validate"}),
        ("`her2 check-paper FILE`", {"check-paper"}),
        ("from her2 import stats", set()),
        ("a file that her2 wrote", set()),
    ],
)
def test_a_command_is_recognised(text, found):
    assert commands_in(text) == found


def test_every_command_that_is_named_exists():
    unknown = {
        (str(path.relative_to(REPOSITORY)), name)
        for path in EVERYTHING
        for name in commands_in(text_of(path)) - set(COMMANDS)
    }
    assert not unknown


def known_settings() -> set[str]:
    return {key.name for key in keys_of(StudySettings)}

