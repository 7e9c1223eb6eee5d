"""Chained linear regressions of each column on all others, for tables with gaps.

A table is a matrix of numbers (n, p) with NaN for a gap; a variable is a block of its columns, one
for a number, one a level for a category. Everything is drawn from the generator that is passed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.stats.validation import BoolArray, FloatArray

Block = NDArray[np.intp]
Blocks = tuple[Block, ...]
_N_DONORS = 5
_RIDGE = 1e-5  # share of the diagonal, against collinear columns, as in R's mice


def complete_chain(
    values: FloatArray, blocks: Blocks, rng: np.random.Generator, n_iterations: int
) -> tuple[FloatArray, list[dict[int, int]]]:
    """Matrix without gaps by predictive mean matching, and whose values the gaps have.

    `values` (n, p) has NaN for a gap; each block has at least one row without. Those with fewest
    gaps come first in each round. Second: for each block a dictionary from the row of a gap to the
    row of its donor.

    van Buuren (2018), Flexible Imputation of Missing Data, 2nd ed., algorithms 3.1 and 3.3,
    doi:10.1201/9780429492259.
    """
    gaps: list[BoolArray] = [np.asarray(np.isnan(values[:, b]).any(axis=1)) for b in blocks]
    donors: list[dict[int, int]] = [{} for _ in blocks]
    filled = values.copy()
    order = sorted(range(len(blocks)), key=lambda b: (int(gaps[b].sum()), b))
    with_gaps = [b for b in order if gaps[b].any()]
    for b in with_gaps:
        chosen = rng.choice(np.flatnonzero(~gaps[b]), size=int(gaps[b].sum()))
        _give(filled, blocks[b], gaps[b], chosen, donors[b])
    for _ in range(n_iterations):
        for b in with_gaps:
            chosen = _match(filled, blocks[b], gaps[b], rng)
            _give(filled, blocks[b], gaps[b], chosen, donors[b])
    return filled, donors


def draw_regressions(
    filled: FloatArray, known: BoolArray, blocks: Blocks, rng: np.random.Generator
) -> FloatArray:
    """Coefficients of each column on the columns of all other variables, drawn once: (p, 1 + p).

    A column of `filled` (n, p) is fitted on the rows where it was observed, `known` (n, p). The
    intercept comes first; coefficients of columns of the same variable are 0.
    """
    p = filled.shape[1]
    coefficients = np.zeros((p, 1 + p))
    for block in blocks:
        rows = known[:, block].all(axis=1)
        others = np.setdiff1d(np.arange(p), block)
        _, drawn = _regress(filled[rows][:, others], filled[rows][:, block], rng)
        coefficients[np.ix_(block, np.append(0, 1 + others))] = drawn.T
    return coefficients


def expected_values(
    values: FloatArray,
    coefficients: FloatArray,
    start: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    n_iterations: int = 10,
) -> FloatArray:
    """Rows (n, p) whose gaps (NaN) hold what the regressions expect, each row by itself.

    Expectations are averaged over m draws, `coefficients` (m, p, 1 + p). A gap first holds `start`
    (p,), and later nothing outside `bounds`, (p,) each. Several rounds are needed where a row has
    several gaps.
    """
    gaps = np.isnan(values)
    total = np.zeros_like(values)
    for drawn in coefficients:
        filled = np.where(gaps, start, values)
        for _ in range(n_iterations):
            # not a matrix product: its last bit depends on how many rows there are
            expected = drawn[:, 0] + (filled[:, None, :] * drawn[:, 1:]).sum(axis=2)
            expected = np.clip(expected, *bounds)
            filled = np.where(gaps, expected, values)
        total += filled
    return np.where(gaps, total / len(coefficients), values)


def _give(
    filled: FloatArray,
    block: Block,
    gaps: BoolArray,
    chosen: NDArray[np.intp],
    donors: dict[int, int],
) -> None:
    rows = np.flatnonzero(gaps)
    filled[np.ix_(rows, block)] = filled[np.ix_(chosen, block)]
    donors.update(zip(rows.tolist(), chosen.tolist(), strict=True))


def _match(
    filled: FloatArray, block: Block, gaps: BoolArray, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Row of a donor for each gap: one of the five nearest in predicted value."""
    others = np.setdiff1d(np.arange(filled.shape[1]), block)
    known = np.flatnonzero(~gaps)
    x, y = filled[:, others], filled[:, block]
    fitted, drawn = _regress(x[known], y[known], rng)
    with_one = np.column_stack([np.ones(len(x)), x])
    of_donors, of_gaps = with_one[known] @ fitted, with_one[gaps] @ drawn
    distance = ((of_gaps[:, None, :] - of_donors[None, :, :]) ** 2).sum(axis=2)
    # cases alike are equally near but for rounding: each gap meets them in an order of its own
    nearness = np.round(distance / max(float(distance.max()), 1e-300), 12)
    nearness += 1e-13 * rng.random(distance.shape)
    n_donors = min(_N_DONORS, known.size)
    nearest = np.argpartition(nearness, n_donors - 1, axis=1)[:, :n_donors]
    picked = rng.integers(n_donors, size=len(nearest))
    return np.asarray(known[nearest[np.arange(len(nearest)), picked]])


def _regress(
    x: FloatArray, y: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Least-squares coefficients (1 + q, k) of y (n, k) on x (n, q), and a posterior draw."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    z = np.column_stack([np.ones(len(x)), (x - centre) / scale])
    gram = z.T @ z
    inverse = np.linalg.inv(gram + _RIDGE * np.diag(np.diag(gram)) + 1e-12 * np.eye(len(gram)))
    fitted = inverse @ z.T @ y
    dof = max(len(x) - z.shape[1], 1)
    residual = y - z @ fitted
    sigma = np.sqrt((residual**2).sum(axis=0) / rng.chisquare(dof))
    noise = np.linalg.cholesky((inverse + inverse.T) / 2) @ rng.normal(size=fitted.shape)
    return _original(fitted, centre, scale), _original(fitted + noise * sigma, centre, scale)


def _original(b: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Coefficients of x from those of its z-scores."""
    slopes = b[1:] / scale[:, None]
    return np.vstack([b[0] - centre @ slopes, slopes])
