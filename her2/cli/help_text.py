"""Help: every group, option and setting of a command, made of the settings classes.

``python -m her2.cli.help_text`` prints docs/settings.md.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

from her2.core.settings import COMMANDS
from her2.core.settings.base import Key, shown
from her2.core.settings.composition import composed_settings
from her2.core.settings.overrides import PRESETS, known_groups, known_keys

WIDTH = 96
USAGE = """\
Usage: her2 COMMAND [GROUP=OPTION ...] [KEY=VALUE ...]

HER2 status of breast cancer from ultrasound: a leak-free radiomics study.

Commands:
{commands}

her2 COMMAND --help lists its groups, options and settings. Start with
  her2 study                                  the simulated cohort
  her2 check cohort=folder cohort.root=DIR    your own"""
LAST = """\
-m runs every combination of values that are separated by commas.
--cfg job prints the settings that a command line gives, and runs nothing."""


def usage() -> str:
    """Return what `her2` alone prints."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return USAGE.format(commands="\n".join(lines))


def help_text(command: str) -> str:
    """Return what `her2 COMMAND --help` prints."""
    groups = known_groups(command)
    lines = [
        f"Usage: her2 {command} [GROUP=OPTION ...] [KEY=VALUE ...] [-m]",
        "",
        f"{command}: {COMMANDS[command].summary}",
        "",
        "Groups, one option each (GROUP=OPTION):",
        *(f"  {name}: {', '.join(options)}" for name, options in groups.items()),
        "",
        "Settings with their defaults (KEY=VALUE), and what they take:",
    ]
    unread = []
    for section, keys in _sections(command):
        if section in (*COMMANDS[command].reads, "", "run_dir"):
            lines += ["", *(line for key in keys for line in _help_lines(key, command))]
        else:
            unread.append(section)
    if unread:
        names = f"Accepted and not read by this command: {', '.join(unread)}."
        lines += ["", *textwrap.wrap(names, WIDTH)]
    return "\n".join([*lines, "", LAST])


def _help_lines(key: Key, command: str) -> Iterator[str]:
    yield f"  {key.name}={_default(key, command)}"
    text = f"{key.description} ({key.range_text})"
    yield from textwrap.wrap(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _sections(command: str) -> Iterator[tuple[str, list[Key]]]:
    """Yield the settings of a command by section; the first has those that stand in none."""
    reads = COMMANDS[command].reads
    keys = list(known_keys(command).values())
    yield "", [k for k in keys if "." not in k.name and k.name in (*reads, "run_dir")]
    dotted = (key for key in keys if "." in key.name)
    for section, found in groupby(dotted, lambda key: key.name.partition(".")[0]):
        yield section, list(found)


_composed = cache(composed_settings)


def _default(key: Key, command: str) -> str:
    """Return the value that a command has without any override."""
    value: Any = _composed(command, ())
    for part in key.name.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return "null" if key.name == "run_dir" else shown(value)


def settings_page() -> str:
    """Return docs/settings.md: every setting with default, what it takes, and its meaning."""
    lines = [
        "# Settings",
        "",
        "Made by `make docs` from the settings classes (`her2.core.settings`), as is what",
        "`her2 COMMAND --help` prints. A key of one command on a cohort is valid in all of them.",
        "Defaults are those of `her2 study`; `conf/` holds what the options of a group change.",
    ]
    groups = known_groups("study")
    for section, keys in _sections("study"):
        lines += ["", f"## {section or 'General'}", ""]
        if section in groups:
            lines += [f"Options: {', '.join(f'`{section}={x}`' for x in groups[section])}.", ""]
        lines += _rows(keys, "study")
    presets = ", ".join(f"`{PRESETS}={name}`" for name in groups[PRESETS])
    lines += ["", "## Presets of a study", "", f"{presets}: see the files of `conf/study/`."]
    for command in ("plan", "check-paper", "compare", "ui", "sync"):
        keys = [key for key in known_keys(command).values() if "." not in key.name]
        own = [key for key in keys if key.name in COMMANDS[command].reads]
        lines += ["", f"## her2 {command}", "", *_rows(own, command)]
    return "\n".join(lines) + "\n"


def _rows(keys: list[Key], command: str) -> Iterator[str]:
    yield "| setting | default | takes | meaning |"
    yield "| --- | --- | --- | --- |"
    for key in keys:
        value = _default(key, command)
        cells = (f"`{key.name}`", f"`{value}`", key.range_text, key.description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
