"""What the maps of a network are worth: where they lie, and whether the network uses the place.

Nothing here knows how a map is made; `Explainable` is all that is asked of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.seeds import generator

FloatArray = NDArray[np.float64]
Crop = NDArray[Any]

N_STEPS = 6  # shares of the pixels that are removed: 0, .2, ..., 1
BLUR = 1 / 16  # standard deviation of what removed pixels are replaced by, of the crop's side
RANDOMISED = {"head": 0.0, "upper_half": 0.5, "all": 1.0}  # share of the layers, from the top
COLUMNS = ["arm", "role", "measure", "n", "value", "low", "high", "without_knowledge"]

SHARE_INSIDE = "Share of the map inside the lesion"
ENRICHMENT = "Enrichment inside the lesion"
POINTING = "Pointing game, hit rate"
CENTRE = "Hit rate of the crop's centre"
FLAT = "Share of lesions whose map is empty"
DELETION = "Deletion, area under the probability"
DELETION_GAIN = "Deletion, gain over random places"
INSERTION = "Insertion, area under the probability"
INSERTION_GAIN = "Insertion, gain over random places"
CORRELATIONS = {
    "head": "Rank correlation with the map after randomising the head",
    "upper_half": "Rank correlation after randomising the upper half of the layers",
    "all": "Rank correlation after randomising all layers",
}


class Explainable(Protocol):
    """A network with one logit that can say where it comes from."""

    def signed_map(self, crop: Crop) -> tuple[NDArray[np.float32], float]:
        """Return the map (h, w) of a crop (S, S), what speaks against below 0, and the logit."""

    def probabilities(self, crops: Crop) -> FloatArray:
        """Return the probabilities (n,) of crops (n, S, S) with grey levels 0 to 255."""

    def randomised(self, share: float, seed: int) -> Explainable:
        """Return the network with its head and a share of its layers, from the top, shuffled."""


@dataclass(frozen=True)
class ExplainedLesions:
    """Maps of lesions by one network, and numbers about each.

    Attributes
    ----------
    maps
        Signed, (n, h, w).
    rows
        One a lesion, in the same order: columns of `place_of`, `logit`, and for those that are
        tested of `removal_of` and `correlation_<what>`.
    """

    maps: NDArray[np.float32]
    rows: pd.DataFrame


def explain_lesions(
    model: Explainable,
    crops: Crop,
    masks: NDArray[np.bool_],
    *,
    names: Sequence[str],
    is_tested: NDArray[np.bool_],
    seed: int,
    advance: Callable[[int], None] = lambda done: None,
) -> ExplainedLesions:
    """Return the maps of lesions, where they lie, and for some whether the network uses them.

    The `model` must not have learned from these lesions. `crops` (grey levels as it sees them) and
    `masks` are (n, S, S); `names` are for random numbers. The maps of those that are `is_tested`
    (n,) are put to the test: pixels removed, weights shuffled. `advance` is called with the
    number of lesions that are done.
    """
    shuffled = {}
    if is_tested.any():
        shuffled = {name: model.randomised(part, seed) for name, part in RANDOMISED.items()}
    maps, rows = [], []
    for i, (crop, mask) in enumerate(zip(crops, masks, strict=True)):
        signed, logit = model.signed_map(crop)
        row: dict[str, Any] = {"logit": logit, **place_of(signed, mask)}
        if is_tested[i]:
            rng = generator(seed, "random places", names[i])
            row |= removal_of(model.probabilities, crop, signed, rng)
            others = {name: other.signed_map(crop)[0] for name, other in shuffled.items()}
            for name, other in others.items():
                row[f"correlation_{name}"] = _known(stats.rank_correlation, signed, other)
        maps.append(signed)
        rows.append(row)
        advance(i + 1)
    return ExplainedLesions(np.stack(maps), pd.DataFrame(rows))


def place_of(signed: NDArray[Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return where a signed map (h, w) lies in its crop, with the lesion's mask (S, S).

    share_inside, enrichment, is_hit: each with ``_for``, of what speaks for the positive outcome,
    and ``_against``; None where nothing does. lesion_share, centre_is_hit: what a map that knows
    nothing but the crop would reach.

    >>> mask = np.zeros((4, 4), dtype=bool)
    >>> mask[:, :2] = True
    >>> found = place_of(np.array([[1.0, -1.0]]), mask)
    >>> found["lesion_share"], found["is_hit_for"], found["is_hit_against"]
    (0.5, True, False)
    """
    image = stats.upsampled(signed, (mask.shape[0], mask.shape[1]))
    middle = tuple(slice((n - 1) // 2, n // 2 + 1) for n in mask.shape)
    found = {"lesion_share": float(mask.mean()), "centre_is_hit": bool(mask[middle].all())}
    for name, side in (("for", image), ("against", -image)):
        for measure, compute in _PLACES.items():
            found[f"{measure}_{name}"] = _known(compute, side, mask)
    return found


_PLACES: dict[str, Callable[..., Any]] = {
    "share_inside": stats.share_inside,
    "enrichment": stats.enrichment,
    "is_hit": stats.points_inside,
}


def as_called(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return the rows with the map of the outcome that each lesion is called by its probability.

    Adds is_called_positive, share_inside, enrichment and is_hit: those of what speaks for the
    positive outcome from the threshold on, and of what speaks against it below.

    >>> sides = {f"{m}_{s}": [x, x] for m in _PLACES for s, x in (("for", 1), ("against", 0))}
    >>> rows = pd.DataFrame({"y_prob": [0.7, 0.2], **sides})
    >>> as_called(rows, 0.5)["share_inside"].tolist()
    [1, 0]
    """
    called = rows["y_prob"] >= threshold
    measures = {
        name: rows[f"{name}_for"].where(called, rows[f"{name}_against"]) for name in _PLACES
    }
    return rows.assign(is_called_positive=called, **measures)


def removal_of(
    probabilities: Callable[[Crop], FloatArray],
    crop: Crop,
    signed: NDArray[Any],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return areas under the probability while a crop (S, S) is blurred away, or comes back.

    deletion, insertion: in the order of the signed map (h, w); deletion_at_random,
    insertion_at_random: in the order of a random map with cells of the same size, so that places
    of the same smoothness are removed.

    References
    ----------
    Petsiuk et al. (2018), BMVC, doi:10.48550/arXiv.1806.07421, section 4.
    """
    blurred = gaussian_filter(crop.astype(np.float64), BLUR * max(crop.shape), mode="nearest")
    shares = np.linspace(0, 1, N_STEPS)[1:-1]
    orders = {
        "": stats.upsampled(signed, crop.shape),
        "_at_random": stats.upsampled(rng.standard_normal(signed.shape), crop.shape),
    }
    games = {
        f"{game}{name}": stats.with_largest_replaced(before, after, order, shares)
        for name, order in orders.items()
        for game, before, after in (("deletion", crop, blurred), ("insertion", blurred, crop))
    }
    whole, gone, *between = probabilities(np.concatenate([[crop, blurred], *games.values()]))
    steps = np.array(between).reshape(len(games), -1)
    return {
        game: stats.area_under_steps(
            [whole, *p, gone] if game.startswith("deletion") else [gone, *p, whole]
        )
        for game, p in zip(games, steps, strict=True)
    }


def evenly(strata: Sequence[Any], n: int | None, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of some cases are taken, (len(strata),): n of them, in proportion by stratum.

    >>> taken = evenly(["a"] * 8 + ["b"] * 4, 3, np.random.default_rng(0))
    >>> int(taken[:8].sum()), int(taken[8:].sum())
    (2, 1)
    """
    labels = np.array([str(stratum) for stratum in strata])
    place = np.zeros(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        place[rng.permutation(own)] = (np.arange(own.size) + 0.5) / own.size
    taken = np.zeros(len(labels), dtype=bool)
    taken[np.argsort(place, kind="stable")[:n]] = True
    return taken


def summary_table(rows: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Return `COLUMNS`: the numbers of all lesions, as `as_called` returns them, by role.

    `without_knowledge` is what the measure would be, on average, for a map that knows nothing of
    the lesion.
    """
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    found = [
        {"arm": arm, "role": role, **row}
        for role, of_role in rows.groupby("role", sort=False)
        for row in (*_places(of_role), *_tests(of_role))
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def _places(rows: pd.DataFrame) -> list[dict[str, Any]]:
    known = rows[rows["share_inside"].notna()]
    by_chance = float(known["lesion_share"].mean()) if len(known) else None
    hits = known["is_hit"].dropna().astype(bool)
    return [
        _mean_row(SHARE_INSIDE, known["share_inside"], by_chance),
        _mean_row(ENRICHMENT, known["enrichment"], 1.0),
        _share_row(POINTING, hits, by_chance),
        _share_row(CENTRE, rows["centre_is_hit"].astype(bool), float(rows["lesion_share"].mean())),
        _share_row(FLAT, rows["share_inside"].isna(), None),
    ]


def _tests(rows: pd.DataFrame) -> list[dict[str, Any]]:
    if "deletion" not in rows or rows["deletion"].isna().all():
        return []
    tested = rows[rows["deletion"].notna()].astype(
        {name: float for name in rows if str(name).startswith(("deletion", "insertion"))}
    )
    random_deletion, random_insertion = tested["deletion_at_random"], tested["insertion_at_random"]
    return [
        _mean_row(DELETION, tested["deletion"], float(random_deletion.mean())),
        _mean_row(DELETION_GAIN, random_deletion - tested["deletion"], 0.0),
        _mean_row(INSERTION, tested["insertion"], float(random_insertion.mean())),
        _mean_row(INSERTION_GAIN, tested["insertion"] - random_insertion, 0.0),
        *(
            _mean_row(measure, tested[f"correlation_{name}"].dropna(), 0.0)
            for name, measure in CORRELATIONS.items()
        ),
    ]


def _mean_row(measure: str, values: pd.Series, expected: float | None) -> dict[str, Any]:
    sample = values.to_numpy(np.float64)
    # None: one lesion, or the same value in all; the table says "not estimable"
    found = _known(stats.mean_interval, sample)
    return {
        "measure": measure, "n": sample.size,
        "value": float(sample.mean()) if sample.size else None,
        "low": found and found.low, "high": found and found.high, "without_knowledge": expected,
    }  # fmt: skip


def _share_row(measure: str, hits: pd.Series, expected: float | None) -> dict[str, Any]:
    n, k = len(hits), int(hits.sum())
    low, high = stats.wilson_interval(k, n) if n else (None, None)
    value = k / n if n else None
    return {
        "measure": measure, "n": n, "value": value, "low": low, "high": high,
        "without_knowledge": expected,
    }  # fmt: skip


def _known(measure: Callable[..., Any], *arrays: NDArray[Any]) -> Any:
    try:
        return measure(*arrays)
    except NotEstimable:
        return None  # counted as a map without a positive value
