"""What follows the jobs of a multirun: one comparison of those that finished."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from her2.errors import Her2Error
from her2.settings import TrackingSettings

if TYPE_CHECKING:
    from omegaconf import DictConfig

logger = logging.getLogger(__name__)

COMMANDS = ("train", "study", "classify")
REFUSED = "refused.json"  # in a job's folder: why it has no result
RESULTS = "results.json"
UNFINISHED = "it did not finish; the same command goes on"


def note_refusal(folder: Path, reason: str) -> None:
    """Leave in a job's folder why it was refused, for processes that did not see it."""
    from her2.store import write_json  # not where only help is asked for

    with suppress(OSError):  # the folder may be what cannot be written
        write_json(folder / REFUSED, {"reason": reason})


def forget_refusal(folder: Path) -> None:
    """Take back what `note_refusal` left."""
    (folder / REFUSED).unlink(missing_ok=True)


def default_folder(command: str) -> str:
    """Return a run folder of the kind that conf/_base.yaml names, so that all jobs share one."""
    return f"outputs/{command}/{datetime.now():%Y-%m-%d_%H-%M-%S}"


class Jobs:
    """The jobs of one command line: inside the context they run, after it they are compared.

    A fault that ended the launcher does not keep the finished jobs from being compared; an
    interruption does, and settings that are refused.
    """

    def __init__(self, command: str, conf: Path, overrides: Sequence[str]) -> None:
        self.command = command
        self.conf = conf
        self.overrides = list(overrides)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        is_refused = kind and issubclass(kind, HydraException | OmegaConfBaseException)
        if kind is None or (issubclass(kind, Exception) and not is_refused):
            self.compare()

    def compare(self) -> None:
        """Compare the finished jobs of the folder; say in a sentence why there is none."""
        composed = self._composed()
        folder = Path(composed.hydra.sweep.dir)
        if not composed.hydra.sweeper._target_.endswith("BasicSweeper") or not folder.is_dir():
            return  # a search has its own summary
        finished, missing = jobs_of(folder)
        if len(finished) < 2:
            n = len(finished)
            _say(f"no comparison: {n or 'no'} job{'s' * (n != 1)} finished, and it needs two")
            return
        try:
            _compare(self.command, finished, folder, missing, _tracking(composed))
        except (Her2Error, OSError) as error:
            _say(f"no comparison: {error}")

    def _composed(self) -> DictConfig:
        """Return the settings that all jobs share."""
        from hydra import compose, initialize_config_dir
        from hydra.core.override_parser.overrides_parser import OverridesParser

        parsed = OverridesParser.create().parse_overrides(self.overrides)
        fixed = [str(p.input_line) for p in parsed if not p.is_sweep_override()]
        with initialize_config_dir(str(self.conf), version_base="1.3"):
            return compose(self.command, fixed, return_hydra_config=True)


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


def _compare(
    command: str,
    finished: Sequence[Path],
    folder: Path,
    missing: dict[str, str],
    tracking: TrackingSettings,
) -> None:
    from her2.workflows.compare import compare_folders

    compare_folders(
        finished, folder, tracking=tracking, missing=missing, name=f"{command} compared"
    )


def _tracking(composed: DictConfig) -> TrackingSettings:
    from omegaconf import OmegaConf

    schema = OmegaConf.structured(TrackingSettings)
    OmegaConf.set_readonly(schema, False)
    made: TrackingSettings = OmegaConf.to_object(OmegaConf.merge(schema, composed.tracking))  # type: ignore[assignment]
    return made


def _say(sentence: str) -> None:
    sys.stderr.write(f"her2: {sentence}\n")
