"""Progress of long work on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

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
    if sys.stderr.isatty():
        with _bar(MofNCompleteColumn()) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    start = last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d %s, about %.0f s left", title, done, total, unit, left)

    yield report


@contextmanager
def work_progress(title: str, parts: str, unit: str) -> Iterator[Callable[[Work], None]]:
    """Yield a function that takes what is done; rate and time left go by size, not by parts.

    `parts` and `unit` name the parts and their size, for example ``lesions`` and ``pixels``.
    """
    start = last = time.monotonic()
    columns = [TextColumn("{task.fields[parts]}"), TextColumn("{task.fields[rate]}")]
    bar = _bar(*columns) if sys.stderr.isatty() else None
    task = bar.add_task(title, total=None, parts="", rate="") if bar else None

    def report(work: Work) -> None:
        nonlocal last
        now = time.monotonic()
        rate = work.done / max(now - start, 1e-9)
        if bar is not None and task is not None:
            bar.update(
                task, total=work.total, completed=work.done, rate=f"{_short(rate)} {unit}/s",
                parts=f"{work.parts_done}/{work.parts} {parts}",
            )  # fmt: skip
        elif 0 < work.done < work.total and now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            logger.info(
                "%s: %d of %d %s (%.0f %% of the %s), %s %s/s, about %.0f s left",
                title, work.parts_done, work.parts, parts, 100 * work.done / work.total, unit,
                _short(rate), unit, (work.total - work.done) / rate,
            )  # fmt: skip

    with bar or nullcontext():
        yield report


def _short(number: float) -> str:
    """Return a number with a thousand as k.

    >>> _short(950.0), _short(21_600.0)
    ('950', '22k')
    """
    return f"{number:.0f}" if number < 1000 else f"{number / 1000:.0f}k"


def _bar(*columns: ProgressColumn) -> Progress:
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(
        TextColumn("{task.description}"), BarColumn(), *columns, *times,
        console=Console(stderr=True),
    )  # fmt: skip
