"""Finished runs that are to be compared: read, named, and refused where they cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from her2.core.errors import BadConfig, MissingInput
from her2.core.store import content_key
from her2.core.types import ARMS

RESULTS, PREDICTIONS = "results.json", "predictions.parquet"
SHOWN = 12  # digits of a hash
COLUMNS = ["case", "role", "fold", "kind", "arm", "model", "y_true", "y_prob"]
_PAIR = re.compile(r"([^=,]+)=([^=,]*)")


@dataclass(frozen=True)
class FinishedRun:
    """A run as its folder, or MLflow, keeps it.

    results: its results.json; predictions: `COLUMNS`, where case is the position of the lesion
    among the sorted ones, so that nothing names a patient; cases: hash of who the lesions are,
    None where that is not known; run_id: in MLflow, None if it is not there.
    """

    name: str
    results: Mapping[str, Any]
    predictions: pd.DataFrame
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


def read_run(folder: Path, *, name: str = "") -> FinishedRun:
    """Return the run of a folder.

    Raises
    ------
    MissingInput
        The folder, its results or its predictions are not there.
    BadConfig
        Its results are not those of a run with arms.
    """
    for file in (RESULTS, PREDICTIONS):
        if not (folder / file).is_file():
            raise MissingInput(
                f"expected a finished run with {file}, found none in {folder}; finish it with "
                "the command that began it"
            )
    results = _results(folder / RESULTS)
    table = pd.read_parquet(folder / PREDICTIONS)
    keys = pd.MultiIndex.from_frame(table[["patient_id", "lesion_id"]].astype(str))
    lesions = keys.unique().sort_values()
    table["case"] = lesions.get_indexer(keys)
    run_id = (results.get("mlflow") or {}).get("run_id")
    cases = content_key([[list(key) for key in lesions]])
    return FinishedRun(
        name or folder.resolve().name, results, table[COLUMNS], cases, folder, run_id
    )


def read_files(results: Path, predictions: Path, *, name: str, run_id: str) -> FinishedRun:
    """Return a run from what MLflow keeps of it."""
    table = pd.read_parquet(predictions)
    return FinishedRun(name, _results(results), table[COLUMNS], run_id=run_id)


def _results(path: Path) -> Mapping[str, Any]:
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


def named_apart(names: Sequence[str]) -> list[str]:
    """Return names of runs without what all of them share: settings, their keys, or words.

    Examples
    --------
    >>> named_apart(["train vgg19 seed 0", "train resnet50 seed 0"])
    ['vgg19', 'resnet50']
    >>> named_apart(["backbone=resnet50,seed=1", "backbone=vgg19,seed=1"])
    ['resnet50', 'vgg19']
    >>> named_apart(["first", "backbone=vgg19"]), named_apart(["run", "run"])
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


def is_of_settings(name: str) -> bool:
    """Whether a folder is named after what differs between the jobs of a multirun.

    >>> is_of_settings("backbone=vgg19,seed=1"), is_of_settings("results")
    (True, False)
    """
    return bool(_settings(name))


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


def with_names(runs: Sequence[FinishedRun], names: Sequence[str] = ()) -> list[FinishedRun]:
    """Return the runs under the names given, or under theirs as far as they differ.

    Raises
    ------
    BadConfig
        Not one name a run, or a name twice.
    """
    if names and (len(names) != len(runs) or len(set(names)) != len(names)):
        raise BadConfig(
            f"expected names=[...] with {len(runs)} different names, one a run, found "
            f"{', '.join(names)}; leave it out to name them by their folders"
        )
    chosen = names or named_apart([run.name for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, chosen, strict=True)]


def check_comparable(runs: Sequence[FinishedRun]) -> None:
    """Refuse runs that did not judge the same lesions by the same split.

    Raises
    ------
    BadConfig
        With the sentence that says what differs, and between which runs.
    """
    if len(runs) < 2:
        raise BadConfig(f"expected at least two runs to compare, found {len(runs)}; name more")
    _check_different(runs)
    _check_same(runs, "data", lambda run: str(run.cohort["data_sha256"]), _data)
    _check_same(runs, "split", lambda run: str(run.cohort["split_sha256"]), _split)
    known = [run for run in runs if run.cases is not None]
    _check_same(known, "lesions", lambda run: str(run.cases), _lesions)
    _check_same(runs, "lesions and outcomes", _outcomes, _lesions)


def _check_different(runs: Sequence[FinishedRun]) -> None:
    for i, run in enumerate(runs):
        for other in runs[:i]:
            same_folder = run.folder and other.folder and run.folder.samefile(other.folder)
            if same_folder or (run.run_id and run.run_id == other.run_id):
                raise BadConfig(
                    f"expected different runs, found the run {other.name} twice; name each once"
                )


def _check_same(
    runs: Sequence[FinishedRun],
    what: str,
    measure: Callable[[FinishedRun], str],
    describe: Callable[[FinishedRun], str],
) -> None:
    others = [run for run in runs if measure(run) != measure(runs[0])]
    if others:
        raise BadConfig(
            f"expected runs of the same {what}, found {describe(runs[0])} in {runs[0].name} and "
            f"{describe(others[0])} in {others[0].name}; compare runs that share them"
        )


def _data(run: FinishedRun) -> str:
    cohort = run.cohort
    return f"{cohort['name']} (SHA-256 {cohort['data_sha256'][:SHOWN]})"


def _split(run: FinishedRun) -> str:
    cohort = run.cohort
    return (
        f"{cohort['n_train']} patients to train and {cohort['n_test']} to test (SHA-256 "
        f"{cohort['split_sha256'][:SHOWN]})"
    )


def _lesions(run: FinishedRun) -> str:
    cases = run.predictions.drop_duplicates("case")
    digest = run.cases or _outcomes(run)
    return (
        f"{len(cases)} lesions, {int(cases['y_true'].sum())} positive (SHA-256 {digest[:SHOWN]})"
    )


def _outcomes(run: FinishedRun) -> str:
    """Return a hash of which lesions are judged in which role, and of their outcomes."""
    rows = run.predictions[["case", "role", "y_true"]].drop_duplicates()
    ordered = rows.sort_values(["role", "case", "y_true"])
    return content_key([ordered.astype({"case": int, "y_true": int}).to_numpy().tolist()])
