"""Finished runs side by side: ROC, DeLong with Holm, calibration, decision curves, cost."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from her2.comparison.models import Model, joined, models_of, most_models
from her2.comparison.notes import comparison_notes
from her2.comparison.outputs import Comparison, write_comparison
from her2.comparison.runs import (
    RESULTS,
    FinishedRun,
    check_comparable,
    is_of_settings,
    read_files,
    read_run,
    with_names,
)
from her2.comparison.tracking import track_comparison
from her2.comparison.words import row_line
from her2.core.errors import BadConfig, MissingInput
from her2.core.run_folder import RunFolder
from her2.core.settings import CompareSettings, TrackingSettings
from her2.evaluation.judged_models import compare_models
from her2.tracking import FoundRun, fetch, find_runs

logger = logging.getLogger(__name__)

RUN_DIR = "her2.run_dir"  # tag of a run: its folder
KEPT = "evaluation/predictions.parquet"  # what MLflow keeps of the predictions, without names
WIDTH = 40  # characters of a model's name on a terminal


def compare(settings: CompareSettings, run_dir: Path) -> int:
    """Compare finished runs, named by folder or MLflow id, and return the exit status."""
    tracking, runs = settings.tracking, settings.runs
    if len(runs) < 2:
        raise BadConfig(
            f"expected at least two runs to compare, found {len(runs)}; name their folders or "
            "MLflow ids: her2 compare RUN RUN"
        )
    opened = with_names(open_runs(runs, uri=tracking.uri), settings.names)
    check_comparable(opened)
    models = models_of(opened, settings.arms)
    folder = RunFolder.open(run_dir, settings.record())
    compare_models_of(opened, models, folder.path, tracking=tracking)
    return 0


def compare_folders(
    folders: Sequence[Path],
    run_dir: Path,
    *,
    tracking: TrackingSettings,
    missing: Mapping[str, str] | None = None,
    name: str = "",
) -> Path:
    """Compare the finished jobs of a multirun and return the page's path.

    Parameters
    ----------
    folders
        Run folders, at least two.
    run_dir
        Where comparison.html, comparison.json, figures/ and tables/ go.
    missing
        Jobs that did not finish, by name, with the reason.
    name
        Of the comparison in MLflow, where the jobs are then nested below it.

    Raises
    ------
    BadConfig
        The jobs do not share data, split and lesions, or there are fewer than two.
    """
    absent = dict(missing or {})
    opened = with_names([read_run(folder, name=_name(folder, run_dir)) for folder in folders])
    check_comparable(opened)
    models, note = most_models(opened)
    return compare_models_of(
        opened, models, run_dir, tracking=tracking, missing=absent, name=name, nests=True,
        notes=[note] if note else [],
    )  # fmt: skip


def _name(folder: Path, run_dir: Path) -> str:
    is_inside = folder.is_relative_to(run_dir)
    return str(folder.relative_to(run_dir)) if is_inside else ""


def compare_models_of(
    runs: Sequence[FinishedRun],
    models: Sequence[Model],
    folder: Path,
    *,
    tracking: TrackingSettings,
    missing: Mapping[str, str] | None = None,
    name: str = "",
    nests: bool = False,
    notes: Sequence[str] = (),
) -> Path:
    """Write a comparison into a folder, tell MLflow, say the headline; return the page's path."""
    found = compare_models(joined(models), [model.name for model in models])
    made = Comparison(runs, models, found, missing or {}, [*notes, *comparison_notes(runs)])
    page = write_comparison(folder, made)
    if tracking.enabled:
        track_comparison(folder, made, tracking=tracking, name=name, nests=nests)
    width = min(max(len(model) for model in found.models), WIDTH)
    lines = [row_line(found, model, width) for model in found.models]
    sys.stdout.write("\n".join([*lines, f"comparison: {page}"]) + "\n")
    return page


def open_runs(named: Sequence[str], *, uri: str | None) -> list[FinishedRun]:
    """Return the runs that a command line names, by folder or by MLflow id.

    Raises
    ------
    MissingInput, BadArgument
        A folder or file that is not there, an id that is unknown or not unique.
    """
    folders = {word: Path(word) for word in named if Path(word).is_dir()}
    ids = [word for word in named if word not in folders]
    if places := [word for word in ids if "/" in word or "\\" in word or "=" in word]:
        raise MissingInput(
            f"expected a run folder or an MLflow run id, found no folder {places[0]}; see her2 ui "
            "for ids"
        )
    by_id = dict(zip(ids, find_runs(ids, uri=uri), strict=True)) if ids else {}
    return [
        read_run(folders[word]) if word in folders else _of_store(by_id[word], uri)
        for word in named
    ]


def _of_store(found: FoundRun, uri: str | None) -> FinishedRun:
    """Return a run of MLflow: from its folder where that is here and still the same run."""
    folder = Path(found.tags.get(RUN_DIR, ""))
    if RUN_DIR in found.tags and (folder / RESULTS).is_file():
        run = read_run(folder, name="" if is_of_settings(folder.name) else found.name)
        if run.run_id == found.run_id:
            return run
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        results = fetch(found.run_id, RESULTS, place, uri=uri)
        predictions = fetch(found.run_id, KEPT, place, uri=uri)
        return read_files(results, predictions, name=found.name, run_id=found.run_id)
