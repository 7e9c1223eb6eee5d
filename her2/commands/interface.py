"""The Python interface: a study from a notebook, its run as an object, runs side by side."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from threadpoolctl import threadpool_limits

from her2.core.errors import BadArgument, MissingInput
from her2.core.results import FILE, Results, read_results
from her2.core.run_folder import alone_in
from her2.core.settings import (
    CohortSettings,
    CompareSettings,
    PlanSettings,
    StudySettings,
    TrackingSettings,
)
from her2.core.types import Cohort

if TYPE_CHECKING:
    from her2.planning.study_plan import StudyPlan


def run_study(settings: StudySettings | None = None) -> Run:
    """Run the whole study and return it; the bytes are those of ``her2 study``.

    Parameters
    ----------
    settings
        All settings; by default the study of the simulated cohort. ``settings.run_dir`` names the
        folder, outputs/study/TIME by default; a run that was stopped goes on in its folder.

    Raises
    ------
    BadConfig, BadCohort, MissingInput, MissingWeights, LeakageError
        With one sentence: what was expected, what was found, what to do.
    """
    from her2.commands.study import study

    settings = settings or StudySettings()
    folder = _run_dir(settings.run_dir, "study")
    with threadpool_limits(1, user_api="blas"):  # as the command: sums round the same
        study(settings, folder)
    return load_run(folder)


def load_run(folder: str | Path) -> Run:
    """Return a finished run.

    Raises
    ------
    MissingInput
        The folder holds no finished run.
    """
    path = Path(folder)
    if not (path / FILE).is_file():
        raise MissingInput(
            f"expected the folder of a finished run, found no {FILE} in {path}; run the command "
            "again with this run_dir, and it goes on"
        )
    return Run(path)


def read_cohort(
    root: str | Path,
    *,
    reader: str = "folder",
    table: str | None = None,
    positive: str | None = None,
    clinical: Sequence[str] | None = None,
    features: str | Path | None = None,
    frame: str | None = None,
) -> Cohort:
    """Return a verified cohort: lesions, problems, flow and table.

    Parameters
    ----------
    root
        Its folder.
    reader
        ``folder`` or ``breast_lesions_usg``.
    table, positive, clinical, features, frame
        As the settings ``cohort.*`` have them.

    Raises
    ------
    BadConfig, BadCohort, MissingInput
        With one sentence: what was expected, what was found, what to do.
    """
    from her2.pipeline.load_cohort import open_cohort

    of = CohortSettings(
        reader=reader,  # type: ignore[arg-type]
        root=str(root),
        table=table,
        positive=positive,
        clinical=None if clinical is None else list(clinical),
        features=None if features is None else str(features),
        frame=frame,  # type: ignore[arg-type]
    )
    return open_cohort(StudySettings(cohort=of))


@dataclass(frozen=True)
class Run:
    """A finished run: its settings, results, predictions, tables, figures and report.

    Attributes
    ----------
    folder
        Where everything lies.
    """

    folder: Path

    @cached_property
    def settings(self) -> StudySettings:
        """The settings that made it."""
        return StudySettings.from_yaml(self.folder / "config.yaml")

    @cached_property
    def results(self) -> Results:
        """Every number, typed: ``results.arms["dlr"].repeated_cv.auc``."""
        return read_results(self.folder)

    @property
    def status(self) -> int:
        """Exit status of the command: 1 where something must be looked at."""
        return self.results.status

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a lesion, arm and kind: what every number is computed from."""
        return pd.read_parquet(self.folder / "predictions.parquet")

    @cached_property
    def repeated_cv(self) -> pd.DataFrame:
        """Out-of-fold predictions of every repeat of the cross-validation."""
        return pd.read_parquet(self.folder / "repeated_cv.parquet")

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables by name, read when they are asked for: ``tables["performance"]``."""
        return _Tables(self.folder / "tables")

    def figure(self, name: str) -> Picture:
        """Return a figure by its name, such as ``roc``; a notebook shows it.

        Raises
        ------
        BadArgument
            There is none of this name.
        """
        path = self.folder / "figures" / f"{name}.svg"
        if not path.is_file():
            raise BadArgument(f"expected a figure among {', '.join(self.figures)}, found {name}")
        return Picture(path)

    @property
    def figures(self) -> list[str]:
        """Names of the figures."""
        return sorted(path.stem for path in (self.folder / "figures").glob("*.svg"))

    @property
    def report(self) -> Path:
        """The report: one HTML file that opens offline."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self.folder))}</p>{self.results._repr_html_()}"


