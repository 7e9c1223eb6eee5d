"""The figures of a run by name; everything they show has been computed before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2 import plots, stats
from her2.cohort import CATALOGUE, load_lesion
from her2.core.results import judged_roles
from her2.core.types import ARM_TITLES
from her2.evaluation.prediction_rows import RoleRows
from her2.pipeline.enhance import around
from her2.pipeline.fit_arms import FittedRun
from her2.pipeline.grad_cam import ARM, Explanation, view_of
from her2.pipeline.radiomic_features import adjusted_vendors, vendors
from her2.pipeline.resampling_checks import Refits, frequency_table
from her2.pipeline.run import OpenRun
from her2.plots.text import Number, interval, number, role_key, role_title
from her2.report.headline import leading_arm

Named = Iterator[tuple[str, Figure]]
Results = Mapping[str, Any]  # the contents of results.json
Tables = Mapping[str, pd.DataFrame]

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


def figures(
    found: FittedRun,
    judged: Sequence[RoleRows],
    results: Results,
    tables: Tables,
    readers: pd.DataFrame,
    nomogram: stats.Nomogram | None,
) -> Named:
    """Yield every figure that the run has the numbers for, with its name.

    tables: all of the run by name; readers: their agreement on each lesion.
    """
    yield from _patients(found.run, readers, tables["odds_ratios"])
    yield from _selection(found, tables["feature_counts"])
    yield from _performance(results, tables)
    yield from _by_role(results, tables, judged)
    yield from _individuals(tables)
    yield from _models(found, results, nomogram)
    yield from _refitted(found.refits, tables)


def _patients(run: OpenRun, readers: pd.DataFrame, odds_ratios: pd.DataFrame) -> Named:
    titles = {code: entry.title for code, entry in CATALOGUE.items()}
    yield "flow", plots.flow_figure(run.flow, titles)
    if run.has_images:
        yield "examples", plots.example_figure(_examples(run))
    if not readers.empty:
        yield "agreement", plots.agreement_figure(readers, dice_limit=DICE_LIMIT)
    rows = _odds_ratio_rows(odds_ratios)
    if not rows.empty:
        xlabel = "Odds ratio (95 % CI)"
        yield "odds_ratios", plots.forest_figure(rows, reference=1.0, xlabel=xlabel, log=True)


def _selection(found: FittedRun, counts: pd.DataFrame) -> Named:
    if not counts.empty:
        yield "feature_shares", plots.feature_shares_figure(counts)
        yield "feature_counts", plots.feature_counts_figure(counts)
    run, histories = found.run, found.refits.histories
    harmonised = [h.harmonised for h in histories.values() if h.harmonised is not None]
    if harmonised:
        groups = adjusted_vendors(vendors(run.cohort).loc[list(run.training.keys)])
        yield "harmonisation", plots.harmonisation_figure(*harmonised[0], groups)
    for arm, history in histories.items():
        if history.p_values is not None:
            title = f"{ARM_TITLES[arm]}: p value of every feature"
            figure = plots.p_value_figure(history.p_values, alpha=history.alpha, title=title)
            yield f"selection_p_values_{arm}", figure
        before, after = history.correlation_before, history.correlation_after
        if before is not None and after is not None:
            figure = plots.correlation_figure(before, after, limit=history.limit)
            yield f"selection_correlation_{arm}", figure
        if history.lasso is not None:
            path, error, chosen = history.lasso.path, history.lasso.error, history.lasso.chosen
            yield f"selection_lasso_{arm}", plots.lasso_figure(path, error, chosen=chosen)
        if history.weights is not None and history.weights["weight"].notna().any():
            title = f"{ARM_TITLES[arm]}: weights of the selected features"
            yield f"selection_weights_{arm}", plots.weights_figure(history.weights, title=title)


def _performance(results: Results, tables: Tables) -> Named:
    roles = judged_roles(results)
    if not tables["repeats"].empty:
        yield "repeats", plots.repeats_figure(tables["repeats"], tables["repeated_cv"])
    youden = tables["operating_points"]
    youden = youden[youden["rule"].eq("Youden")]
    curves = {role_title(r): (_of_role(tables["roc"], r), _areas(results, r)) for r in roles}
    points = {role_title(r): _of_role(youden, r) for r in roles}
    yield "roc", plots.roc_panels(curves, points=points)
    benefit = {role_title(r): _of_role(tables["decision_curve"], r) for r in roles}
    yield "decision_curve", plots.decision_curve_panels(benefit)
    lead = leading_arm(results)
    if lead is not None:
        yield "decision_gain", plots.decision_gain_panels(benefit, arm=lead)
    yield "confusion", plots.confusion_figure(results["arms"], roles=roles)
    if results["comparisons"]:
        yield "comparison", plots.comparison_figure(results["comparisons"])


def _mean_rows(of: RoleRows) -> pd.DataFrame:
    """Return arm, y_true and each row's mean probability over the repeats."""
    return pd.DataFrame({"arm": of.arm, "y_true": of.y_true, "y_prob": of.y_prob.mean(axis=0)})


