"""The `her2` command: composes a config, hands it to one command, and answers for the outcome.

Exit status: 0 done; 1 finished, but something must be looked at; 2 bad input or config, one
sentence on stderr; 130 interrupted.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2.core.errors import BadConfig, Her2Error, StoppedEarly
from her2.core.version import __version__

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from her2.core.launcher import JobStatuses


UNLOCKED = ("phantom", "ui", "sync")  # commands that have no folder, or put a whole one there
TRIAL = "trial"  # in the config of a job that is a trial of a search: its ticket


def main() -> None:
    """Run the command line and exit with its status."""
    # jobs share the cores out among processes and threads; those of BLAS would only spin beside
    # them, and round differently on another machine
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ending: list[int] = []
    atexit.register(_end_at_once, ending)  # the first that is registered is the last to run
    # so that a stopped job ends as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has seen enough, for example `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    ending.append(status)
    sys.exit(status)


def _end_at_once(ending: Sequence[int]) -> None:
    """Leave the process when all others have tidied up; Python would take torch apart for 3 s."""
    if ending:  # no crash, which has a status of its own
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ending[0])


def run(arguments: Sequence[str]) -> int:
    """Return the exit status of a command line (without the program's name)."""
    if arguments[:1] == ["--version"]:
        _say(f"her2 {__version__}")
        return 0
    from her2.cli.help_text import help_text, usage
    from her2.core.settings import COMMANDS
    from her2.core.settings.base import did_you_mean
    from her2.core.settings.overrides import HELP

    if not arguments or arguments[0] in HELP:
        _say(usage())
        return 0
    command, *words = arguments
    if command not in COMMANDS:
        hint = did_you_mean(command, list(COMMANDS)) or "; see her2 --help"
        known = ", ".join(COMMANDS)
        return _refuse(f"expected a command among {known}, found {command}{hint}")
    if set(HELP) & set(words):
        _say(help_text(command))
        return 0
    return _run_guarded(command, words)


def _run_guarded(command: str, words: Sequence[str]) -> int:
    from her2.core.machine import check_system
    from her2.core.settings.composition import is_fault_of_config, one_sentence

    try:
        check_system()
        return _compose_and_run(command, words)
    except BrokenPipeError:
        raise
    except StoppedEarly as error:
        _refuse(str(error))
        return 1
    except (Her2Error, OSError) as error:
        return _refuse(*_reasons(error))
    except KeyboardInterrupt as stop:
        said = str(stop) or "interrupted; the same command with the same run_dir goes on"
        sys.stderr.write(f"her2: {said}\n")
        return 130
    except Exception as error:
        if not is_fault_of_config(error):
            raise
        return _refuse(f"{one_sentence(error)}; see her2 {command} --help")


def _compose_and_run(command: str, words: Sequence[str]) -> int:
    """Let Hydra compose the command's config and run its function once, or once a job."""
    from her2.cli import multirun
    from her2.core.launcher import JobStatuses
    from her2.core.places import config_folder
    from her2.core.settings.composition import composed_settings, one_sentence, register_defaults
    from her2.core.settings.hydra_words import forget_environment
    from her2.core.settings.overrides import read_typed

    forget_environment()
    words = multirun.with_names(command, words)
    typed = read_typed(command, words)
    if typed.problems or not typed.is_multirun:
        composed_settings(command, words)  # refuses before a folder is made
    import hydra

    from her2.core.parallel import name_command

    register_defaults()
    # Hydra then raises instead of printing a traceback and exiting with 1
    os.environ["HYDRA_FULL_ERROR"] = "1"
    arguments = multirun.hydra_arguments(typed)
    plan = multirun.planned(command, typed)
    if plan.folder is not None and not any(word.startswith("run_dir=") for word in arguments):
        # one, whenever the jobs begin; before flags, behind which Hydra takes no setting
        arguments.insert(1, f"run_dir={plan.folder}")
    sys.argv = [f"her2 {command}", *arguments]
    statuses = JobStatuses()
    if typed.is_multirun:
        name_command()

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command)
    def task(config: DictConfig) -> Any:
        return _run_task(command, config, statuses)

    try:
        with multirun.compared(command, plan):
            task()
    except ValueError as error:  # some refusals of Hydra are no HydraException
        if statuses.have_begun:
            raise
        raise BadConfig(one_sentence(error)) from error
    return statuses.largest()


