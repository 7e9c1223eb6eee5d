"""Features on which readers, or changed lesions, agree by the intraclass correlation (ICC)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from her2.core.errors import BadArgument
from her2.selection.filters import Filter, FloatArray, TakesGaps
from her2.stats import IccForm, icc_of_pairs


class ReaderAgreementFilter(TakesGaps, Filter):
    """Keep features on whose values two readers' masks agree, by their intraclass correlation.

    The columns are the first reader's features, then those of `n_versions` other readers of the
    same lesions in the same order, missing (NaN) where a lesion has no second mask. What is kept
    are columns of the first reader; `transform` never reads the others, so a new lesion needs one
    mask only. Columns in front of all (`n_before`) pass; blocks of the same features that another
    filter needs (`n_passed`) may stand behind the first reader's, and keep the same features.

    The ``low`` end of the 95 % interval of the `form` of `her2.stats.icc`, or its ``value``, must
    reach the limit. A feature with fewer than `min_pairs` lesions that both readers measured is
    not kept; where no feature has so many (in a small part of the training patients), all are
    kept, and `is_judged_` is False. Where none reaches the limit, the best one is kept.

    References
    ----------
    Koo & Li (2016), J. Chiropr. Med. 15:155, doi:10.1016/j.jcm.2016.02.012: judge the interval;
    .75 begins "good".
    """

    def __init__(
        self,
        limit: float = 0.75,
        form: IccForm = "ICC(2,1)",
        by: Literal["low", "value"] = "low",
        min_pairs: int = 10,
        n_before: int = 0,
        n_versions: int = 1,
        n_passed: int = 0,
    ) -> None:
        self.limit = limit
        self.form = form
        self.by = by
        self.min_pairs = min_pairs
        self.n_before = n_before
        self.n_versions = n_versions
        self.n_passed = n_passed

    def fit(self, X: FloatArray, y: Any = None) -> ReaderAgreementFilter:
        """Learn which of the first columns of X to keep.

        X: (n, n_before + n_features (1 + n_passed + n_versions)).
        """
        X = validate_data(
            self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2,
            ensure_min_features=2,
        )  # fmt: skip
        X = X[:, self.n_before :]
        if self.by not in ("low", "value"):
            raise BadArgument(f"by must be low or value, found {self.by!r}")
        width, n_blocks = self._width(X.shape[1]), 1 + self.n_passed + self.n_versions
        versions = [
            X[:, width * block : width * (block + 1)]
            for block in range(1 + self.n_passed, n_blocks)
        ]
        found = icc_of_pairs(X[:, :width], *versions, form=self.form, min_pairs=self.min_pairs)
        self.is_judged_ = bool(found["value"].notna().any())
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
        """Return the number of features that every reader has."""
        n_blocks = 1 + self.n_passed + self.n_versions
        width = n_columns // n_blocks
        if n_columns != n_blocks * width or not width:
            raise BadArgument(
                f"expected the features of {n_blocks} readers side by side, {n_blocks} x "
                f"{width or 1} columns, found {n_columns}; give all readers the same features"
            )
        return width

    def _get_support_mask(self) -> NDArray[np.bool_]:
        of_first = super()._get_support_mask()
        before = np.ones(self.n_before, dtype=bool)
        kept = np.tile(of_first, 1 + self.n_passed)
        return np.concatenate([before, kept, np.zeros(self.n_versions * len(of_first), bool)])


class RobustnessFilter(ReaderAgreementFilter):
    """Keep features that hardly change when a lesion's mask or image is changed a little.

    As `ReaderAgreementFilter`, with the features of the changed lesions (`n_versions` of each) in
    the place of further readers'. Whether an outcome is positive takes no part.

    References
    ----------
    Zwanenburg et al. (2019), Sci. Rep. 9:614, doi:10.1038/s41598-018-36938-4.
    """
