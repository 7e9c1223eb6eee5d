"""Temperature scaling, and the log odds that shift probabilities to another prevalence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

FloatArray = NDArray[np.float64]

RANGE = (0.05, 20.0)  # of temperatures; beyond it all probabilities are 0 or 1, or all are .5


def fit_temperature(logits: FloatArray, shift: FloatArray, y_true: NDArray[np.integer]) -> float:
    """Temperature T in `RANGE` at which the log loss of sigmoid(logits / T + shift) is lowest.

    All (n,), of rows that the network has not learned from; above 1 where it is overconfident.

    References
    ----------
    Guo et al. (2017), ICML, arXiv:1706.04599, section 4.2.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=4000)
    >>> y = (rng.random(4000) < expit(z)).astype(int)
    >>> round(fit_temperature(3 * z, np.zeros(4000), y))
    3
    """
    sign = 2.0 * y_true - 1

    def log_loss(log_temperature: float) -> float:
        return -float(log_expit(sign * (logits / math.exp(log_temperature) + shift)).mean())

    low, high = map(math.log, RANGE)
    found = minimize_scalar(log_loss, bounds=(low, high), method="bounded")
    return math.exp(float(found.x))


def learned_log_odds(
    learned: NDArray[np.integer], *, balanced: bool, smoothing: float = 0.0
) -> float:
    """Constant logit at which the loss of some rows with outcomes 0 or 1, (n,), is lowest.

    A network begins there, so that the shift of its predictions to another prevalence is right
    however little it learns. Otherwise they would depend on the outcomes of the judged fold.
    balanced: whether both outcomes count alike in the loss. smoothing: share of a label that goes
    to both outcomes alike.

    >>> learned_log_odds(np.array([0, 0, 0, 1]), balanced=False) == -math.log(3)
    True
    >>> learned_log_odds(np.array([0, 0, 0, 1]), balanced=True)
    0.0
    """
    share = 0.5 if balanced else float(learned.mean())
    smoothed = share * (1 - smoothing) + smoothing / 2
    return math.log(smoothed / (1 - smoothed))


def probabilities(logits: FloatArray, temperature: float, shift: float | FloatArray) -> FloatArray:
    """Return sigmoid(logits / temperature + shift), (n,)."""
    found: FloatArray = expit(logits / temperature + shift)
    return found