def _run_task(command: str, config: DictConfig, statuses: JobStatuses) -> Any:
    """Return what Hydra is to have of a job: its status, or what a trial of a search has found."""
    from her2.core.parallel import leave_with_command

    statuses.have_begun = True
    if not statuses.is_here:
        leave_with_command()
        _claim_gpu(config)
    if TRIAL in config:
        return _run_trial(command, config)
    status = _run_job(command, config)
    statuses.add(status)
    return status


def _run_job(command: str, config: DictConfig) -> int:
    """Return the status of one job; in a multirun a refused job does not stop the others."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from her2.cli import multirun
    from her2.core.run_folder import alone_in
    from her2.core.settings.composition import settings_of

    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    is_one_of_many = hydra_config.mode == RunMode.MULTIRUN
    try:
        settings = settings_of(command, config)
        with nullcontext() if command in UNLOCKED else alone_in(run_dir):
            multirun.forget_refusal(run_dir)
            status: int = _function(command)(settings, run_dir)
        return status
    except BrokenPipeError:
        raise
    except (Her2Error, OSError) as error:
        # answered here, because Hydra would add a line of its own
        reasons = _reasons(error)
        if is_one_of_many:
            multirun.note_refusal(run_dir, "; ".join(reasons))
            reasons = [f"{run_dir.name}: {reason}" for reason in reasons]
        return _refuse(*reasons)


def _claim_gpu(config: DictConfig) -> None:
    """Give a launcher's worker process a device of its own, where the settings share them out."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from her2.core.launcher import claim_gpu

    n_gpus = OmegaConf.select(config, "compute.gpus", default=0)
    claim_gpu(int(n_gpus), Path(str(HydraConfig.get().sweep.dir)))


def _run_trial(command: str, config: DictConfig) -> dict[str, Any]:
    """Return what a trial of a search has found; what it refuses is its answer."""
    from omegaconf import OmegaConf, open_dict

    from her2.core.settings import COMMANDS
    from her2.core.settings.composition import settings_of
    from her2.search.trial_job import run_trial

    searched = [name for name, known in COMMANDS.items() if known.is_searched]
    if command not in searched:
        raise BadConfig(
            f"expected a search of her2 {' or her2 '.join(searched)}, found her2 {command}"
        )
    with open_dict(config):
        ticket = OmegaConf.to_container(config.pop(TRIAL), resolve=True)
    trial = _function(f"search_{command}", "pipeline")
    return run_trial(trial, lambda: settings_of(command, config), ticket)


def _function(name: str, package: str = "commands") -> Callable[..., Any]:
    """Return the function of a command, from the module of its name."""
    name = name.replace("-", "_")
    found: Callable[..., Any] = getattr(import_module(f"her2.{package}.{name}"), name)
    return found


def _reasons(error: Her2Error | OSError) -> list[str]:
    """Return the sentences of an error; OSError: a full disk, a folder that cannot be written."""
    if isinstance(error, Her2Error):
        return list(getattr(error, "problems", ())) or [str(error)]
    place = f" {error.filename}" if error.filename else ""
    why = error.strerror or error
    return [f"expected files that can be read and written, found{place}: {why}"]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _refuse(*sentences: str) -> int:
    from her2.core.masking import masked_address

    for sentence in sentences:  # a name with a line break in it does not make a second line
        sys.stderr.write(f"her2: {masked_address(' '.join(sentence.split()))}\n")
    return 2


if __name__ == "__main__":
    main()
