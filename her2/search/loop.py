"""The search itself: ask, run, tell, until the study has its number of finished trials."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from her2.core.errors import BadConfig, MissingInput, StoppedEarly
from her2.search.hydra_jobs import HydraJobs, flat
from her2.search.ledger import COPY_OF, REASON, WITHDRAWN, Ledger, point_of, state_of
from her2.search.search_results import TrackedSearch
from her2.search.search_settings import SearchSettings, make_pruner, make_sampler
from her2.search.space import Value
from her2.search.storage import Storage, open_storage, storage_address
from her2.search.trial_job import Result, Ticket

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # between two readings of trials that other sweepers run
FOLDER, IDENTITY = "run_dir", "her2"  # attributes of a study: its pages' folder; what it is of
_SHOWN = 4  # differences in a message


def search(jobs: HydraJobs, settings: SearchSettings) -> Study:
    """Run a search to its end, write its pages, judge the winner once, and return the study.

    Settings, space, storage or data that cannot be used are refused before any trial.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = storage_address(settings.storage)
    try:
        return _search(jobs, settings, address)
    except StorageInternalError as error:
        reason = str(error).splitlines()[0]
        raise MissingInput(
            f"expected the storage {address} to answer all the time, found: {reason}; the "
            "same command goes on"
        ) from error


def _search(jobs: HydraJobs, settings: SearchSettings, address: str) -> Study:
    from her2.search.search_page import close_search

    storage = open_storage(address, settings.storage_password_env)
    study = _open_study(jobs, settings, storage)
    folder = _search_folder(jobs, study)
    ticket = Ticket(
        None, settings.metrics, study.study_name, address, settings.storage_password_env,
        settings.pruner,
    )  # fmt: skip
    facts = dict(jobs.rehearse(ticket, folder).facts) if settings.rehearse else {}
    if "n_train" in facts:
        jobs.space = jobs.space.within(int(facts["n_train"]))
    _check_identity(study, jobs, settings, facts)
    tracked = TrackedSearch(jobs, study, settings, folder, facts)
    work = Work(jobs, settings, study, storage, replace(ticket, facts=facts), tracked)
    try:
        work.run()
    except StoppedEarly:
        close_search(work, is_finished=False)
        raise
    close_search(work, is_finished=True)
    return study


def _open_study(jobs: HydraJobs, settings: SearchSettings, storage: Storage) -> Study:
    """Return the study of a search, a new one or the one that goes on."""
    parts = (jobs.command, jobs.space.title, jobs.cohort)  # the same for the same command
    name = settings.study_name or "-".join(re.sub(r"[^\w.]+", "_", x) for x in parts if x)
    study = optuna.create_study(
        storage=storage, study_name=name, load_if_exists=True,
        directions=[StudyDirection[direction.upper()] for direction in settings.better],
        pruner=make_pruner(settings.pruner),
    )  # fmt: skip
    found = [direction.name.lower() for direction in study.directions]
    if found != list(settings.better):
        raise BadConfig(
            f"expected the directions {', '.join(found)} of the study {name}, found "
            f"{', '.join(settings.better)}; give another hydra.sweeper.study_name"
        )
    return study


def _search_folder(jobs: HydraJobs, study: Study) -> Path:
    """Return the search's folder: the one named, else the one in which the study began."""
    begun = study.user_attrs.get(FOLDER)
    if not jobs.is_folder_given and begun is not None and Path(begun).is_dir():
        return Path(begun)
    jobs.folder.mkdir(parents=True, exist_ok=True)
    study.set_user_attr(FOLDER, str(jobs.folder))
    return jobs.folder


def _check_identity(
    study: Study, jobs: HydraJobs, settings: SearchSettings, facts: Mapping[str, str]
) -> None:
    """Write what a new study is of; refuse to go on with another space, settings or data."""
    identity = {
        "space": jobs.space.document(), "metrics": list(settings.metrics),
        "pruner": settings.pruner, "settings": jobs.settings(), "data": dict(facts),
    }  # fmt: skip
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, identity)
        return
    before, now = flat(known), flat(json.loads(json.dumps(identity)))
    found = [
        f"{key}: {_short(before.get(key, 'nothing'))} -> {_short(now.get(key, 'nothing'))}"
        for key in sorted({*before, *now}) if before.get(key) != now.get(key)
    ]  # fmt: skip
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BadConfig(
            f"expected the search that the study {study.study_name} began with, found another "
            f"({'; '.join(found[:_SHOWN])}{more}); give another hydra.sweeper.study_name, or the "
            "settings and data of that search"
        )


