"""A comparison as sentences, figures, tables, a page and a run in MLflow."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from her2 import plots
from her2.comparison.models import (
    CALIBRATION,
    PERFORMANCE,
    ComparedModels,
    compare_models,
    most_models,
)
from her2.comparison.runs import check_comparable, read_run, with_names
from her2.core.settings import TrackingSettings
from her2.core.store import write_json
from her2.plots.text import count, is_missing, number, p_statement, role_title, shortened
from her2.report import write_tables
from her2.report.document import write_sections
from her2.report.formats import interval_text
from her2.report.sections import comparison_sections
from her2.tracking import RunContent, client, close_parent, open_parent, shown, spared

COSTS = ("parameters", "seconds", "peak_memory_mb", "peak_gpu_memory_mb")
NAME = (26, 15)  # characters of a model's name beside two panels, and beside more
WIDTH = 40  # characters of a model's name on a terminal
MILLION = 1e6
CHANCE = 0.5
ALPHA = 0.05
CHOOSE = (
    "Choose by the out-of-fold AUC: the test patients are judged once by each model and are there "
    "to check the chosen model, not to choose it. The best of {k} is optimistic, out of fold and "
    "on test alike, because chance takes part in which model ranks first."
)
IN_WORDS = {"out_of_fold": "out of fold", "test": "test"}  # a centre goes by its name
PARENT, TAG = "mlflow.parentRunId", "comparison"
SENT = ("comparison.html", "comparison.json", "figures", "tables")
_START = re.compile(r".*[\s_=,/.-]")  # as far as a place to break
_FORBIDDEN = re.compile(r"[^\w\-. /]")  # in the name of a metric


def compare_folders(
    folders: Sequence[Path],
    run_dir: Path,
    *,
    tracking: TrackingSettings,
    missing: Mapping[str, str] | None = None,
    name: str = "",
) -> Path:
    """Compare the finished jobs of a multirun, at least two, and return the page's path.

    `missing` has the jobs that did not finish, by name, with the reason. In MLflow the jobs are
    nested below the comparison, which has the name `name` there.
    """
    names = [
        str(folder.relative_to(run_dir)) if folder.is_relative_to(run_dir) else ""
        for folder in folders
    ]
    runs = with_names([read_run(f, name=n) for f, n in zip(folders, names, strict=True)])
    check_comparable(runs)
    models, note = most_models(runs)
    made = compare_models(runs, models, missing=missing, notes=[note] if note else [])
    return publish(run_dir, made, tracking=tracking, name=name, nests=True)


def publish(
    folder: Path,
    made: ComparedModels,
    *,
    tracking: TrackingSettings,
    name: str = "",
    nests: bool = False,
) -> Path:
    """Write a comparison into a folder, MLflow and the terminal; return the page's path.

    With `nests` the compared runs lie below the comparison in MLflow.
    """
    page = write_comparison(folder, made)
    if tracking.enabled:
        _track(folder, made, tracking=tracking, name=name, nests=nests)
    width = min(max(len(model) for model in made.names), WIDTH)
    lines = [
        f"{model:<{width}} " + " ".join(f"{area:<26}" for area in _areas_of(made, model)).rstrip()
        for model in made.names
    ]
    sys.stdout.write("\n".join([*lines, f"comparison: {page}"]) + "\n")
    return page


def write_comparison(folder: Path, made: ComparedModels) -> Path:
    """Write comparison.html, comparison.json, figures/ and tables/; return the page's path."""
    tables = comparison_tables(made)
    drawn = comparison_figures(made, tables["cost"])
    for name, figure in drawn.items():
        plots.save_figure(figure, folder / "figures", name)
    write_tables(folder / "tables", tables)
    write_json(folder / "comparison.json", comparison_document(made, tables))
    return write_sections(
        folder / "comparison.html",
        title=f"Comparison of {len(made.models)} models: {made.cohort['name']}",
        simulated=bool(made.cohort["simulated"]),
        sentences=_sentences(made),
        alarms=_alarms(made),
        sections=comparison_sections(drawn, tables, list(made.notes)),
    )


def comparison_tables(made: ComparedModels) -> dict[str, pd.DataFrame]:
    """Return the tables by name: performance, differences, calibration, cost, missing."""
    tables = {
        "performance": made.performance[["model", "role", *PERFORMANCE]],
        "differences": made.differences,
        "calibration": made.performance[["model", "role", *CALIBRATION]],
        "cost": _costs(made),
    }
    if made.missing:
        tables["missing"] = pd.DataFrame(list(made.missing.items()), columns=["run", "reason"])
    return tables


