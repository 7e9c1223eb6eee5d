"""Forests as scikit-learn grows them, to the last bit, without its work around each tree.

For a small table the checks, clones and locks around a tree take several times as long as its
growth. Here scikit-learn fits the first tree with all its checks, and the others are grown by its
own tree builder from the random numbers that it would have given them. The first tree is grown in
both ways: where they differ, because another release draws or calls differently, scikit-learn
grows all.
"""

from __future__ import annotations

from math import ceil
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

FloatArray = NDArray[np.float64]
Forest: TypeAlias = RandomForestClassifier | ExtraTreesClassifier

# what the builder below leaves to scikit-learn
_PLAIN = {
    "class_weight": None, "max_samples": None, "max_leaf_nodes": None, "monotonic_cst": None,
    "oob_score": False, "warm_start": False, "ccp_alpha": 0.0, "min_weight_fraction_leaf": 0.0,
}  # fmt: skip
_LARGEST_INTEGER = np.iinfo(np.int32).max


def fit_classifier(
    model: BaseEstimator, X: FloatArray, y: NDArray[np.int64], weight: FloatArray | None = None
) -> BaseEstimator:
    """Return the model, fitted as ``model.fit(X, y, sample_weight=weight)`` would, but sooner.

    X: (n, p); y: (n,); weight: (n,), or None where all rows count alike.
    """
    if isinstance(model, Forest):
        return fit_forest(model, X, y, weight)
    return model.fit(X, y) if weight is None else model.fit(X, y, sample_weight=weight)


def fit_forest(
    forest: Forest, X: FloatArray, y: NDArray[np.int64], weight: FloatArray | None = None
) -> Forest:
    """Return the forest, fitted as ``forest.fit(X, y, sample_weight=weight)`` would.

    X: (n, p); y: (n,); weight: (n,) or None. Parameters that weight classes, stop early or prune
    cost the time that they cost scikit-learn.

    References
    ----------
    Breiman (2001), Mach. Learn. 45:5, doi:10.1023/A:1010933404324.
    Geurts, Ernst & Wehenkel (2006), Mach. Learn. 63:3, doi:10.1007/s10994-006-6226-1.

    Examples
    --------
    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    >>> forest = fit_forest(RandomForestClassifier(20, random_state=1), X, y)
    >>> plain = RandomForestClassifier(20, random_state=1).fit(X, y)
    >>> bool((forest.predict_proba(X) == plain.predict_proba(X)).all())
    True
    """
    if not _is_plain(forest) or not np.isfinite(X).all():
        return forest.fit(X, y, sample_weight=weight)
    n_trees = forest.n_estimators
    forest.set_params(n_estimators=1).fit(X, y, sample_weight=weight)
    forest.set_params(n_estimators=n_trees)
    pattern = forest.estimators_[0]
    seeds = np.random.RandomState(forest.random_state).randint(_LARGEST_INTEGER, size=n_trees)
    grower = _agreeing_grower(forest, X, y, weight, int(seeds[0]))
    if grower is None:
        return forest.fit(X, y, sample_weight=weight)
    twins = [_twin(pattern, seed, grower.tree(seed)) for seed in seeds[1:].tolist()]
    forest.estimators_ = [pattern, *twins]
    return forest


def class_probability(model: BaseEstimator, X: FloatArray) -> FloatArray:
    """Return ``model.predict_proba(X)``, (n, n_classes), of a fitted model, but sooner.

    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    >>> forest = fit_forest(RandomForestClassifier(20, random_state=1), X, y)
    >>> bool((class_probability(forest, X) == forest.predict_proba(X)).all())
    True
    """
    if not isinstance(model, Forest):
        return np.asarray(model.predict_proba(X))
    rows = np.ascontiguousarray(X, dtype=np.float32)
    total = np.zeros((len(rows), len(model.classes_)))
    for tree in model.estimators_:
        total += tree.tree_.predict(rows)
    total /= len(model.estimators_)
    return total


