"""What a simulated lesion looks like, drawn from its outcome.

A hidden severity differs between HER2-negative and HER2-positive lesions by `SEPARATION`
standard deviations, so no reader of the image, however good, can do better than an AUC of
``norm.cdf(SEPARATION / sqrt(2))``. Every visible trait follows the severity loosely and has
spread of its own. The directions are assumptions that make the study's task possible, not
findings about HER2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEPARATION = 1.75
SHAPE_LOADING = 0.8  # correlation of a trait with the severity, within an outcome
TEXTURE_LOADING = 0.7  # lower: brightness statistics read texture better than they read shape


@dataclass(frozen=True)
class Appearance:
    """Traits of one lesion and the tissue around it.

    centre (row, column), width: shares of the image's height and width; aspect: depth over
    width; tilt: radians; lobulation, spiculation: spread of the radius, share of the ellipse;
    contrast_db: lesion against gland; heterogeneity_db, heterogeneity_mm: strength and scale
    of the pattern inside; posterior_db_per_mm: > 0 shadow, < 0 enhancement; edge_mm: softness
    of the margin; halo_db: echogenic rim; n_calcifications: bright points inside.
    """

    centre: tuple[float, float]
    width: float
    aspect: float
    tilt: float
    lobulation: float
    spiculation: float
    contrast_db: float
    heterogeneity_db: float
    heterogeneity_mm: float
    posterior_db_per_mm: float
    edge_mm: float
    halo_db: float
    n_calcifications: int


def draw_appearance(
    outcome: int, *, has_calcification: bool, rng: np.random.Generator
) -> Appearance:
    """Draw the traits of a lesion.

    Parameters
    ----------
    outcome
        1 for HER2-positive, 0 for HER2-negative.
    has_calcification
        As the clinical table says; ultrasound misses some, and shows a few that are none.
    rng
        The patient's stream for traits.
    """
    severity = rng.normal() + SEPARATION * (outcome - 0.5)

    def trait(loading: float) -> float:
        """Draw a standard normal (within an outcome) that follows the severity."""
        return float(loading * severity + np.sqrt(1 - loading**2) * rng.normal())

    return Appearance(
        centre=(float(rng.uniform(0.38, 0.54)), float(rng.uniform(0.32, 0.68))),
        width=float(rng.uniform(0.13, 0.25)),
        aspect=float(np.clip(rng.normal(0.75, 0.13), 0.5, 1.1)),
        tilt=float(rng.normal(0, 0.2)),
        lobulation=float(np.clip(0.085 * np.exp(0.32 * trait(SHAPE_LOADING)), 0.03, 0.20)),
        spiculation=float(np.clip(0.065 * np.exp(0.45 * trait(SHAPE_LOADING)), 0.012, 0.18)),
        contrast_db=float(np.clip(rng.normal(-14, 2.5), -20, -9)),
        heterogeneity_db=float(np.clip(2.9 * np.exp(0.33 * trait(TEXTURE_LOADING)), 1.0, 7.0)),
        heterogeneity_mm=float(np.clip(0.62 * np.exp(-0.25 * trait(TEXTURE_LOADING)), 0.3, 1.3)),
        posterior_db_per_mm=float(
            np.clip(0.15 - 0.4 * trait(TEXTURE_LOADING) + 0.35 * rng.normal(), -1.2, 1.6)
        ),
        edge_mm=float(np.clip(0.16 * np.exp(0.3 * trait(SHAPE_LOADING)), 0.06, 0.4)),
        halo_db=float(np.clip(rng.normal(2.0, 2.0), 0, 6)),
        n_calcifications=_draw_calcifications(has_calcification, severity, rng),
    )


def _draw_calcifications(
    has_calcification: bool, severity: float, rng: np.random.Generator
) -> int:
    visible = rng.random() < (0.8 if has_calcification else 0.08)
    return int(1 + rng.poisson(5 * np.exp(0.2 * severity))) if visible else 0
