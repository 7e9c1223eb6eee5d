"""Copied patients are found by their features; honest ones never are."""

import numpy as np
import pytest

from her2.cohort.duplicate_rows import duplicate_rows

N = 100


def honest(kind: str, rng: np.random.Generator, n: int = N, p: int = 30) -> np.ndarray:
    """Return features (n, p) of n different patients."""
    normal = rng.normal(size=(n, p))
    factors = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p)) + 0.3 * normal
    cluster = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4])
    return {
        "normal": normal,
        "factors": factors,
        "log-normal": np.exp(1.5 * normal),
        "long tails": rng.standard_cauchy((n, p)),
        "curve": np.sin(rng.uniform(0, 6, (n, 1)) * rng.uniform(0.2, 2, p)),
        "mostly zero": np.maximum(factors, 0),
        "rounded": np.round(factors),
        "clusters": 5 * cluster[:, None] + normal * np.array([1, 0.5, 0.2])[cluster][:, None],
        "gaps": np.where(rng.random((n, p)) < 0.03, np.nan, factors),
        "age alone": np.round(50 + 10 * normal[:, :1]),
        "clinical": np.c_[np.round(50 + 10 * normal[:, 0]), rng.integers(0, [2, 2, 3, 4], (n, 4))],
        "binary": rng.integers(0, 2, (n, 8)).astype(float),
        "constant": np.ones((n, p)),
    }[kind]


KINDS = (
    "normal", "factors", "log-normal", "long tails", "curve", "mostly zero", "rounded",
    "clusters", "gaps", "age alone", "clinical", "binary", "constant",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_honest_patients_are_no_copies(kind):
    rng = np.random.default_rng(3)
    for n in (20, 60, 200):
        for p in (2, 5, 40):
            assert not duplicate_rows(honest(kind, rng, n, p), np.arange(n)), (n, p)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.01])
@pytest.mark.parametrize("kind", ["normal", "factors", "log-normal", "gaps"])
def test_copies_are_found_with_noise_and_in_any_unit(kind, noise):
    rng = np.random.default_rng(0)
    X = honest(kind, rng)
    copied = X[[4, 50]] + noise * np.nanstd(X, axis=0) * rng.normal(size=(2, X.shape[1]))
    units = 10.0 ** rng.integers(-6, 7, X.shape[1])
    for scale in (1, units):
        found = duplicate_rows(np.r_[X, copied] * scale + 3 * scale, np.arange(N + 2))
        assert [(x.first, x.second) for x in found] == [(4, N), (50, N + 1)]
        assert all(x.share <= 0.05 for x in found)


def test_patients_are_found_who_all_stand_twice():
    """The cohort that once gave an AUC of .96 on noise, with every check passing."""
    X = np.repeat(np.random.default_rng(1).normal(size=(50, 20)), 2, axis=0)
    found = duplicate_rows(X, np.arange(100))
    assert [(x.first, x.second) for x in found] == [(i, i + 1) for i in range(0, 100, 2)]


def test_one_patient_may_stand_many_times():
    X = np.random.default_rng(1).normal(size=(60, 20))
    X[:20] = X[0]
    assert len(duplicate_rows(X, np.arange(60))) == 20 * 19 / 2


def test_rows_of_one_patient_may_be_alike():
    X = np.repeat(np.random.default_rng(1).normal(size=(50, 20)), 2, axis=0)
    assert duplicate_rows(X, np.repeat(np.arange(50), 2)) == []


@pytest.mark.parametrize("kind", ["age alone", "binary", "constant"])
def test_columns_that_cannot_tell_patients_apart_are_not_judged(kind):
    X = honest(kind, np.random.default_rng(0))
    assert duplicate_rows(np.r_[X, X[:1]], np.arange(N + 1)) is None


def test_few_patients_are_not_judged():
    X = np.random.default_rng(0).normal(size=(9, 30))
    assert duplicate_rows(X, np.arange(9)) is None


def test_patients_with_few_columns_in_common_are_not_compared():
    X = np.random.default_rng(0).normal(size=(N, 30))
    X[:2, :10] = np.nan
    X[1] = X[0]
    assert duplicate_rows(X, np.arange(N)) == []


def test_columns_that_a_few_patients_dwarf_hide_no_copy():
    """Noise of 1 % of their standard deviation is ten times what most patients differ by."""
    rng = np.random.default_rng(0)
    X = honest("normal", rng, p=60)
    X[:3, :5] *= 1e5
    copied = X[[4, 50]] + 0.01 * X.std(axis=0) * rng.normal(size=(2, 60))
    found = duplicate_rows(np.r_[X, copied], np.arange(N + 2))
    assert [(x.first, x.second) for x in found] == [(4, N), (50, N + 1)]
