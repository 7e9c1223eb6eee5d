"""The figures of a run by name; everything they show has been computed before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2 import plots, stats
from her2.cohort import CATALOGUE, load_lesion
from her2.core.types import ARM_TITLES
from her2.evaluation import role_rows
from her2.pipeline.enhance import around
from her2.pipeline.evaluate import Outcome
from her2.pipeline.final_model import DrawnNomogram
from her2.pipeline.fit_arms import FittedRun
from her2.pipeline.grad_cam import ARM, Explanation, view_of
from her2.pipeline.patient_tables import PatientTables
from her2.pipeline.radiomic_features import adjusted_vendors, vendors
from her2.pipeline.resampling_checks import frequency_table
from her2.pipeline.run import OpenRun
from her2.plots.text import interval, number
from her2.report.headline import leading_arm

Tables = Mapping[str, pd.DataFrame]
Named = Iterator[tuple[str, Figure]]

ROLE_TITLES = {"out_of_fold": "Training, out of fold", "test": "Test", "external": "External"}
N_EXAMPLES = 4
DICE_LIMIT = 0.75
SIDE = 168  # pixels of a drawn lesion in a Grad-CAM figure: the report stays small
# title of a group: whether its lesions are called positive, and are positive
GROUPS = {
    "True positive": (True, True),
    "False positive": (True, False),
    "False negative": (False, True),
    "True negative": (False, False),
}


@dataclass(frozen=True)
class Material:
    """Inputs of the figures of a run.

    Attributes
    ----------
    found
        The fitted run.
    outcome
        Its predictions, evaluated.
    results
        The contents of results.json.
    tables
        All tables by name.
    patients
        Tables about the patients.
    nomogram
        Of the combined model, None if there is none.
    """

    found: FittedRun
    outcome: Outcome
    results: Mapping[str, Any]
    tables: Tables
    patients: PatientTables
    nomogram: DrawnNomogram | None


def figures(of: Material) -> Named:
    """Yield every figure that the run has the numbers for, with its name."""
    for part in (
        _patients, _selection, _performance, _by_role, _models, _importance, _robustness,
    ):  # fmt: skip
        yield from part(of)


def _patients(of: Material) -> Named:
    titles = {code: entry.title for code, entry in CATALOGUE.items()}
    yield "flow", plots.flow_figure(of.found.run.flow, titles)
    if of.found.run.has_images:
        yield "examples", plots.example_figure(_examples(of.found.run))
    per_lesion = of.patients.readers.per_lesion
    if not per_lesion.empty:
        yield "agreement", plots.agreement_figure(per_lesion, dice_limit=DICE_LIMIT)
    rows = _odds_ratio_rows(of.patients.odds_ratios)
    if not rows.empty:
        xlabel = "Odds ratio (95 % CI)"
        yield "odds_ratios", plots.forest_figure(rows, reference=1.0, xlabel=xlabel, log=True)


def _selection(of: Material) -> Named:
    if not of.tables["feature_counts"].empty:
        yield "feature_shares", plots.feature_shares_figure(of.tables["feature_counts"])
        yield "feature_counts", plots.feature_counts_figure(of.tables["feature_counts"])
    run, histories = of.found.run, of.found.refits.histories
    harmonised = [h.harmonised for h in histories.values() if h.harmonised is not None]
    if harmonised:
        groups = adjusted_vendors(vendors(run.cohort).loc[list(run.training.keys)])
        yield "harmonisation", plots.harmonisation_figure(*harmonised[0], groups)
    for arm, history in histories.items():
        if history.p_values is not None:
            title = f"{ARM_TITLES[arm]}: p value of every feature"
            figure = plots.p_value_figure(history.p_values, alpha=history.alpha, title=title)
            yield f"selection_p_values_{arm}", figure
        if history.correlation_before is not None and history.correlation_after is not None:
            before, after = history.correlation_before, history.correlation_after
            figure = plots.correlation_figure(before, after, limit=history.limit)
            yield f"selection_correlation_{arm}", figure
        if history.lasso is not None:
            path, error, chosen = history.lasso.path, history.lasso.error, history.lasso.chosen
            yield f"selection_lasso_{arm}", plots.lasso_figure(path, error, chosen=chosen)
        if history.weights is not None and history.weights["weight"].notna().any():
            title = f"{ARM_TITLES[arm]}: weights of the selected features"
            yield f"selection_weights_{arm}", plots.weights_figure(history.weights, title=title)


def _performance(of: Material) -> Named:
    roles, arms = roles_in(of.results), of.results["arms"]
    if not of.tables["repeats"].empty:
        yield "repeats", plots.repeats_figure(of.tables["repeats"], of.tables["repeated_cv"])
    youden = of.tables["operating_points"]
    youden = youden[youden["rule"].eq("Youden")]
    curves = {ROLE_TITLES[r]: (_of_role(of.tables["roc"], r), _areas(arms, r)) for r in roles}
    points = {ROLE_TITLES[r]: _of_role(youden, r) for r in roles}
    yield "roc", plots.roc_panels(curves, points=points)
    benefit = {ROLE_TITLES[r]: _of_role(of.tables["decision_curve"], r) for r in roles}
    yield "decision_curve", plots.decision_curve_panels(benefit)
    yield "confusion", plots.confusion_figure(arms, roles=roles)
    if of.results["comparisons"]:
        yield "comparison", plots.comparison_figure(all_comparisons(of.results))


def _by_role(of: Material) -> Named:
    arms = of.results["arms"]
    for role in roles_in(of.results):
        groups = _of_role(of.tables["calibration"], role)
        if not groups.empty:
            yield f"calibration_{role}", _calibration(of, role, groups)
        panels = {
            ARM_TITLES[arm]: (
                role_rows(of.outcome.predictions, arm, role),
                content["roles"][role]["threshold"],
            )
            for arm, content in arms.items()
            if role in content["roles"]
        }
        yield f"prediction_{role}", plots.prediction_panels(panels)
        yield f"prediction_histogram_{role}", plots.prediction_histogram_panels(panels)
        rows = _subgroup_rows(of, role)
        if not rows.empty:
            arm = leading_arm(of.results) or next(iter(arms))
            yield f"subgroups_{role}", plots.forest_figure(
                rows, reference=arms[arm]["roles"][role]["auc"] or 0.5,
                xlabel="AUC (95 % CI); the line is the overall AUC",
                title=f"{ARM_TITLES[arm]}, {ROLE_TITLES[role]}",
            )  # fmt: skip


def _models(of: Material) -> Named:
    if of.nomogram is not None:
        yield "nomogram", plots.nomogram_figure(
            of.nomogram.points, of.nomogram.total_points,
            probability_axis=of.nomogram.probability_axis, title="Combined model",
        )  # fmt: skip
    if not of.found.deep.history.empty:
        yield "training", plots.training_figure(of.found.deep.history)
    if of.found.explained is not None:
        yield from grad_cam_figures(of.found.run, of.found.explained, of.results)


def _importance(of: Material) -> Named:
    for arm, table in of.found.refits.importance.items():
        title = f"{ARM_TITLES[arm]}: what the models lose without a feature"
        yield f"importance_{arm}", plots.importance_figure(table, title=title)
    for arm, shap in of.found.refits.shap.items():
        yield f"shap_{arm}", plots.shap_figure(
            shap.features, shap.values, shap.positions,
            title=f"{ARM_TITLES[arm]}: what a feature adds for each patient",
            subtitle=f"{len(shap.values)} lesions, out of fold",
        )  # fmt: skip


def _robustness(of: Material) -> Named:
    curve = of.tables["learning_curve"]
    if not curve.empty:
        yield "learning_curve", plots.learning_curve_figure(curve)
    for arm in of.found.refits.supports:
        frequencies = frequency_table(of.found.refits, arm)
        if not frequencies.empty:
            yield f"stability_{arm}", plots.stability_figure(
                frequencies, nogueira_text=_stability_text(of, arm),
                title=f"{ARM_TITLES[arm]}: how often a feature is selected again",
            )  # fmt: skip


def roles_in(results: Mapping[str, Any]) -> list[str]:
    """Return the honest roles that any arm of the results has."""
    arms = results["arms"].values()
    return [role for role in ROLE_TITLES if any(role in arm["roles"] for arm in arms)]


def all_comparisons(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the comparisons of the primary estimate, and those of every role."""
    return [*results["repeated_comparisons"], *results["comparisons"]]


