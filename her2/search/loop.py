"""The search itself: ask, run, tell, until the study has its number of finished trials."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from her2.core.errors import BadConfig, MissingInput, StoppedEarly
from her2.search.job_protocol import Jobs
from her2.search.ledger import COPY_OF, REASON, WITHDRAWN, Count, Ledger, point_of
from her2.search.owners import kept_alive
from her2.search.samplers import make_sampler
from her2.search.search_settings import SearchSettings
from her2.search.space import Value
from her2.search.storage import StoragePlace, storage_place
from her2.search.study_identity import check_identity
from her2.search.study_setup import identity, open_study, search_folder, with_facts
from her2.search.ticket import Result, Ticket

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # between two looks at trials that other sweepers run


def search(jobs: Jobs, settings: SearchSettings) -> Study:
    """Run a search to its end, write its pages, judge the winner once, and return the study.

    Raises
    ------
    BadConfig, MissingInput
        Before any trial: settings, space, storage or data that cannot be used.
    StoppedEarly
        More trials failed than `max_failed_trials`.
    KeyboardInterrupt
        With a sentence that says how to go on.
    """
    from optuna.exceptions import StorageInternalError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = storage_place(settings.storage, settings.storage_password_env)
    try:
        return _search(jobs, settings, place)
    except StorageInternalError as error:
        reason = str(error).splitlines()[0]
        raise MissingInput(
            f"expected the storage {place.address} to answer all the time, found: {reason}; the "
            "same command goes on"
        ) from error


def _search(jobs: Jobs, settings: SearchSettings, place: StoragePlace) -> Study:
    from her2.search.finish import close_search
    from her2.search.search_tracking import TrackedSearch

    study = open_study(jobs, settings, place)
    folder = search_folder(jobs, study)
    ticket = Ticket(
        None, tuple(settings.metrics), study.study_name, place.address, place.password_env,
        settings.pruner,
    )  # fmt: skip
    facts = dict(jobs.rehearse(ticket, folder).facts) if settings.rehearse else {}
    check_identity(study, identity(jobs, settings, facts))
    tracked = TrackedSearch.open(jobs, study, settings, folder, facts)
    work = Work(jobs, settings, study, folder, with_facts(ticket, facts), tracked)
    try:
        work.run()
    except StoppedEarly:
        close_search(work, is_finished=False)
        raise
    close_search(work, is_finished=True)
    return study


class Tracked(Protocol):
    """Where trials are written down beside the study."""

    def record(self, number: int) -> None:
        """Write down a trial that is finished."""

    def close(
        self,
        folder: Path,
        *,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: Sequence[Path],
        is_finished: bool,
    ) -> None:
        """Write what the search came to."""


@dataclass
class Work:
    """A sweeper at work on a study.

    failed: trials that failed in this call, the latest reason last.
    """

    jobs: Jobs
    settings: SearchSettings
    study: Study
    folder: Path
    ticket: Ticket
    tracked: Tracked
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.study, lease_seconds=self.settings.lease_seconds)
        self.seed = self.jobs.seed if self.settings.seed is None else self.settings.seed
        self.points = self.jobs.space.points()
        self.n_finished = 0  # as far as this process knows

    def run(self) -> None:
        """Run trials until the study has enough, and nothing is left under way."""
        sign = self.ledger.give_sign
        with kept_alive(sign, lease_seconds=self.settings.lease_seconds):
            self._report_start()
            try:
                while not self._is_done():
                    self._step()
            except KeyboardInterrupt as error:
                self.ledger.give_up_mine("interrupted")
                raise KeyboardInterrupt(self._how_to_go_on()) from error

    def _report_start(self) -> None:
        self.ledger.refresh()
        count = self.ledger.count()
        if count.finished or count.running:
            logger.info(
                "search %s: going on, %d of %d trials are finished",
                self.study.study_name, count.finished, self.settings.n_trials,
            )  # fmt: skip

    def _is_done(self) -> bool:
        self.ledger.refresh()
        if self.ledger.release_dead():
            self.ledger.refresh()
        count = self.ledger.count()
        if len(self.failed) > self.settings.max_failed_trials:
            raise StoppedEarly(
                f"expected at most {self.settings.max_failed_trials} failed trials, found "
                f"{len(self.failed)}, the last one with: {self.failed[-1]}; repair it, or raise "
                "hydra.sweeper.max_failed_trials; the same command goes on"
            )
        if self._is_exhausted(count) and not count.running:
            logger.info("search: all %d points of the space are tried", len(self.points or ()))
            return True
        return count.finished >= self.settings.n_trials

    def _is_exhausted(self, count: Count) -> bool:
        """Whether a space that can be counted has no point left."""
        if self.points is None or count.finished + count.running + count.failed < len(self.points):
            return False
        return not self._points_left()

    def _points_left(self) -> list[dict[str, Value]]:
        done = [
            point_of(t) for t in self.ledger.seen
            if t.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
            or (t.state == TrialState.FAIL and REASON in t.user_attrs
                and not t.user_attrs.get("again"))
        ]  # fmt: skip
        return [point for point in self.points or () if point not in done]

    def _step(self) -> None:
        """Run one batch of trials, or wait for those of other sweepers."""
        count = self.ledger.count()
        self.n_finished = count.finished
        wanted = self.settings.n_trials - count.finished - count.running
        asked = [self._ask() for _ in range(min(wanted, self.jobs.n_at_once))]
        batch = [trial for trial in asked if trial is not None]
        if not asked:
            time.sleep(POLL_SECONDS)
        if batch:
            numbers, points = [n for n, _ in batch], [p for _, p in batch]
            tickets = [Ticket.of({**self.ticket.document(), "number": n}) for n in numbers]
            answers = self.jobs.run(tickets, points, self.folder)
            for number, answer in zip(numbers, answers, strict=True):
                self._tell(number, answer)

    def _ask(self) -> tuple[int, dict[str, Value]] | None:
        """Return a new trial and its point; None if it needs no run."""
        lost = self.ledger.to_run_again()
        given = point_of(lost) if lost is not None else self._next_of_grid()
        again_of = None if lost is None else lost.number
        number = self.ledger.create(given, again_of)
        if self.ledger.is_surplus(number, self.settings.n_trials, again_of):
            self.ledger.finish(number, TrialState.FAIL, noted={WITHDRAWN: True})
            return None
        self.study.sampler = make_sampler(
            self.settings.sampler, seed=self.seed, number=number,
            is_conditional=self.jobs.space.is_conditional,
        )  # fmt: skip
        point = self.jobs.space.suggest(self.ledger.trial(number))
        same = self.ledger.same_point(number, point)
        if same is None:
            return number, point
        self.ledger.finish(number, TrialState.COMPLETE, same.values, {COPY_OF: same.number})
        logger.info("trial %d: the point of trial %d, which is not run again", number, same.number)
        self.tracked.record(number)
        return None

    def _next_of_grid(self) -> dict[str, Value] | None:
        if self.settings.sampler != "grid":
            return None
        if self.points is None:
            raise BadConfig(
                "expected choices, whole numbers or steps in a space that is searched with "
                "hydra.sweeper.sampler=grid, found settings without; give `step`, or use tpe"
            )
        left = self._points_left()
        return left[0] if left else None

    def _tell(self, number: int, answer: Result) -> None:
        reason = self._fault_of(answer)
        if reason is not None:
            if self.ledger.finish(number, TrialState.FAIL, noted={REASON: reason}):
                self.failed.append(reason)
                logger.warning("trial %d failed: %s", number, reason)
        elif answer.state == "pruned":
            self.n_finished += self.ledger.finish(number, TrialState.PRUNED)
        else:
            noted = (
                {"folds": {k: list(v) for k, v in answer.folds.items()}} if answer.folds else {}
            )
            self.n_finished += self.ledger.finish(
                number, TrialState.COMPLETE, answer.values, noted
            )
        self.tracked.record(number)
        self._say(number, answer, reason)

    def _fault_of(self, answer: Result) -> str | None:
        """Return why an answer makes a failed trial, None if it does not."""
        if answer.state in ("pruned", "failed"):
            return None if answer.state == "pruned" else answer.reason or "no reason was given"
        if len(answer.values) != len(self.settings.metrics):
            return (
                f"expected {len(self.settings.metrics)} values "
                f"({', '.join(self.settings.metrics)}), found {len(answer.values)}"
            )
        if not all(map(math.isfinite, answer.values)):
            return f"the value is not a number: {', '.join(map(str, answer.values))}"
        return None

    def _say(self, number: int, answer: Result, reason: str | None) -> None:
        if reason is not None:
            return
        values = ", ".join(
            f"{name} {value:.4g}"
            for name, value in zip(self.settings.metrics, answer.values, strict=False)
        )
        logger.info(
            "trial %d: %s (%d of %d)",
            number, values or "pruned", self.n_finished, self.settings.n_trials,
        )  # fmt: skip

    def _how_to_go_on(self) -> str:
        self.ledger.refresh()
        count = self.ledger.count()
        return (
            f"interrupted with {count.finished} of {self.settings.n_trials} trials finished; the "
            "same command goes on"
        )
