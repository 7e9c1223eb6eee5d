"""Grad-CAM of a run's network: every lesion by a network that has not learned from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from her2.cohort import decode_each
from her2.core.errors import NotEstimable
from her2.core.parallel import in_threads
from her2.core.progress import progress
from her2.core.seeds import generator, integer_seed
from her2.core.settings import StudySettings
from her2.explain.linear_head import LinearHead, linear_head
from her2.explain.saliency import (
    COLUMNS,
    ExplainedLesions,
    as_called,
    evenly,
    explain_lesions,
    summary_table,
)
from her2.models.nested_cv import FittedArm, Signature, TrainingSet
from her2.pipeline.evaluate import write_parquet
from her2.pipeline.run import OpenRun

if TYPE_CHECKING:
    from lightning_modules.fine_tuned import FineTunedModel
    from lightning_modules.grad_cam_networks import LogitNetwork, View

ARM = "deep_learning"
N_TESTED = 16  # lesions whose maps are tested: 20 runs of the network each
FINAL = -1  # in place of a fold (`training.REFIT`): for lesions that no training has seen
OUT_OF_FOLD = "out_of_fold"


@dataclass(frozen=True)
class Explanation:
    """The Grad-CAM maps of a run, and their measures.

    Attributes
    ----------
    rows
        One a lesion, index `Lesion.key`: role, fold, y_true, y_prob and the columns of
        `her2.explain.saliency.ExplainedLesions`.
    maps
        Signed, (h, w), by key.
    notes
        Notes of the report.
    """

    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def table(self, threshold: float | None) -> pd.DataFrame:
        """Return the table `grad_cam` for a threshold of the probability, if there is one."""
        if self.rows.empty or threshold is None:
            return pd.DataFrame(columns=COLUMNS)
        return summary_table(as_called(self.rows, threshold), ARM)


def check_cam(settings: StudySettings) -> None:
    """Refuse a layer that the network does not have, before anything long begins."""
    backbone = settings.backbone
    if settings.evaluation.grad_cam and backbone.cam_layer is not None:
        from lightning_modules.grad_cam_maps import check_cam_layer

        check_cam_layer(backbone.name, backbone.cam_layer)


def explain_frozen(run: OpenRun, fitted: FittedArm) -> Explanation:
    """Return the maps of the frozen network under each fold's head, and write their numbers.

    A training lesion is explained by the head of its outer fold, which has not seen it; held-out
    lesions by the final head.
    """
    from lightning_modules.backbones import build_backbone
    from lightning_modules.grad_cam_networks import logit_network

    try:
        heads = _heads(run.training, fitted)
    except NotEstimable as reason:
        return Explanation(notes=(f"{ARM} has no Grad-CAM: {reason}.",))
    settings = run.settings.backbone
    built = build_backbone(settings, seed=integer_seed(run.seed, "backbone"))
    network = logit_network(built, layer=settings.cam_layer)

    def under(fold: int) -> LogitNetwork:  # a copy: hooks on layers of its own
        return replace(network, network=deepcopy(network.network), head=heads[fold])

    return _explanation(run, heads, under)


def explain_tuned(
    run: OpenRun, signature: Signature, fitted: FittedArm | None = None
) -> Explanation:
    """Return the maps of fine-tuned networks that the run has kept, and write their numbers.

    Every lesion is explained by the first network of its fold. fitted: the arm's heads, where
    the networks give the features only.
    """
    from lightning_modules.fine_tuned import load_fine_tuned
    from lightning_modules.grad_cam_networks import logit_network

    model = load_fine_tuned(run.folder.file("model"))
    first = {kept.fold: kept for kept in model.networks if kept.number == 0}
    heads = {} if fitted is None else _heads(run.training, fitted)

    def network_of(fold: int) -> LogitNetwork:
        built, layer = model.network(first[fold]), run.settings.backbone.cam_layer
        return logit_network(built, layer=layer, head=heads[fold] if heads else None)

    reported = dict(zip(run.training.keys, signature.repeats[0].tolist(), strict=True))
    reported |= dict(signature.held_out)
    return _explanation(run, first, network_of, reported=reported, notes=_doubts(model))


def _doubts(model: FineTunedModel) -> list[str]:
    """Return notes on the limits of maps of single networks."""
    notes = []
    if any(kept.number for kept in model.networks):
        notes.append("Grad-CAM shows the first network of each fold, of several averaged.")
    if all(kept.fold != FINAL for kept in model.networks):
        notes.append("Held-out lesions have no Grad-CAM: the folds' networks judge them together.")
    return notes


def _explanation(
    run: OpenRun,
    folds: Iterable[int],
    network_of: Callable[[int], LogitNetwork],
    *,
    reported: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> Explanation:
    """Return the maps of the lesions of folds (`FINAL`: held out), and write grad_cam.parquet.

    network_of: makes the network of a fold, without its lesions, when its turn comes; no two may
    share a layer. As many work at a time as the run has workers, on which no map depends.
    reported: probabilities by `Lesion.key` as the report has them, where those of a single network
    are others.
    """
    plan = _plan(run, run.settings.backbone.n_explained, run.seed)
    plans = {fold: plan[plan["fold"].eq(fold)] for fold in folds}
    plans = {fold: of_fold for fold, of_fold in plans.items() if len(of_fold)}
    explained = _explained(run, plans, network_of)
    if not plans:
        return Explanation(notes=tuple(notes))
    parts: list[pd.DataFrame] = []
    maps: dict[str, NDArray[np.float32]] = {}
    for of_fold, found in zip(plans.values(), explained, strict=True):
        rows = found.rows.set_axis(of_fold.index)
        y_prob = expit(rows["logit"].to_numpy(np.float64))
        known = of_fold.drop(columns="is_tested").assign(y_prob=y_prob)
        parts.append(pd.concat([known, rows], axis=1))
        maps.update(zip(of_fold.index, found.maps, strict=True))
    rows = pd.concat(parts)
    rows = rows.loc[[key for key in plan.index if key in maps]]
    if reported is not None:
        rows = rows.assign(y_prob=[reported[key] for key in rows.index])
    write_parquet(run.folder.file("grad_cam.parquet"), _named(run, rows))
    return Explanation(rows, maps, tuple(notes))


def _explained(
    run: OpenRun, plans: Mapping[int, pd.DataFrame], network_of: Callable[[int], LogitNetwork]
) -> list[ExplainedLesions]:
    """Return the maps and numbers of the lesions of every fold, of several at the same time."""
    from lightning_modules.torch_runtime import torch_threads

    with run.watch.step("grad_cam"), torch_threads(1):
        keys = [key for plan in plans.values() for key in plan.index]
        size, n_threads = run.settings.backbone.image_size, run.n_workers
        decoded = decode_each(lambda key: view_of(run, key, size), keys, n_threads=n_threads)
        views = dict(zip(keys, decoded, strict=True))
        done = count(1)  # in all threads
        with progress("Grad-CAM", len(views), "lesions") as advance:

            def explained(fold: int) -> ExplainedLesions:
                plan = plans[fold]
                return explain_lesions(
                    network_of(fold),
                    np.stack([views[key].crop for key in plan.index]),
                    np.stack([views[key].mask for key in plan.index]),
                    names=list(plan.index),
                    is_tested=plan["is_tested"].to_numpy(dtype=bool),
                    seed=integer_seed(run.seed, "grad_cam"),
                    advance=lambda _: advance(next(done)),
                )

            return list(in_threads(explained, plans, n_threads=n_threads))


def view_of(run: OpenRun, key: str, size: int) -> View:
    """Return the part of a lesion's image that the network sees, `size` pixels wide and high."""
    from lightning_modules.grad_cam_networks import lesion_view

    lesion = next(lesion for lesion in run.cohort.lesions if lesion.key == key)
    return lesion_view(lesion, run.settings.backbone, size=size)


