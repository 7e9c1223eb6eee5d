import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import fit_combat
from her2.stats.agreement.batch_effects import shrunken_effects


def combat(data, batch, *, covariates=None, **options):
    """Rows of the fit without the effects of their batches."""
    model = fit_combat(data, batch, covariates=covariates, **options)
    return model.transform(data, batch, covariates=covariates)


def scanners(seed: int, n: int = 60, p: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of three scanners that shift and scale them; a covariate that matters."""
    rng = np.random.default_rng(seed)
    batch = np.array(["philips", "ge", "siemens"])[rng.permutation(np.arange(n) % 3)]
    covariate = rng.normal(size=n)
    codes = np.unique(batch, return_inverse=True)[1]
    shift, scale = rng.normal(2, 1, (3, p)), rng.uniform(0.5, 2, (3, p))
    signal = rng.normal(size=(n, p)) + covariate[:, np.newaxis]
    return signal * scale[codes] + shift[codes], batch, covariate


def spread_of_means(data: np.ndarray, batch: np.ndarray) -> float:
    """Mean over the features of the range of the batches' means."""
    means = np.stack([data[batch == name].mean(axis=0) for name in np.unique(batch)])
    return float(np.ptp(means, axis=0).mean())


def test_shift_and_scale_of_the_batches_go():
    data, batch, _ = scanners(0)
    cleaned = combat(data, batch)
    assert spread_of_means(cleaned, batch) < 0.25 * spread_of_means(data, batch)
    sd = [cleaned[batch == name].std(axis=0, ddof=1).mean() for name in np.unique(batch)]
    assert max(sd) / min(sd) < 1.1


def test_a_covariate_keeps_its_association_even_where_batches_differ_in_it():
    data, batch, covariate = scanners(1)
    order = np.argsort(covariate + (batch == "ge"))  # one scanner has the higher values
    batch = np.sort(batch)[np.argsort(order)]

    def association(values):
        return np.mean([np.corrcoef(column, covariate)[0, 1] for column in values.T])

    with_it = association(combat(data, batch, covariates=covariate))
    without = association(combat(data, batch))
    assert with_it > without + 0.2


def test_mean_only_leaves_the_spread_of_each_batch():
    data, batch, _ = scanners(2)
    cleaned = combat(data, batch, mean_only=True)
    for name in np.unique(batch):
        rows = batch == name
        assert cleaned[rows].std(axis=0) == pytest.approx(data[rows].std(axis=0))
    assert spread_of_means(cleaned, batch) < 0.9 * spread_of_means(data, batch)
    without_prior = combat(data, batch, mean_only=True, parametric=False)
    assert spread_of_means(without_prior, batch) < 0.5 * spread_of_means(data, batch)


@pytest.mark.parametrize("parametric", [True, False])
@pytest.mark.parametrize("mean_only", [True, False])
def test_the_reference_batch_stays_as_it_is(parametric, mean_only):
    data, batch, _ = scanners(3)
    cleaned = combat(data, batch, reference_batch="ge", parametric=parametric, mean_only=mean_only)
    assert (cleaned[batch == "ge"] == data[batch == "ge"]).all()
    assert spread_of_means(cleaned, batch) < 0.7 * spread_of_means(data, batch)


def test_names_and_order_of_batches_and_rows_do_not_matter():
    data, batch, covariate = scanners(4)
    expected = combat(data, batch, covariates=covariate)
    order = np.random.default_rng(0).permutation(len(data))
    renamed = pd.Series(batch).map({"philips": 3, "ge": 20, "siemens": 1}).to_numpy()
    found = combat(data[order], renamed[order], covariates=covariate[order])
    assert found == pytest.approx(expected[order], abs=1e-10)


def test_units_of_a_feature_do_not_matter():
    data, batch, _ = scanners(5)
    factor, offset = np.logspace(-3, 3, 40), np.linspace(-5, 5, 40)
    assert combat(data * factor + offset, batch) == pytest.approx(
        combat(data, batch) * factor + offset, rel=1e-6
    )


# ---- fitted on training rows


def test_new_rows_do_not_change_the_model_or_each_other():
    data, batch, covariate = scanners(6)
    model = fit_combat(data[:40], batch[:40], covariates=covariate[:40])
    together = model.transform(data[40:], batch[40:], covariates=covariate[40:])
    spoilt = data[40:].copy()
    spoilt[1:] = 1e6
    alone = model.transform(spoilt, batch[40:], covariates=covariate[40:])
    assert (alone[0] == together[0]).all()


def test_an_unknown_batch_is_a_sentence():
    data, batch, _ = scanners(8)
    model = fit_combat(data, batch)
    with pytest.raises(BadArgument, match=r"ge, philips, siemens of the fit, found 'esaote'"):
        model.transform(data[:1], ["esaote"])


def test_columns_must_be_those_of_the_fit():
    data, batch, covariate = scanners(9)
    model = fit_combat(data, batch, covariates=covariate)
    with pytest.raises(BadArgument, match="40 and 1 columns of the fit, found 40 and 0"):
        model.transform(data, batch)
    with pytest.raises(BadArgument, match="found 39 and 1"):
        model.transform(data[:, 1:], batch, covariates=covariate)


def test_a_feature_that_is_constant_within_a_batch_is_left_alone():
    data, batch, _ = scanners(10)
    data[batch == "ge", 3] = 7.0
    model = fit_combat(data, batch)
    assert model.adjusted.tolist() == [j != 3 for j in range(40)]
    cleaned = model.transform(data, batch)
    assert (cleaned[:, 3] == data[:, 3]).all()
    others = np.delete(np.arange(40), 3)
    assert cleaned[:, others] == pytest.approx(combat(data[:, others], batch))


def test_repeated_features_leave_no_prior_but_zero_effects_converge():
    rng = np.random.default_rng(0)
    column = rng.normal(size=(20, 1))
    batch = np.repeat(["a", "b"], 10)
    with pytest.raises(NotEstimable, match="acts differently"):
        fit_combat(np.repeat(column, 3, axis=1), batch)
    standard = rng.normal(size=(20, 5))
    gamma_hat = np.array([[0.0, 0.1, -0.2, 0.3, 0.0]])
    found = shrunken_effects(
        standard, [np.ones(20, dtype=bool)], gamma_hat, parametric=True, mean_only=False
    )
    assert np.isfinite(found.gamma).all()


def few(rows: int) -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(0).normal(size=(10, 4)), ["a"] * (10 - rows) + ["b"] * rows


def test_a_batch_of_one_row_has_no_scale():
    with pytest.raises(NotEstimable, match=r"found one in 'b'.*mean_only"):
        fit_combat(*few(1))
    assert np.isfinite(combat(*few(1), mean_only=True)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"batch": ["a"] * 10}, NotEstimable, "two batches, found 1"),
        ({"batch": ["a"] * 9 + [None]}, BadArgument, "1 are missing"),
        ({"batch": ["a"] * 3}, BadArgument, "found 3"),
        ({"data": np.ones((10, 4))}, NotEstimable, "found 0 of 4"),
        ({"data": np.full((10, 4), np.nan)}, BadArgument, "40 missing or infinite"),
        ({"data": np.ones(10)}, BadArgument, "shape"),
        ({"reference_batch": "c"}, BadArgument, "one of a, b, found 'c'"),
        ({"covariates": [0.0] * 5 + [1.0] * 5}, NotEstimable, "separable"),
        ({"covariates": np.ones(10)}, NotEstimable, "an intercept is one"),
        ({"covariates": np.ones(9)}, BadArgument, "one row for each of 10"),
        ({"covariates": np.eye(10)[:, 1:9]}, NotEstimable, "without a residual"),
    ],
)
def test_what_cannot_be_adjusted(arguments, error, reason):
    data, batch = few(5)
    with pytest.raises(error, match=reason):
        fit_combat(**({"data": data, "batch": batch} | arguments))