def _costs(made: ComparedModels) -> pd.DataFrame:
    """Return run, `COSTS` and parameters in millions, in the order of the runs' best models."""
    runs = {model.run.name: model.run for model in made.models}
    rows = [{"run": name, **(run.results.get("cost") or {})} for name, run in runs.items()]
    table = pd.DataFrame(rows).reindex(columns=["run", *COSTS])
    table[list(COSTS)] = numbers = table[list(COSTS)].astype(float)
    table.insert(2, "parameters_millions", numbers["parameters"] / MILLION)
    absent = [name for name in COSTS[3:] if numbers[name].isna().all()]
    return table.drop(columns=absent)


def comparison_document(
    made: ComparedModels, tables: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return comparison.json, schema 1; it names no patient and no place."""
    models = [
        {"name": m.name, "run": m.run.name, "run_id": m.run.run_id, "arm": m.arm,
         "model": str(m.run.results["arms"][m.arm]["model"])}
        for m in made.models
    ]  # fmt: skip
    return {
        "schema": 1,
        "cohort": dict(made.cohort),
        "models": models,
        "headline": comparison_headline(made),
        **{name: _records(table) for name, table in tables.items() if name != "missing"},
        "missing": dict(made.missing),
        "notes": list(made.notes),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    filled = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in filled.to_dict("records")]


# ---- sentences


def _sentences(made: ComparedModels) -> list[str]:
    table = made.performance
    sizes = {role: int(table[table["role"].eq(role)]["n"].max()) for role in made.roles}
    titles = IN_WORDS | {"test": "to test"}
    judged = ", ".join(f"{count(n)} {titles.get(role, f'of {role}')}" for role, n in sizes.items())
    n_models = count(len(made.names))
    first = (
        f"{n_models} models predicted the same lesions of the cohort {made.cohort['name']} by the "
        f"same split ({judged})."
    )
    return [first, comparison_headline(made), CHOOSE.format(k=n_models)]


def comparison_headline(made: ComparedModels) -> str:
    """Say which model ranks first out of fold, and from how many others it can be told."""
    best = made.names[0]
    p = made.of(best, "out_of_fold")
    if p is None or is_missing(p["auc"]):
        return "No model has an out-of-fold AUC that can be estimated; see the notes."
    test = made.of(best, "test")
    also = f", on test {_area(test)}" if test else ""
    return f"Out of fold {best} ranks first, with an AUC of {_area(p)}{also}. {_rivals(made)}"


def _rivals(made: ComparedModels) -> str:
    tests, best = made.differences, made.names[0]
    of_best = tests["first"].eq(best) | tests["second"].eq(best)
    adjusted = tests[tests["role"].eq("out_of_fold") & of_best]["p_holm"].astype(float).dropna()
    if adjusted.empty:
        return "It could be compared with no other model."
    n_worse = int((adjusted < ALPHA).sum())
    others = f"{count(len(adjusted))} others" if len(adjusted) > 1 else "other"
    if n_worse == 0:
        smallest = p_statement(float(adjusted.min()))
        return (
            f"It cannot be told from the {others} (paired test, Holm-adjusted; smallest "
            f"{smallest}); that is not proof that they are equal."
        )
    which = f"all {others}" if n_worse > 1 else f"the {others}"
    if n_worse < len(adjusted):
        which = f"{count(n_worse)} of the {others}"
    return f"It is better than {which} (paired test, Holm-adjusted p < .05)."


def _area(p: Mapping[str, Any]) -> str:
    return interval_text(p["auc"], p["auc_low"], p["auc_high"])


def _areas_of(made: ComparedModels, model: str) -> list[str]:
    return [_area(p) if (p := made.of(model, role)) else "" for role in made.roles]


def _alarms(made: ComparedModels) -> list[str]:
    texts = [f"{name} is not compared: {reason}" for name, reason in made.missing.items()]
    best = made.of(made.names[0], "out_of_fold")
    if best is not None and not is_missing(best["auc_low"]) and best["auc_low"] <= CHANCE:
        texts.append(
            "The interval of the best model includes an AUC of 0.5: none is shown to be better "
            "than chance."
        )
    return texts


def ranking(made: ComparedModels) -> str:
    """Return the ranking as Markdown, for a note."""
    heads = [IN_WORDS.get(role, role) for role in made.roles]
    rows = [
        f"| {model.replace('|', '/')} | {' | '.join(_areas_of(made, model))} |"
        for model in made.names
    ]
    return "\n".join([
        comparison_headline(made), "", f"| model | {' | '.join(heads)} |",
        "| --- " * (len(heads) + 1) + "|", *rows, "", CHOOSE.format(k=count(len(made.names))),
    ])  # fmt: skip


# ---- figures


def comparison_figures(made: ComparedModels, costs: pd.DataFrame) -> dict[str, Figure]:
    """Return the figures by name, models in the same colours in all of them."""
    short = short_names(made.names, NAME[len(made.roles) > 2])
    with plots.distinct_styles(short.values()):
        drawn = dict(_figures(made, short))
    if costs.drop(columns="run").notna().any(axis=None):
        names = short_names(costs["run"].astype(str).tolist(), NAME[0])
        drawn["cost"] = plots.cost_figure(costs.assign(run=costs["run"].astype(str).map(names)))
    return drawn


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


def _figures(made: ComparedModels, short: Mapping[str, str]) -> Iterator[tuple[str, Figure]]:
    titles = {role_title(role): role for role in made.roles}
    judged = {
        title: {short[name]: p for name in made.names if (p := made.of(name, role))}
        for title, role in titles.items()
    }
    areas = {
        title: {name: (p["auc"], p["auc_low"], p["auc_high"]) for name, p in found.items()}
        for title, found in judged.items()
    }
    slopes = {
        title: {
            name: f"slope {number(p['calibration_slope'], 2)}, ICI {number(p['ici'])}"
            for name, p in found.items()
        }
        for title, found in judged.items()
    }
    points = {
        curve: {title: _points(table, role, short) for title, role in titles.items()}
        for curve, table in made.curves.items()
    }
    tests = made.differences.assign(
        first=made.differences["first"].map(short), second=made.differences["second"].map(short)
    )
    rows = _forest_rows(made)
    yield "auc", plots.forest_figure(rows, reference=CHANCE, xlabel="AUC (95 % CI)")
    roc = {title: (points["roc"][title], found) for title, found in areas.items()}
    yield "roc", plots.roc_panels(roc)
    yield "comparison", plots.comparison_figure(_records(tests))
    yield "calibration", plots.calibration_overlay(points["calibration_curve"], measures=slopes)
    yield "decision_curve", plots.decision_curve_panels(points["decision_curve"])


def _forest_rows(made: ComparedModels) -> pd.DataFrame:
    table = made.performance
    rows = [table[table["role"].eq(role)].assign(group=role_title(role)) for role in made.roles]
    columns = {"model": "label", "auc": "value", "auc_low": "low", "auc_high": "high"}
    named = pd.concat(rows).rename(columns=columns).assign(note="")
    return named.astype(dict.fromkeys(("value", "low", "high"), float)).reset_index(drop=True)


def _points(curves: pd.DataFrame, role: str, short: Mapping[str, str]) -> pd.DataFrame:
    if "role" not in curves:
        return pd.DataFrame({"arm": []})
    rows = curves[curves["role"].eq(role)]
    return rows.assign(arm=rows["arm"].map(lambda arm: short.get(arm, arm)))


# ---- MLflow


def _track(
    folder: Path, made: ComparedModels, *, tracking: TrackingSettings, name: str, nests: bool
) -> None:
    """Write a comparison down as a parent run; without the store there is one warning."""
    cohort = made.cohort
    hashes = {key: str(cohort[key]) for key in ("data_sha256", "split_sha256")}
    tags = {"command": "compare", "cohort": str(cohort["name"]), **hashes}
    parent = open_parent(
        folder, name or f"compare {cohort['name']}", kind="comparison", uri=tracking.uri,
        experiment=tracking.experiment, tags=tags, params={},
    )  # fmt: skip
    if parent is None:
        return
    place = {"tracking_uri": shown(parent.uri), "experiment": tracking.experiment}
    document = comparison_document(made, comparison_tables(made))
    document["mlflow"] = {**place, "run_id": parent.run_id}
    write_json(folder / "comparison.json", document)
    for run in made.runs:  # those of the same store
        kept = run.results.get("mlflow") or {}
        if run.run_id is None or kept.get("tracking_uri") != shown(parent.uri):
            continue
        with spared(parent.uri, f"{run.name} was not tied to its comparison ({{reason}})"):
            for tag in (TAG, PARENT) if nests else (TAG,):
                client(parent.uri).set_tag(run.run_id, tag, parent.run_id)
    tags = {"models": ", ".join(made.names), "best": made.names[0]}
    close_parent(
        parent, RunContent(_metrics(made), tags=tags), note=ranking(made),
        files=[folder / sent for sent in SENT],
    )  # fmt: skip


def _metrics(made: ComparedModels) -> dict[str, float]:
    """Return the AUC with its interval of every model and role, and what each run cost."""
    values: dict[str, Any] = {}
    for model in made.names:
        for role in made.roles:
            judged = made.of(model, role) or {}
            for measure in ("auc", "auc_low", "auc_high"):
                values[f"{model}/{role}/{measure}"] = judged.get(measure)
    for run in made.runs:
        for measure, value in (run.results.get("cost") or {}).items():
            values[f"{run.name}/cost/{measure}"] = value
    return {_FORBIDDEN.sub("_", k): float(v) for k, v in values.items() if v is not None}