def _calibration(of: Material, role: str, groups: pd.DataFrame) -> Figure:
    arms = [arm for arm, content in of.results["arms"].items() if role in content["roles"]]
    curve = _of_role(of.tables["calibration_curve"], role)
    return plots.calibration_figure(
        groups,
        title=ROLE_TITLES[role],
        curves={str(arm): rows for arm, rows in curve.groupby("arm")} if len(curve) else None,
        predictions=pd.concat([role_rows(of.outcome.predictions, arm, role) for arm in arms]),
        measures={arm: _calibration_text(of.results["arms"][arm]["roles"][role]) for arm in arms},
    )


def _calibration_text(p: Mapping[str, Any]) -> str:
    slope, intercept = number(p["calibration_slope"], 2), number(p["calibration_intercept"], 2)
    return f"slope {slope}, intercept {intercept}, ICI {number(p['ici'], 3)}"


def _stability_text(of: Material, arm: str) -> str:
    table = of.tables["stability"]
    row = table[table["arm"].eq(arm)].to_dict("records")[0]
    value = interval(row["nogueira"], row["low"], row["high"], 2)
    return f"Nogueira's stability {value} in {row['n_resamples']} resamples"


def _odds_ratio_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the forest plot: each variable alone, and adjusted."""
    if table.empty:
        return pd.DataFrame()
    named = table[table["variable"].ne("(intercept)")]
    parts = []
    for group, prefix in (("One variable at a time", ""), ("All in one model", "adjusted_")):
        columns = {f"{prefix}odds_ratio": "value", f"{prefix}low": "low", f"{prefix}high": "high"}
        part = named[["variable", "n", "n_events", "note", *columns]].rename(columns=columns)
        part = part.rename(columns={"variable": "label", "n_events": "n_positive"})
        note = part["note"].where(part["value"].isna(), "")
        parts.append(part.assign(group=group, note=note))
    return pd.concat(parts, ignore_index=True)


def _subgroup_rows(of: Material, role: str) -> pd.DataFrame:
    table, arm = of.tables["subgroups"], leading_arm(of.results) or ""
    rows = table[table["role"].eq(role) & table["arm"].eq(arm)]
    columns = {"variable": "group", "level": "label", "auc": "value"}
    return rows.rename(columns=columns)


def _of_role(points: pd.DataFrame, role: str) -> pd.DataFrame:
    return points[points["role"].eq(role)] if "role" in points else points


def _areas(
    arms: Mapping[str, Any], role: str
) -> dict[str, tuple[float | None, float | None, float | None]]:
    return {
        arm: tuple(content["roles"][role][name] for name in ("auc", "auc_low", "auc_high"))
        for arm, content in arms.items()
        if role in content["roles"]
    }


def _examples(run: OpenRun) -> list[tuple[Any, Any, str]]:
    """Return the first training lesions of each outcome, cut out of their images.

    No title names a patient, and the banner of an image, which often does, lies outside the cut.
    """
    trained = set(run.split.train)
    chosen = []
    for outcome in (1, 0):
        lesions = [x for x in run.cohort.lesions if x.key in trained and x.outcome == outcome]
        title = run.cohort.positive if outcome else f"not {run.cohort.positive}"
        for lesion in lesions[: N_EXAMPLES // 2]:
            image = load_lesion(lesion)
            cut = around(image.mask)
            chosen.append((image.pixels[cut], image.mask[cut], title))
    return chosen


def grad_cam_figures(
    run: OpenRun, explained: Explanation, results: Mapping[str, Any]
) -> Iterator[tuple[str, Figure]]:
    """Yield a figure for each role: of every group the most confident and the median lesion."""
    for role, title in ROLE_TITLES.items():
        rows = explained.rows
        rows = rows[rows["role"].eq(role)] if len(rows) else rows
        threshold = results["arms"][ARM]["roles"].get(role, {}).get("threshold")
        if rows.empty or threshold is None:
            continue
        groups = {}
        for name, (is_called, is_positive) in GROUPS.items():
            chosen = (rows["y_prob"] >= threshold).eq(is_called) & rows["y_true"].eq(is_positive)
            members = rows[chosen]
            groups[f"{name} ({len(members)})"] = [
                _example(run, explained, key, why, is_called=is_called)
                for key, why in shown(members["y_prob"], is_called=is_called).items()
            ]
        title = f"{ARM_TITLES[ARM]}, {title.lower()}: called by the threshold {threshold:.3f}"
        yield f"grad_cam_{role}", plots.grad_cam_figure(groups, title=title)


def shown(y_prob: pd.Series, *, is_called: bool) -> dict[str, str]:
    """Return the keys of a group's most confident and median lesions, and why they are shown.

    y_prob: probabilities by key. Of equal ones the first by key is taken.

    Examples
    --------
    >>> shown(pd.Series({"a": 0.6, "b": 0.9, "c": 0.7}), is_called=True)
    {'b': 'most confident', 'c': 'median'}
    >>> shown(pd.Series({"a": 0.6}), is_called=False)
    {'a': 'the only one'}
    """
    order = y_prob.sort_index().sort_values(ascending=not is_called, kind="stable").index.tolist()
    if len(order) < 2:
        return dict.fromkeys(order, "the only one")
    return {order[0]: "most confident", order[len(order) // 2]: "median"}


def _example(
    run: OpenRun, explained: Explanation, key: str, why: str, *, is_called: bool
) -> plots.CamExample:
    row = explained.rows.loc[[key]].to_dict("records")[0]
    view = view_of(run, key, SIDE)
    outcome = run.cohort.positive if row["y_true"] else f"not {run.cohort.positive}"
    return plots.CamExample(
        image=view.crop,
        mask=view.mask,
        saliency=called_map(explained.maps[key], view.crop.shape, is_called=is_called),
        caption=f"p = {number(row['y_prob'], 2)}, {outcome}\n{why}",
        proportion=view.proportion,
    )


def called_map(
    signed: NDArray[Any], shape: tuple[int, ...], *, is_called: bool
) -> NDArray[np.float64]:
    """Return the evidence for the outcome that was called, at crop size, from 0 to 1.

    Examples
    --------
    >>> called_map(np.array([[2.0, -4.0]]), (1, 2), is_called=False).tolist()
    [[0.0, 1.0]]
    """
    image = stats.upsampled(signed if is_called else -signed, (shape[0], shape[1]))
    positive = np.maximum(image, 0.0)
    return positive / max(float(positive.max()), np.finfo(float).tiny)