@dataclass(frozen=True)
class Picture:
    """A figure of a run.

    Attributes
    ----------
    path
        Its SVG file; a PNG at 300 dpi lies beside it.
    """

    path: Path

    def _repr_svg_(self) -> str:
        return self.path.read_text(encoding="utf-8")


class _Tables(Mapping[str, pd.DataFrame]):
    """Tables of a folder by name."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.stem: path for path in sorted(folder.glob("*.csv"))}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._files:
            raise KeyError(f"expected a table among {', '.join(self)}, found {name}")
        return pd.read_csv(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes
    ----------
    folder
        Where comparison.html, comparison.json, tables and figures lie.
    """

    folder: Path

    @property
    def page(self) -> Path:
        """The page: one HTML file that opens offline."""
        return self.folder / "comparison.html"

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables by name."""
        return _Tables(self.folder / "tables")

    def figure(self, name: str) -> Picture:
        """Return a figure by its name; a notebook shows it."""
        return Run(self.folder).figure(name)

    def _repr_html_(self) -> str:
        shown = {name: self.tables[name] for name in ("performance", "differences")}
        return "".join(f"<h4>{k}</h4>{table.to_html(index=False)}" for k, table in shown.items())


def compare_runs(
    runs: Sequence[Run | str | Path],
    *,
    arms: Sequence[str] = (),
    names: Sequence[str] = (),
    run_dir: str | Path | None = None,
) -> Comparison:
    """Compare finished runs on the same patients: ROC, DeLong with Holm, calibration.

    Parameters
    ----------
    runs
        At least two, or their folders.
    arms
        Which arms; all by default.
    names
        One a run, for tables and figures.
    run_dir
        Where the comparison goes, outputs/compare/TIME by default.

    Raises
    ------
    BadConfig
        The runs do not share data, split and lesions.
    """
    from her2.commands.compare import compare

    folders = [str(run.folder if isinstance(run, Run) else run) for run in runs]
    folder = _run_dir(None if run_dir is None else str(run_dir), "compare")
    settings = CompareSettings(
        runs=folders, arms=list(arms), names=list(names), tracking=TrackingSettings(enabled=False)
    )
    with alone_in(folder):
        compare(settings, folder)
    return Comparison(folder)


@dataclass(frozen=True)
class Plan:
    """How many patients a study needs.

    Attributes
    ----------
    folder
        Where plan.html, plan.json, tables and the figure lie.
    """

    folder: Path

    @cached_property
    def results(self) -> StudyPlan:
        """Every number, typed: ``results.deciding("validation").n_required``."""
        from her2.planning.study_plan import read_plan

        return read_plan(self.folder)

    @property
    def page(self) -> Path:
        """The page: one HTML file that opens offline."""
        return self.folder / "plan.html"

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables by name."""
        return _Tables(self.folder / "tables")

    @property
    def figure(self) -> Picture:
        """The picture; a notebook shows it."""
        return Run(self.folder).figure("plan")

    def _repr_html_(self) -> str:
        return self.tables["requirements"].to_html(index=False)


def plan_study(settings: PlanSettings) -> Plan:
    """Say how many patients a study needs; the bytes are those of ``her2 plan``.

    Parameters
    ----------
    settings
        What is expected, or ``run``, the folder of a pilot. ``settings.run_dir`` names the
        folder, outputs/plan/TIME by default.

    Raises
    ------
    BadConfig, MissingInput, NotEstimable
        With one sentence: what was expected, what was found, what to do.
    """
    from her2.commands.plan import plan

    folder = _run_dir(settings.run_dir, "plan")
    with threadpool_limits(1, user_api="blas"), alone_in(folder):
        plan(settings, folder)
    return Plan(folder)


def _run_dir(named: str | None, command: str) -> Path:
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    return Path(named) if named else Path("outputs") / command / now
