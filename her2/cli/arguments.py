"""What was typed after `her2 COMMAND`, as Hydra takes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from her2.core.errors import BadConfig

POSITIONAL = {"sync": "folder"}  # the setting that a command's plain argument is
MULTIRUN = ("-m", "--multirun")


def hydra_arguments(command: str, typed: Sequence[str]) -> list[str]:
    """Return the arguments as Hydra takes them.

    In a multirun -m goes first, because Hydra refuses settings on both sides of it, and a job's
    folder is named after what differs between jobs, not after every setting that was given.

    Raises
    ------
    BadConfig
        A sweeper is named without -m: Hydra would run the command once, and search nothing.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    _check_search(typed)
    arguments = named_runs(typed) if command == "compare" else _named(command, typed)
    flags = [argument for argument in arguments if argument in MULTIRUN]
    if not flags:
        return arguments
    others = [argument for argument in arguments if argument not in MULTIRUN]
    settings_given = [argument for argument in others if not argument.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(settings_given)
    same = sorted({x.key_or_group for x in parsed if not x.is_sweep_override()} | {"run_dir"})
    excluded = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(same)}]"
    return [*flags, *others, excluded]


def named_runs(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with words (and folders) that name runs as the setting `runs`.

    >>> named_runs(["run/one", "4f5e6a", "arms=[dlr]", "--cfg", "job"])
    ['arms=[dlr]', '--cfg', 'job', 'runs=["run/one","4f5e6a"]']
    """
    words: list[str] = []
    others: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_value = before.startswith("-") and "=" not in before and before not in MULTIRUN
        is_word = "=" not in argument and not argument.startswith("-") and not is_value
        (words if is_word or Path(argument).is_dir() else others).append(argument)
    if not words:
        return others
    quoted = ",".join('"' + word.replace('"', '\\"') + '"' for word in words)
    return [*others, f"runs=[{quoted}]"]


def _named(command: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a plain one as the setting that it is; a folder may have a =."""
    name = POSITIONAL.get(command)
    if name is None or not arguments:
        return list(arguments)
    first, *others = arguments
    is_plain = "=" not in first or Path(first).is_dir()
    if first.startswith("-") or not is_plain:
        return list(arguments)
    quoted = first.replace("\\", "\\\\").replace("'", "\\'")
    return [f"{name}='{quoted}'", *others]


def _check_search(arguments: Sequence[str]) -> None:
    named = [x for x in arguments if x.startswith("hydra/sweeper=")]
    if named and not set(MULTIRUN) & set(arguments):
        raise BadConfig(f"expected -m with {named[0]}, found none; add -m to search")
