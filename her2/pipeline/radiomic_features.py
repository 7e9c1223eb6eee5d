"""The radiomic features of a run, their robustness, and the inputs of their selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from her2.core.errors import BadCohort
from her2.core.progress import Work, work_progress
from her2.core.settings import RadiomicsSettings, StudySettings
from her2.core.store import Store
from her2.core.types import Cohort, Lesion
from her2.pipeline.evaluate import write_features, write_parquet
from her2.pipeline.load_cohort import cache_folder, engine, n_workers, report_cache
from her2.pipeline.patient_tables import feature_agreement
from her2.pipeline.run import OpenRun, run_with
from her2.radiomics import (
    FeatureTable,
    Length,
    Perturbation,
    Recipe,
    extract_table,
    feature_robustness,
    read_parameter_file,
)
from her2.radiomics.perturbation import IMAGE_KINDS, MASK_KINDS
from her2.selection.harmonise import MIN_ROWS

GOOD_ICC = 0.75  # Koo & Li (2016), doi:10.1016/j.jcm.2016.02.012
SECOND_READER = "second reader: "
CHANGED = "changed lesion "
VENDOR = "vendor of the scanner"
MIN_SECOND_MASKS = 20  # of training lesions: an inner fold has about 12 of them
MIN_PAIRS = 10


def recipe(settings: RadiomicsSettings) -> Recipe:
    """Return the recipe of the features of every lesion."""
    preset = read_parameter_file(settings.params) if settings.params else settings.preset
    return Recipe(preset, settings.region, ring=Length(settings.ring_mm, px=settings.ring_px))


def radiomic_features(
    cohort: Cohort, settings: StudySettings, *, reader: Literal[1, 2] = 1
) -> FeatureTable:
    """Return the radiomic features of every lesion, and log how many were in the cache.

    reader: whose masks; lesions without a second reader's mask have no features of theirs.
    """
    title = "radiomics" if reader == 1 else "radiomics, second reader"
    with work_progress(title, "lesions", "pixels") as advance:
        of = replace(recipe(settings.radiomics), reader=reader)
        table = _extracted(cohort.lesions, of, settings, advance)
    report_cache(title, table)
    return table


def _extracted(
    lesions: Sequence[Lesion],
    of: Recipe,
    settings: StudySettings,
    advance: Callable[[Work], None] = lambda work: None,
) -> FeatureTable:
    return extract_table(
        lesions, of, store=_store(settings), engine=engine(settings.compute),
        n_threads=n_workers(settings.compute), advance=advance,
    )  # fmt: skip


def robustness_of(lesions: Sequence[Lesion], settings: StudySettings) -> pd.DataFrame:
    """Return the robustness of every feature of some lesions (`her2.radiomics.robustness`)."""
    with work_progress("radiomics, changed", "lesions", "pixels") as advance:
        return feature_robustness(
            lesions, _perturbations(settings), store=_store(settings),
            recipe=recipe(settings.radiomics), engine=engine(settings.compute), advance=advance,
        )  # fmt: skip


def _perturbations(settings: StudySettings) -> list[Perturbation]:
    """Return the changes that the settings name, each as large as is usual."""
    return [Perturbation(kind, seed=settings.seed) for kind in settings.radiomics.robustness]


def _store(settings: StudySettings) -> Store:
    return Store(cache_folder(settings.cache) / "radiomics")


def _robustness_summary(per_feature: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """Return `RadiomicInputs.robustness` of a table of features, a row for each kind of change."""
    rows = []
    for changed, table in per_feature.groupby("changed", sort=False):
        known = table.dropna(subset=["value"])
        of_changed = MASK_KINDS if changed == "mask" else IMAGE_KINDS
        how = ", ".join(kind for kind in kinds if kind in of_changed)
        n_lesions, value = int(table["n_lesions"].iloc[0]), known["value"]
        row = {"changed": changed, "how": how, "n_lesions": n_lesions, "n_features": len(known)}
        row |= {"median": value.median(), "low": value.min(), "high": value.max()}
        rows.append(row | {"n_good": int((known["low"] >= GOOD_ICC).sum())})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class RadiomicInputs:
    """Features by `Lesion.key`, and what a selection may filter or harmonise them by.

    Attributes
    ----------
    features
        (n_lesions, n_features) of the first reader, or brought.
    second
        The same lesions and features by the second reader, NaN where there is no second mask.
    changed
        The same of training lesions after each change of mask or image, NaN elsewhere.
    vendor
        Number of the scanner's vendor, NaN where it is not known.
    agreement
        Of the readers' features, as `ReaderAgreement.summary`.
    robustness
        changed, how, n_lesions, n_features, median, low, high (of the ICC), n_good (features whose
        lower limit is at least .75).
    notes
        Notes of the report.
    """

    features: pd.DataFrame
    second: pd.DataFrame | None = None
    changed: tuple[pd.DataFrame, ...] = ()
    vendor: pd.Series | None = None
    agreement: pd.DataFrame | None = None
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()


def radiomic_inputs(run: OpenRun) -> tuple[OpenRun, RadiomicInputs | None]:
    """Return the run without the lesions that could not be measured, and its features.

    Features are written to the run; they are None where the cohort has neither images nor
    features of its own.
    """
    settings, selection = run.settings, run.settings.selection
    second = agreement = None
    changed: tuple[pd.DataFrame, ...] = ()
    robustness = pd.DataFrame()
    features = run.cohort.features
    if run.has_images:
        with run.watch.step("radiomics"):
            table = radiomic_features(run.cohort, settings)
            run, features = run_with(run, table.problems), table.values
            if selection.reader_icc is not None:
                second, agreement = _second_reader(run, features)
            trained = [x for x in run.cohort.lesions if x.key in set(run.training.keys)]
            if settings.radiomics.robustness:
                found = robustness_of(trained, settings)
                write_parquet(run.folder.file("features_robustness.parquet"), found)
                robustness = _robustness_summary(found, settings.radiomics.robustness)
            if selection.robust_icc is not None:  # a lesion may lack a version
                of = recipe(settings.radiomics)
                versions = [replace(of, perturbation=kind) for kind in _perturbations(settings)]
                tables = [_extracted(trained, version, settings) for version in versions]
                changed = tuple(one.values.reindex(features.index) for one in tables)
    if features is None:
        return run, None
    _refuse_without_images(run)
    write_features(run.folder.file("features.parquet"), run.cohort, features)
    vendor, notes = _vendor(run)
    return run, RadiomicInputs(features, second, changed, vendor, agreement, robustness, notes)


def _second_reader(run: OpenRun, first: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the second reader's features in the first's rows, and how the two agree."""
    trained = set(run.training.keys)
    n_masks = sum(x.key in trained and bool(x.masks_reader2) for x in run.cohort.lesions)
    if n_masks < MIN_SECOND_MASKS:
        raise BadCohort(
            f"expected second masks of at least {MIN_SECOND_MASKS} training lesions for "
            f"selection.reader_icc, found {n_masks}; fill the column mask_reader2, or leave the "
            "setting out"
        )
    table = radiomic_features(run.cohort, run.settings, reader=2)
    second = table.values.reindex(first.index)
    write_features(run.folder.file("features_reader2.parquet"), run.cohort, second)
    return second, feature_agreement(first, table.values, min_pairs=MIN_PAIRS)[1]


def _refuse_without_images(run: OpenRun) -> None:
    if run.has_images:
        return
    radiomics, selection = run.settings.radiomics, run.settings.selection
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


def _vendor(run: OpenRun) -> tuple[pd.Series | None, tuple[str, ...]]:
    """Return the vendor's number of each lesion, and a note on lesions that stay as they are."""
    if run.settings.radiomics.harmonise == "none":
        return None, ()
    names = vendors(run.cohort)
    trained = names.loc[list(run.training.keys)]
    adjusted = sorted({name for name in adjusted_vendors(trained) if name is not None})
    if len(adjusted) < 2:
        counts = trained.value_counts().items()
        found = ", ".join(f"{name} ({n})" for name, n in counts) or "none that is known"
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
