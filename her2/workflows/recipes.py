"""What each arm is made of: its features, its preparation and its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline

from her2.arms import Arm
from her2.classifiers import candidates, check_candidates
from her2.clinical import clinical_preparation, clinical_table
from her2.errors import BadConfig
from her2.fusion import CompressDeepFeatures
from her2.seeds import integer_seed
from her2.selection import no_selection, paper_chain
from her2.settings import BackboneSettings, FusionSettings, SelectionSettings
from her2.types import Cohort

Grids = Mapping[str, Any]


def check_recipe(classifier: Grids, selection: SelectionSettings, seed: int) -> None:
    """Refuse a grid or a selection that cannot be fitted, before the cohort is read.

    Raises
    ------
    BadConfig
        With what is wrong.
    """
    check_candidates(candidates(classifier), seed)
    selection_chain(selection, seed)


def selection_chain(settings: SelectionSettings, seed: int) -> Pipeline:
    """Return the unfitted selection of a name in conf/selection."""
    if settings.method == "none":
        return no_selection()
    if settings.method != "paper":
        raise BadConfig(f"expected selection.method paper or none, found {settings.method!r}")
    return paper_chain(
        alpha=settings.alpha,
        equal_variance=settings.equal_variance,
        correlation=settings.correlation,
        lasso_folds=settings.lasso_folds,
        seed=integer_seed(seed, "lasso"),
    )


def clinical_arm(cohort: Cohort, classifier: Grids, imputation: str = "median") -> Arm:
    """Return the arm of the clinical variables."""
    table = clinical_table(cohort.clinical)
    preparation = clinical_preparation("multiple" if imputation == "multiple" else "median")
    return Arm("clinical", table, preparation, candidates(classifier), is_table=True)


def radiomics_arm(
    features: pd.DataFrame, classifier: Grids, selection: SelectionSettings, seed: int
) -> Arm:
    """Return the arm of the radiomic features."""
    return Arm("radiomics", features, selection_chain(selection, seed), candidates(classifier))


def deep_learning_arm(features: pd.DataFrame, backbone: BackboneSettings) -> Arm:
    """Return the arm of frozen deep features under a penalised logistic regression."""
    return Arm("deep_learning", features, no_selection(), candidates(backbone.head))


def dlr_arm(
    deep: pd.DataFrame,
    radiomics: pd.DataFrame,
    classifier: Grids,
    *,
    selection: SelectionSettings,
    fusion: FusionSettings,
    seed: int,
) -> Arm:
    """Return the arm that compresses deep features and selects among them and radiomic ones."""
    compress = CompressDeepFeatures(n_deep=deep.shape[1], n_components=fusion.n_components)
    steps = [step for _, step in selection_chain(selection, seed).steps]
    features = pd.concat([deep, radiomics], axis=1)
    return Arm("dlr", features, make_pipeline(compress, *steps), candidates(classifier))
