"""The radiomic features of a run, and what their selection needs beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from her2.core.errors import BadCohort, BadConfig
from her2.core.settings import (
    CohortSettings,
    ComputeSettings,
    RadiomicsSettings,
    SelectionSettings,
)
from her2.core.types import Cohort
from her2.pipeline.evaluate import write_features, write_parquet
from her2.pipeline.excluded_lesions import run_with
from her2.pipeline.lesion_features import (
    changed_features,
    perturbations,
    radiomic_features,
    robustness_of,
    robustness_summary,
)
from her2.pipeline.reader_agreement import FeatureAgreement, feature_agreement
from her2.pipeline.run import OpenRun
from her2.selection.harmonise import MIN_ROWS

HARMONISE = ("none", "combat")
SECOND_READER = "second reader: "
CHANGED = "changed lesion "
VENDOR = "vendor of the scanner"
MIN_SECOND_MASKS = 20  # of training lesions: an inner fold has about 12 of them
MIN_PAIRS = 10


@dataclass(frozen=True)
class RadiomicInputs:
    """Features by `Lesion.key`, and what a selection may use to judge or to clean them.

    features: (n_lesions, n_features) of the first reader, or brought; second: the same lesions
    and features by the second reader, NaN where there is no second mask; changed: the same of
    training lesions after each change of mask or image, NaN elsewhere; vendor: number of the
    scanner's vendor, NaN where it is not known; agreement: of the readers' features; robustness:
    changed, how, n_lesions, n_features, median, low, high, n_good; notes: what a reader of the
    report must know.
    """

    features: pd.DataFrame
    second: pd.DataFrame | None = None
    changed: tuple[pd.DataFrame, ...] = ()
    vendor: pd.Series | None = None
    agreement: FeatureAgreement | None = None
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()


def check_radiomics(radiomics: RadiomicsSettings, selection: SelectionSettings) -> None:
    """Refuse settings that cannot be run, before the cohort is read.

    Raises
    ------
    BadConfig
        With what is wrong.
    """
    if radiomics.harmonise not in HARMONISE:
        raise BadConfig(
            f"expected radiomics.harmonise to be one of {', '.join(HARMONISE)}, found "
            f"{radiomics.harmonise!r}"
        )
    perturbations(radiomics, 0)
    for name in ("reader_icc", "robust_icc"):
        limit = getattr(selection, name)
        if limit is not None and not 0 < limit < 1:
            raise BadConfig(
                f"expected selection.{name} between 0 and 1, or null, found {limit:g}; .75 is "
                "usual"
            )
    if selection.robust_icc is not None and not radiomics.robustness:
        raise BadConfig(
            "expected changes in radiomics.robustness for selection.robust_icc, found none; name "
            "some, such as radiomics.robustness=[erosion,dilation,contour]"
        )


def radiomic_inputs(
    run: OpenRun,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    *,
    cohort: CohortSettings,
    compute: ComputeSettings,
    cache: str | None,
    seed: int,
) -> tuple[OpenRun, RadiomicInputs | None]:
    """Return the run without the lesions that could not be measured, and its features.

    Features are written to the run; they are None where the cohort has neither images nor
    features of its own.

    Raises
    ------
    BadCohort
        Second masks, or vendors, are asked for and the cohort has too few.
    """
    second = agreement = None
    changed: tuple[pd.DataFrame, ...] = ()
    robustness = pd.DataFrame()
    features = run.cohort.features
    if run.has_images:
        with run.watch.step("radiomics"):
            table = radiomic_features(run.cohort, radiomics, compute=compute, cache=cache)
            run, features = run_with(run, table.problems, cohort), table.values
            if selection.reader_icc is not None:
                second, agreement = _second_reader(run, radiomics, features, compute, cache)
            if radiomics.robustness:
                trained = [x for x in run.cohort.lesions if x.key in set(run.training.keys)]
                found = robustness_of(trained, radiomics, compute=compute, cache=cache, seed=seed)
                write_parquet(run.folder.file("features_robustness.parquet"), found)
                robustness = robustness_summary(found, radiomics.robustness)
            if selection.robust_icc is not None:
                versions = changed_features(
                    trained, radiomics, compute=compute, cache=cache, seed=seed
                )
                changed = tuple(version.reindex(features.index) for version in versions)
    if features is None:
        return run, None
    _refuse_without_images(run, radiomics, selection)
    write_features(run.folder.file("features.parquet"), run.cohort, features)
    vendor, notes = _vendor(run, radiomics)
    return run, RadiomicInputs(features, second, changed, vendor, agreement, robustness, notes)


def _second_reader(
    run: OpenRun,
    radiomics: RadiomicsSettings,
    first: pd.DataFrame,
    compute: ComputeSettings,
    cache: str | None,
) -> tuple[pd.DataFrame, FeatureAgreement]:
    """Return the second reader's features in the first's rows, and how the two agree."""
    trained = set(run.training.keys)
    n_masks = sum(x.key in trained and bool(x.masks_reader2) for x in run.cohort.lesions)
    if n_masks < MIN_SECOND_MASKS:
        raise BadCohort(
            f"expected second masks of at least {MIN_SECOND_MASKS} training lesions for "
            f"selection.reader_icc, found {n_masks}; fill the column mask_reader2, or leave the "
            "setting out"
        )
    table = radiomic_features(run.cohort, radiomics, compute=compute, cache=cache, reader=2)
    second = table.values.reindex(first.index)
    write_features(run.folder.file("features_reader2.parquet"), run.cohort, second)
    return second, feature_agreement(first, table.values, min_pairs=MIN_PAIRS)


def _refuse_without_images(
    run: OpenRun, radiomics: RadiomicsSettings, selection: SelectionSettings
) -> None:
    if run.has_images:
        return
    asked = {
        "selection.reader_icc": selection.reader_icc is not None,
        "selection.robust_icc": selection.robust_icc is not None,
        "radiomics.harmonise": radiomics.harmonise != "none",
    }
    if any(asked.values()):
        raise BadCohort(
            f"expected images and masks for {' and '.join(k for k, v in asked.items() if v)}, "
            "found features that were brought; leave the setting out"
        )


def _vendor(
    run: OpenRun, radiomics: RadiomicsSettings
) -> tuple[pd.Series | None, tuple[str, ...]]:
    """Return the vendor's number of each lesion, and a note on lesions that stay as they are."""
    if radiomics.harmonise == "none":
        return None, ()
    names = vendors(run.cohort)
    of_training = names.loc[list(run.training.keys)]
    trained = of_training.value_counts()
    adjusted = sorted({name for name in adjusted_vendors(of_training) if name is not None})
    if len(adjusted) < 2:
        found = ", ".join(f"{name} ({n})" for name, n in trained.items()) or "none that is known"
        raise BadCohort(
            f"expected at least two vendors with {MIN_ROWS} training lesions each for "
            f"radiomics.harmonise=combat, found {found}; leave the setting out"
        )
    n_left = int((~names.isin(adjusted)).sum())
    notes = [
        f"ComBat takes the effect of the vendor ({', '.join(adjusted)}) out of the radiomic "
        "features, learned from training patients in every fold, without the outcome."
    ]
    if n_left:
        notes.append(
            f"{n_left} lesions of a vendor that is unknown, or has fewer than {MIN_ROWS} training "
            "lesions, keep their radiomic features as they are; so will new patients of such a "
            "vendor."
        )
    codes = {name: float(i) for i, name in enumerate(sorted(names.dropna().unique()))}
    return names.map(codes).astype(np.float64), tuple(notes)


def adjusted_vendors(trained: pd.Series) -> list[str | None]:
    """Return the vendor of every training lesion; None where ComBat leaves it as it is."""
    counts = trained.value_counts()
    enough = set(counts[counts >= MIN_ROWS].index)
    return [str(name) if name in enough else None for name in trained]


def vendors(cohort: Cohort) -> pd.Series:
    """Return the scanner's vendor of every lesion by `Lesion.key`, missing where not known."""
    keys = [lesion.key for lesion in cohort.lesions]
    if "vendor" not in cohort.acquisition:
        return pd.Series([None] * len(keys), index=keys, dtype=object)
    return cohort.acquisition.loc[keys, "vendor"].astype(object)
