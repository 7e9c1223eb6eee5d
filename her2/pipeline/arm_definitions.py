"""Definitions of the arms: their features, their preparation and their candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from her2.core.seeds import integer_seed
from her2.core.settings import BackboneSettings, SelectionSettings, StudySettings
from her2.core.types import Cohort
from her2.models.classifiers import candidates, check_candidates
from her2.models.clinical_imputation import clinical_preparation, clinical_table
from her2.models.nested_cv import Arm
from her2.pipeline.enhance import check_enhance
from her2.pipeline.radiomic_features import (
    CHANGED,
    MIN_PAIRS,
    SECOND_READER,
    VENDOR,
    RadiomicInputs,
)
from her2.selection import (
    HarmoniseFeatures,
    ReaderAgreementFilter,
    RobustnessFilter,
    boruta_chain,
    lasso_chain,
    mrmr_chain,
    no_selection,
    paper_chain,
    stability_chain,
)
from her2.selection.pca import CompressDeepFeatures


def check_study(settings: StudySettings) -> None:
    """Refuse a grid or an enhancement that cannot be run, before the cohort is read."""
    check_enhance(settings.enhance)
    check_candidates(candidates(settings.classifier.grids), settings.seed)
    candidates(settings.backbone.head, "backbone.head")


def selection_chain(settings: SelectionSettings, seed: int) -> Pipeline:
    """Return the unfitted selection of a method."""
    chain, names, draws = _CHAINS[settings.method]
    arguments = {name: getattr(settings, name) for name in names}
    if draws:
        arguments["seed"] = integer_seed(seed, draws)
    return chain(**arguments)


# method: chain, the settings that it takes, and the name of its random numbers
_CHAINS: dict[str, tuple[Callable[..., Pipeline], tuple[str, ...], str]] = {
    "paper": (paper_chain, ("alpha", "equal_variance", "correlation", "lasso_folds"), "lasso"),
    "lasso": (lasso_chain, ("lasso_folds",), "lasso"),
    "mrmr": (mrmr_chain, ("n_features",), ""),
    "boruta": (boruta_chain, ("correlation", "n_rounds", "n_trees", "alpha"), "boruta"),
    "stability": (
        stability_chain, ("correlation", "n_pairs", "threshold", "max_false"), "stability",
    ),
    "none": (no_selection, (), ""),
}  # fmt: skip


def clinical_arm(cohort: Cohort, settings: StudySettings) -> Arm:
    """Return the arm of the clinical variables."""
    preparation = clinical_preparation(settings.evaluation.imputation)
    points = candidates(settings.classifier.grids)
    return Arm("clinical", clinical_table(cohort.clinical), preparation, points, is_table=True)


def radiomics_arm(radiomics: RadiomicInputs, settings: StudySettings) -> Arm:
    """Return the arm of the radiomic features."""
    table, first = _with_helpers(None, radiomics, settings.selection)
    return _selecting_arm("radiomics", table, first, settings)


def deep_learning_arm(
    features: pd.DataFrame, backbone: BackboneSettings, by_fold: Sequence[pd.DataFrame] = ()
) -> Arm:
    """Return the arm of deep features under a penalised logistic regression.

    by_fold: features of the training rows by networks fine-tuned without each outer fold.
    """
    points = candidates(backbone.head)
    return Arm("deep_learning", features, no_selection(), points, by_fold=tuple(by_fold))


def dlr_arm(
    deep: pd.DataFrame,
    radiomics: RadiomicInputs,
    settings: StudySettings,
    by_fold: Sequence[pd.DataFrame] = (),
) -> Arm:
    """Return the arm that compresses deep features and selects among them and radiomic ones.

    by_fold: as `deep_learning_arm` has it; the radiomic features are the same in every fold.
    """
    n_components = settings.fusion.n_components
    compress = CompressDeepFeatures(n_deep=deep.shape[1], n_components=n_components)
    table, first = _with_helpers(deep, radiomics, settings.selection)
    tables = []
    for own in by_fold:
        all_rows = own.reindex(radiomics.features.index)
        of_fold, _ = _with_helpers(all_rows, radiomics, settings.selection)
        tables.append(of_fold.loc[own.index])
    return _selecting_arm("dlr", table, [*first, compress], settings, tuple(tables))


def _selecting_arm(
    name: str,
    table: pd.DataFrame,
    first: Sequence[BaseEstimator],
    settings: StudySettings,
    by_fold: tuple[pd.DataFrame, ...] = (),
) -> Arm:
    """Return an arm that selects after some first steps, never one of the auxiliary columns."""
    chain = [step for _, step in selection_chain(settings.selection, settings.seed).steps]
    names = [str(column) for column in table.columns]
    helpers = [x for x in names if x == VENDOR or x.startswith((SECOND_READER, CHANGED))]
    return Arm(
        name, table, make_pipeline(*first, *chain), candidates(settings.classifier.grids),
        auxiliary=frozenset(helpers), by_fold=by_fold,
    )  # fmt: skip


def _with_helpers(
    deep: pd.DataFrame | None, radiomics: RadiomicInputs, selection: SelectionSettings
) -> tuple[pd.DataFrame, list[BaseEstimator]]:
    """Return an arm's table and the steps that consume its auxiliary columns.

    The columns are, where they exist: the vendor, deep features, the first reader's features, the
    second reader's, those of changed lesions. Robustness and agreement of readers are judged
    first, on features as they were measured, each where asked for.
    """
    vendor, second, changed = radiomics.vendor, radiomics.second, radiomics.changed
    n_deep = 0 if deep is None else deep.shape[1]
    frames = [None if vendor is None else vendor.to_frame(VENDOR), deep, radiomics.features]
    frames.append(None if second is None else second.add_prefix(SECOND_READER))
    frames += [version.add_prefix(f"{CHANGED}{i}: ") for i, version in enumerate(changed, start=1)]
    given: dict[str, Any] = {"min_pairs": MIN_PAIRS, "n_before": n_deep + int(vendor is not None)}
    steps: list[BaseEstimator] = []
    if selection.robust_icc is not None and changed:
        more = given | {"n_versions": len(changed), "n_passed": int(second is not None)}
        steps.append(RobustnessFilter(limit=selection.robust_icc, **more))
    if second is not None and selection.reader_icc is not None:
        steps.append(ReaderAgreementFilter(limit=selection.reader_icc, **given))
    if vendor is not None:
        steps.append(HarmoniseFeatures(n_before=n_deep))
    rows = radiomics.features.index
    return pd.concat([f.loc[rows] for f in frames if f is not None], axis=1), steps