def _is_plain(forest: Forest) -> bool:
    has_seed = isinstance(forest.random_state, int | np.integer)
    return has_seed and all(getattr(forest, name) == value for name, value in _PLAIN.items())


def _agreeing_grower(
    forest: Forest, X: FloatArray, y: NDArray[np.int64], weight: FloatArray | None, seed: int
) -> _Grower | None:
    """Return a grower whose tree is the one that scikit-learn has grown from this seed."""
    first = forest.estimators_[0]
    try:
        grower = _Grower(first, X, y, weight, bootstrap=forest.bootstrap)
        tree = grower.tree(seed)
        is_same = all(
            np.array_equal(getattr(tree, name), getattr(first.tree_, name))
            for name in ("children_left", "children_right", "feature", "threshold", "value")
        )
    except (ImportError, AttributeError, TypeError):  # another release has other private names
        return None
    return grower if is_same else None


class _Grower:
    """Grows single trees from their seeds, all on the same rows."""

    def __init__(
        self,
        pattern: DecisionTreeClassifier,
        X: FloatArray,
        y: NDArray[np.int64],
        weight: FloatArray | None,
        *,
        bootstrap: bool,
    ) -> None:
        from sklearn.tree import _classes, _tree

        self._criterion = _classes.CRITERIA_CLF[pattern.criterion]
        self._splitter = _classes.DENSE_SPLITTERS[pattern.splitter]
        self._new_tree, self._builder = _tree.Tree, _tree.DepthFirstTreeBuilder
        self._rows = np.ascontiguousarray(X, dtype=np.float32)
        encoded = np.unique(y, return_inverse=True)[1]
        self._outcome = np.ascontiguousarray(encoded[:, None], dtype=np.float64)
        self._classes = np.array([pattern.n_classes_], dtype=np.intp)
        self._pattern, self._weight = pattern, weight
        self._bootstrap, self._rng = bootstrap, np.random.RandomState(0)
        self._leaf = _smallest(pattern.min_samples_leaf, len(X))
        self._split = max(2, _smallest(pattern.min_samples_split, len(X)), 2 * self._leaf)

    def tree(self, seed: int) -> Any:
        """Return the tree of a seed."""
        pattern = self._pattern
        weight = self._drawn(seed) if self._bootstrap else self._weight
        self._rng.seed(seed)  # a new generator for each would take longer than the tree
        grown = self._new_tree(pattern.n_features_in_, self._classes, 1)
        criterion = self._criterion(1, self._classes)
        splitter = self._splitter(
            criterion, pattern.max_features_, self._leaf, 0.0, self._rng, None
        )
        depth = _LARGEST_INTEGER if pattern.max_depth is None else pattern.max_depth
        builder = self._builder(
            splitter, self._split, self._leaf, 0.0, depth, pattern.min_impurity_decrease
        )
        builder.build(grown, self._rows, self._outcome, weight, None)
        return grown

    def _drawn(self, seed: int) -> FloatArray:
        """Return how often each row is drawn for a tree, (n,)."""
        rng, n = self._rng, len(self._rows)
        rng.seed(seed)
        if self._weight is None:
            drawn = rng.randint(0, n, n)
        else:
            drawn = rng.choice(n, n, p=self._weight / self._weight.sum())
        return np.bincount(drawn, minlength=n).astype(np.float64)


def _smallest(size: float, n: int) -> int:
    """Return a number of rows that may be given as a share of n."""
    return int(size) if isinstance(size, int | np.integer) else ceil(size * n)


def _twin(pattern: DecisionTreeClassifier, seed: int, tree: Any) -> DecisionTreeClassifier:
    """Return the pattern with another seed and tree; nothing else differs within a forest."""
    twin = object.__new__(type(pattern))
    vars(twin).update(vars(pattern), random_state=seed, tree_=tree)
    return twin
