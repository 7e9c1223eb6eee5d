"""The benchmark of the primary interval, run small: it covers, and the tests keep their size."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from her2.models.classifiers import rank_auc

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def benchmark():
    if not SCRIPT.is_file():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("coverage_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:  # its workers find it by this name
        patched.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def made_up(n_cohorts, signal, seed=0):
    """Cohorts whose models are drawn, not learned: fast, and without a variance of learning."""
    rng, cohorts = np.random.default_rng(seed), []
    for _ in range(n_cohorts):
        y = rng.permutation(np.arange(100) < 30).astype(int)
        P = 1 / (
            1 + np.exp(-(rng.normal(size=100) + signal * y + 0.3 * rng.normal(size=(5, 100))))
        )
        folds = np.array([rng.permutation(np.arange(100) % 5) for _ in range(5)])
        cohorts.append({"y": y, "P": P, "folds": folds})
    return cohorts


def test_sizes_of_made_up_cohorts(benchmark):
    noise = made_up(150, 0.0)
    assert benchmark.beating_chance(noise) <= 0.05
    assert benchmark.differing(noise, shifts=(1,)) <= 0.06
    auc, corrected, above = benchmark.best_of_five(noise, n_draws=60)
    mean = np.mean([rank_auc(c["y"], p) for c in noise for p in c["P"]])
    assert auc > mean + 0.05
    assert corrected == pytest.approx(mean, abs=0.02)
    assert above <= 0.05
    other, own = benchmark.youden_of_noise(noise)
    assert abs(other) < 0.03
    assert own > 0.08


@pytest.mark.slow
def test_the_interval_of_a_learned_model_covers(benchmark, tmp_path):
    setting = benchmark.Setting("lr", 100, 0.5)
    found = benchmark.cohorts_of(tmp_path, [setting], 30, 2)[setting]
    truth = np.mean([cohort["truth"] for cohort in found])
    held = [
        low <= truth <= high for c in found for low, high in [benchmark.intervals(c)["shipped"]]
    ]
    assert np.mean(held) >= 0.86
    naive = [benchmark.intervals(c)["DeLong of averaged placements"] for c in found]
    assert np.mean([low <= truth <= high for low, high in naive]) < np.mean(held)
    again = benchmark.cohorts_of(tmp_path, [setting], 30, 1)[setting]  # from the folder
    assert all(np.array_equal(a["P"], b["P"]) for a, b in zip(found, again, strict=True))
