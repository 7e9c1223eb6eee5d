"""The book of a study: which points are done, which are under way, and which must be run again.

Everything that a killed process could leave half done is decided from what the storage holds:
a trial is created together with the tag of its owner; a trial whose owner has died is marked
failed with `again: true`; its point is run again by a new trial that names it in `again_of`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from her2.search.owners import LEASE, Owner, now

logger = logging.getLogger(__name__)

OWNER, AGAIN, AGAIN_OF, REASON, COPY_OF = "owner", "again", "again_of", "reason", "copy_of"
WITHDRAWN = "withdrawn"  # created at the moment at which another sweeper filled the study
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Count:
    """Trials of a study: finished (complete or pruned), under way, failed (not to be run again).

    given_up: marked failed because their process died or was stopped, so that their points run
    again, or because they were not needed.
    """

    finished: int
    pruned: int
    running: int
    failed: int
    given_up: int


class Ledger:
    """The trials of a study as one of its sweepers sees and writes them.

    seen: all trials by number as of the last `refresh`; each look at the storage costs
    milliseconds, so what is only counted or compared reads from here.
    """

    def __init__(self, study: Study, *, lease_seconds: float) -> None:
        self.study = study
        self.owner = Owner()
        self.lease_seconds = lease_seconds
        self.seen: list[FrozenTrial] = []

    def refresh(self) -> list[FrozenTrial]:
        """Look at the storage, which reads only what has changed, and return all trials."""
        self.seen = self.study.get_trials(deepcopy=False)
        return self.seen

    def count(self) -> Count:
        """Count the trials that were seen."""
        trials = self.seen
        states = [t.state for t in trials]
        again = sum(t.state == TrialState.FAIL and not is_failure(t) for t in trials)
        return Count(
            finished=sum(state in FINISHED for state in states),
            pruned=states.count(TrialState.PRUNED),
            running=states.count(TrialState.RUNNING),
            failed=states.count(TrialState.FAIL) - again,
            given_up=again,
        )

    def give_sign(self) -> None:
        """Tell the other sweepers that this one lives."""
        try:
            self.study.set_user_attr(self.owner.lease_key, now())
        # a busy or restarted database: the next sign counts
        except (StorageInternalError, OSError) as error:
            logger.warning("search: a sign of life was not written (%s)", error)

    def release_dead(self) -> int:
        """Mark unfinished trials of dead sweepers failed, so that their points run again."""
        running = [t for t in self.seen if t.state == TrialState.RUNNING]
        others = [t for t in running if t.user_attrs.get(OWNER) != self.owner.tag]
        if not others:
            return 0
        attributes = self.study.user_attrs
        leases = {k: v for k, v in attributes.items() if k.startswith(LEASE)}
        dead = [t for t in others if self._is_dead(t, leases)]
        return sum(self._give_up(t, "the process that ran it has ended") for t in dead)

    def _is_dead(self, trial: FrozenTrial, leases: Mapping[str, Any]) -> bool:
        tag = trial.user_attrs.get(OWNER)
        if tag is None:  # of another program: Optuna alone leaves no sign
            return False
        return Owner.of(tag).is_dead(leases, now=now(), lease_seconds=self.lease_seconds)

    def _give_up(self, trial: FrozenTrial, reason: str) -> bool:
        storage, number = self.study._storage, trial._trial_id
        try:
            storage.set_trial_user_attr(number, REASON, reason)
            storage.set_trial_user_attr(number, AGAIN, True)
            return storage.set_trial_state_values(number, TrialState.FAIL)
        except UpdateFinishedTrialError:  # another sweeper has noticed as well, or it did finish
            return False

    def give_up_mine(self, reason: str) -> int:
        """Mark this sweeper's unfinished trials failed, so that their points run again."""
        mine = [
            t for t in self.refresh()
            if t.state == TrialState.RUNNING and t.user_attrs.get(OWNER) == self.owner.tag
        ]  # fmt: skip
        return sum(self._give_up(t, reason) for t in mine)

    def to_run_again(self) -> FrozenTrial | None:
        """Return the first trial whose point was lost and that no later trial has taken over."""
        taken = {t.user_attrs.get(AGAIN_OF) for t in self.seen}
        for trial in self.seen:
            if _is_lost(trial) and trial.number not in taken:
                return trial
        return None

    def create(self, given: Mapping[str, Any] | None = None, again_of: int | None = None) -> int:
        """Create a trial of this sweeper, with its owner's tag from the start; return its number.

        The trials are looked at afterwards.

        given: values that are not left to the sampler.
        """
        attributes: dict[str, Any] = {OWNER: self.owner.tag}
        if again_of is not None:
            attributes[AGAIN_OF] = again_of
        template = create_trial(
            state=TrialState.RUNNING,
            user_attrs=attributes,
            system_attrs={"fixed_params": dict(given)} if given else {},
        )
        trial_id = self.study._storage.create_new_trial(self.study._study_id, template)
        return next(t.number for t in reversed(self.refresh()) if t._trial_id == trial_id)

    def trial(self, number: int) -> Trial:
        """Return a trial of this study that values can be asked of."""
        trial_id = self.study._storage.get_trial_id_from_study_id_trial_number(
            self.study._study_id, number
        )
        return Trial(self.study, trial_id)

    def is_surplus(self, number: int, n_trials: int, again_of: int | None = None) -> bool:
        """Whether other sweepers' trials before this one fill the study, or run the same point."""
        before = [t for t in self.seen if t.number < number]
        alive = sum(t.state in (*FINISHED, TrialState.RUNNING) for t in before)
        repeated = again_of is not None and any(
            t.user_attrs.get(AGAIN_OF) == again_of for t in before
        )
        return repeated or alive >= n_trials

    def trial_id(self, number: int) -> int:
        """Return the storage's own name of a trial."""
        return self.study._storage.get_trial_id_from_study_id_trial_number(
            self.study._study_id, number
        )

    def note(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Write what is known of an unfinished trial."""
        for name, value in attributes.items():
            self.study._storage.set_trial_user_attr(self.trial_id(number), name, value)

    def finish(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None = None,
        noted: Mapping[str, Any] | None = None,
    ) -> bool:
        """Finish a trial; False if another sweeper has taken it over in the meantime."""
        try:
            self.note(number, noted or {})
            self.study.tell(number, values, state=state)
        except (UpdateFinishedTrialError, ValueError) as error:
            if not self._is_finished(number):
                raise
            logger.warning("search: trial %d was taken over by another process: %s", number, error)
            return False
        return True

    def _is_finished(self, number: int) -> bool:
        return self.study._storage.get_trial(self.trial_id(number)).state.is_finished()

    def same_point(self, number: int, point: Mapping[str, Any]) -> FrozenTrial | None:
        """Return a complete trial of the same point, None if there is none."""
        wanted = dict(point)
        complete = (t for t in self.seen if t.state == TrialState.COMPLETE)
        return next((t for t in complete if t.number != number and t.params == wanted), None)


def is_failure(trial: FrozenTrial) -> bool:
    """Whether the trial itself failed, and not the process that ran it."""
    attributes = trial.user_attrs
    return trial.state == TrialState.FAIL and not (
        attributes.get(AGAIN) or attributes.get(WITHDRAWN)
    )


def is_given_up(trial: FrozenTrial) -> bool:
    """Whether the trial was marked failed for reasons that are not its own."""
    return trial.state == TrialState.FAIL and not is_failure(trial)


def point_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that a trial has, or was created with."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _is_lost(trial: FrozenTrial) -> bool:
    is_marked = trial.state == TrialState.FAIL and bool(trial.user_attrs.get(AGAIN))
    return is_marked and bool(point_of(trial))
