"""How often the intervals of thresholded measures, calibration and net benefit hold the truth.

    python benchmarks/coverage_measures.py [n_simulations]

Patients have a true risk and a prediction of it that is miscalibrated: slope .8 and intercept .2
on the logit (ICI also of a calibrated one). Rows of a patient share risk and a normal latent
outcome with a correlation; repeats of a cross-validation add noise to the logit of the prediction.
The truth of each measure is its value among 300,000 cases. ICI is computed in every fifth
simulation. Prints a table for docs/method.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from her2 import stats
from her2.core.errors import NotEstimable

THRESHOLD = 0.3
NOISE = 0.3  # of repeats, on the logit
MEASURES = (
    "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "net benefit",
    "net benefit over all", "Brier", "scaled Brier", "intercept", "slope", "in the large",
    "curve at .3", "ICI", "ICI, calibrated",
)  # fmt: skip
Limits = tuple[float, float]


class Setting(NamedTuple):
    """How many patients, rows of each with which correlation, and repeats."""

    name: str
    n_patients: int
    n_rows: int = 1
    correlation: float = 0.0
    n_repeats: int = 1


SETTINGS = (
    Setting("100 patients", 100),
    Setting("200 patients", 200),
    Setting("100 patients, 4 rows, correlation .5", 100, 4, 0.5),
    Setting("100 patients, 4 rows, correlation .9", 100, 4, 0.9),
    Setting("25 patients, 4 rows, correlation .9", 25, 4, 0.9),
    Setting("100 patients, 5 repeats", 100, 1, 0.0, 5),
    Setting("200 patients, 5 repeats", 200, 1, 0.0, 5),
)


class Sample(NamedTuple):
    """Outcome (n,), predictions (n_repeats, n), calibrated ones, patient of each row, (n,)."""

    y: np.ndarray
    p: np.ndarray
    calibrated: np.ndarray
    patient: np.ndarray


def draw(rng: np.random.Generator, setting: Setting) -> Sample:
    """Return a sample; risks of a patient's rows are correlated as the latent outcomes are."""
    n, rows = setting.n_patients, setting.n_rows
    risk = _correlated(rng, n, rows, setting.correlation) * 1.1 - 0.9
    latent = norm.cdf(_correlated(rng, n, rows, setting.correlation))
    y = (latent < expit(risk)).astype(int)
    noise = NOISE * rng.normal(size=(setting.n_repeats, n * rows)) if setting.n_repeats > 1 else 0
    predicted = (risk - 0.2) / 0.8 + noise
    calibrated = np.tile(expit(risk), (setting.n_repeats, 1))
    return Sample(y, np.atleast_2d(expit(predicted)), calibrated, np.repeat(np.arange(n), rows))


def _correlated(rng: np.random.Generator, n: int, rows: int, correlation: float) -> np.ndarray:
    common = np.repeat(rng.normal(size=n), rows)
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=n * rows)


def intervals(sample: Sample, seed: int) -> Iterator[tuple[str, Limits]]:
    """Yield every measure with its interval."""
    y, p, calibrated, patient = sample
    point = stats.operating_point(y, p, THRESHOLD, patient)
    for name in MEASURES[:6]:
        limits = point.interval(name)
        if limits is not None:
            yield name, limits
    benefit = stats.net_benefit_table(y, p, [THRESHOLD], patient).iloc[0]
    yield "net benefit", (benefit["low"], benefit["high"])
    yield "net benefit over all", (benefit["over_all_low"], benefit["over_all_high"])
    of_all = {
        "Brier": stats.brier_interval(y, p, patient),
        "scaled Brier": stats.scaled_brier_interval(y, p, patient),
        "in the large": stats.calibration_in_the_large_interval(y, p, patient),
    }
    if seed % 5 == 0:
        of_all["ICI"] = stats.ici_interval(y, p, patient, seed=seed)
        of_all["ICI, calibrated"] = stats.ici_interval(y, calibrated, patient, seed=seed)
    yield from ((name, (found.low, found.high)) for name, found in of_all.items())
    line = stats.calibration_line_interval(y, p, patient)
    yield "intercept", (line.intercept_low, line.intercept_high)
    yield "slope", (line.slope_low, line.slope_high)
    curve = stats.calibration_curve(y, p, patient, n_points=400)
    nearest = curve.iloc[(curve["predicted"] - THRESHOLD).abs().argmin()]
    yield "curve at .3", (nearest["low"], nearest["high"])


def truths(setting: Setting) -> dict[str, float]:
    """Return every measure among 300,000 cases."""
    many = Setting(setting.name, 300_000, n_repeats=min(setting.n_repeats, 2))
    y, p, *_ = draw(np.random.default_rng(0), many)
    point = stats.operating_point(y, p, THRESHOLD)
    line = stats.calibration_line(y, p)
    benefit = stats.net_benefit_table(y, p, [THRESHOLD]).iloc[0]
    found = {name: getattr(point, name) for name in MEASURES[:6]}
    return found | {
        "net benefit": benefit["net_benefit"],
        "net benefit over all": benefit["over_all"],
        "Brier": stats.brier_score(y, p),
        "scaled Brier": stats.scaled_brier(y, p),
        "intercept": line[0],
        "slope": line[1],
        "in the large": stats.calibration_in_the_large(y, p),
        "curve at .3": float(expit(line[0] + line[1] * logit(THRESHOLD))),
        "ICI": float(np.abs(expit(line[0] + line[1] * logit(p)) - p).mean()),
        "ICI, calibrated": 0.0,
    }


def coverage(n_simulations: int, setting: Setting) -> dict[str, tuple[float, float]]:
    """Return coverage and mean width of every measure's interval."""
    truth = truths(setting)
    held: dict[str, list[bool]] = {name: [] for name in MEASURES}
    widths: dict[str, list[float]] = {name: [] for name in MEASURES}
    for seed in range(n_simulations):
        rng = np.random.default_rng([seed, setting.n_patients, setting.n_rows])
        found = _estimable(intervals(draw(rng, setting), seed))
        for name, (low, high) in found:
            held[name].append(low <= truth[name] <= high)
            widths[name].append(high - low)
    return {name: (np.mean(held[name]), np.mean(widths[name])) for name in MEASURES}


def _estimable(found: Iterator[tuple[str, Limits]]) -> list[tuple[str, Limits]]:
    """Return what a sample determines: a small one may separate the outcomes."""
    try:
        return list(found)
    except NotEstimable:
        return []


def _cell(share: float, width: float) -> str:
    printed = f"{share:.3f}".lstrip("0")
    return f"{printed if 0.93 <= share <= 0.985 else f'**{printed}**'} ({width:.2f})"


def main() -> None:
    n_simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(coverage, n_simulations), SETTINGS))
        columns = {setting.name: one for setting, one in zip(SETTINGS, found, strict=True)}
    print(f"| {' | '.join(['measure', *columns])} |")
    print(f"|{' --- |' * (len(columns) + 1)}")
    for name in MEASURES:
        print(f"| {' | '.join([name, *(_cell(*found[name]) for found in columns.values())])} |")


if __name__ == "__main__":
    main()
