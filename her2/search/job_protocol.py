"""What runs the trials of a search: `her2.search.hydra_search.HydraJobs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from her2.search.space import Space, Value
from her2.search.ticket import Result, Ticket


class Jobs(Protocol):
    """What runs trials: `her2.search.hydra_search.HydraJobs`."""

    @property
    def space(self) -> Space: ...  # noqa: D102
    @property
    def n_at_once(self) -> int: ...  # noqa: D102
    @property
    def is_folder_given(self) -> bool: ...  # noqa: D102
    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def command(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def cohort(self) -> str: ...  # noqa: D102
    @property
    def tracking(self) -> Mapping[str, Any]: ...  # noqa: D102
    def settings(self) -> dict[str, str]: ...  # noqa: D102
    def rehearse(self, ticket: Ticket, folder: Path) -> Result: ...  # noqa: D102
    def run(  # noqa: D102
        self, tickets: Sequence[Ticket], points: Sequence[Mapping[str, Value]], folder: Path
    ) -> list[Result]: ...
    def run_once(self, point: Mapping[str, Value], folder: Path) -> Any: ...  # noqa: D102
