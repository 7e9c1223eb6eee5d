"""The intervals hold the truth as often as they say, in every shape of data: the benchmark's."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "coverage_measures.py"
specification = importlib.util.spec_from_file_location("coverage_measures", FILE)
benchmark = importlib.util.module_from_spec(specification)
specification.loader.exec_module(benchmark)


@pytest.mark.slow
@pytest.mark.parametrize("setting", benchmark.SETTINGS, ids=lambda setting: setting.name)
def test_coverage(setting):
    found = {name: share for name, (share, _) in benchmark.coverage(150, setting).items()}
    ici = {name for name in found if name.startswith("ICI")}  # of 30 of them: standard error .05
    assert min(share for name, share in found.items() if name not in ici) > 0.87
    assert min(found[name] for name in ici) > 0.75
    assert np.mean(list(found.values())) > 0.92


def test_every_measure_has_an_interval_and_a_truth():
    setting = benchmark.Setting("few", 60, 2, 0.5, 2)
    sample = benchmark.draw(np.random.default_rng(0), setting)
    found = dict(benchmark.intervals(sample, 0))
    assert set(found) == set(benchmark.MEASURES)
    assert all(low < high for low, high in found.values())
