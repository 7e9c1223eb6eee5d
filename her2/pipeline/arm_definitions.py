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


def check_grid(settings: StudySettings) -> None:
    """Refuse a grid of classifiers that cannot be fitted, before the cohort is read.

    Raises
    ------
    BadConfig
        With what is wrong.
    """
    check_candidates(candidates(settings.classifier.grids), settings.seed)


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
    "boruta": (
        boruta_chain, ("correlation", "n_rounds", "n_trees", "alpha"), "boruta",
    ),
    "stability": (
        stability_chain, ("correlation", "n_pairs", "threshold", "max_false"), "stability",
    ),
    "none": (no_selection, (), ""),
}  # fmt: skip


def clinical_arm(cohort: Cohort, settings: StudySettings) -> Arm:
    """Return the arm of the clinical variables."""
    table = clinical_table(cohort.clinical)
    preparation = clinical_preparation(settings.evaluation.imputation)
    grids = settings.classifier.grids
    return Arm("clinical", table, preparation, candidates(grids), is_table=True)


def radiomics_arm(radiomics: RadiomicInputs, settings: StudySettings) -> Arm:
    """Return the arm of the radiomic features."""
    table, first = _with_helpers(None, radiomics, settings.selection)
    chain = [step for _, step in selection_chain(settings.selection, settings.seed).steps]
    return Arm(
        "radiomics", table, make_pipeline(*first, *chain),
        candidates(settings.classifier.grids), auxiliary=_helpers(table),
    )  # fmt: skip


def deep_learning_arm(
    features: pd.DataFrame, backbone: BackboneSettings, by_fold: Sequence[pd.DataFrame] = ()
) -> Arm:
    """Return the arm of deep features under a penalised logistic regression.

    by_fold: features of the training rows by networks fine-tuned without each outer fold.
    """
    return Arm(
        "deep_learning", features, no_selection(), candidates(backbone.head),
        by_fold=tuple(by_fold),
    )  # fmt: skip


def dlr_arm(
    deep: pd.DataFrame,
    radiomics: RadiomicInputs,
    settings: StudySettings,
    by_fold: Sequence[pd.DataFrame] = (),
) -> Arm:
    """Return the arm that compresses deep features and selects among them and radiomic ones.

    by_fold: as `deep_learning_arm` has it; the radiomic features are the same in every fold.
    """
    selection, n_components = settings.selection, settings.fusion.n_components
    compress = CompressDeepFeatures(n_deep=deep.shape[1], n_components=n_components)
    table, first = _with_helpers(deep, radiomics, selection)
    chain = [step for _, step in selection_chain(selection, settings.seed).steps]
    return Arm(
        "dlr", table, make_pipeline(*first, compress, *chain),
        candidates(settings.classifier.grids), auxiliary=_helpers(table),
        by_fold=tuple(_with_fold(own, radiomics, selection) for own in by_fold),
    )  # fmt: skip


def _with_fold(
    deep: pd.DataFrame, radiomics: RadiomicInputs, selection: SelectionSettings
) -> pd.DataFrame:
    """Return the table of an arm for one outer fold: the rows that `deep` has."""
    all_rows = deep.reindex(radiomics.features.index)
    return _with_helpers(all_rows, radiomics, selection)[0].loc[deep.index]


def _with_helpers(
    deep: pd.DataFrame | None, radiomics: RadiomicInputs, selection: SelectionSettings
) -> tuple[pd.DataFrame, list[BaseEstimator]]:
    """Return an arm's table and the steps that consume its auxiliary columns.

    The columns are, where they exist: the vendor, deep features, the first reader's features, the
    second reader's, those of changed lesions. Robustness and agreement of readers are judged
    first, on features as they were measured.
    """
    n_deep = 0 if deep is None else deep.shape[1]
    frames = [deep, radiomics.features]
    if radiomics.second is not None:
        frames.append(radiomics.second.add_prefix(SECOND_READER))
    for i, version in enumerate(radiomics.changed, start=1):
        frames.append(version.add_prefix(f"{CHANGED}{i}: "))
    first = _agreement_filters(radiomics, selection, n_deep + int(radiomics.vendor is not None))
    if radiomics.vendor is not None:
        first.append(HarmoniseFeatures(n_before=n_deep))
        frames.insert(0, radiomics.vendor.to_frame(VENDOR))
    rows = radiomics.features.index
    return pd.concat([f.loc[rows] for f in frames if f is not None], axis=1), first


def _agreement_filters(
    radiomics: RadiomicInputs, selection: SelectionSettings, n_before: int
) -> list[BaseEstimator]:
    """Return the filters by robustness and by agreement of readers, each where asked for."""
    has_second = radiomics.second is not None
    given: dict[str, Any] = {"min_pairs": MIN_PAIRS, "n_before": n_before}
    steps: list[BaseEstimator] = []
    if selection.robust_icc is not None and radiomics.changed:
        n_versions = len(radiomics.changed)
        steps.append(
            RobustnessFilter(
                limit=selection.robust_icc, n_versions=n_versions, n_passed=int(has_second),
                **given,
            )
        )  # fmt: skip
    if has_second and selection.reader_icc is not None:
        steps.append(ReaderAgreementFilter(limit=selection.reader_icc, **given))
    return steps


def _helpers(table: pd.DataFrame) -> frozenset[str]:
    """Return the names of the columns that no selection may choose."""
    names = [str(name) for name in table.columns]
    return frozenset(
        name for name in names if name == VENDOR or name.startswith((SECOND_READER, CHANGED))
    )
