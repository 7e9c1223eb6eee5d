"""The `her2` command: composes a config, hands it to one workflow, and answers for the outcome.

Exit status: 0 done; 1 finished, but something must be looked at; 2 bad input or config, one
sentence on stderr; 130 interrupted.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2 import __version__
from her2.cli import multirun
from her2.cli.arguments import MULTIRUN, hydra_arguments
from her2.cli.composition import check_names, one_sentence, workflow_arguments
from her2.core.errors import BadConfig, Her2Error, StoppedEarly
from her2.core.launcher import JobStatuses, claim_gpu
from her2.core.places import config_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

logger = logging.getLogger(__name__)

COMMANDS = {
    "study": "the whole study; with no override: the built-in simulated cohort",
    "check": "read and verify a cohort, print the flow of patients; fits nothing",
    "features": "radiomic features of a cohort to parquet",
    "classify": "one classifier grid on one feature table",
    "audit": "does the protocol leak? shuffles, noise, poison, copies of images, controls",
    "train": "fine-tune one backbone (-m backbone=a,b,c runs several)",
    "compare": "finished runs side by side: her2 compare RUN RUN ... (folders or MLflow ids)",
    "phantom": "write a simulated cohort as an example of the layout",
    "ui": "the MLflow pages of the runs, on this machine only",
    "sync": "send the run folders that MLflow lacks (her2 sync FOLDER; default outputs/)",
}
SEARCHED = ("classify", "train")  # commands with a workflow search_NAME
TRIAL = "trial"  # in the config of a job that is a trial of a search: its ticket
_NAMES_FOLDER = re.compile(r"run_dir=|hydra\.sweep\.dir=")


def main() -> None:
    """Run the command line and exit with its status."""
    # jobs share the cores out among processes and threads; those of BLAS would only spin beside
    # them, and round differently on another machine
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ending: list[int] = []
    atexit.register(_end_at_once, ending)  # the first that is registered is the last to run
    signal.signal(signal.SIGTERM, _interrupt)  # so that a stopped job ends as Ctrl-C does
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


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Return the exit status of a command line (without the program's name)."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _say(_usage())
        return 0
    if arguments[0] == "--version":
        _say(f"her2 {__version__}")
        return 0
    command, *overrides = arguments
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        return _refuse(f"expected a command among {known}, found {command!r}; see her2 --help")
    return _run_guarded(command, overrides)


def _run_guarded(command: str, overrides: Sequence[str]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        return _compose_and_run(command, overrides)
    except BrokenPipeError:
        raise
    except (HydraException, OmegaConfBaseException) as error:
        return _refuse(f"{one_sentence(error)}; see her2 {command} --help")
    except StoppedEarly as error:
        _refuse(str(error))
        return 1
    except (Her2Error, OSError) as error:
        return _refuse(_reason(error))
    except KeyboardInterrupt as stop:
        said = str(stop) or "interrupted; the same command with the same run_dir goes on"
        sys.stderr.write(f"her2: {said}\n")
        return 130


def _compose_and_run(command: str, overrides: Sequence[str]) -> int:
    """Let Hydra compose the command's config and run its workflow once, or once a job."""
    import hydra

    statuses = JobStatuses()
    composed = False

    def task(config: DictConfig) -> Any:
        nonlocal composed
        composed = True
        if not statuses.is_here:
            _claim_gpu(config)
        if TRIAL in config:
            return _run_trial(command, config)
        status = _run_job(command, config)
        statuses.add(status)
        return status

    # Hydra then raises instead of printing a traceback and exiting with 1
    os.environ["HYDRA_FULL_ERROR"] = "1"
    arguments = hydra_arguments(command, overrides)
    plan = _plan(command, arguments)
    if plan.folder is not None and not any(map(_NAMES_FOLDER.match, arguments)):
        arguments = [*arguments, f"run_dir={plan.folder}"]  # one, whenever the jobs begin
    sys.argv = [f"her2 {command}", *arguments]
    decorate = hydra.main(
        version_base="1.3", config_path=str(config_folder()), config_name=command
    )
    try:
        with multirun.compared(command, plan):
            decorate(task)()
    except ValueError as error:  # some refusals of Hydra are no HydraException
        if composed:
            raise
        raise BadConfig(one_sentence(error)) from error
    return statuses.largest()


