"""Finished runs that are to be compared: read, named, and refused where they cannot be."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from her2.core.errors import BadConfig, MissingInput
from her2.core.store import content_key
from her2.core.types import ARMS
from her2.evaluation.prediction_rows import first_repeat
from her2.plots.text import NOT_ESTIMABLE
from her2.tracking import FoundRun, anonymise, fetch, find_runs

RESULTS, PREDICTIONS, REPEATED = "results.json", "predictions.parquet", "repeated_cv.parquet"
RUN_DIR = "her2.run_dir"  # tag of a run in MLflow: its folder
KEPT = "evaluation"  # where MLflow keeps the predictions, without names
SHOWN = 12  # digits of a hash
COLUMNS = ["case", "patient", "role", "fold", "kind", "arm", "model", "y_true", "y_prob"]
_PAIR = re.compile(r"([^=,]+)=([^=,]*)")


@dataclass(frozen=True)
class FinishedRun:
    """A run as its folder, or MLflow, keeps it.

    Attributes
    ----------
    name
        In the comparison.
    results
        Its results.json.
    predictions
        Columns `COLUMNS`; case is the position of the lesion among the sorted ones and patient
        that of the patient, so that nothing names one.
    repeated
        Rows out of fold with the column repeat.
    cases
        Hash of the lesions' names; None where they are not known.
    folder
        Run folder; None if only MLflow has the run.
    run_id
        In MLflow; None if it is not there.
    """

    name: str
    results: Mapping[str, Any]
    predictions: pd.DataFrame
    repeated: pd.DataFrame
    cases: str | None = None
    folder: Path | None = None
    run_id: str | None = None

    @property
    def cohort(self) -> Mapping[str, Any]:
        """The entry `cohort` of its results."""
        cohort: Mapping[str, Any] = self.results["cohort"]
        return cohort

    @property
    def arms(self) -> list[str]:
        """Its arms, in the order of the study."""
        return [arm for arm in ARMS if arm in set(self.predictions["arm"])]


Describe: TypeAlias = Callable[[FinishedRun], Any]


def read_run(folder: Path, *, name: str = "") -> FinishedRun:
    """Return the run of a folder: its results and its predictions."""
    for file in (RESULTS, PREDICTIONS):
        if not (folder / file).is_file():
            raise MissingInput(
                f"expected a finished run with {file}, found none in {folder}; finish it with "
                "the command that began it"
            )
    results = _read_results(folder / RESULTS)
    named = pd.read_parquet(folder / PREDICTIONS)
    table, place = anonymise(named), folder / REPEATED
    repeated = anonymise(pd.read_parquet(place)) if place.is_file() else None
    lesions = named[["patient_id", "lesion_id"]].astype(str).drop_duplicates()
    run_id = (results.get("mlflow") or {}).get("run_id")
    cases = content_key([sorted(lesions.to_numpy().tolist())])
    name = name or folder.resolve().name
    rows = _rows(table, repeated)
    return FinishedRun(name, results, *rows, cases=cases, folder=folder, run_id=run_id)


def _rows(
    predictions: pd.DataFrame, repeated: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions, and the rows out of fold of all repeats with the same numbers.

    Those of repeated_cv.parquet are numbered among the training patients alone.
    """
    if repeated is None:
        return predictions[COLUMNS], first_repeat(predictions)
    trained = predictions[predictions["role"].eq("train")]
    numbers = {name: np.unique(trained[name]) for name in ("case", "patient")}
    return predictions[COLUMNS], repeated.assign(
        **{name: found[repeated[name].to_numpy()] for name, found in numbers.items()}
    )


