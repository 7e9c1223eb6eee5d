"""How far the risk of one patient moves when a model is fitted to other patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import FloatArray

CLIP = 0.01  # of risks before their log odds: forests say 0 and 1
RANGE = (0.025, 0.975)  # quantiles of a patient's risks


@dataclass(frozen=True)
class RiskInstability:
    """Movement of every patient's risk over refits of a model.

    Attributes
    ----------
    distance
        Mean distance of the risk by a refit from the original risk, (n,), in [0, 1].
    low, high
        2.5 % and 97.5 % quantiles of the risks by the refits, (n,).
    changed
        Share of the refits that put the patient on the other side of the threshold, (n,).
    n_refits
        Number of refits.
    """

    distance: FloatArray
    low: FloatArray
    high: FloatArray
    changed: FloatArray
    n_refits: int

    @property
    def mean_distance(self) -> float:
        """Mean of `distance` over the patients: the mean absolute prediction error (MAPE)."""
        return float(self.distance.mean())

    @property
    def distance_p90(self) -> float:
        """Distance that one patient in ten exceeds."""
        return float(np.quantile(self.distance, 0.9))

    @property
    def mean_changed(self) -> float:
        """Mean of `changed` over the patients: the classification instability index."""
        return float(self.changed.mean())


def widened(risk: ArrayLike, refits: ArrayLike, shares: ArrayLike) -> FloatArray:
    """Risks by refits on a part of the patients, spread as refits on as many others are.

    That is the spread about their mean: two fits on different patients lie farther apart, by the
    root of 2 where nothing is selected (benchmarks/instability_conformal.py).

    A refit on the share f of the patients, drawn without copies, differs from the original by a
    variance of (1 - f) / f of that of a fit on fresh patients (delete-d jackknife). So the
    distance of its log odds from the original ones, clipped to risks of .01 to .99, is multiplied
    by the root of f / (1 - f).

    Parameters
    ----------
    risk
        Risks by the original model, (n,), in [0, 1].
    refits
        Risks by the refits, (n_refits, n), in [0, 1].
    shares
        Share of the patients that each refit learned from, (n_refits,), in (0, 1).

    Returns
    -------
    ndarray
        Shape (n_refits, n), in (0, 1).

    Raises
    ------
    NotEstimable
        If there is no refit, or one has learned from nobody or from everybody.
    BadArgument
        If shapes do not fit or a risk lies outside [0, 1].

    References
    ----------
    Shao & Wu (1989), Ann. Stat. 17:1176, doi:10.1214/aos/1176347263, eq. 2.1.

    Examples
    --------
    >>> widened([0.5], [[0.6]], [0.5]).round(3).tolist()
    [[0.6]]
    >>> widened([0.5], [[0.6]], [0.632]).round(3).tolist()
    [[0.63]]
    """
    original, again = _risks(risk, refits)
    f = validation.vector(shares, "shares")
    if f.size != len(again):
        raise BadArgument(
            f"shares must have one value for each of {len(again)} refits, found {f.size}"
        )
    if ((f <= 0) | (f >= 1)).any():
        raise NotEstimable(
            "a refit must learn from some of the patients and not from all, found a share of "
            f"{f[(f <= 0) | (f >= 1)][0]:g}; more patients are needed"
        )
    start = _log_odds(original)
    return np.asarray(expit(start + np.sqrt(f / (1 - f))[:, None] * (_log_odds(again) - start)))


def risk_instability(risk: ArrayLike, refits: ArrayLike, *, threshold: float) -> RiskInstability:
    """Instability of every patient's risk and class over refits of the model.

    Parameters
    ----------
    risk
        Risks by the original model, (n,), in [0, 1].
    refits
        Risks of the same patients by refits, (n_refits, n), in [0, 1]; `widened` if they have
        learned from a part of the patients.
    threshold
        Risk from which a patient counts as positive.

    Returns
    -------
    RiskInstability
        Its means over patients are the MAPE and the classification instability of the reference.

    Raises
    ------
    NotEstimable
        If there is no refit or no patient, or a risk is missing.
    BadArgument
        If shapes do not fit or a risk lies outside [0, 1].

    References
    ----------
    Riley & Collins (2023), Biom. J. 65:2200302, doi:10.1002/bimj.202200302, sections 4.1 to 4.4.

    Examples
    --------
    >>> found = risk_instability([0.2, 0.6], [[0.3, 0.4], [0.1, 0.8]], threshold=0.5)
    >>> found.distance.round(3).tolist(), found.changed.tolist()
    ([0.1, 0.2], [0.0, 0.5])
    >>> round(found.mean_distance, 3), found.mean_changed
    (0.15, 0.25)
    """
    original, again = _risks(risk, refits)
    low, high = np.quantile(again, RANGE, axis=0)
    other_side = (again >= threshold) != (original >= threshold)
    return RiskInstability(
        np.abs(again - original).mean(axis=0), low, high, other_side.mean(axis=0), len(again)
    )


def _risks(risk: ArrayLike, refits: ArrayLike) -> tuple[FloatArray, FloatArray]:
    original = validation.vector(risk, "risk")
    again = np.asarray(refits, dtype=np.float64)
    if again.ndim != 2 or again.shape[1] != original.size:
        raise BadArgument(
            f"refits must have shape (n_refits, {original.size}), found {again.shape}; align the "
            "patients"
        )
    if not again.size:
        raise NotEstimable("instability needs a refit and a patient, found none; refit the model")
    validation.probability(original, original.size)
    validation.probability(again.ravel(), again.size)
    return original, again


def _log_odds(risk: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(risk, CLIP, 1 - CLIP)))
