"""How signatures join each other in the combined arm: a logistic regression of their log odds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

FloatArray = NDArray[np.float64]

SIGNATURE_CLIP = 0.01


def signature_logit(probability: FloatArray) -> FloatArray:
    """Return the log odds of signatures, clipped to [.01, .99] so that no vote is infinite."""
    clipped = np.clip(probability, SIGNATURE_CLIP, 1 - SIGNATURE_CLIP)
    return np.asarray(np.log(clipped / (1 - clipped)))


class SignatureLogit(TransformerMixin, BaseEstimator):
    """The log odds of signatures as a step: a class, because a model's file names no function."""

    def fit(self, X: FloatArray, y: Any = None) -> SignatureLogit:
        """Learn nothing."""
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return `signature_logit` of probabilities (n, n_signatures), same shape."""
        return signature_logit(X)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether it can transform: always."""
        return True


def signature_regression() -> Pipeline:
    """Return the combined model: logistic regression of the log odds of signatures.

    Fit it on out-of-fold signatures only: in-sample ones look better than they are, and the
    regression would trust them.
    """
    return make_pipeline(
        SignatureLogit(),
        LogisticRegression(C=1e6, solver="newton-cholesky", max_iter=200),
    )
