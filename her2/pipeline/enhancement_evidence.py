"""Evidence on super-resolution, measured on patients that it was not fitted on.

An image is shrunk to its quarter by area, enlarged again, and compared with what it was. Bicubic
enlargement is measured in the same way, as the reference.
An image counts once, however many lesions it shows, and intervals are of patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, sqrt
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t as student_t

from her2 import plots, stats
from her2.cohort import load_lesion
from her2.core.errors import NotEstimable
from her2.core.progress import progress, work_progress
from her2.core.seeds import generator
from her2.core.settings import StudySettings
from her2.core.store import Store, content_key
from her2.core.types import ARMS, Lesion
from her2.models.nested_cv import Signature, TrainingSet
from her2.pipeline.enhance import (
    N_PREVIEW_LESIONS,
    Enhancement,
    Enlarge,
    block_means,
    enhanced_lesion,
    enlarging_version,
    lesion_preview,
    restored,
    with_image,
)
from her2.pipeline.load_cohort import cache_folder, engine
from her2.pipeline.radiomic_features import GOOD_ICC, recipe
from her2.pipeline.run import OpenRun
from her2.radiomics import extract_table
from her2.radiomics.parameters import SHAPE_FAMILIES, image_type_and_family
from her2.stats.agreement.icc import absolute_agreement, mean_squares
from her2.stats.agreement.image_quality import SSIM_RADIUS
from her2.stats.discrimination import patient_bootstrap

COLUMNS = ["measure", "family", "method", "n", "value", "low", "high"]
BICUBIC = "bicubic"
N_RESAMPLES = 200  # of the patients, for the interval of a share
MOST_DECIBELS = 99.0  # of equal images, so that a mean exists
NOT_COMPARED = (
    "What enhancement does to the AUC was not asked for: enhance.compare=true fits every arm to "
    "native images as well, which doubles the work, and gives the AUC with and without it and "
    "their paired interval."
)
Row = dict[str, Any]
OfPatient = tuple[str, float]  # a patient, and a number of one of his or her images


def with_evidence(run: OpenRun, made: Enhancement, *, reads_features: bool) -> Enhancement:
    """Return an enhancement with its table of evidence and previews of held-out lesions.

    reads_features: whether radiomic features are compared as well.
    """
    settings, cache = run.settings.enhance, run.settings.cache
    if made.method == "none":
        return made
    if not settings.compare:
        made = replace(made, notes=(*made.notes, NOT_COMPARED))
    if not settings.n_evidence:
        return made
    chosen = _judged(run, made)
    with run.watch.step("enhance_evidence"):
        rows = list(_quality_rows(chosen, made, cache))
        if reads_features:
            rows += _feature_rows(chosen, made, run.settings)
        previews = tuple(
            lesion_preview(lesion, _enlargers(made)[made.method])
            for lesion in chosen[:N_PREVIEW_LESIONS]
        )
    evidence = pd.DataFrame(rows, columns=COLUMNS)
    notes = (*made.notes, *_doubts(evidence, made.method))
    return replace(made, evidence=evidence, previews=previews, notes=notes)


def is_compared(run: OpenRun) -> bool:
    """Whether every arm of a run is to be fitted to native images as well."""
    settings = run.settings.enhance
    return settings.compare and settings.method != "none" and run.has_images


def enhancement_figures(made: Enhancement) -> dict[str, Figure]:
    """Return the figures of an enhancement by name: previews, and how the fit went."""
    drawn: dict[str, Figure] = {}
    if made.previews:
        drawn["super_resolution"] = plots.super_resolution_figure(made.previews)
    if not made.history.empty:
        drawn["super_resolution_history"] = plots.super_resolution_history_figure(made.history)
    return drawn


def _comparison_rows(
    training: TrainingSet,
    native: Mapping[str, Signature],
    enhanced: Mapping[str, Signature],
    method: str,
    notes: list[str],
    patients: Sequence[str] | None,
) -> list[Row]:
    """Return the AUC of every arm with and without enhancement, and the paired difference.

    Out of fold, averaged over the repeats of the cross-validation. The clinical arm sees no image
    and is left out.
    """
    rows: list[Row] = []
    of_rows = np.array([training.y_true, training.groups, training.fold, *training.more_folds])
    y_true, groups, *folds = _judged_means(of_rows, patients).astype(np.int64)
    given = {"groups": groups, "folds": np.array(folds)}
    for arm in ARMS:
        if arm == "clinical" or arm not in native or arm not in enhanced:
            continue
        without, with_it = (_judged_means(of[arm].repeats, patients) for of in (native, enhanced))
        try:
            areas = [stats.auc_estimate(y_true, p, **given) for p in (without, with_it)]
            test = stats.auc_difference(
                y_true, with_it, without, groups=groups, n_folds=training.n_folds
            )
        except NotEstimable as reason:
            notes.append(f"{arm}: the AUC with and without enhancement: {reason}")
            continue
        n = len(y_true)
        for name, area in zip(("none", method), areas, strict=True):
            rows.append(_row("auc", arm, name, n, area.auc, area.low, area.high))
        rows.append(_row("auc_gain", arm, method, n, test.difference, test.low, test.high))
    return rows


def compared(
    made: Enhancement,
    training: TrainingSet,
    enhanced: Mapping[str, Signature],
    native_training: TrainingSet,
    native: Mapping[str, Signature],
    *,
    patients: Sequence[str] | None = None,
) -> Enhancement:
    """Return an enhancement whose evidence has the AUC of every arm with and without it.

    patients: of the training lesions, where a patient is judged by the mean of theirs.
    """
    if made.method == "none":
        return made
    notes: list[str] = []
    rows: list[Row] = []
    if training.keys == native_training.keys:
        rows = _comparison_rows(training, native, enhanced, made.method, notes, patients)
    else:
        notes.append(
            "The AUC with and without enhancement is not estimable: not the same lesions could be "
            "measured."
        )
    table = pd.DataFrame([*made.evidence.to_dict("records"), *rows], columns=COLUMNS)
    return replace(made, evidence=table, notes=(*made.notes, *notes))


def _judged_means(
    values: NDArray[np.generic], patients: Sequence[str] | None
) -> NDArray[np.float64]:
    """Return the mean of each patient's columns; the columns themselves without patients."""
    if patients is None:
        return values.astype(np.float64)
    return pd.DataFrame(values.T).groupby(list(patients), sort=False).mean().to_numpy().T


