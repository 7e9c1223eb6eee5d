"""Intraclass correlations against R's psych and against the formulas written out in R."""

import numpy as np
import pandas as pd
import pytest
from golden import FOLDER, close, entries, needs_golden, number

from her2 import stats
from her2.core.errors import NotEstimable
from her2.stats.agreement.icc import mean_squares

FORMS = {f"ICC{i}": f"ICC({i},1)" for i in range(1, 4)} | {
    f"ICC{i}k": f"ICC({i},k)" for i in range(1, 4)
}
REML = 1e-5  # psych's default fits a mixed model, which stops early

pytestmark = needs_golden


def ratings(dataset: str, feature: str) -> np.ndarray:
    """Subjects by raters: the whole table, or the columns of a feature."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    if feature:
        table = table.filter(regex=rf"^{feature}(?![0-9])")
    return table.to_numpy(dtype=float)


def each_form(*quantities: str) -> list:
    """Parameters (dataset, feature, value, form) of the entries that hold one table of ratings."""
    return [
        pytest.param(*entry.values, name, id=f"{entry.id}-{name}")
        for entry in entries(*quantities)
        for name in FORMS
        if name in entry.values[2]
    ]


def limits(expected: dict) -> list | None:
    return expected.get("ci") or expected.get("ci_spearman_brown")


@pytest.mark.parametrize(
    ("dataset", "feature", "value", "name"), each_form("icc_psych_aov", "icc_formula")
)
def test_value_and_limits(dataset, feature, value, name):
    table, expected = ratings(dataset, feature), value[name]
    if not np.isfinite(number(expected["est"])):
        with pytest.raises(NotEstimable):
            stats.icc(table, form=FORMS[name])
        return
    found = stats.icc(table, form=FORMS[name])
    close(found.value, expected["est"])
    close(found.low, limits(expected)[0], 1e-6)
    close(found.high, limits(expected)[1], 1e-6)


@pytest.mark.parametrize(("dataset", "feature", "value"), entries("icc_formula"))
def test_mean_squares(dataset, feature, value):
    ms = mean_squares(ratings(dataset, feature)[np.newaxis])
    assert (ms.n, ms.k) == (value["n"], value["k"])
    close(ms.between_subjects[0], value["MSR"])
    close(ms.within[0], value["MSW"])
    close(ms.between_raters[0], value["MSC"])
    close(ms.residual[0], value["MSE"])


@pytest.mark.parametrize(("dataset", "feature", "value"), entries("icc_formula"))
def test_the_interval_of_the_mean_is_that_of_mcgraw_and_wong_not_irr_s(dataset, feature, value):
    """irr puts the coefficient of the mean where the formula has that of one rating."""
    found = stats.icc(ratings(dataset, feature), form="ICC(2,k)")
    close(found.low, value["ICC2k"]["ci_spearman_brown"][0], 1e-6)
    assert abs(found.low - value["ICC2k"]["ci_irr"][0]) > 1e-3


@pytest.mark.parametrize(("dataset", "feature", "value", "name"), each_form("icc_psych_lmer"))
def test_mixed_model_of_positive_variances_is_the_analysis_of_variance(
    dataset, feature, value, name
):
    table, expected = ratings(dataset, feature), value[name]
    if number(expected["est"]) < 0.01:
        pytest.skip("the mixed model cuts negative variances at 0")
    found = stats.icc(table, form=FORMS[name])
    close(found.value, expected["est"], REML)
    close(found.low, limits(expected)[0], REML)
    close(found.high, limits(expected)[1], REML)
