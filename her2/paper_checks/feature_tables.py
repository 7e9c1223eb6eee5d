"""Counts of features by family, shares of blocks of them, and what a model's name stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from her2.paper_checks.claims import Definition, FeatureSet, PrintedStudy, VarianceShares
from her2.paper_checks.printed import Contradiction, Rule


def image_types(features: FeatureSet) -> tuple[int, tuple[str, ...]] | None:
    """How many image types give the total, and which unlisted families that needs."""
    rest = features.total - sum(features.once.values())
    listed = sum(features.per_image.values())
    for n_added in range(len(features.unlisted) + 1):
        for added in combinations(features.unlisted, n_added):
            size = listed + sum(features.unlisted[name] for name in added)
            if size > 0 and rest > 0 and rest % size == 0:
                return rest // size, added
    return None


def check_features(study: PrintedStudy) -> list[Contradiction]:
    """Numbers of features, shares of variance and names that cannot all be right.

    Standardised features have variance 1 each, so that the shares of blocks are their sizes'.
    """
    found: list[Contradiction] = []
    for claim in study.feature_sets:
        found += [*_total(claim), *_families(claim)]
    found += [x for shares in study.variance_shares for x in _shares(shares)]
    return [*found, *_definitions(study.definitions)]


def _definitions(definitions: Sequence[Definition]) -> Iterator[Contradiction]:
    first_of: dict[str, Definition] = {}
    for other in definitions:
        first = first_of.setdefault(other.name, other)
        if other.members != first.members:
            found = f"{other.name} = {' + '.join(sorted(other.members))}"
            expected = f"{' + '.join(sorted(first.members))}, as in {first.where}"
            yield Contradiction(other.where, Rule.DEFINITION, found, expected)


def _total(claim: FeatureSet) -> Iterator[Contradiction]:
    solution = image_types(claim)
    listed = sum(claim.per_image.values())
    found = f"{claim.total} features of {', '.join([*claim.once, *claim.per_image])}"
    if solution is None:
        expected = f"{sum(claim.once.values())} plus a multiple of {listed}"
    elif solution[1]:
        expected = (
            f"{', '.join(solution[1])} too: {claim.total} then has {solution[0]} image types"
        )
    elif claim.n_image_types not in (None, solution[0]):
        found = f"{claim.n_image_types} image types for {claim.total} features"
        expected = str(solution[0])
    else:
        return
    yield Contradiction(claim.where, Rule.FEATURE_TOTAL, found, expected)


def _families(claim: FeatureSet) -> Iterator[Contradiction]:
    solution = image_types(claim)
    n_types = claim.n_image_types if solution is None else solution[0]
    sizes = {**claim.unlisted, **claim.per_image}
    for family, n in claim.claimed.items():
        size, once = sizes.get(family), claim.once.get(family)
        if once is not None:
            is_right, expected = n == once, f"{once}, once per lesion"
        elif size is None:
            continue
        elif n_types is None:
            is_right, expected = n % size == 0, f"a multiple of {size}"
        else:
            is_right = n == size * n_types
            reason = f"{size} for each of the {n_types} image types of {claim.total}"
            expected = f"{size * n_types}, {reason}"
        if not is_right:
            found = f"{n} {family} features"
            yield Contradiction(claim.where, Rule.FEATURE_FAMILY, found, expected)


def _shares(claim: VarianceShares) -> Iterator[Contradiction]:
    total = sum(claim.n_features.values())
    right = {block: n / total for block, n in claim.n_features.items()} if total else {}
    if all(claim.shares[block].admits(share) for block, share in right.items()):
        return
    found = ", ".join(f"{block} {share}" for block, share in claim.shares.items())
    expected = ", ".join(f"{block} {100 * share:.0f} %" for block, share in right.items())
    yield Contradiction(claim.where, Rule.VARIANCE_SHARE, found, expected)
