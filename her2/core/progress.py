"""Progress of long work on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Work:
    """How much is done of parts of unequal size.

    Attributes
    ----------
    parts_done, parts
        Number of parts.
    done, total
        Their size, in one unit.
    """

    parts_done: int
    parts: int
    done: int
    total: int


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many of `total` are done."""
    with _reporting(title, MofNCompleteColumn()) as report:
        report(0, total, "")
        yield lambda done: report(done, total, f"{done} of {total} {unit}")


@contextmanager
def work_progress(title: str, parts: str, unit: str) -> Iterator[Callable[[Work], None]]:
    """Yield a function that takes what is done; rate and time left go by size, not by parts.

    `parts` and `unit` name the parts and their size, for example ``lesions`` and ``pixels``.
    """
    start = time.monotonic()
    columns = [TextColumn("{task.fields[parts]}"), TextColumn("{task.fields[rate]}")]
    with _reporting(title, *columns) as report:

        def report_work(work: Work) -> None:
            rate = f"{_short(work.done / max(time.monotonic() - start, 1e-9))} {unit}/s"
            share = f"{100 * work.done / max(work.total, 1):.0f} % of the {unit}"
            said = f"{work.parts_done} of {work.parts} {parts} ({share}), {rate}"
            counted = f"{work.parts_done}/{work.parts} {parts}"
            report(work.done, work.total, said, parts=counted, rate=rate)

        yield report_work


@contextmanager
def _reporting(title: str, *columns: ProgressColumn) -> Iterator[Callable[..., None]]:
    """Yield a function of what is done, the total, a line's words, and fields of the columns."""
    start = last = time.monotonic()
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), *columns, *times,
        console=Console(stderr=True),
    ) if sys.stderr.isatty() else None  # fmt: skip
    task = bar.add_task(title, total=None, parts="", rate="") if bar else None

    def report(done: int, total: int, said: str, **shown: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if bar is not None and task is not None:
            bar.update(task, total=total, completed=done, **shown)
        elif 0 < done < total and now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) / done * (total - done)
            logger.info("%s: %s, about %.0f s left", title, said, left)

    with bar or nullcontext():
        yield report


def _short(number: float) -> str:
    """Return a number with a thousand as k.

    >>> _short(950.0), _short(21_600.0)
    ('950', '22k')
    """
    return f"{number:.0f}" if number < 1000 else f"{number / 1000:.0f}k"