def _judged(run: OpenRun, made: Enhancement) -> list[Lesion]:
    """Return held-out lesions, at most `enhance.n_evidence` of them, drawn by the seed."""
    held_out = set(run.held_out)
    kept = {lesion.key for lesion in run.cohort.lesions}
    lesions = [x for x in made.native if x.key in held_out and x.key in kept]
    rng = generator(run.seed, "super-resolution", "evidence")
    drawn = rng.permutation(len(lesions))[: run.settings.enhance.n_evidence]
    return [lesions[i] for i in sorted(drawn)]


def _enlargers(made: Enhancement) -> dict[str, Enlarge]:
    from lightning_modules.super_resolution.enlarging import bicubic_enlarger

    found: dict[str, Enlarge] = {BICUBIC: bicubic_enlarger()}
    if made.enlarger is not None and made.method != BICUBIC:
        found[made.method] = made.enlarger
    return found


def _quality_rows(
    lesions: Sequence[Lesion], made: Enhancement, cache: str | None
) -> Iterator[Row]:
    """Yield PSNR and SSIM of every method, the gains over bicubic, and the consistency."""
    enlargers = _enlargers(made)
    first: dict[str, Lesion] = {}  # of every image: the same if its pixels are
    for lesion in lesions:
        first.setdefault(content_key([load_lesion(lesion).pixels]), lesion)
    found: dict[tuple[str, str], list[OfPatient]] = {}
    with progress("evidence", len(first), "images") as advance:
        for i, lesion in enumerate(first.values(), start=1):
            for key, value in _qualities(lesion, enlargers, made, cache):
                found.setdefault(key, []).append((lesion.patient_id, value))
            advance(i)
    for (measure, method), values in found.items():
        yield _mean_row(measure, method, values)
    for measure in ("psnr", "ssim"):
        if made.method != BICUBIC and (measure, BICUBIC) in found:
            pairs = zip(found[measure, made.method], found[measure, BICUBIC], strict=True)
            gains = [(patient, a - b) for (patient, a), (_, b) in pairs]
            yield _mean_row(f"{measure}_gain", made.method, gains)


def _qualities(
    lesion: Lesion, enlargers: Mapping[str, Enlarge], made: Enhancement, cache: str | None
) -> Iterator[tuple[tuple[str, str], float]]:
    native = load_lesion(lesion).pixels
    span = _data_range(native)
    for method, enlarge in enlargers.items():
        again = restored(native, enlarge)
        yield ("psnr", method), _psnr(native, again, span)
        if min(native.shape) > 2 * SSIM_RADIUS:
            yield ("ssim", method), stats.ssim(native, again, data_range=span)
        if method == made.method and made.enlarger is not None:  # in the cache
            large = load_lesion(enhanced_lesion(lesion, made.enlarger, cache)).grey
        else:
            large = enlarge(native)
        yield ("consistency_psnr", method), _psnr(native, block_means(large), span)


def _feature_rows(
    lesions: Sequence[Lesion], made: Enhancement, settings: StudySettings
) -> list[Row]:
    """Return the share of features that super-resolution gives back, by method and family."""

    def features(of: Sequence[Lesion]) -> pd.DataFrame:
        with work_progress("radiomics, restored", "lesions", "pixels") as advance:
            return extract_table(
                of, recipe(settings.radiomics),
                store=Store(cache_folder(settings.cache) / "radiomics"),
                engine=engine(settings.compute), advance=advance,
            ).values  # fmt: skip

    native = features(lesions)
    patient_of = {lesion.key: lesion.patient_id for lesion in lesions}
    rows: list[Row] = []
    for method, enlarge in _enlargers(made).items():
        again = features(
            [_restored_lesion(x, method, enlarge, made, settings.cache) for x in lesions]
        )
        rows += _share_rows(native, again, patient_of, method=method, seed=settings.seed)
    return rows


