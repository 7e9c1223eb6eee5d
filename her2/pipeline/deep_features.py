"""Deep features of a run: the penultimate layer of a network, frozen or fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.progress import progress
from her2.core.seeds import integer_seed
from her2.core.store import Store
from her2.pipeline.fine_tuning import check_weights, fine_tune
from her2.pipeline.load_cohort import cache_folder, report_cache
from her2.pipeline.run import OpenRun

if TYPE_CHECKING:
    from lightning_modules.fine_tuning.cross_fitting import FineTuned


@dataclass(frozen=True)
class DeepInputs:
    """Deep features and fine-tuned networks of a study.

    Attributes
    ----------
    features
        Of all lesions (index `Lesion.key`), None without images.
    by_fold
        Of the training lesions, by networks that were fine-tuned without an outer fold.
    tuned
        The fine-tuned networks' own predictions, None where the network stays frozen.
    """

    features: pd.DataFrame | None = None
    by_fold: tuple[pd.DataFrame, ...] = ()
    tuned: FineTuned | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the report."""
        if self.tuned is None:
            return ()
        by_fold = (
            "Deep features of a fold come from a network that was fine-tuned without it, on the "
            "patients of the other folds; inner folds and the combined arm's weights therefore "
            "see features that are better than new patients' would be.",
        )
        return (*self.tuned.notes, *(by_fold if self.by_fold else ()))

    @property
    def history(self) -> pd.DataFrame:
        """The networks' training loss, epoch by epoch; empty without fine-tuning."""
        return pd.DataFrame() if self.tuned is None else self.tuned.history


def frozen_features(run: OpenRun) -> pd.DataFrame | None:
    """Return the features of the network as it is, by `Lesion.key`; None where none are used."""
    backbone, settings = run.settings.backbone, run.settings
    if not run.has_images:
        return None
    if backbone.mode == "finetune_features":  # others are made later, from the same weights
        check_weights(backbone)
        return None
    from lightning_modules.crops import cohort_crops
    from lightning_modules.frozen_features import embed_cohort

    lesions = run.cohort.lesions
    with run.watch.step("deep_features"):
        crops = cohort_crops(lesions, backbone, n_threads=run.n_workers)
        with progress("deep features", len(lesions), "lesions") as advance:
            table = embed_cohort(
                lesions, crops, backbone, store=Store(cache_folder(settings.cache) / "deep"),
                seed=integer_seed(run.seed, "backbone"), n_threads=run.n_workers, advance=advance,
            )  # fmt: skip
        report_cache("deep features", table)
    return table.values


def deep_inputs(run: OpenRun, frozen: pd.DataFrame | None, *, keeps: bool = True) -> DeepInputs:
    """Return the deep inputs of a study; networks are fine-tuned where its mode asks for it.

    frozen: features of the network as it is. keeps: as `fine_tune` has it.
    """
    mode = run.settings.backbone.mode
    if mode == "frozen" or not run.has_images:
        return DeepInputs(frozen)
    gives_features = mode == "finetune_features"
    tuned = fine_tune(run, wants_features=gives_features, keeps=keeps)
    if not gives_features:
        return DeepInputs(frozen, tuned=tuned)
    train = list(run.training.keys)

    def table(features: NDArray[np.float32], keys: list[str]) -> pd.DataFrame:
        names = [f"deep_{j}" for j in range(features.shape[1])]
        return pd.DataFrame(features.astype(np.float64), index=keys, columns=names)

    *of_folds, of_all = tuned.features
    everybody = table(of_all, [*train, *run.held_out])
    return DeepInputs(everybody, tuple(table(features, train) for features in of_folds), tuned)