def _by_role(results: Results, tables: Tables, judged: Sequence[RoleRows]) -> Named:
    leading = leading_arm(results)
    for role in judged_roles(results):
        found = _performances(results, role)
        shown = {of.arm: _mean_rows(of) for of in judged if of.role == role}
        groups = _of_role(tables["calibration"], role)
        if not groups.empty:
            curve = _of_role(tables["calibration_curve"], role)
            by_arm = curve.groupby("arm") if len(curve) else ()
            yield (
                f"calibration_{role_key(role)}",
                plots.calibration_figure(
                    groups,
                    title=role_title(role),
                    curves={str(arm): points for arm, points in by_arm} or None,
                    predictions=pd.concat(shown.values()),
                    measures={arm: _calibration_text(p) for arm, p in found.items()},
                ),
            )
        panels = {ARM_TITLES[arm]: (shown[arm], p["threshold"]) for arm, p in found.items()}
        yield f"prediction_{role_key(role)}", plots.prediction_panels(panels)
        yield f"prediction_histogram_{role_key(role)}", plots.prediction_histogram_panels(panels)
        of_role = _of_role(tables["subgroups"], role)
        columns = {"variable": "group", "level": "label", "auc": "value"}
        rows = of_role[of_role["arm"].eq(leading or "")].rename(columns=columns)
        if not rows.empty:
            arm = leading or next(iter(results["arms"]))
            yield f"subgroups_{role_key(role)}", plots.forest_figure(
                rows, reference=found[arm]["auc"] or 0.5,
                xlabel="AUC (95 % CI); the line is the overall AUC",
                title=f"{ARM_TITLES[arm]}, {role_title(role)}",
            )  # fmt: skip


def _individuals(tables: Tables) -> Named:
    if not tables["instability"].empty:
        rows = tables["instability"]
        thresholds = dict(zip(rows["arm"], rows["threshold"], strict=True))
        figure = plots.instability_figure(tables["instability_points"], thresholds)
        yield "instability", figure
    if not tables["conformal"].empty:
        yield "conformal", plots.prediction_sets_figure(tables["conformal"])


def _models(found: FittedRun, results: Results, drawn: stats.Nomogram | None) -> Named:
    if drawn is not None:
        yield "nomogram", plots.nomogram_figure(
            drawn.points, drawn.total_points, probability_axis=drawn.probability_axis,
            title="Combined model",
        )  # fmt: skip
    if not found.deep.history.empty:
        yield "training", plots.training_figure(found.deep.history)
    if found.explained is not None:
        yield from _grad_cam_figures(found.run, found.explained, results)


def _refitted(refits: Refits, tables: Tables) -> Named:
    for arm, table in refits.importance.items():
        title = f"{ARM_TITLES[arm]}: what the models lose without a feature"
        yield f"importance_{arm}", plots.importance_figure(table, title=title)
    for arm, shap in refits.shap.items():
        yield f"shap_{arm}", plots.shap_figure(
            shap.features, shap.values, shap.positions,
            title=f"{ARM_TITLES[arm]}: what a feature adds for each patient",
            subtitle=f"{len(shap.values)} lesions, out of fold",
        )  # fmt: skip
    if not tables["learning_curve"].empty:
        yield "learning_curve", plots.learning_curve_figure(tables["learning_curve"])
    for arm in refits.supports:
        frequencies = frequency_table(refits, arm)
        if not frequencies.empty:
            yield f"stability_{arm}", plots.stability_figure(
                frequencies, nogueira_text=_stability_text(tables["stability"], arm),
                title=f"{ARM_TITLES[arm]}: how often a feature is selected again",
            )  # fmt: skip


def _calibration_text(p: Mapping[str, Any]) -> str:
    slope, intercept = number(p["calibration_slope"], 2), number(p["calibration_intercept"], 2)
    return f"slope {slope}, intercept {intercept}, ICI {number(p['ici'], 3)}"


def _stability_text(table: pd.DataFrame, arm: str) -> str:
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


def _of_role(points: pd.DataFrame, role: str) -> pd.DataFrame:
    return points[points["role"].eq(role)] if "role" in points else points


def _performances(results: Results, role: str) -> dict[str, Mapping[str, Any]]:
    """Return the performance of every arm that has the role."""
    arms = results["arms"].items()
    return {arm: content["roles"][role] for arm, content in arms if role in content["roles"]}


def _areas(results: Results, role: str) -> dict[str, tuple[Number, Number, Number]]:
    found = _performances(results, role)
    return {arm: (p["auc"], p["auc_low"], p["auc_high"]) for arm, p in found.items()}


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


def _grad_cam_figures(run: OpenRun, explained: Explanation, results: Results) -> Named:
    """Yield a figure for each role: of every group the most confident and the median lesion."""
    for role in judged_roles(results):
        rows = _of_role(explained.rows, role)
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
        where = role_title(role).lower()
        title = f"{ARM_TITLES[ARM]}, {where}: called by the threshold {threshold:.3f}"
        yield f"grad_cam_{role_key(role)}", plots.grad_cam_figure(groups, title=title)


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
