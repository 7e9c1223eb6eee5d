"""What a finished run is evidence of, and how each piece of evidence names its source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

import pandas as pd

from her2.core.results import centre_roles
from her2.core.types import ARMS

Status = Literal["met", "not met", "not applicable", "needs author"]
STATUSES: tuple[Status, ...] = get_args(Status)
# an untouched test says more than a fold, and other patients more than a test


@dataclass(frozen=True)
class Answer:
    """The answer to an item of a checklist.

    Attributes
    ----------
    status
        One of `STATUSES`.
    proof
        Numbers or files that prove it, or what is missing; joined by semicolons.
    """

    status: Status
    proof: str


def _answer(status: Status, *evidence: object) -> Answer:
    """Answer with its evidence, joined by semicolons; None is no evidence."""
    return Answer(status, "; ".join(str(piece) for piece in evidence if piece is not None))


met = partial(_answer, "met")
not_met = partial(_answer, "not met")  # what was not found, or what is evidence against it
not_applicable = partial(_answer, "not applicable")
needs_author = partial(_answer, "needs author")  # what the run has, and what a person must add


def met_by(lacking: str, *needed: object, more: Iterable[object] = ()) -> Answer:
    """Answer ``met`` with the evidence, or ``not met`` where a needed piece of it is None.

    >>> met_by("nothing counted", "61 of 210 positive", more=[None, "no resampling"]).proof
    '61 of 210 positive; no resampling'
    >>> met_by("nothing counted", "210", None)
    Answer(status='not met', proof='nothing counted')
    """
    return not_met(lacking) if any(x is None for x in needed) else met(*needed, *more)


@dataclass(frozen=True)
class Found:
    """A value and its source.

    Attributes
    ----------
    value
        The value.
    source
        File and place in it.

    Examples
    --------
    >>> print("slope", Found(0.8712, "results.json: arms.dlr.roles.test.calibration_slope"))
    slope 0.871 (results.json: arms.dlr.roles.test.calibration_slope)
    """

    value: Any
    source: str

    def __str__(self) -> str:
        return f"{shown(self.value)} ({self.source})"


def named(name: str, found: Found | None) -> str | None:
    """Evidence after its name; None where there is none."""
    return None if found is None else f"{name} {found}"


@dataclass(frozen=True)
class StudyFacts:
    """Everything that a rule may read; whatever is absent is no evidence.

    Attributes
    ----------
    results, config, environment
        `results.json`, the resolved configuration as in `config.yaml`, `environment.json`.
    tables
        Tables by name, as they are written to `tables/`.
    figures, files
        Names of the figures in `figures/`, without suffix, and of the files in the run folder,
        relative to it (``model/dlr.skops``).
    flow
        The flow of patients, as in `cohort.json`.

    Examples
    --------
    >>> facts = StudyFacts(results={"cohort": {"n_patients": 210}})
    >>> str(facts.result("cohort.n_patients"))
    '210 (results.json: cohort.n_patients)'
    >>> facts.result("cohort.n_test") is None
    True
    """

    results: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: frozenset[str] | set[str] = frozenset()
    files: frozenset[str] | set[str] = frozenset()
    flow: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def result(self, path: str) -> Found | None:
        """Value at a dotted path of `results.json`; None where it is absent, null or empty."""
        return _found(self.results, path, f"results.json: {path}")

    def setting(self, path: str) -> Found | None:
        """Value at a dotted path of `config.yaml`; None where it is absent, null or empty."""
        return _found(self.config, path, f"config.yaml: {path}")

    def counted(self, path: str) -> Found | None:
        """Value at a dotted path of the flow of patients."""
        return _found({"flow": self.flow}, f"flow.{path}", f"cohort.json: flow.{path}")

    def version(self, package: str) -> Found | None:
        """Version of a package that the run was made with."""
        path = f"packages.{package}"
        return _found(self.environment, path, f"environment.json: {path}")

    def table(self, name: str) -> pd.DataFrame:
        """Table of a name; an empty one where the run has none."""
        return self.tables.get(name, pd.DataFrame())

    def column(self, table: str, column: str) -> pd.Series[Any]:
        """Values of a column that are not missing; empty where the table or column is absent."""
        rows = self.table(table)
        return rows[column].dropna() if column in rows else pd.Series(dtype=object)

    def has_file(self, name: str) -> bool:
        """Whether the run folder holds a file, or a folder with something in it."""
        return any(file == name or file.startswith(f"{name}/") for file in self.files)

    @property
    def simulated(self) -> Found | None:
        """Evidence that the patients are simulated; None where nothing says so."""
        flag = self.result("cohort.simulated")
        if flag is not None and flag.value:
            return flag
        reader = self.setting("cohort.reader")
        return reader if reader is not None and reader.value == "phantom" else None

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms of the run, from the simplest to the one that joins the others."""
        present = self.results.get("arms") or {}
        return tuple(arm for arm in ARMS if arm in present)

    @property
    def final_arm(self) -> str | None:
        """Arm that joins most of the others: the model a study would hand over."""
        return self.arms[-1] if self.arms else None

    def judged_role(self, arm: str) -> str | None:
        """Role with the most independent patients in which an arm was judged."""
        roles = self.results["arms"][arm].get("roles") or {}
        ordered = (*centre_roles(self.results), "test", "out_of_fold")
        return next((role for role in ordered if role in roles), None)

    def of_role(self, arm: str, role: str, name: str) -> Found | None:
        """Return a measure of an arm in a role, whose name may hold dots; None if it has none."""
        found = ((self.results.get("arms") or {}).get(arm, {}).get("roles") or {}).get(role, {})
        return _found(found, name, f"results.json: arms.{arm}.roles.{role}.{name}")

    def performance(self, name: str) -> Found | None:
        """Return a measure of the final arm in its most independent role; None if it has none."""
        role = self.judged_role(self.final_arm) if self.final_arm else None
        return self.of_role(str(self.final_arm), role, name) if role else None


def shown(value: Any) -> str:
    """Value as it stands in a proof: three decimals, yes or no, names joined by commas.

    >>> shown(0.98765), shown(7), shown(True), shown(["age", "pr"]), shown({"lr": {}, "svm": {}})
    ('0.988', '7', 'yes', 'age, pr', 'lr, svm')
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple | Mapping):
        return ", ".join(str(part) for part in value)
    return str(value)


def _found(tree: Mapping[str, Any], path: str, source: str) -> Found | None:
    value: Any = tree
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    is_empty = isinstance(value, str | list | tuple | Mapping) and not value
    is_nan = isinstance(value, float) and math.isnan(value)
    return None if value is None or is_empty or is_nan else Found(value, source)
