"""Counts of features by family, shares of blocks of them, and what a model's name stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from her2.paper_checks.claims import Definition, FeatureSet, PrintedStudy, VarianceShares
from her2.paper_checks.finding import Contradiction, Rule


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
        once = sum(claim.once.values())
        expected = f"{once} plus a multiple of {listed}"
        yield Contradiction(claim.where, Rule.FEATURE_TOTAL, found, expected)
    elif solution[1]:
        expected = (
            f"{', '.join(solution[1])} too: {claim.total} then has {solution[0]} image types"
        )
        yield Contradiction(claim.where, Rule.FEATURE_TOTAL, found, expected)
    elif claim.n_image_types not in (None, solution[0]):
        found = f"{claim.n_image_types} image types for {claim.total} features"
        yield Contradiction(claim.where, Rule.FEATURE_TOTAL, found, str(solution[0]))


def _families(claim: FeatureSet) -> Iterator[Contradiction]:
    solution = image_types(claim)
    n_types = claim.n_image_types if solution is None else solution[0]
    sizes = {**claim.unlisted, **claim.per_image}
    for family, n in claim.claimed.items():
        expected = _family_count(claim, family, sizes.get(family), n_types)
        if expected is None:
            continue
        right, reason = expected
        if (n != right) if right is not None else n % sizes[family] != 0:
            expected_text = f"{right}, {reason}" if right is not None else reason
            found = f"{n} {family} features"
            yield Contradiction(claim.where, Rule.FEATURE_FAMILY, found, expected_text)


def _family_count(
    claim: FeatureSet, family: str, size: int | None, n_types: int | None
) -> tuple[int | None, str] | None:
    """Count that a family must have (None if only its divisor is known) and why."""
    if family in claim.once:
        return claim.once[family], "once per lesion"
    if size is None:
        return None
    if n_types is None:
        return None, f"a multiple of {size}"
    return size * n_types, f"{size} for each of the {n_types} image types of {claim.total}"


def _shares(claim: VarianceShares) -> Iterator[Contradiction]:
    total = sum(claim.n_features.values())
    right = {block: n / total for block, n in claim.n_features.items()} if total else {}
    if all(claim.shares[block].admits(share) for block, share in right.items()):
        return
    found = ", ".join(f"{block} {share}" for block, share in claim.shares.items())
    expected = ", ".join(f"{block} {100 * share:.0f} %" for block, share in right.items())
    yield Contradiction(claim.where, Rule.VARIANCE_SHARE, found, expected)
