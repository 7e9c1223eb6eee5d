"""What a fitted selection did with the features, step by step: for tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from her2.radiomics.parameters import image_type_and_family
from her2.selection import (
    BorutaFilter,
    CorrelationFilter,
    HarmoniseFeatures,
    LassoCurves,
    LassoFilter,
    MrmrFilter,
    ReaderAgreementFilter,
    RobustnessFilter,
    StabilityFilter,
    SupervisedFilter,
    TTestFilter,
    UsableFeatures,
    lasso_curves,
)
from her2.selection.pca import CompressDeepFeatures

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SelectionHistory:
    """A selection as it was fitted; parts that the chain does not have are None or empty.

    Attributes
    ----------
    steps
        Columns step, n_before, n_after and rule.
    p_values
        Columns feature, family and p_value of the t-test.
    correlation_before, correlation_after
        Pearson correlations (p, p) around the correlation filter.
    lasso
        Path and cross-validation error.
    weights
        Columns feature and weight of the LASSO (NaN where the chain has no LASSO).
    alpha, limit
        Of the t-test, and of the correlation.
    harmonised
        The rows before and after ComBat, (n, 2) each, on the first two principal components of
        the features before.
    """

    steps: pd.DataFrame
    p_values: pd.DataFrame | None = None
    correlation_before: FloatArray | None = None
    correlation_after: FloatArray | None = None
    lasso: LassoCurves | None = None
    weights: pd.DataFrame | None = None
    alpha: float = 0.05
    limit: float = 0.8
    harmonised: tuple[FloatArray, FloatArray] | None = None


def selection_history(
    chain: Pipeline, X: Any, y: NDArray[np.int64], names: Sequence[str]
) -> SelectionHistory:
    """Return what each step of a fitted chain (without the classifier) kept.

    X, y: the rows that it was fitted on, features (n, p) and outcomes (n,); names: of the columns.
    """
    rows: list[tuple[str, int, int, str]] = []
    found: dict[str, Any] = {}
    current, labels = np.asarray(X), np.array(names, dtype=object)
    n_batch = sum(isinstance(step, HarmoniseFeatures) for _, step in chain.steps)
    for _, step in chain.steps:
        after = np.asarray(step.transform(current))
        kept = _labels_after(step, labels)
        if type(step) in _TITLES:
            title, rule = _TITLES[type(step)](step)
            rows.append((title, *_counts(step, labels, kept, n_batch), rule))
        found |= _evidence(step, current, after, y, labels)
        current, labels = after, kept
    if any(isinstance(step, SupervisedFilter) for _, step in chain.steps):
        found.setdefault("weights", pd.DataFrame({"feature": labels, "weight": np.nan}))
    table = pd.DataFrame(rows, columns=["step", "n_before", "n_after", "rule"])
    return SelectionHistory(table, **found)


def _counts(
    step: BaseEstimator, before: NDArray[Any], after: NDArray[Any], n_batch: int
) -> tuple[int, int]:
    """Return features before and after a step, without further readers' and the batch."""
    if isinstance(step, HarmoniseFeatures):
        return len(after), len(after)
    if isinstance(step, ReaderAgreementFilter):
        n_other = step.n_before - n_batch
        return n_other + len(step.support_), n_other + int(step.support_.sum())
    return len(before), len(after)


def _labels_after(step: BaseEstimator, labels: NDArray[Any]) -> NDArray[Any]:
    if isinstance(step, CompressDeepFeatures):
        return np.asarray(step.get_feature_names_out(labels), dtype=object)
    return labels[step.get_support()] if hasattr(step, "get_support") else labels


def _evidence(
    step: BaseEstimator,
    before: FloatArray,
    after: FloatArray,
    y: NDArray[np.int64],
    labels: NDArray[Any],
) -> dict[str, Any]:
    """Return the fields of `SelectionHistory` that a step fills."""
    if isinstance(step, HarmoniseFeatures) and step.model_ is not None:
        return {"harmonised": _on_components(step, before, after)}
    if isinstance(step, TTestFilter):
        families = [image_type_and_family(name)[1] for name in labels]
        columns = {"feature": labels, "family": families, "p_value": step.p_values_}
        return {"p_values": pd.DataFrame(columns), "alpha": step.alpha}
    if isinstance(step, CorrelationFilter):
        return {
            "limit": step.threshold,
            "correlation_before": np.atleast_2d(np.corrcoef(before, rowvar=False)),
            "correlation_after": np.atleast_2d(np.corrcoef(after, rowvar=False)),
        }
    if isinstance(step, LassoFilter) and hasattr(step, "model_"):
        weights = pd.DataFrame({"feature": labels, "weight": step.model_.coef_})
        chosen = weights[step.support_].sort_values("weight", key=np.abs, ascending=False)
        curves = lasso_curves(before, y, step, names=labels.tolist())
        return {"lasso": curves, "weights": chosen.reset_index(drop=True)}
    return {}


def _on_components(
    step: HarmoniseFeatures, before: FloatArray, after: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return two components of each row before and after, (n, 2) each, on the same axes."""
    first = step.usable_.transform(before[:, 1 + step.n_before :])
    second = step.usable_.transform(after[:, step.n_before :])
    mean, scale = first.mean(axis=0), first.std(axis=0)
    standard = (first - mean) / scale
    axes = np.linalg.svd(standard, full_matrices=False)[2][:2]
    return standard @ axes.T, ((second - mean) / scale) @ axes.T


def _agreement_rule(step: ReaderAgreementFilter, between: str) -> str:
    judged = f"{'lower limit of the ' if step.by == 'low' else ''}{step.form}"
    doubt = "" if step.is_judged_ else ": too few lesions to judge"
    return f"{judged} {between} at least {step.limit:g}{doubt}"


_TITLES: dict[type, Any] = {
    ReaderAgreementFilter: lambda step: (
        "Reader agreement (ICC)",
        _agreement_rule(step, "between readers"),
    ),
    RobustnessFilter: lambda step: (
        "Robustness (ICC)",
        _agreement_rule(step, f"of a lesion and its {step.n_versions} changed versions"),
    ),
    HarmoniseFeatures: lambda step: (
        "Harmonisation (ComBat)",
        "effect of the vendor taken out" if step.model_ else f"nothing done: {step.reason_}",
    ),
    CompressDeepFeatures: lambda step: (
        "Principal components",
        f"deep features become {step.pca_[-1].n_components_} components",
    ),
    UsableFeatures: lambda step: (
        "Usable features",
        f"not constant to {step.relative_range:g}, at most {step.max_missing:.0%} missing",
    ),
    TTestFilter: lambda step: ("t-test", f"p < {step.alpha:g}"),
    CorrelationFilter: lambda step: ("Correlation", f"no pair with |r| > {step.threshold:g}"),
    MrmrFilter: lambda step: (
        "mRMR",
        f"{len(step.order_)} by F of the outcome over mean |r| with those before",
    ),
    BorutaFilter: lambda step: (
        "Shadow features",
        f"better than the best shuffled feature in {step.n_rounds_} forests more often than by "
        f"chance, p < {step.alpha:g} over all features",
    ),
    StabilityFilter: lambda step: (
        "Stability selection",
        f"among the first {step.n_first_} of the LASSO in at least {step.threshold:.0%} of "
        f"{2 * step.n_pairs} half samples",
    ),
    LassoFilter: lambda step: (
        "LASSO",
        f"weight not 0 at the penalty with the smallest error in {step.n_folds} folds",
    ),
}
