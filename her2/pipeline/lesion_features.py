"""Radiomic features of a cohort's lesions, as the settings ask for them, and their robustness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from her2.core.progress import work_progress
from her2.core.settings import ComputeSettings, RadiomicsSettings
from her2.core.store import Store
from her2.core.types import Cohort, Lesion
from her2.pipeline.load_cohort import cache_folder, engine, n_workers, report_cache
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

GOOD_ICC = 0.75  # Koo & Li (2016), doi:10.1016/j.jcm.2016.02.012


def recipe(settings: RadiomicsSettings) -> Recipe:
    """Return what is measured on every lesion."""
    preset = read_parameter_file(settings.params) if settings.params else settings.preset
    return Recipe(preset, settings.region, ring=Length(settings.ring_mm, px=settings.ring_px))


def radiomic_features(
    cohort: Cohort,
    settings: RadiomicsSettings,
    *,
    compute: ComputeSettings,
    cache: str | None,
    reader: Literal[1, 2] = 1,
) -> FeatureTable:
    """Return the radiomic features of every lesion, and say how many were in the cache.

    reader: whose masks; lesions without a second reader's mask have no features of theirs.
    """
    store = Store(cache_folder(cache) / "radiomics")
    title = "radiomics" if reader == 1 else "radiomics, second reader"
    with work_progress(title, "lesions", "pixels") as advance:
        table = extract_table(
            cohort.lesions,
            replace(recipe(settings), reader=reader),
            store=store,
            engine=engine(compute),
            n_threads=n_workers(compute),
            advance=advance,
        )
    report_cache(title, table)
    return table


def perturbations(settings: RadiomicsSettings, seed: int) -> list[Perturbation]:
    """Return the changes that the settings name, each as large as is usual."""
    return [Perturbation(kind, seed=seed) for kind in settings.robustness]


def robustness_of(
    lesions: Sequence[Lesion],
    settings: RadiomicsSettings,
    *,
    compute: ComputeSettings,
    cache: str | None,
    seed: int,
) -> pd.DataFrame:
    """Return the robustness of every feature of some lesions (`her2.radiomics.robustness`)."""
    with work_progress("radiomics, changed", "lesions", "pixels") as advance:
        return feature_robustness(
            lesions,
            perturbations(settings, seed),
            store=Store(cache_folder(cache) / "radiomics"),
            recipe=recipe(settings),
            engine=engine(compute),
            advance=advance,
        )


def changed_features(
    lesions: Sequence[Lesion],
    settings: RadiomicsSettings,
    *,
    compute: ComputeSettings,
    cache: str | None,
    seed: int,
) -> tuple[pd.DataFrame, ...]:
    """Return the features of some lesions after each change; a lesion may lack a version."""
    store = Store(cache_folder(cache) / "radiomics")
    return tuple(
        extract_table(
            lesions, replace(recipe(settings), perturbation=change), store=store,
            engine=engine(compute), n_threads=n_workers(compute),
        ).values
        for change in perturbations(settings, seed)
    )  # fmt: skip


def robustness_summary(per_feature: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """Return one row for each kind of change: how many features, and their ICC.

    Columns: changed, how, n_lesions, n_features, median, low, high (range), n_good (features
    whose lower limit is at least .75).
    """
    rows = []
    for changed, table in per_feature.groupby("changed", sort=False):
        known = table.dropna(subset=["value"])
        of_changed = MASK_KINDS if changed == "mask" else IMAGE_KINDS
        rows.append(
            {
                "changed": changed,
                "how": ", ".join(kind for kind in kinds if kind in of_changed),
                "n_lesions": int(table["n_lesions"].iloc[0]),
                "n_features": len(known),
                "median": known["value"].median(),
                "low": known["value"].min(),
                "high": known["value"].max(),
                "n_good": int((known["low"] >= GOOD_ICC).sum()),
            }
        )
    return pd.DataFrame(rows)
