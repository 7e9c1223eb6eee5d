"""Learning from classes of unequal size: weights or SMOTE, and probabilities that stay true.

Both make the smaller class count as much as the larger one, and a model that has learned so
overstates every risk. Its answers are therefore moved back to the prevalence of the rows that it
was given. All of it happens inside `fit`, so that a made-up row never reaches a judged fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from her2.compute.forests import class_probability, fit_classifier
from her2.core.errors import BadArgument
from her2.core.seeds import generator

FloatArray = NDArray[np.float64]

METHODS = ("none", "weights", "smote")
N_NEIGHBOURS = 5  # as Chawla and colleagues


class Balanced(ClassifierMixin, BaseEstimator):
    """A classifier that learns from balanced classes and answers at the prevalence it was given.

    The method "weights" lets rows of a class weigh n / (2 n_class), so that both classes weigh the
    same; "smote" fills up the smaller class by made-up rows between neighbours. `classifier_` is
    fitted to balanced rows, so its probabilities are those of a prevalence of one half;
    `prevalence_` is the share of the second class among the rows that `fit` was given.

    References
    ----------
    Saerens et al. (2002), Neural Comput. 14:21, doi:10.1162/089976602753284446, eq. 2.4: back to
    the prevalence.
    van den Goorbergh et al. (2022), J. Am. Med. Inform. Assoc. 29:1525,
    doi:10.1093/jamia/ocac093: what happens to calibration without.
    """

    def __init__(self, classifier: Any, method: str = "weights", seed: int = 0) -> None:
        self.classifier = classifier
        self.method = method
        self.seed = seed

    def fit(self, X: FloatArray, y: NDArray[np.int64]) -> Balanced:
        """Learn from X (n, p) and y (n,) with two classes."""
        if self.method not in METHODS[1:]:
            raise BadArgument(f"method must be weights or smote, found {self.method!r}")
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is not: found "
                f"{len(self.classes_)} class(es)"
            )
        self.prevalence_ = float(encoded.mean())
        weight = None
        if self.method == "weights":
            weight = (0.5 / np.array([1 - self.prevalence_, self.prevalence_]))[encoded]
        else:
            X, encoded = smote(X, encoded, seed=self.seed)
        self.classifier_ = fit_classifier(clone(self.classifier), X, encoded, weight)
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return the probabilities of the two classes, (n, 2)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        balanced = class_probability(self.classifier_, X)[:, 1].astype(np.float64)
        moved = at_prevalence(balanced, before=0.5, after=self.prevalence_)
        return np.column_stack([1 - moved, moved])

    def predict(self, X: FloatArray) -> NDArray[Any]:
        """Return the class with the larger probability, (n,)."""
        most = np.argmax(self.predict_proba(X), axis=1)  # which says so if nothing was fitted
        return np.asarray(self.classes_[most])

    def __sklearn_tags__(self) -> Any:
        """Say that there are two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def smote(
    X: FloatArray, y: NDArray[np.int64], *, seed: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return rows and outcomes with the smaller class filled up by made-up rows, at the end.

    Each made-up row lies at a random place between a row of the smaller class and one of its
    nearest neighbours in that class; all of its rows take turns, in random order. A class of one
    row has no neighbour: the row is repeated. X (n, p) has comparable scales, y (n,) is in {0, 1}.

    >>> X, y = np.array([[0.0], [1.0], [5.0], [6.0], [7.0], [8.0]]), np.array([1, 1, 0, 0, 0, 0])
    >>> rows, outcome = smote(X, y, seed=0)
    >>> outcome.tolist(), bool((rows[6:] >= 0).all() and (rows[6:] <= 1).all())
    ([1, 1, 0, 0, 0, 0, 1, 1], True)

    References
    ----------
    Chawla et al. (2002), J. Artif. Intell. Res. 16:321, doi:10.1613/jair.953, section 4.2.
    """
    n_positive = int(np.count_nonzero(y))
    smaller = int(2 * n_positive < len(y))
    own = X[y == smaller]
    n_new = abs(len(y) - 2 * n_positive)
    if not n_new or not len(own):
        return X, y
    rng = generator(seed, "smote")
    turns = np.concatenate([rng.permutation(len(own)) for _ in range(-(-n_new // len(own)))])
    base = turns[:n_new]
    other = own[_drawn_neighbours(own, base, N_NEIGHBOURS, rng)]
    made = own[base] + rng.random((n_new, 1)) * (other - own[base])
    return np.vstack([X, made]), np.concatenate([y, np.full(n_new, smaller, dtype=y.dtype)])


def _drawn_neighbours(
    own: FloatArray, base: NDArray[np.intp], n_neighbours: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return, for rows `base` of the class, one of the nearest others each."""
    k = min(n_neighbours, len(own) - 1)
    if not k:
        return base
    nearest = NearestNeighbors(n_neighbors=k).fit(own).kneighbors(return_distance=False)
    return np.asarray(nearest[base, rng.integers(0, k, len(base))])


def at_prevalence(probability: FloatArray, *, before: float, after: float) -> FloatArray:
    """Return probabilities of a model that was trained at one prevalence, moved to another.

    Models of different folds are trained at slightly different prevalences: the fold with more
    positives is judged by the model that has seen fewer, which makes its probabilities lower.
    Pooled over folds that alone pushes the AUC of an uninformative model below .5 (about .45 with
    60 patients). The correction moves all folds to one prevalence by the odds; ranks within a
    fold stay, and 0 and 1 stay.

    >>> at_prevalence(np.array([0.0, 0.2, 1.0]), before=0.2, after=0.5).round(3).tolist()
    [0.0, 0.5, 1.0]

    References
    ----------
    Saerens M et al. Neural Comput 2002;14:21. doi:10.1162/089976602753284446, eq. 2.4.
    Parker BJ et al. BMC Bioinformatics 2007;8:326. doi:10.1186/1471-2105-8-326 (the bias).
    """
    positive = probability * (after / before)
    negative = (1 - probability) * ((1 - after) / (1 - before))
    return np.asarray(positive / (positive + negative))