def _restored_lesion(
    lesion: Lesion, method: str, enlarge: Enlarge, made: Enhancement, cache: str | None
) -> Lesion:
    """Return a lesion whose image was reduced to a quarter and enlarged again."""
    pixels = load_lesion(lesion).pixels
    source = made.enlarger.key if made.enlarger and method == made.method else method
    key = content_key([pixels, "restored", method, source, enlarging_version()])
    return with_image(lesion, cache, key, lambda: restored(pixels, enlarge))


def _share_rows(
    native: pd.DataFrame,
    again: pd.DataFrame,
    patient_of: Mapping[str, str],
    *,
    method: str,
    seed: int,
) -> Iterator[Row]:
    """Yield the share of each family's features whose ICC with the native ones is good.

    Shape is of the native mask in both and says nothing. Every lesion counts; the interval is of
    patients drawn anew, each with all lesions, and there is none of one patient.
    """
    keys = native.index.intersection(again.index, sort=False)
    families = np.array([image_type_and_family(str(name))[1] for name in native.columns])
    names = [x for x in dict.fromkeys(families.tolist()) if x not in SHAPE_FAMILIES]
    if len(keys) < 2:
        return
    ratings = np.stack([t.loc[keys].to_numpy().T for t in (native, again)], axis=2)
    shares = _shares(ratings, families, names)
    drawn = [
        _shares(ratings[:, rows], families, names)
        for rows in _drawn_lesions([patient_of[key] for key in keys], seed)
    ]
    for name in names:
        low, high = np.nan, np.nan
        if drawn:
            values = [share[name] for share in drawn]
            low, high = (float(x) for x in np.nanquantile(values, [0.025, 0.975]))
        n = int((families == name).sum())
        yield _row("icc_share", name, method, n, shares[name], low, high)


def _drawn_lesions(patients: Sequence[str], seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the lesions of patients drawn with replacement; nothing for a single patient."""
    of = patient_bootstrap.patients(np.zeros(len(patients), dtype=bool), patients)
    if of.is_positive.size < 2:
        return
    rng = generator(seed, "super-resolution", "icc")
    for block in patient_bootstrap.draws(of, N_RESAMPLES, rng, stratified=False):
        yield from (patient_bootstrap.rows(times) for times in block)


def _shares(
    ratings: NDArray[np.float64], families: NDArray[np.str_], names: Sequence[str]
) -> dict[str, float]:
    """Return the share of each family's features with a good ICC, among those that have one."""
    known_of_all = np.isfinite(ratings).all(axis=(1, 2))
    value = np.full(len(ratings), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # features that no lesion differs in
        value[known_of_all] = absolute_agreement(mean_squares(ratings[known_of_all]))
    shares = {}
    for name in names:
        known = value[(families == name) & np.isfinite(value)]
        shares[name] = float(np.mean(known >= GOOD_ICC)) if len(known) else np.nan
    return shares


def _mean_row(measure: str, method: str, values: Sequence[OfPatient]) -> Row:
    """Return the mean over patients, of each one's images, with Student's interval.

    There is no interval of one patient.
    """
    table = pd.DataFrame(values, columns=["patient_id", "value"])
    found = table.groupby("patient_id")["value"].mean().to_numpy()
    half = np.nan
    if len(found) > 1:
        half = float(student_t.isf(0.025, len(found) - 1) * found.std(ddof=1) / sqrt(len(found)))
    mean = float(found.mean())
    return _row(measure, "", method, len(found), mean, mean - half, mean + half)


def _row(
    measure: str, family: str, method: str, n: int, value: float, low: float, high: float
) -> Row:
    return dict(zip(COLUMNS, (measure, family, method, n, value, low, high), strict=True))


def _doubts(evidence: pd.DataFrame, method: str) -> list[str]:
    """Return notes of the report where super-resolution is no better than bicubic."""
    poor = [
        measure.upper()
        for measure in ("psnr", "ssim")
        if (evidence.loc[evidence["measure"].eq(f"{measure}_gain"), "value"] <= 0).any()
    ]
    if not poor:
        return []
    return [
        f"Super-resolution does no better than bicubic enlargement in {' and '.join(poor)} on "
        "patients that it was not fitted on: more steps or more patients are needed."
    ]


def _psnr(native: NDArray[np.generic], image: NDArray[np.generic], span: float) -> float:
    value = stats.psnr(native, image, data_range=span)
    return MOST_DECIBELS if value == inf else value


def _data_range(pixels: NDArray[np.generic]) -> float:
    if pixels.dtype == np.uint8:
        return 255.0
    return float(np.max(pixels)) - float(np.min(pixels))
