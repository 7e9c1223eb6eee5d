"""Features that matter more to a forest than shuffled copies of all features do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.ensemble import ExtraTreesClassifier

from her2.compute.forests import fit_forest
from her2.core.seeds import generator
from her2.selection.filters import FloatArray, SupervisedFilter


class BorutaFilter(SupervisedFilter):
    """Keep features that beat the best shuffled feature in more rounds than chance allows.

    Each round grows a forest on the features that are not rejected yet and on a shuffled copy of
    each. A feature that is more important than the most important copy scores a hit. By the hits
    so far, binomial tests with Bonferroni's correction for the features confirm or reject it;
    what is undecided at the end is not kept. The copies show the noise of forests, not that of
    the sample: a feature that differs between these patients by chance can be confirmed.

    As in Boruta, but for the importance: the decrease of Gini impurity in extremely randomised
    trees, which is quick, where Boruta permutes features in a random forest; and for `alpha`,
    which is .01 there. When fewer than `min_features` are confirmed, those with most hits are
    kept (of equals, the more important).

    `hits_` and `importance_`, (p,), are the rounds in which each feature scored, and its mean
    importance over those in which it took part; `n_rounds_` are the forests grown.

    References
    ----------
    Kursa & Rudnicki (2010), J. Stat. Softw. 36(11):1, doi:10.18637/jss.v036.i11.
    """

    def __init__(
        self,
        n_rounds: int = 60,
        n_trees: int = 50,
        alpha: float = 0.05,
        min_features: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_rounds = n_rounds
        self.n_trees = n_trees
        self.alpha = alpha
        self.min_features = min_features
        self.seed = seed

    def fit(self, X: FloatArray, y: NDArray[np.int64]) -> BorutaFilter:
        """Learn which columns of X (n, p) matter for y (n,) in {0, 1}."""
        X, y = self._checked(X, y)
        p = X.shape[1]
        self.hits_, total = np.zeros(p, dtype=int), np.zeros(p)
        rounds, is_open = np.zeros(p, dtype=int), np.ones(p, dtype=bool)
        confirmed, self.n_rounds_ = np.zeros(p, dtype=bool), 0
        while is_open.any() and self.n_rounds_ < self.n_rounds:
            left = np.flatnonzero(is_open | confirmed)
            own, best_copy = self._importances(X[:, left], y)
            self.n_rounds_ += 1
            rounds[left] += 1
            total[left] += own
            self.hits_[left] += own > best_copy
            # more, or fewer hits than a coin would have
            better = binom.sf(self.hits_ - 1, self.n_rounds_, 0.5) <= self.alpha / p
            worse = binom.cdf(self.hits_, self.n_rounds_, 0.5) <= self.alpha / p
            confirmed |= is_open & better
            is_open &= ~(better | worse)
        self.importance_ = total / np.maximum(rounds, 1)
        self.support_ = confirmed
        self._keep_at_least(np.lexsort((np.arange(p), -self.importance_, -self.hits_)))
        return self

    def _importances(self, X: FloatArray, y: NDArray[np.int64]) -> tuple[FloatArray, float]:
        """Return the importance of each column (p,), and that of the best shuffled copy."""
        rng = generator(self.seed, "boruta", self.n_rounds_)
        copies = rng.permuted(X, axis=0)
        forest = ExtraTreesClassifier(self.n_trees, random_state=int(rng.integers(2**31)))
        both = fit_forest(forest, np.hstack([X, copies]), y)
        trees = [tree.tree_.compute_feature_importances() for tree in both.estimators_]
        importance = np.mean(trees, axis=0)
        return importance[: X.shape[1]], float(importance[X.shape[1] :].max())
