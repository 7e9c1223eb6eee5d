"""Features on which two readers agree, learned from training patients with two masks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from her2.errors import BadArgument, BadCohort
from her2.selection.filters import Filter, FloatArray
from her2.stats import IccForm, icc_of_pairs


class ReaderAgreementFilter(Filter):
    """Keep features on whose values two readers' masks agree, by their intraclass correlation.

    The columns are the first reader's features, then the second reader's of the same lesions in
    the same order, missing (NaN) where a lesion has no second mask. What is kept are columns of
    the first reader; `transform` never reads the others, so a new lesion needs one mask only.
    Columns in front of both (`n_before`) pass.

    Parameters
    ----------
    n_features
        Features of one reader: half of the columns. None takes half of what `fit` gets.
    limit
        Smallest intraclass correlation of a kept feature.
    form
        As in `her2.stats.icc`.
    by
        What must reach the limit: the ``low`` end of the 95 % interval, or the ``value``.
    min_pairs
        Fewest lesions that both readers measured; a feature with fewer is not kept.
    few_pairs
        Where no feature has enough lesions of both readers: ``refuse``, or ``keep`` all features
        unjudged (in a small part of the training patients, for which the rest cannot be refused).
    n_before
        Columns in front of the first reader's that are not judged.

    Attributes
    ----------
    support_, icc_, icc_low_, icc_high_
        Shape (n_features,): what is kept, and the correlation with its limits (NaN where not
        estimable).
    is_judged_
        False where no feature had enough lesions of both readers, and all were kept.
    fell_back_
        True where no feature reached the limit and the best one was kept.

    References
    ----------
    Koo & Li (2016), J. Chiropr. Med. 15:155, doi:10.1016/j.jcm.2016.02.012: judge the interval;
    .75 begins "good".
    """

    def __init__(
        self,
        n_features: int | None = None,
        limit: float = 0.75,
        form: IccForm = "ICC(2,1)",
        by: Literal["low", "value"] = "low",
        min_pairs: int = 10,
        n_before: int = 0,
        few_pairs: Literal["refuse", "keep"] = "refuse",
    ) -> None:
        self.n_features = n_features
        self.limit = limit
        self.form = form
        self.by = by
        self.min_pairs = min_pairs
        self.n_before = n_before
        self.few_pairs = few_pairs

    def fit(self, X: FloatArray, y: Any = None) -> ReaderAgreementFilter:
        """Learn which of the first half of the columns of X (n, 2 n_features) to keep.

        Raises
        ------
        BadCohort
            No feature has an intraclass correlation: too few lesions with a second mask.
        BadArgument
            The columns are not twice `n_features`, `by` is neither ``low`` nor ``value``, or
            `few_pairs` neither ``refuse`` nor ``keep``.
        """
        X = validate_data(
            self,
            X,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=2,
            ensure_min_features=2,
        )
        X = X[:, self.n_before :]
        width = self._width(X.shape[1])
        first, second = X[:, :width], X[:, width : 2 * width]
        found = icc_of_pairs(first, second, form=self.form, min_pairs=self.min_pairs)
        self.is_judged_ = bool(found["value"].notna().any())
        self._check_estimable(found)
        self.icc_, self.icc_low_, self.icc_high_ = found[["value", "low", "high"]].to_numpy().T
        judged = np.nan_to_num(self.icc_low_ if self.by == "low" else self.icc_, nan=-np.inf)
        self.support_ = judged >= self.limit
        if not self.is_judged_:
            self.support_ = np.ones(width, dtype=bool)
        self.fell_back_ = not self.support_.any()
        if self.fell_back_:
            self.support_[int(np.argmax(judged))] = True
        return self

    def _width(self, n_columns: int) -> int:
        """Return the features of one reader."""
        if self.by not in ("low", "value"):
            raise BadArgument(f"by must be low or value, found {self.by!r}")
        if self.few_pairs not in ("refuse", "keep"):
            raise BadArgument(f"few_pairs must be refuse or keep, found {self.few_pairs!r}")
        width = n_columns // 2 if self.n_features is None else self.n_features
        if n_columns != 2 * width or not width:
            raise BadArgument(
                f"expected the features of two readers side by side, 2 x {width or 1} columns, "
                f"found {n_columns}; give both readers the same features"
            )
        return width

    def _check_estimable(self, found: pd.DataFrame) -> None:
        if self.is_judged_ or self.few_pairs == "keep":
            return
        most = int(found["n_pairs"].max())
        raise BadCohort(
            f"expected at least {self.min_pairs} training lesions with a second reader's mask and "
            f"features that differ between them, found {most} lesions; bring more second masks or "
            "leave the agreement filter out"
        )

    def _get_support_mask(self) -> NDArray[np.bool_]:
        of_first = super()._get_support_mask()
        before = np.ones(self.n_before, dtype=bool)
        return np.concatenate([before, of_first, np.zeros_like(of_first)])

    def __sklearn_tags__(self) -> Any:
        """Say that missing and infinite values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