def _plan(command: str, arguments: Sequence[str]) -> multirun.Plan:
    """Return what follows the jobs of a command line."""
    if command not in multirun.COMMANDS or not set(MULTIRUN) & set(arguments):
        return multirun.Plan()
    settings_given = [argument for argument in arguments if not argument.startswith("-")]
    return multirun.planned(command, config_folder(), settings_given)


def _run_job(command: str, config: DictConfig) -> int:
    """Return the status of one job; in a multirun a refused job does not stop the others."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    is_one_of_many = hydra_config.mode == RunMode.MULTIRUN
    try:
        workflow = _workflow(command)
        arguments = workflow_arguments(config)
        check_names(workflow, arguments)
        multirun.forget_refusal(run_dir)
        status: int = workflow(**arguments, run_dir=run_dir)
        return status
    except BrokenPipeError:
        raise
    except (Her2Error, OSError) as error:
        # answered here, because Hydra would add a line of its own
        if is_one_of_many:
            multirun.note_refusal(run_dir, _reason(error))
        return _refuse((f"{run_dir.name}: " if is_one_of_many else "") + _reason(error))


def _claim_gpu(config: DictConfig) -> None:
    """Give a launcher's worker process a device of its own, where the settings share them out."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    n_gpus = OmegaConf.select(config, "compute.gpus", default=0)
    claim_gpu(int(n_gpus), Path(str(HydraConfig.get().sweep.dir)))


def _run_trial(command: str, config: DictConfig) -> dict[str, Any]:
    """Return what a trial of a search has found; what it refuses is its answer."""
    from omegaconf import OmegaConf, open_dict

    from her2.search.trial_job import run_trial

    if command not in SEARCHED:
        raise BadConfig(
            f"expected a search of her2 {' or her2 '.join(SEARCHED)}, found her2 {command}"
        )
    workflow = _workflow(f"search_{command}")
    with open_dict(config):
        ticket = OmegaConf.to_container(config.pop(TRIAL), resolve=True)
    arguments = workflow_arguments(config)
    check_names(workflow, {**arguments, "request": None})
    return run_trial(workflow, arguments, ticket)


def _workflow(command: str) -> Callable[..., Any]:
    module = import_module(
        f"her2.{'pipeline' if command.startswith('search_') else 'commands'}.{command}"
    )
    workflow: Callable[..., Any] = getattr(module, command)
    return workflow


def _reason(error: Her2Error | OSError) -> str:
    """Return the sentence of an error; OSError: a full disk, a folder that cannot be written."""
    if isinstance(error, Her2Error):
        return str(error)
    place = f" {error.filename}" if error.filename else ""
    return f"expected files that can be read and written, found{place}: {error.strerror or error}"


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    groups = sorted(p.name for p in config_folder().iterdir() if p.is_dir() and p.name != "hydra")
    return "\n".join(
        [
            "Usage: her2 COMMAND [GROUP=OPTION ...] [KEY=VALUE ...]",
            "",
            "HER2 status of breast cancer from ultrasound: a leak-free radiomics study.",
            "",
            "Commands:",
            *lines,
            "",
            f"Config groups: {', '.join(groups)}",
            "",
            "her2 COMMAND --help lists its groups, options and settings. Start with",
            "  her2 study                                  the simulated cohort",
            "  her2 check cohort=folder cohort.root=DIR    your own",
        ]
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"her2: {sentence}\n")
    return 2


if __name__ == "__main__":
    main()
