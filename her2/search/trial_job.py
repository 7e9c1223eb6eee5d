"""A trial inside its job: what it is asked, how its folds are reported, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2.core.errors import Her2Error
from her2.pipeline.search_trial import Answer, Report, Request

if TYPE_CHECKING:
    from optuna.study import Study

    from her2.search.storage import Storage

KEY = "trial"  # of a job's config: the ticket


@dataclass(frozen=True)
class Ticket:
    """A trial as its job sees it.

    Attributes
    ----------
    number
        None for a rehearsal, which checks settings and data and fits nothing.
    metrics
        What to answer, in this order.
    study, storage, password_env
        Where intermediate values go, if `pruner` is not ``none``.
    pruner
        Name of the pruner.
    facts
        Hashes of data and split that the study began with.
    """

    number: int | None
    metrics: Sequence[str]
    study: str
    storage: str
    password_env: str | None
    pruner: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result(Answer):
    """The answer of a trial, or why it failed.

    Attributes
    ----------
    reason
        Why `state` is ``failed``; else empty.
    """

    reason: str = ""


def run_trial(
    trial: Callable[..., Answer], settings: Callable[[], Any], content: Any
) -> dict[str, Any]:
    """Return the answer of a trial; a rehearsal raises what it refuses.

    `settings` makes the settings of the trial; `content` is the ticket, as a job's config has it.
    """
    from hydra.core.hydra_config import HydraConfig

    ticket = Ticket(**content)
    folder = Path(str(HydraConfig.get().runtime.output_dir))
    is_rehearsal = ticket.number is None
    report = _report(ticket) if ticket.pruner != "none" else None
    request = Request(tuple(ticket.metrics), report, ticket.facts, is_rehearsal)
    try:
        return asdict(trial(settings(), run_dir=folder, request=request))
    except BrokenPipeError:
        raise
    except (Her2Error, OSError) as error:
        if is_rehearsal:
            raise
        return {"state": "failed", "reason": str(error)}


def _report(ticket: Ticket) -> Report:
    """Return the function by which a trial reports its folds; the study's pruner answers."""
    if ticket.number is None:
        return lambda step, value, mean: False
    from optuna.trial import Trial

    study, storage = _study(ticket.study, ticket.storage, ticket.password_env, ticket.pruner)
    study_id = storage.get_study_id_from_name(ticket.study)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, ticket.number)
    trial = Trial(study, trial_id)

    def report(step: int, value: float, mean: float) -> bool:
        # Wilcoxon's test pairs the folds of two trials; the others compare how far trials are
        trial.report(value if ticket.pruner == "wilcoxon" else mean, step)
        return trial.should_prune()

    return report


@lru_cache(maxsize=4)
def _study(
    name: str, address: str, password_env: str | None, pruner: str
) -> tuple[Study, Storage]:
    """Return the study of a search and its storage, opened once a process."""
    import optuna

    from her2.search.search_settings import make_pruner
    from her2.search.storage import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(address, password_env)
    study = optuna.load_study(study_name=name, storage=storage, pruner=make_pruner(pruner))
    return study, storage
