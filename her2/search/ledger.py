"""The book of a study: which points are done, which are under way, and which must be run again.

Everything that a killed process could leave half done is decided from what the storage holds:
a trial is created together with the tag of its owner; a trial whose owner has died is marked
failed with `again: true`; its point is run again by a new trial that names it in `again_of`.

Optuna's own heartbeat (``RetryHeartbeatStaleTrialCallback``) cannot do this. Tried with
`kill -9`: a journal has none; in databases a trial is retried only after the grace period, when a
search that is continued at once may have ended; a point is lost between marking and enqueueing;
and trials of `create_new_trial` or `ask`, which a launcher needs, give no sign of life at all.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from her2.search.storage import Storage

logger = logging.getLogger(__name__)

LEASE = "lease:"  # start of the study's attributes that hold a sweeper's last sign of life
OWNER, AGAIN, AGAIN_OF, REASON, COPY_OF = "owner", "again", "again_of", "reason", "copy_of"
WITHDRAWN = "withdrawn"  # created at the moment at which another sweeper filled the study
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def new_owner(host: str | None = None, pid: int | None = None) -> str:
    """Return the tag ``host:pid:token`` of a sweeper, by default of one in this process."""
    return f"{host or socket.gethostname()}:{pid or os.getpid()}:{uuid.uuid4().hex[:12]}"


def is_dead(owner: str, attributes: Mapping[str, Any], lease_seconds: float) -> bool:
    """Whether a sweeper's trials are to be run by others.

    At once, if it ran on this machine and has gone; else after a lease without a sign of life.
    """
    host, pid, _ = owner.rsplit(":", 2)
    if host == socket.gethostname() and not _is_running(int(pid)):
        return True
    return time.time() - float(attributes.get(f"{LEASE}{owner}", 0.0)) > lease_seconds


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


class Ledger:
    """The trials of a study as one of its sweepers, with the tag `owner`, sees and writes them.

    `seen` has all trials by number as of the last `refresh`. Reading the storage costs
    milliseconds, so what is only counted or compared reads from there.
    """

    def __init__(self, study: Study, storage: Storage, *, lease_seconds: float) -> None:
        self.study = study
        self.storage = storage
        self.study_id = storage.get_study_id_from_name(study.study_name)
        self.lease_seconds = lease_seconds
        self.owner = new_owner()
        self.seen: list[FrozenTrial] = []

    def refresh(self) -> list[FrozenTrial]:
        """Read what has changed in the storage, and return all trials."""
        self.seen = self.study.get_trials(deepcopy=False)
        return self.seen

    def count(self) -> dict[str, int]:
        """Count the trials that were seen by `state_of`; finished: complete or pruned."""
        states = Counter(map(state_of, self.seen))
        finished = {"finished": states["complete"] + states["pruned"]}
        rest = ("pruned", "failed", "running", "given up")
        return finished | {state.replace(" ", "_"): states[state] for state in rest}

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Give a sign of life now, and from another thread three times a lease meanwhile."""
        self._give_sign()
        stopped = threading.Event()

        def give() -> None:
            while not stopped.wait(self.lease_seconds / 3):
                self._give_sign()

        thread = threading.Thread(target=give, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(timeout=5)

    def _give_sign(self) -> None:
        try:
            self.study.set_user_attr(f"{LEASE}{self.owner}", time.time())
        # a busy or restarted database: the next sign counts
        except (StorageInternalError, OSError) as error:
            logger.warning("search: a sign of life was not written (%s)", error)

    def release_dead(self) -> int:
        """Mark unfinished trials of dead sweepers failed, so that their points run again.

        Trials without an owner are of another program, and left alone.
        """
        running = (t for t in self.seen if t.state == TrialState.RUNNING)
        others = {t.user_attrs.get(OWNER) for t in running} - {None, self.owner}
        signs = self.study.user_attrs if others else {}
        dead = {x for x in others if is_dead(str(x), signs, self.lease_seconds)}
        return self._give_up(dead, "the process that ran it has ended")

    def give_up_mine(self, reason: str) -> int:
        """Mark this sweeper's unfinished trials failed, so that their points run again."""
        self.refresh()
        return self._give_up({self.owner}, reason)

    def _give_up(self, owners: set[Any], reason: str) -> int:
        noted = {REASON: reason, AGAIN: True}
        running = [t for t in self.seen if t.state == TrialState.RUNNING]
        lost = [t.number for t in running if t.user_attrs.get(OWNER) in owners]
        return sum(self.finish(number, TrialState.FAIL, noted=noted) for number in lost)

    def to_run_again(self) -> FrozenTrial | None:
        """Return the first trial whose point was lost and that no later trial has taken over."""
        taken = {t.user_attrs.get(AGAIN_OF) for t in self.seen}
        failed = (t for t in self.seen if t.state == TrialState.FAIL and t.number not in taken)
        return next((t for t in failed if t.user_attrs.get(AGAIN) and point_of(t)), None)

    def create(self, given: Mapping[str, Any] | None = None, again_of: int | None = None) -> int:
        """Create a trial of this sweeper, with its owner's tag from the start; return its number.

        given: values that are not left to the sampler. The trials are read again afterwards.
        """
        attributes = {OWNER: self.owner} | ({} if again_of is None else {AGAIN_OF: again_of})
        fixed = {"fixed_params": dict(given)} if given else {}
        template = create_trial(
            state=TrialState.RUNNING, user_attrs=attributes, system_attrs=fixed
        )
        self.storage.create_new_trial(self.study_id, template)
        newest_first = reversed(self.refresh())
        return next(t.number for t in newest_first if t.user_attrs.get(OWNER) == self.owner)

    def trial(self, number: int) -> Trial:
        """Return a trial of which values can be asked."""
        return Trial(self.study, self._id(number))

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def is_surplus(self, number: int, n_trials: int, again_of: int | None = None) -> bool:
        """Whether other sweepers' trials before this one fill the study, or run the same point."""
        before = self.seen[:number]
        alive = sum(t.state in (*FINISHED, TrialState.RUNNING) for t in before)
        repeated = {t.user_attrs.get(AGAIN_OF) for t in before} - {None}
        return again_of in repeated or alive >= n_trials

    def finish(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None = None,
        noted: Mapping[str, Any] | None = None,
    ) -> bool:
        """Finish a trial; False if another sweeper has done so in the meantime."""
        trial_id = self._id(number)
        try:
            for name, value in (noted or {}).items():
                self.storage.set_trial_user_attr(trial_id, name, value)
            self.study.tell(number, values, state=state)
        except (UpdateFinishedTrialError, ValueError) as error:
            if not self.storage.get_trial(trial_id).state.is_finished():
                raise
            logger.warning("search: trial %d was taken over by another process: %s", number, error)
            return False
        return True

    def same_point(self, number: int, point: Mapping[str, Any]) -> FrozenTrial | None:
        """Return a complete trial of the same point, None if there is none."""
        complete = (t for t in self.seen if t.state == TrialState.COMPLETE)
        return next((t for t in complete if t.number != number and t.params == dict(point)), None)


def state_of(trial: FrozenTrial) -> str:
    """Return a trial's state in a word: complete, pruned, running, waiting, failed or given up.

    Given up: marked failed because its process ended, so that its point runs again, or because
    it was not needed.
    """
    if trial.state != TrialState.FAIL:
        return trial.state.name.lower()
    noted = trial.user_attrs
    return "given up" if noted.get(AGAIN) or noted.get(WITHDRAWN) else "failed"


def point_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that a trial has, or was created with."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
