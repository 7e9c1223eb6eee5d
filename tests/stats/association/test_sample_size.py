"""Sample sizes against R's pmsampsize and pmvalsampsize (their own test values)."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.sample_size import (
    cox_snell_r2,
    largest_n_parameters,
    sample_size_for_prediction,
)


@pytest.mark.parametrize(
    ("n_parameters", "prevalence", "r2", "expected"),
    [
        (24, 0.174, 0.288, [623, 662, 221]),
        (24, 0.174, 0.55, [255, 532, 221]),
        (36, 0.174, 0.288, [934, 992, 221]),
        (24, 0.25, 0.288, [623, 590, 289]),
    ],
)
def test_as_pmsampsize_says(n_parameters, prevalence, r2, expected):
    result = sample_size_for_prediction(n_parameters, prevalence, r2_cox_snell=r2)
    assert result["criterion"].tolist() == [1, 2, 3]
    assert result["n_required"].tolist() == expected


def test_what_a_study_supports():
    result = sample_size_for_prediction(12, 0.3, c_statistic=0.8, n_supplied=201)
    assert result["supported"].tolist() == (result["n_required"] <= 201).tolist()
    assert (result["n_predictors"] == 12).all()


@pytest.mark.parametrize(
    ("n", "events", "c"), [(140, 43, 0.8), (400, 100, 0.75), (2000, 300, 0.9)]
)
def test_the_largest_model_is_the_inverse_of_the_sample_size(n, events, c):
    p = largest_n_parameters(n, events, c_statistic=c)
    needed = sample_size_for_prediction(p, events / n, c_statistic=c)["n_required"]
    more = sample_size_for_prediction(p + 1, events / n, c_statistic=c)["n_required"]
    assert needed.iloc[:2].max() <= n < more.iloc[:2].max()


def test_too_few_for_any_variable():
    assert largest_n_parameters(20, 5, c_statistic=0.7) == 0


@pytest.mark.parametrize(("c", "prevalence"), [(0.81, 0.77), (0.6, 0.05), (0.89, 0.174)])
def test_r2_of_a_c_statistic_by_simulation(c, prevalence):
    rng = np.random.default_rng(0)
    variance = 2 * norm.ppf(c) ** 2
    y = rng.random(400_000) < prevalence
    centre = np.log(prevalence / (1 - prevalence)) - variance / 2
    p = expit(rng.normal(centre + variance * y, np.sqrt(variance)))
    gain = (
        np.log(np.where(y, p, 1 - p)).mean()
        - np.log(np.where(y, prevalence, 1 - prevalence)).mean()
    )
    assert cox_snell_r2(c, prevalence) == pytest.approx(1 - np.exp(-2 * gain), abs=0.003)


def test_r2_does_not_depend_on_which_class_is_positive():
    assert cox_snell_r2(0.8, 0.3) == pytest.approx(cox_snell_r2(0.8, 0.7))


def test_bad_arguments():
    with pytest.raises(BadArgument, match="found both or none"):
        sample_size_for_prediction(5, 0.3)
    with pytest.raises(BadArgument, match="found both or none"):
        sample_size_for_prediction(5, 0.3, r2_cox_snell=0.2, c_statistic=0.8)
    with pytest.raises(BadArgument, match="n_parameters"):
        sample_size_for_prediction(0, 0.3, r2_cox_snell=0.2)
    with pytest.raises(BadArgument, match="prevalence"):
        sample_size_for_prediction(5, 1.0, r2_cox_snell=0.2)
    with pytest.raises(BadArgument, match="c_statistic must lie"):
        sample_size_for_prediction(5, 0.3, c_statistic=0.5)
    with pytest.raises(NotEstimable, match="largest possible"):
        sample_size_for_prediction(5, 0.05, r2_cox_snell=0.5)
    with pytest.raises(BadArgument, match="n_events < n"):
        largest_n_parameters(10, 10, c_statistic=0.8)
