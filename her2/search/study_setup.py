"""How a search begins: its study, its folder, and what it must stay the same in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study, StudyDirection

from her2.core.errors import BadConfig
from her2.search.job_protocol import Jobs
from her2.search.samplers import make_pruner
from her2.search.search_settings import SearchSettings
from her2.search.storage import StoragePlace, open_storage
from her2.search.ticket import Ticket

FOLDER = "run_dir"  # attribute of a study: where its pages are


def open_study(jobs: Jobs, settings: SearchSettings, place: StoragePlace) -> Study:
    """Return the study of a search, a new one or the one that goes on."""
    name = settings.study_name or study_name(jobs)
    study = optuna.create_study(
        storage=open_storage(place), study_name=name, load_if_exists=True,
        directions=_directions(settings), pruner=make_pruner(settings.pruner),
    )  # fmt: skip
    found = [direction.name.lower() for direction in study.directions]
    if found != list(settings.better):
        raise BadConfig(
            f"expected the directions {', '.join(found)} of the study {name}, found "
            f"{', '.join(settings.better)}; give another hydra.sweeper.study_name"
        )
    return study


def _directions(settings: SearchSettings) -> list[StudyDirection]:
    return [StudyDirection[direction.upper()] for direction in settings.better]


def study_name(jobs: Jobs) -> str:
    """Return a name that the same command has every time."""
    parts = [jobs.command, jobs.space.title, jobs.cohort]
    return "-".join(re.sub(r"[^\w.]+", "_", part) for part in parts if part)


def search_folder(jobs: Jobs, study: Study) -> Path:
    """Return the search's folder: the one named, else the one in which the study began."""
    begun = study.user_attrs.get(FOLDER)
    if not jobs.is_folder_given and begun is not None and Path(begun).is_dir():
        return Path(begun)
    folder = jobs.folder
    folder.mkdir(parents=True, exist_ok=True)
    study.set_user_attr(FOLDER, str(folder))
    return folder


def identity(jobs: Jobs, settings: SearchSettings, facts: Mapping[str, str]) -> dict[str, Any]:
    """Return what must stay the same for a study to go on."""
    return {
        "space": jobs.space.document(),
        "metrics": list(settings.metrics),
        "pruner": settings.pruner,
        "settings": jobs.settings(),
        "data": dict(facts),
    }


def with_facts(ticket: Ticket, facts: Mapping[str, str]) -> Ticket:
    """Return a ticket that says which data are expected."""
    return Ticket.of({**ticket.document(), "facts": dict(facts)})
