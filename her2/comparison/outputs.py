"""Figures, tables and numbers of a comparison as files: the same for a multirun and by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from her2 import plots
from her2.comparison.models import Model
from her2.comparison.runs import FinishedRun
from her2.comparison.words import alarms, headline, sentences
from her2.core.store import write_json
from her2.evaluation.judged_models import ComparedModels
from her2.plots.text import ROLE_TITLES, number, shortened
from her2.report import write_tables
from her2.report.comparison_page import write_comparison_page

COSTS = ("parameters", "seconds", "peak_memory_mb", "peak_gpu_memory_mb")
NAME = (26, 15)  # characters of a model's name beside two panels, and beside more
MILLION = 1e6
CHANCE = 0.5
_START = re.compile(r".*[\s_=,/.-]")  # as far as a place to break


@dataclass(frozen=True)
class Comparison:
    """What is compared: runs, their models, what was found, and runs that could not take part.

    missing: name -> reason; notes: what a reader must know.
    """

    runs: Sequence[FinishedRun]
    models: Sequence[Model]
    found: ComparedModels
    missing: Mapping[str, str]
    notes: Sequence[str]

    @property
    def cohort(self) -> Mapping[str, Any]:
        """The entry `cohort` that all runs share."""
        return self.runs[0].cohort


def write_comparison(folder: Path, of: Comparison) -> Path:
    """Write comparison.html, comparison.json, figures/ and tables/; return the page's path."""
    tables = comparison_tables(of)
    drawn = comparison_figures(of, tables["cost"])
    for name, figure in drawn.items():
        plots.save_figure(figure, folder / "figures", name)
    write_tables(folder / "tables", tables)
    write_json(folder / "comparison.json", comparison_document(of, tables))
    return write_comparison_page(
        folder / "comparison.html",
        title=f"Comparison of {len(of.models)} models: {of.cohort['name']}",
        simulated=bool(of.cohort["simulated"]),
        sentences=sentences(of.found, of.cohort),
        alarms=alarms(of.found, of.missing),
        notes=[*of.notes, *of.found.notes],
        figures=drawn,
        tables=tables,
    )


def comparison_tables(of: Comparison) -> dict[str, pd.DataFrame]:
    """Return the tables by name: performance, differences, calibration, cost, missing."""
    tables = {
        "performance": of.found.performance,
        "differences": of.found.differences,
        "calibration": of.found.calibration,
        "cost": _costs(_in_order(of)),
    }
    if of.missing:
        rows = [{"run": name, "reason": reason} for name, reason in of.missing.items()]
        tables["missing"] = pd.DataFrame(rows)
    return tables


def _in_order(of: Comparison) -> list[FinishedRun]:
    """Return the runs in the order of their best models."""
    by_name = {model.name: model.run for model in of.models}
    ranked = {by_name[name].name: by_name[name] for name in of.found.models}
    return list(ranked.values())


