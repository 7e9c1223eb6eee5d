"""A fitted pipeline as what it is for a network: one weight a feature, and an intercept.

Z-scores, principal components and a logistic regression are linear, so the log odds of the whole
pipeline are a weighted sum of the features that it is given. With these weights behind it a
frozen network becomes one network with one logit, which can be explained as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from her2.core.errors import NotEstimable
from her2.models.imbalance import Balanced
from her2.selection.filters import Filter
from her2.selection.pca import CompressDeepFeatures

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LinearHead:
    """Log odds as a weighted sum of features.

    Attributes
    ----------
    weight
        One a feature, (p,).
    intercept
        Log odds where all features are 0.
    """

    weight: FloatArray
    intercept: float

    def shifted(self, by: float) -> LinearHead:
        """Return the head whose log odds are larger by a constant."""
        return replace(self, intercept=self.intercept + by)


def linear_head(pipeline: Pipeline, n_features: int) -> LinearHead:
    """Return the weights that a fitted pipeline gives to the `n_features` that it takes.

    The pipeline: filters, z-scores and compressions, then a logistic regression.

    >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]]), np.array([0, 0, 1, 1])
    >>> steps = [("z", StandardScaler()), ("classifier", LogisticRegression())]
    >>> pipeline = Pipeline(steps).fit(X, y)
    >>> head = linear_head(pipeline, 2)
    >>> np.allclose(X @ head.weight + head.intercept, pipeline.decision_function(X))
    True
    """
    *steps, (_, classifier) = pipeline.steps
    weight, intercept = _of_classifier(classifier)
    for _, step in reversed(steps):
        weight, intercept = _before(step, weight, intercept)
    if weight.shape != (n_features,):
        raise NotEstimable(
            f"a pipeline of {n_features} features needs a weight for each, found "
            f"{weight.size}; give the number of features that it was fitted to"
        )
    return LinearHead(weight, intercept)


def _of_classifier(classifier: Any) -> tuple[FloatArray, float]:
    if isinstance(classifier, Balanced):
        weight, intercept = _of_classifier(classifier.classifier_)
        return weight, intercept + float(logit(classifier.prevalence_))
    if not isinstance(classifier, LogisticRegression):
        raise NotEstimable(
            f"a linear head needs a logistic regression, found {type(classifier).__name__}; "
            "choose lr for it"
        )
    return np.asarray(classifier.coef_[0], dtype=np.float64), float(classifier.intercept_[0])


def _before(step: Any, weight: FloatArray, intercept: float) -> tuple[FloatArray, float]:
    """Return weight and intercept of what a step takes, from those of what it gives."""
    if isinstance(step, Filter):
        kept = step.get_support()
        every = np.zeros(kept.size)
        every[kept] = weight
        return every, intercept
    if isinstance(step, StandardScaler):
        scaled = weight / step.scale_
        return scaled, intercept - float(scaled @ step.mean_)
    if not isinstance(step, CompressDeepFeatures):
        found = type(step).__name__
        raise NotEstimable(
            f"a linear head needs linear steps before it, found {found}; leave it out"
        )
    scaler, pca = step.pca_[0], step.pca_[-1]
    n = pca.n_components_
    deep = weight[:n] @ pca.components_
    deep, intercept = _before(scaler, deep, intercept - float(deep @ pca.mean_))
    return np.concatenate([deep, weight[n:]]), intercept
