"""Controls of shortcuts: models that cannot see the lesion, beside the arms that can.

They are judged as every arm is, by the repeated nested cross-validation, and enter no fusion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from her2.core.progress import progress
from her2.core.seeds import integer_seed
from her2.core.store import Store
from her2.core.types import ARM_TITLES
from her2.evaluation import PredictionRows, by_patient
from her2.evaluation.performance import repeated_cross_validation
from her2.models.classifiers import candidates
from her2.models.nested_cv import Arm, arm_signature, fit_arms, n_searches
from her2.models.predictions import repeats_table
from her2.pipeline.load_cohort import cache_folder
from her2.pipeline.run import OpenRun
from her2.plots.text import beside, is_missing
from her2.radiomics.parameters import SHAPE_FAMILIES, image_type_and_family
from her2.report.formats import CONTROLS
from her2.selection import no_selection

IMAGE_ARMS = ("radiomics", "deep_learning", "dlr")  # what a shortcut could explain
PICTURES = {  # control: the picture that a frozen network sees in `lightning_modules`
    "outline_network": "outline",
    "surroundings": "surroundings",
    "frame": "frame",
}
TOO_GOOD = 0.9  # AUC of a control that needs no arm beside it to be an alarm
MOST = 2 / 3  # of what an arm has over chance; benchmarks/shortcut_alarm.py: how often it rings
COLUMNS = ("control", "n_features", "auc", "auc_low", "auc_high",
           "arm", "arm_auc", "share", "alarm")  # fmt: skip


def shortcut_controls(run: OpenRun, radiomic: pd.DataFrame | None) -> pd.DataFrame:
    """Return control, n_features, auc, auc_low, auc_high: cross-validated, training patients.

    Parameters
    ----------
    run
        A run; one without images has no controls.
    radiomic
        Its radiomic features (index `Lesion.key`).
    """
    if not run.has_images or not run.settings.evaluation.shortcut_controls:
        return pd.DataFrame(columns=list(COLUMNS[:5]))
    with run.watch.step("shortcut_controls"):
        arms = [*_shape_arm(run, radiomic), *_network_arms(run)]
        evaluation, training = run.settings.evaluation, run.training
        total = len(arms) * n_searches(training)
        with progress("shortcut controls", total, "searches") as advance:
            fitted = fit_arms(
                arms, training, n_folds=evaluation.n_inner_folds, scoring=evaluation.scoring,
                seed=run.seed, n_workers=run.n_workers, advance=advance,
            )  # fmt: skip
        signatures = [arm_signature(fitted[arm.name], arm, ()) for arm in arms]
        repeats = repeats_table(signatures, run.cohort.lesions, training)
        if run.unit == "patient":
            repeats = by_patient(repeats)
        predicted = PredictionRows(pd.DataFrame(), repeats)
        table, _ = repeated_cross_validation(predicted, [arm.name for arm in arms], [])
    n_features = [signature.n_features for signature in signatures]
    table = table.rename(columns={"arm": "control"}).assign(n_features=n_features)
    return table[list(COLUMNS[:5])]


def _shape_arm(run: OpenRun, radiomic: pd.DataFrame | None) -> Iterator[Arm]:
    """Yield the features that the mask alone decides."""
    if radiomic is None:
        return
    names = [n for n in map(str, radiomic) if image_type_and_family(n)[1] in SHAPE_FAMILIES]
    if names:
        yield _control(run, "outline_shape", radiomic.loc[list(run.training.keys), names])


def _network_arms(run: OpenRun) -> Iterator[Arm]:
    """Yield a frozen network on each of the pictures of the training lesions."""
    from lightning_modules import shortcut_images
    from lightning_modules.frozen_features import embed_cohort

    backbone, chosen = run.settings.backbone, set(run.training.keys)
    lesions = [lesion for lesion in run.cohort.lesions if lesion.key in chosen]
    store = Store(cache_folder(run.settings.cache) / "deep")
    for control, picture in PICTURES.items():
        images = shortcut_images.control_images(
            lesions, getattr(shortcut_images, picture), backbone, n_threads=run.n_workers
        )
        table = embed_cohort(
            lesions, images, backbone, store=store, seed=integer_seed(run.seed, "backbone"),
            n_threads=run.n_workers,
        )  # fmt: skip
        yield _control(run, control, table.values)


def _control(run: OpenRun, name: str, features: pd.DataFrame) -> Arm:
    return Arm(name, features, no_selection(), candidates(run.settings.backbone.head))


def beside_arms(controls: pd.DataFrame, arms: Mapping[str, Any]) -> pd.DataFrame:
    """Return the controls beside the image arm that each could explain: `COLUMNS`.

    That is the image arm with the largest AUC. `share` is what the control has over an AUC of .5,
    of what that arm has. `alarm` is a sentence where the control's own interval lies above .5 and
    the share is at least two thirds, or the control's AUC at least .9.

    Parameters
    ----------
    controls
        Of `shortcut_controls`.
    arms
        Of results.json.
    """
    known = {
        arm: float(arms[arm]["repeated_cv"]["auc"])
        for arm in IMAGE_ARMS
        if arm in arms and arms[arm]["repeated_cv"]["auc"] is not None
    }
    arm = max(known, key=lambda name: known[name], default=None)
    auc = None if arm is None else known[arm]
    if controls.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    share = controls["auc"].map(partial(share_explained, arm_auc=auc))
    table = controls.assign(arm=arm, arm_auc=auc, share=share)
    alarms = [_alarm(row) for row in table.itertuples()]
    return table.assign(alarm=alarms).reindex(columns=list(COLUMNS))


def share_explained(control_auc: float | None, arm_auc: float | None) -> float | None:
    """Return the control's AUC over .5 as a share of the arm's; None where the arm has none.

    >>> share_explained(0.7, 0.75)
    0.8
    """
    if control_auc is None or is_missing(control_auc):
        return None
    if arm_auc is None or is_missing(arm_auc) or arm_auc <= 0.5:
        return None
    return round((control_auc - 0.5) / (arm_auc - 0.5), 6)


def _alarm(row: Any) -> str:
    """Return the sentence for the first screen; empty where there is nothing to fear."""
    if is_missing(row.auc) or row.auc_low <= 0.5:
        return ""  # one picture for all lesions, or no better than chance
    explains = not is_missing(row.arm) and (is_missing(row.share) or row.share >= MOST)
    if not (explains or row.auc >= TOO_GOOD):
        return ""
    more = f"; an AUC of {TOO_GOOD} needs no arm beside it"
    if explains:
        more = f", beside {row.arm_auc:.3f} of the arm {ARM_TITLES[row.arm]}"
    return (
        f"A model that cannot see the lesion's grey levels tells the outcomes apart "
        f"({CONTROLS[row.control]}): AUC {row.auc:.3f} ({beside(row.auc_low, 0.5)} to "
        f"{row.auc_high:.3f}){more}. The arms that read images may use the same (docs/method.md, "
        "shortcuts)."
    )