def _costs(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Return run, `COSTS` and parameters in millions; missing where a run did not record it."""
    rows = [{"run": run.name, **(run.results.get("cost") or {})} for run in runs]
    table = pd.DataFrame(rows).reindex(columns=["run", *COSTS])
    numbers = table[list(COSTS)].astype(float)
    table[list(COSTS)] = numbers
    table.insert(2, "parameters_millions", numbers["parameters"] / MILLION)
    absent = [name for name in COSTS[3:] if numbers[name].isna().all()]
    return table.drop(columns=absent)


def comparison_document(of: Comparison, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return comparison.json, schema 1; it names no patient and no place."""
    by_name = {model.name: model for model in of.models}
    models = [
        {
            "name": name,
            "run": by_name[name].run.name,
            "run_id": by_name[name].run.run_id,
            "arm": by_name[name].arm,
            "model": by_name[name].trained,
        }
        for name in of.found.models
    ]
    return {
        "schema": 1,
        "cohort": dict(of.cohort),
        "models": models,
        "headline": headline(of.found),
        **{name: _records(table) for name, table in tables.items() if name != "missing"},
        "missing": dict(of.missing),
        "notes": [*of.notes, *of.found.notes],
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    filled = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in filled.to_dict("records")]


def comparison_figures(of: Comparison, costs: pd.DataFrame) -> dict[str, Figure]:
    """Return the figures by name, models in the same colours in all of them."""
    found = of.found
    short = short_names(found.models, NAME[len(found.roles) > 2])
    with plots.distinct_styles(short.values()):
        drawn = dict(_figures(found, short))
    known = costs.drop(columns="run").notna().any(axis=None)
    if known:
        drawn["cost"] = plots.cost_figure(costs.assign(run=_short(costs["run"], NAME[0])))
    return drawn


def _short(names: pd.Series, limit: int) -> list[str]:
    short = short_names([str(name) for name in names], limit)
    return [short[str(name)] for name in names]


def short_names(names: Sequence[str], limit: int) -> dict[str, str]:
    """Return each name in at most `limit` characters, still different from the others.

    Examples
    --------
    >>> list(short_names(["vgg19", "convnext_base_v1", "convnext_base_v2"], 12).values())
    ['vgg19', 'convne…se_v1', 'convne…se_v2']
    >>> list(short_names(["convnext_base_v1", "convnext_base_v2"], 12).values())
    ['…v1', '…v2']
    """
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = _START.match("".join(letters[0] for letters in alike))
    start = shared.end() if shared and max(map(len, names)) > limit else 0
    short: dict[str, str] = {}
    for name in names:
        text, copy = shortened(f"…{name[start:]}" if start else name, limit), 1
        while text in short.values():
            copy += 1
            text = f"{shortened(name, limit - 4 - copy // 10)} ({copy})"
        short[name] = text
    return short


def _figures(found: ComparedModels, short: Mapping[str, str]) -> Iterator[tuple[str, Figure]]:
    titles = {role: ROLE_TITLES[role] for role in found.roles}
    yield "auc", plots.forest_figure(
        _forest_rows(found), reference=CHANCE, xlabel="AUC (95 % CI)",
    )  # fmt: skip
    yield (
        "roc",
        plots.roc_panels(
            {
                title: (_points(found.roc, role, short), _areas(found, role, short))
                for role, title in titles.items()
            }
        ),
    )
    tests = found.differences.assign(
        first=found.differences["first"].map(short), second=found.differences["second"].map(short)
    )
    yield "comparison", plots.comparison_figure(_records(tests))
    yield from _probability_figures(found, short, titles)


def _probability_figures(
    found: ComparedModels, short: Mapping[str, str], titles: Mapping[str, str]
) -> Iterator[tuple[str, Figure]]:
    yield (
        "calibration",
        plots.calibration_overlay(
            {title: _points(found.calibration_curve, r, short) for r, title in titles.items()},
            measures={title: _slopes(found, role, short) for role, title in titles.items()},
        ),
    )
    yield (
        "decision_curve",
        plots.decision_curve_panels(
            {title: _points(found.decision_curve, role, short) for role, title in titles.items()}
        ),
    )


def _forest_rows(found: ComparedModels) -> pd.DataFrame:
    table = found.performance
    rows = [table[table["role"].eq(role)].assign(group=ROLE_TITLES[role]) for role in found.roles]
    columns = {"model": "label", "auc": "value", "auc_low": "low", "auc_high": "high"}
    named = pd.concat(rows).rename(columns=columns).assign(note="")
    numeric = dict.fromkeys(("value", "low", "high"), float)
    return named.astype(numeric).reset_index(drop=True)


def _points(curves: pd.DataFrame, role: str, short: Mapping[str, str]) -> pd.DataFrame:
    if "role" not in curves:
        return pd.DataFrame({"arm": []})
    rows = curves[curves["role"].eq(role)]
    return rows.assign(arm=rows["arm"].map(lambda arm: short.get(arm, arm)))


def _areas(
    found: ComparedModels, role: str, short: Mapping[str, str]
) -> dict[str, tuple[float | None, float | None, float | None]]:
    judged = {short[model]: found.of(model, role) for model in found.models}
    return {name: (p["auc"], p["auc_low"], p["auc_high"]) for name, p in judged.items() if p}


def _slopes(found: ComparedModels, role: str, short: Mapping[str, str]) -> dict[str, str]:
    table = found.calibration
    rows = table[table["role"].eq(role)]
    texts = {}
    for model, slope, ici in rows[["model", "calibration_slope", "ici"]].itertuples(index=False):
        texts[short[model]] = f"slope {number(slope, 2)}, ICI {number(ici, 3)}"
    return texts
