"""What was typed after `her2 COMMAND`, with plain words as the settings that they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from her2.core.settings.overrides import FLAGS, MULTIRUN, Typed

# the setting that a plain word is
POSITIONAL = {"sync": "folder", "check-paper": "numbers"}


def with_names(command: str, words: Sequence[str]) -> list[str]:
    """Return the words of a command line with plain ones as settings; a folder may have a =."""
    if command == "compare":
        return named_runs(words)
    name = POSITIONAL.get(command)
    if name is None or not words:
        return list(words)
    first, *others = words
    is_plain = "=" not in first or Path(first).is_dir()
    if first.startswith("-") or not is_plain:
        return list(words)
    return [f"{name}={first}", *others]


def named_runs(words: Sequence[str]) -> list[str]:
    """Return the words with those that name runs (and folders) as the setting `runs`.

    >>> named_runs(["run/one", "4f5e6a", "arms=[dlr]", "--cfg", "job"])
    ['arms=[dlr]', '--cfg', 'job', 'runs=["run/one","4f5e6a"]']
    """
    runs: list[str] = []
    others: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        is_value = FLAGS.get(before, False)
        is_run = "=" not in word and not word.startswith("-") and not is_value
        (runs if is_run or Path(word).is_dir() else others).append(word)
    if not runs:
        return others
    quoted = ",".join('"' + run.replace('"', '\\"') + '"' for run in runs)
    return [*others, f"runs=[{quoted}]"]


def hydra_arguments(typed: Typed) -> list[str]:
    """Return a command line as Hydra takes it.

    In a multirun -m goes first, because Hydra refuses settings on both sides of it, and a job's
    folder is named after what differs between jobs, not after every setting that was given.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not typed.is_multirun:
        return [*typed.overrides, *typed.flags]
    others = [flag for flag in typed.flags if flag not in MULTIRUN]
    parsed = OverridesParser.create().parse_overrides(typed.overrides)
    same = sorted({x.key_or_group for x in parsed if not x.is_sweep_override()} | {"run_dir"})
    excluded = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(same)}]"
    return [MULTIRUN[0], *typed.overrides, excluded, *others]
