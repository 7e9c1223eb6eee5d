"""Grad-CAM of a run's network: every lesion by a network that has not learned from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

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
    from lightning_modules.fine_tuned import FineTunedModel, KeptNetwork
    from lightning_modules.grad_cam_networks import LogitNetwork, View

logger = logging.getLogger(__name__)

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
    """Refuse a layer that the network does not have, before anything long begins.

    Raises
    ------
    BadConfig
        With the layers that have a similar name.
    """
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

    backbone = run.settings.backbone
    try:
        heads = _heads(run.training, fitted)
    except NotEstimable as reason:
        return Explanation(notes=(f"{ARM} has no Grad-CAM: {reason}.",))
    explainer = Explainer(run)
    built = build_backbone(backbone, seed=integer_seed(run.seed, "backbone"))
    network = logit_network(built, layer=backbone.cam_layer)

    def under(head: LinearHead) -> LogitNetwork:  # a copy: hooks on layers of its own
        return replace(network, network=deepcopy(network.network), head=head)

    explainer.explain({fold: partial(under, head) for fold, head in heads.items()})
    return explainer.finished()


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
    backbone = run.settings.backbone
    explainer = Explainer(run)
    first = [kept for kept in model.networks if kept.number == 0]
    heads = {} if fitted is None else _heads(run.training, fitted)

    def network_of(kept: KeptNetwork) -> LogitNetwork:
        head = heads[kept.fold] if heads else None
        return logit_network(model.network(kept), layer=backbone.cam_layer, head=head)

    explainer.explain({kept.fold: partial(network_of, kept) for kept in first})
    reported = dict(zip(run.training.keys, signature.repeats[0].tolist(), strict=True))
    return explainer.finished(reported | dict(signature.held_out), _doubts(model))


def _doubts(model: FineTunedModel) -> list[str]:
    """Return notes on the limits of maps of single networks."""
    notes = []
    if any(kept.number for kept in model.networks):
        notes.append("Grad-CAM shows the first network of each fold, of several averaged.")
    if all(kept.fold != FINAL for kept in model.networks):
        notes.append("Held-out lesions have no Grad-CAM: the folds' networks judge them together.")
    return notes


class Explainer:
    """Explains the lesions of a run, those of several networks at the same time.

    Parameters
    ----------
    run
        Training lesions are explained by the network of their fold, others by the last one; as
        many networks at a time as the run has workers, on which no map depends.
    """

    def __init__(self, run: OpenRun) -> None:
        self.run = run
        self.plan = _plan(run, run.settings.backbone.n_explained, run.seed)
        self._parts: list[pd.DataFrame] = []
        self._maps: dict[str, NDArray[np.float32]] = {}

    def explain(self, networks: Mapping[int, Callable[[], LogitNetwork]]) -> None:
        """Explain the lesions of every fold (`FINAL`: those held out) by a network without them.

        networks: by fold, each made when its turn comes; no two may share a layer.
        """
        from lightning_modules.torch_runtime import torch_threads

        wanted = [fold for fold in networks if self.plan["fold"].eq(fold).any()]
        plans = {fold: self.plan[self.plan["fold"].eq(fold)] for fold in wanted}
        done: list[str] = []  # grows in all threads
        with self.run.watch.step("grad_cam"), torch_threads(1):
            views = self._views(pd.concat(plans.values()).index if plans else ())

            def explained(fold: int) -> ExplainedLesions:
                def count(key: str) -> None:
                    done.append(key)
                    advance(len(done))

                return self._explained(networks[fold](), plans[fold], views, count)

            with progress("Grad-CAM", len(views), "lesions") as advance:
                found = list(in_threads(explained, wanted, n_threads=self.run.n_workers))
        for plan, of_fold in zip(plans.values(), found, strict=True):
            self._parts.append(_with_plan(plan, of_fold))
            self._maps.update(zip(plan.index, of_fold.maps, strict=True))

    def _views(self, keys: Iterable[str]) -> dict[str, View]:
        size = self.run.settings.backbone.image_size
        wanted = list(keys)
        views = decode_each(
            lambda key: view_of(self.run, key, size), wanted, n_threads=self.run.n_workers
        )
        return dict(zip(wanted, views, strict=True))

    def _explained(
        self,
        network: LogitNetwork,
        plan: pd.DataFrame,
        views: Mapping[str, View],
        count: Callable[[str], None],
    ) -> ExplainedLesions:
        return explain_lesions(
            network,
            np.stack([views[key].crop for key in plan.index]),
            np.stack([views[key].mask for key in plan.index]),
            names=list(plan.index),
            is_tested=plan["is_tested"].to_numpy(dtype=bool),
            seed=integer_seed(self.run.seed, "grad_cam"),
            advance=lambda n: count(plan.index[n - 1]),
        )

    def finished(
        self, reported: Mapping[str, float] | None = None, notes: Sequence[str] = ()
    ) -> Explanation:
        """Return all that was explained, and write grad_cam.parquet to the run's folder.

        reported: probabilities by `Lesion.key` as the report has them, where those of a single
        network are others.
        """
        if not self._parts:
            return Explanation(notes=tuple(notes))
        rows = pd.concat(self._parts)
        rows = rows.loc[[key for key in self.plan.index if key in rows.index]]
        if reported is not None:
            rows = rows.assign(y_prob=[reported[key] for key in rows.index])
        write_parquet(self.run.folder.file("grad_cam.parquet"), _named(self.run, rows))
        return Explanation(rows, self._maps, tuple(notes))


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
    plan = pd.DataFrame(
        {
            "role": [OUT_OF_FOLD if key in fold else roles[key] for key in keys],
            "fold": [fold.get(key, FINAL) for key in keys],
            "y_true": [outcome[key] for key in keys],
        },
        index=keys,
    )
    strata = list(zip(plan["role"], plan["y_true"], strict=True))
    plan = plan[evenly(strata, n_explained, generator(seed, "grad_cam", "explained"))]
    judged = plan.index[plan["role"].eq(OUT_OF_FOLD)]
    tested = evenly(
        plan.loc[judged, "y_true"].tolist(), N_TESTED, generator(seed, "grad_cam", "tested")
    )
    return plan.assign(is_tested=plan.index.isin(judged[tested]))


def _with_plan(plan: pd.DataFrame, found: ExplainedLesions) -> pd.DataFrame:
    rows = found.rows.set_axis(plan.index)
    y_prob = expit(rows["logit"].to_numpy(np.float64))
    return pd.concat([plan.drop(columns="is_tested").assign(y_prob=y_prob), rows], axis=1)


def _named(run: OpenRun, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with patient_id and lesion_id in front, and no fold where there is none."""
    by_key = {lesion.key: lesion for lesion in run.cohort.lesions}
    named: dict[str, Sequence[Any]] = {
        "patient_id": [by_key[key].patient_id for key in rows.index],
        "lesion_id": [by_key[key].lesion_id for key in rows.index],
    }
    fold = rows["fold"].astype("Int64").where(rows["fold"].ne(FINAL))
    flags = {name: rows[name].astype("boolean") for name in rows if "is_hit" in str(name)}
    numbers = {
        name: rows[name].astype(np.float64)
        for name in rows
        if name not in ("role", "fold", "y_true", *flags)
    }
    body = pd.DataFrame(
        {"role": rows["role"], "fold": fold, "y_true": rows["y_true"], **flags, **numbers}
    )
    return pd.concat([pd.DataFrame(named), body.reset_index(drop=True)], axis=1)
