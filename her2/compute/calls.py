"""What every engine takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Reason = Literal["killed", "hung"]
Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Finished:
    """A call that returned `value`; `position` is its place among the calls."""

    position: int
    value: Any


@dataclass(frozen=True)
class Lost:
    """A call whose process died under it (``killed``) or did not end in time (``hung``), twice."""

    position: int
    reason: Reason


class Engine(Protocol):
    """Runs calls and yields their outcomes as they come, in any order."""

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield one outcome a call; the calls are begun in the order given.

        An error that the function raises is raised here and ends the run.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """One call after the other in this process: nothing is started, nothing can be lost.

    Examples
    --------
    >>> [outcome.value for outcome in InProcess().run(pow, [(2, 3), (3, 2)])]
    [8, 9]
    """

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield the outcomes in the order of the calls."""
        for position, arguments in enumerate(calls):
            yield Finished(position, function(*arguments))