def _heads(training: TrainingSet, fitted: FittedArm) -> dict[int, LinearHead]:
    """Return the head of every outer fold, at the prevalence of all folds, and the final one."""
    width = int(fitted.final.pipeline.steps[0][1].n_features_in_)
    heads = {}
    for k, search in enumerate(fitted.by_fold):
        even = training.from_fold(k, np.array([0.5]))  # moves all log odds by the same
        heads[k] = linear_head(search.pipeline, width).shifted(float(logit(even)[0]))
    return {**heads, FINAL: linear_head(fitted.final.pipeline, width)}


def _plan(run: OpenRun, n_explained: int | None, seed: int) -> pd.DataFrame:
    """Return the lesions that are explained: role, fold, y_true, is_tested; index is the key."""
    roles = run.split.roles()
    fold = dict(zip(run.training.keys, run.training.fold.tolist(), strict=True))
    outcome = {lesion.key: lesion.outcome for lesion in run.cohort.lesions}
    keys = [*run.training.keys, *run.held_out]
    role = [OUT_OF_FOLD if key in fold else roles[key] for key in keys]
    plan = pd.DataFrame({"role": role, "fold": [fold.get(key, FINAL) for key in keys]}, index=keys)
    plan["y_true"] = [outcome[key] for key in keys]
    strata = list(zip(plan["role"], plan["y_true"], strict=True))
    plan = plan[evenly(strata, n_explained, generator(seed, "grad_cam", "explained"))]
    judged = plan.index[plan["role"].eq(OUT_OF_FOLD)]
    tested = evenly(
        plan.loc[judged, "y_true"].tolist(), N_TESTED, generator(seed, "grad_cam", "tested")
    )
    return plan.assign(is_tested=plan.index.isin(judged[tested]))


def _named(run: OpenRun, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with patient_id and lesion_id in front, and no fold where there is none."""
    by_key = {lesion.key: lesion for lesion in run.cohort.lesions}
    fold = rows["fold"].astype("Int64").where(rows["fold"].ne(FINAL))
    first = ["role", "fold", "y_true"]
    flags = [name for name in rows if "is_hit" in str(name)]
    numbers = [name for name in rows if name not in (*first, *flags)]
    types = dict.fromkeys(flags, "boolean") | dict.fromkeys(numbers, "float64")
    table = rows.assign(fold=fold)[[*first, *flags, *numbers]].astype(types)
    table.insert(0, "patient_id", [by_key[key].patient_id for key in rows.index])
    table.insert(1, "lesion_id", [by_key[key].lesion_id for key in rows.index])
    return table.reset_index(drop=True)