def _short(text: str) -> str:
    return text if len(text) <= 66 else f"{text[:63]}..."


class Work:
    """A sweeper at work on a study."""

    def __init__(
        self,
        jobs: HydraJobs,
        settings: SearchSettings,
        study: Study,
        storage: Storage,
        ticket: Ticket,
        tracked: TrackedSearch,
    ) -> None:
        self.jobs, self.settings, self.study = jobs, settings, study
        self.ticket, self.tracked, self.folder = ticket, tracked, tracked.folder
        self.ledger = Ledger(study, storage, lease_seconds=settings.lease_seconds)
        self.seed = int(jobs.base.get("seed", 0)) if settings.seed is None else settings.seed
        self.points = jobs.space.points()
        self.failed: list[str] = []  # reasons in this call, the latest last
        self.n_finished = 0  # as far as this process knows

    def run(self) -> None:
        """Run trials until the study has enough, and nothing is left under way."""
        with self.ledger.kept_alive():
            count = self._count()
            if count["finished"] or count["running"]:
                logger.info(
                    "search %s: going on, %d of %d trials are finished",
                    self.study.study_name, count["finished"], self.settings.n_trials,
                )  # fmt: skip
            try:
                while not self._is_done():
                    self._step()
            except KeyboardInterrupt as error:
                self.ledger.give_up_mine("interrupted")
                raise KeyboardInterrupt(
                    f"interrupted with {self._count()['finished']} of {self.settings.n_trials} "
                    "trials finished; the same command goes on"
                ) from error

    def _count(self) -> dict[str, int]:
        self.ledger.refresh()
        return self.ledger.count()

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
        n_points = math.inf if self.points is None else len(self.points)
        if len(self.ledger.seen) >= n_points and not count["running"] and not self._points_left():
            logger.info("search: all %d points of the space are tried", n_points)
            return True
        return count["finished"] >= self.settings.n_trials

    def _points_left(self) -> list[dict[str, Value]]:
        """Return the points of a space that can be counted that no trial has tried."""
        done = {frozenset(point_of(t).items()) for t in self.ledger.seen
                if state_of(t) in ("complete", "pruned", "running", "failed")}  # fmt: skip
        return [point for point in self.points or () if frozenset(point.items()) not in done]

    def _step(self) -> None:
        """Run one batch of trials, or wait for those of other sweepers."""
        count = self.ledger.count()
        self.n_finished = count["finished"]
        wanted = self.settings.n_trials - count["finished"] - count["running"]
        asked = [self._ask() for _ in range(min(wanted, self.jobs.n_at_once))]
        batch = dict(trial for trial in asked if trial is not None)
        if not asked:
            time.sleep(POLL_SECONDS)
        if batch:
            tickets = [replace(self.ticket, number=number) for number in batch]
            answers = self.jobs.run(tickets, list(batch.values()), self.folder)
            for number, answer in zip(batch, answers, strict=True):
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
            is_conditional=any(parameter.when for parameter in self.jobs.space.parameters),
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
        return next(iter(self._points_left()), None)

    def _tell(self, number: int, answer: Result) -> None:
        reason = self._fault_of(answer)
        if reason is not None:
            if self.ledger.finish(number, TrialState.FAIL, noted={REASON: reason}):
                self.failed.append(reason)
                logger.warning("trial %d failed: %s", number, reason)
        elif answer.state == "pruned":
            self.n_finished += self.ledger.finish(number, TrialState.PRUNED)
        else:
            folds = {k: list(v) for k, v in answer.folds.items()}
            self.n_finished += self.ledger.finish(
                number, TrialState.COMPLETE, answer.values, {"folds": folds} if folds else {}
            )
        self.tracked.record(number)
        if reason is None:
            named = zip(self.settings.metrics, answer.values, strict=False)
            values = ", ".join(f"{name} {value:.4g}" for name, value in named) or "pruned"
            logger.info(
                "trial %d: %s (%d of %d)",
                number, values, self.n_finished, self.settings.n_trials,
            )  # fmt: skip

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
