"""Cells of Table 1: a group of values described as text."""

from __future__ import annotations

import numpy as np
import pandas as pd

NOTHING = "–"


def mean_sd(values: pd.Series, digits: int) -> str:
    """Mean ± standard deviation of values without gaps, ``53.4 ± 11.3``."""
    if values.empty or not np.isfinite(values).all():
        return NOTHING
    spread = f"{values.std():.{digits}f}" if len(values) > 1 else NOTHING
    return f"{values.mean():.{digits}f} ± {spread}"


def median_iqr(values: pd.Series, digits: int) -> str:
    """Median and quartiles of values without gaps, ``53.0 [46.8, 60.2]``."""
    if values.empty or not np.isfinite(values).all():
        return NOTHING
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def share(values: pd.Series, level: object) -> str:
    """Count and percentage of a level among known values, ``44 (31.4%)``."""
    known = int(values.notna().sum())
    n = int((values == level).sum())
    return f"{n} ({100 * n / known:.1f}%)" if known else NOTHING


def digits(spread: float) -> int:
    """Decimals that show a standard deviation with three significant digits."""
    if not spread > 0.0:
        return 1
    return int(np.clip(2 - np.floor(np.log10(spread)), 0, 6))
