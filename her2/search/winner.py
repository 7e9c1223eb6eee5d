"""The winner: fitted again on all training patients, and judged once on the test role."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from her2.core.store import write_json
from her2.pipeline.evaluate import SEARCHED
from her2.search.ledger import point_of
from her2.search.owners import LEASE, Owner, now

if TYPE_CHECKING:
    from her2.search.loop import Work

logger = logging.getLogger(__name__)

FOLDER = "winner"
_SETTLE_SECONDS = 1.0  # in which two sweepers that end together see each other's claim


@dataclass(frozen=True)
class Winner:
    """The best trial and its run.

    folder: of the run; results: its results.json, None if it is not finished; n_looks: how many
    winners of the study have been judged on the test role so far.
    """

    trial: int
    folder: Path
    results: dict[str, Any] | None
    n_looks: int


def judge_winner(work: Work, trial: FrozenTrial) -> Winner:
    """Return the winner's run; a trial that was judged before is not judged again."""
    key = f"winner:{trial.number}"
    claim = work.study.user_attrs.get(key)
    folder = Path(claim["folder"]) if claim else _new_folder(work)
    if claim and not _is_abandoned(work, claim, folder):
        logger.info("search: trial %d was judged already, in %s", trial.number, folder)
    elif _claims(work, key, folder):
        _note(work, trial, folder)
        work.jobs.run_once(point_of(trial), folder)
    else:
        logger.info("search: another process judges the winner, in %s", folder)
    judged = [name for name in work.study.user_attrs if name.startswith("winner:")]
    return Winner(trial.number, folder, read_results(folder), len(judged))


def read_results(folder: Path) -> dict[str, Any] | None:
    """Return results.json of a run, None if there is none."""
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _new_folder(work: Work) -> Path:
    """Return the folder of a winner: the first one has the plain name."""
    n_before = sum(name.startswith("winner:") for name in work.study.user_attrs)
    return work.folder / (FOLDER if n_before == 0 else f"{FOLDER}-{n_before + 1}")


def _is_abandoned(work: Work, claim: dict[str, Any], folder: Path) -> bool:
    """Whether the process that began to judge has ended before it was done."""
    if (folder / "results.json").is_file() or not folder.parent.is_dir():
        return False
    leases = {k: v for k, v in work.study.user_attrs.items() if k.startswith(LEASE)}
    owner = Owner.of(claim["owner"])
    return owner.is_dead(leases, now=now(), lease_seconds=work.settings.lease_seconds)


def _claims(work: Work, key: str, folder: Path) -> bool:
    """Whether this process is the one that judges."""
    tag = work.ledger.owner.tag
    work.study.set_user_attr(key, {"folder": str(folder), "owner": tag})
    time.sleep(_SETTLE_SECONDS)
    return bool(work.study.user_attrs[key]["owner"] == tag)


def _note(work: Work, trial: FrozenTrial, folder: Path) -> None:
    count = work.ledger.count()
    write_json(
        folder / SEARCHED,
        {"study": work.study.study_name, "trial": trial.number, "n_trials": count.finished,
         "metrics": list(work.settings.metrics)},
    )  # fmt: skip
