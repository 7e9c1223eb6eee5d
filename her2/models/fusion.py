"""How signatures join each other in the combined arm: a logistic regression of their log odds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

FloatArray = NDArray[np.float64]

SIGNATURE_CLIP = 0.01


def signature_logit(probability: FloatArray) -> FloatArray:
    """Return the log odds of signatures, clipped to [.01, .99] so that no vote is infinite."""
    clipped = np.clip(probability, SIGNATURE_CLIP, 1 - SIGNATURE_CLIP)
    return np.asarray(np.log(clipped / (1 - clipped)))


def signature_regression() -> Pipeline:
    """Return the combined model: logistic regression of the log odds of signatures.

    Fit it on out-of-fold signatures only: in-sample ones look better than they are, and the
    regression would trust them.
    """
    return make_pipeline(
        FunctionTransformer(signature_logit),
        LogisticRegression(C=1e6, solver="newton-cholesky", max_iter=200),
    )