def _read_results(path: Path) -> Mapping[str, Any]:
    try:
        results: Mapping[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise BadConfig(f"expected the results of a run, found {path}: {error}") from error
    if not {"cohort", "arms"} <= results.keys():
        raise BadConfig(
            f"expected the results of a study, training or classification, found {path} without "
            "cohort and arms; name another run"
        )
    return results


def open_runs(named: Sequence[str], *, uri: str | None) -> list[FinishedRun]:
    """Return runs named by folder or by MLflow id."""
    folders = {word: Path(word) for word in named if Path(word).is_dir()}
    ids = [word for word in named if word not in folders]
    if places := [word for word in ids if "/" in word or "\\" in word or "=" in word]:
        raise MissingInput(
            f"expected a run folder or an MLflow run id, found no folder {places[0]}; see her2 ui "
            "for ids"
        )
    by_id = dict(zip(ids, find_runs(ids, uri=uri), strict=True)) if ids else {}
    return [
        read_run(folders[word]) if word in folders else _read_tracked(by_id[word], uri)
        for word in named
    ]


def _read_tracked(found: FoundRun, uri: str | None) -> FinishedRun:
    """Return a run of MLflow: from its folder where that is here and still the same run."""
    folder = Path(found.tags.get(RUN_DIR, ""))
    if RUN_DIR in found.tags and (folder / RESULTS).is_file():
        run = read_run(folder, name="" if _settings(folder.name) else found.name)
        if run.run_id == found.run_id:
            return run
    with tempfile.TemporaryDirectory() as place:
        kept = (RESULTS, f"{KEPT}/{PREDICTIONS}", f"{KEPT}/{REPEATED}")
        files = [fetch(found.run_id, file, Path(place), uri=uri) for file in kept]
        rows = _rows(*_numbered(found, files[1:]))
        return FinishedRun(found.name, _read_results(files[0]), *rows, run_id=found.run_id)


def _numbered(found: FoundRun, files: Sequence[Path]) -> list[pd.DataFrame]:
    """Return tables of MLflow, whose patients must be numbered beside their lesions."""
    tables = [pd.read_parquet(file) for file in files]
    if any("patient" not in table for table in tables):
        raise MissingInput(
            f"expected predictions with the column patient, found those of run {found.run_id[:8]} "
            "without, because an earlier version sent them; name its folder or run it again"
        )
    return tables


def with_names(runs: Sequence[FinishedRun], names: Sequence[str] = ()) -> list[FinishedRun]:
    """Return the runs under the names given, or under theirs as far as they differ."""
    if names and (len(names) != len(runs) or len(set(names)) != len(names)):
        raise BadConfig(
            f"expected names=[...] with {len(runs)} different names, one a run, found "
            f"{', '.join(names)}; leave it out to name them by their folders"
        )
    chosen = names or distinct_names([run.name for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, chosen, strict=True)]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return names of runs without what all of them share: settings, their keys, or words.

    Examples
    --------
    >>> distinct_names(["train vgg19 seed 0", "train resnet50 seed 0"])
    ['vgg19', 'resnet50']
    >>> distinct_names(["backbone=resnet50,seed=1", "backbone=vgg19,seed=1"])
    ['resnet50', 'vgg19']
    >>> distinct_names(["first", "backbone=vgg19"]), distinct_names(["run", "run"])
    (['first', 'vgg19'], ['run', 'run (2)'])
    """
    settings = {i: found for i, name in enumerate(names) if (found := _settings(name))}
    if len({tuple(k for k, _ in found) for found in settings.values()}) == 1:
        values = _what_differs([[v for _, v in found] for found in settings.values()], ", ")
        named = dict(zip(settings, values, strict=True))
        names = [named.get(i, name) for i, name in enumerate(names)]
    elif not settings:
        names = _what_differs([name.split(" ") for name in names], " ")
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _settings(name: str) -> list[tuple[str, str]]:
    """Return the settings that a job's folder is named after; nothing if it is not."""
    found = _PAIR.findall(name)
    return found if ",".join(f"{key}={value}" for key, value in found) == name else []


def _what_differs(parts: Sequence[Sequence[str]], separator: str) -> list[str]:
    """Return what differs between names of equally many parts; else the names as they are."""
    differs = [False]
    if len({len(found) for found in parts}) == 1:
        differs = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    if not any(differs):
        return [separator.join(found) for found in parts]
    return [
        separator.join(p for p, kept in zip(found, differs, strict=True) if kept)
        for found in parts
    ]


def check_comparable(runs: Sequence[FinishedRun]) -> None:
    """Refuse runs that did not judge the same lesions by the same split, saying what differs."""
    if len(runs) < 2:
        raise BadConfig(f"expected at least two runs to compare, found {len(runs)}; name more")
    for i, run in enumerate(runs):
        for other in runs[:i]:
            same_folder = run.folder and other.folder and run.folder.samefile(other.folder)
            if same_folder or (run.run_id and run.run_id == other.run_id):
                raise BadConfig(
                    f"expected different runs, found the run {other.name} twice; name each once"
                )
    for what, (digest, describe) in _MUST_AGREE.items():
        known = [(run, found) for run in runs if (found := digest(run))]
        for run, found in known:
            first, expected = known[0]
            if found != expected:
                raise BadConfig(
                    f"expected runs of the same {what}, found {describe(first)} (SHA-256 "
                    f"{expected[:SHOWN]}) in {first.name} and {describe(run)} (SHA-256 "
                    f"{found[:SHOWN]}) in {run.name}; compare runs that share them"
                )


def _outcomes(run: FinishedRun) -> str:
    """Return a hash of which lesions are judged in which role, and of their outcomes."""
    rows = run.predictions[["case", "role", "y_true"]].drop_duplicates()
    ordered = rows.sort_values(["role", "case", "y_true"])
    return content_key([ordered.astype({"case": int, "y_true": int}).to_numpy().tolist()])


def _lesions(run: FinishedRun) -> str:
    cases = run.predictions.drop_duplicates("case")
    return f"{len(cases)} lesions, {int(cases['y_true'].sum())} positive"


def _split(run: FinishedRun) -> str:
    return f"{run.cohort['n_train']} patients to train and {run.cohort['n_test']} to test"


# what runs must share -> its hash (None: not known), and its description
_MUST_AGREE: Mapping[str, tuple[Describe, Describe]] = {
    "data": (lambda run: run.cohort["data_sha256"], lambda run: run.cohort["name"]),
    "split": (lambda run: run.cohort["split_sha256"], _split),
    "lesions": (lambda run: run.cases, _lesions),
    "lesions and outcomes": (_outcomes, _lesions),
}


def run_notes(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the notes of the runs, those of all of them once, and what differs between them."""
    every = [[str(note) for note in run.results.get("notes", [])] for run in runs]
    shared = [note for note in every[0] if all(note in notes for notes in every[1:])]
    own = [
        note if note.startswith(run.name) else f"{run.name}: {note}"
        for run, notes in zip(runs, every, strict=True)
        for note in notes
        if note not in shared and NOT_ESTIMABLE not in note  # the comparison has its own
    ]
    return [*_fold_notes(runs), *shared, *own]


def _fold_notes(runs: Sequence[FinishedRun]) -> list[str]:
    folds = {}
    for run in runs:
        rows = run.predictions[run.predictions["kind"].eq("out_of_fold")]
        rows = rows.drop_duplicates("case").sort_values("case")[["case", "fold"]].astype(int)
        folds[run.name] = tuple(rows.itertuples(index=False, name=None))
    if len(set(folds.values())) == 1:
        return []
    counts = ", ".join(f"{name} {len({f for _, f in found})}" for name, found in folds.items())
    return [
        f"The out-of-fold predictions come from different folds (numbers of folds: {counts}); the "
        "lesions are the same, but a model that learned from more of them has an advantage."
    ]
