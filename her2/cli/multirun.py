"""A command line as Hydra takes it, and one comparison of the jobs that it ran."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2.core.errors import Her2Error
from her2.core.places import config_folder
from her2.core.settings import BadSettings, TrackingSettings
from her2.core.settings.base import validated
from her2.core.settings.composition import is_fault_of_config, register_defaults
from her2.core.settings.hydra_words import check_folders
from her2.core.settings.overrides import FLAGS, MULTIRUN, Typed

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


# the setting that a plain word is
POSITIONAL = {"sync": "folder", "check-paper": "numbers"}
COMMANDS = ("train", "study", "classify")
REFUSED = "refused.json"  # in a job's folder: why it has no result
RESULTS = "results.json"
SWEEPER = "BasicSweeper"  # Hydra's own; others search
UNFINISHED = "it did not finish; the same command goes on"


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
    check_folders(x for x in parsed if x.is_sweep_override())
    same = sorted({x.key_or_group for x in parsed if not x.is_sweep_override()} | {"run_dir"})
    excluded = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(same)}]"
    return [MULTIRUN[0], *typed.overrides, excluded, *others]


def note_refusal(folder: Path, reason: str) -> None:
    """Leave in a job's folder why it was refused, for processes that did not see it."""
    from her2.core.store import write_json  # not where only help is asked for

    with suppress(OSError):  # the folder may be what cannot be written
        write_json(folder / REFUSED, {"reason": reason})


def forget_refusal(folder: Path) -> None:
    """Take back what `note_refusal` left."""
    (folder / REFUSED).unlink(missing_ok=True)


@dataclass(frozen=True)
class Plan:
    """What is to follow the jobs of a command line.

    Attributes
    ----------
    folder
        Folder of the jobs; None if no comparison follows (a search has a summary of its own).
    tracking
        Where the comparison is tracked.
    reason
        Why there can be no comparison; empty if nothing prevents one.
    """

    folder: Path | None = None
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    reason: str = ""


def planned(command: str, typed: Typed) -> Plan:
    """Return what follows the jobs of a command line; Hydra says it if they are wrong."""
    from hydra import compose, initialize_config_dir
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    if command not in COMMANDS or not typed.is_multirun:
        return Plan()
    register_defaults()
    try:
        parsed = OverridesParser.create().parse_overrides(typed.overrides)
        fixed = [text for one in parsed if (text := _of_first_job(one))]
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = compose(command, fixed, return_hydra_config=True)
        if not composed.hydra.sweeper._target_.endswith(SWEEPER):
            return Plan()
        tracking: Any = OmegaConf.to_container(composed.tracking, resolve=True)
        return Plan(Path(composed.hydra.sweep.dir), validated(TrackingSettings, tracking))
    except Exception as error:
        if not is_fault_of_config(error) and not isinstance(error, BadSettings):
            raise
        return Plan(reason=str(error).partition("\n")[0])


def _of_first_job(override: Override) -> str:
    """Return an override as the first job has it; nothing for a range without a first value."""
    if not override.is_sweep_override():
        return str(override.input_line)
    if not override.is_discrete_sweep():
        return ""
    return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


@contextmanager
def compared(command: str, plan: Plan) -> Iterator[None]:
    """Compare the jobs that ran inside the block.

    A fault that ended the launcher does not keep the finished jobs from being compared; an
    interruption does, and settings that are refused.
    """
    interrupted = (KeyboardInterrupt, SystemExit, BrokenPipeError)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, interrupted) and not is_fault_of_config(error):
            compare_jobs(command, plan)
        raise
    compare_jobs(command, plan)


def compare_jobs(command: str, plan: Plan) -> None:
    """Compare the finished jobs of a folder; say in a sentence why there is no comparison."""
    if plan.reason:
        _say(f"no comparison: {plan.reason}")
    if plan.folder is None or not plan.folder.is_dir():
        return
    finished, missing = jobs_of(plan.folder)
    if len(finished) < 2:
        n = len(finished)
        _say(f"no comparison: {n or 'no'} job{'s' * (n != 1)} finished, and it needs two")
        return
    from her2.comparison.outputs import compare_folders

    try:
        compare_folders(
            finished, plan.folder, tracking=plan.tracking, missing=missing,
            name=f"{command} compared",
        )  # fmt: skip
    except (Her2Error, OSError) as error:
        _say(f"no comparison: {error}")


def jobs_of(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the folders of finished jobs, and why the others have no result, by name."""
    finished, missing = [], {}
    for job in _job_folders(folder):
        name = str(job.relative_to(folder))
        if (job / REFUSED).is_file():
            missing[name] = str(json.loads((job / REFUSED).read_text())["reason"])
        elif (job / RESULTS).is_file():
            finished.append(job)
        else:
            missing[name] = UNFINISHED
    return finished, missing


def _job_folders(folder: Path) -> Iterator[Path]:
    """Yield folders that a job has begun; a setting's value with a slash makes folders in it."""
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if any((path / name).is_file() for name in (REFUSED, RESULTS, "config.yaml")):
            yield path
        else:
            yield from _job_folders(path)


def _say(sentence: str) -> None:
    sys.stderr.write(f"her2: {sentence}\n")
