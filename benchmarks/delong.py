"""Paired DeLong test of a million predictions, against two plain sorts of as many numbers.

Usage: python benchmarks/delong.py [N ...]   (default 1000000)

No test of two rankings can be faster than sorting both, so the ratio says what the statistics
cost on top, on any machine. Prints medians of interleaved runs, without and with ties.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from her2.stats import delong_test

RUNS = 9


def scores(n: int, *, decimals: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes (n,), 30 % positive, and two correlated scores (n,), rounded or not."""
    rng = np.random.default_rng(0)
    positive = rng.random(n) < 0.3
    shared = rng.normal(size=n) + positive
    first, second = shared + rng.normal(size=n), shared + rng.normal(size=n)
    if decimals is not None:
        first, second = first.round(decimals), second.round(decimals)
    return positive, first, second


def medians(*functions: Callable[[], object]) -> list[float]:
    """Return the median seconds of each function, run in turns so that all see the same load."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(RUNS):
        for function, own in zip(functions, times, strict=True):
            start = perf_counter()
            function()
            own.append(perf_counter() - start)
    return [median(own) for own in times]


def main(sizes: list[int]) -> None:
    print(f"one process; median of {RUNS}")
    print("       n  ties  two_sorts_ms  delong_ms  ratio  delong_p")
    for n in sizes:
        for decimals in (None, 3):
            positive, first, second = scores(n, decimals=decimals)
            sort, test = medians(
                lambda f=first, s=second: (np.sort(f), np.sort(s)),
                lambda y=positive, f=first, s=second: delong_test(y, f, s),
            )
            p = delong_test(positive, first, second).p_value
            ties = "no" if decimals is None else "yes"
            print(
                f"{n:8d} {ties:>5s} {1e3 * sort:13.1f} {1e3 * test:10.1f} "
                f"{test / sort:6.1f} {p:9.4f}"
            )


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [1_000_000])
