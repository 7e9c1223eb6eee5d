"""A trial inside its job: its function is called, folds are reported, errors are answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2.core.errors import Her2Error
from her2.pipeline.search_trial import Answer, Report, Request
from her2.search.ticket import Ticket

if TYPE_CHECKING:
    from optuna.study import Study


def run_trial(
    trial: Callable[..., Answer], settings: Callable[[], Any], content: Any
) -> dict[str, Any]:
    """Return the answer of a trial; a rehearsal raises what it refuses.

    settings: makes the settings of the trial; content: the ticket, as
    `her2.search.ticket.Ticket.document` has it.

    Raises
    ------
    Her2Error, OSError
        In a rehearsal: settings or data that no trial could use.
    """
    from hydra.core.hydra_config import HydraConfig

    ticket = Ticket.of(content)
    folder = Path(str(HydraConfig.get().runtime.output_dir))
    is_rehearsal = ticket.number is None
    report = _report(ticket) if ticket.pruner != "none" else None
    request = Request(ticket.metrics, report, ticket.facts, is_rehearsal)
    try:
        return asdict(trial(settings(), run_dir=folder, request=request))
    except BrokenPipeError:
        raise
    except (Her2Error, OSError) as error:
        if is_rehearsal:
            raise
        return {"state": "failed", "reason": str(error)}


def _report(ticket: Ticket) -> Report:
    """Return what a trial tells its folds; the pruner of the study answers."""
    if ticket.number is None:
        return lambda step, value, mean: False
    from optuna.trial import Trial

    study = _study(ticket.study, ticket.storage, ticket.password_env, ticket.pruner)
    storage = study._storage
    trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, ticket.number)
    trial = Trial(study, trial_id)

    def report(step: int, value: float, mean: float) -> bool:
        # Wilcoxon's test pairs the folds of two trials; the others compare how far trials are
        trial.report(value if ticket.pruner == "wilcoxon" else mean, step)
        return trial.should_prune()

    return report


@lru_cache(maxsize=4)
def _study(name: str, address: str, password_env: str | None, pruner: str) -> Study:
    """Return the study of a search, opened once a process."""
    import optuna

    from her2.search.samplers import make_pruner
    from her2.search.storage import StoragePlace, open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(StoragePlace(address, password_env))
    return optuna.load_study(study_name=name, storage=storage, pruner=make_pruner(pruner))
