"""Counts of features by family, shares of blocks of them, and what a model's name stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from her2.paper_checks.claims import FeatureSet, PrintedStudy, VarianceShares
from her2.paper_checks.finding import Contradiction, Rule


def image_types(features: FeatureSet) -> tuple[int, tuple[str, ...]] | None:
    """How many image types give the total, and which unlisted families that needs.

    Returns
    -------
    tuple or None
        The fewest unlisted families that make the total come out even; None if none do.

    References
    ----------
    van Griethuysen et al. (2017), Cancer Res. 77:e104, doi:10.1158/0008-5472.CAN-17-0339.

    Examples
    --------
    >>> sizes = {"first-order": 18, "GLCM": 22, "GLRLM": 16, "GLSZM": 16, "NGTDM": 5}
    >>> image_types(FeatureSet("Results", 1561, {"shape": 14}, sizes, {"GLDM": 14}))
    (17, ('GLDM',))
    """
    rest = features.total - sum(features.once.values())
    listed = sum(features.per_image.values())
    for n_added in range(len(features.unlisted) + 1):
        for added in combinations(features.unlisted, n_added):
            size = listed + sum(features.unlisted[name] for name in added)
            if size > 0 and rest > 0 and rest % size == 0:
                return rest // size, added
    return None


def check_features(study: PrintedStudy) -> list[Contradiction]:
    """Totals that the listed families do not give, and families with an impossible count.

    Examples
    --------
    >>> sizes = {"first-order": 18, "texture": 73}
    >>> claim = FeatureSet("Results", 1561, {"shape": 14}, sizes, claimed={"first-order": 360})
    >>> [x.expected for x in check_features(PrintedStudy(feature_sets=(claim,)))]
    ['306, 18 for each of the 17 image types of 1561']
    """
    found: list[Contradiction] = []
    for claim in study.feature_sets:
        found += [*_total(claim), *_families(claim)]
    return found


def check_variance_shares(study: PrintedStudy) -> list[Contradiction]:
    """Shares of feature blocks that standardised features, of variance 1 each, cannot have.

    Examples
    --------
    >>> from her2.paper_checks.printed import Printed
    >>> shares = {"Rad": Printed.read("52%"), "DL": Printed.read("48%")}
    >>> claim = VarianceShares("Methods", shares, {"Rad": 1561, "DL": 64})
    >>> [x.expected for x in check_variance_shares(PrintedStudy(variance_shares=(claim,)))]
    ['Rad 96 %, DL 4 %']
    """
    return [x for claim in study.variance_shares for x in _shares(claim)]


def check_definitions(study: PrintedStudy) -> list[Contradiction]:
    """Names that stand for different things in different places.

    Examples
    --------
    >>> from her2.paper_checks.claims import Definition
    >>> here = Definition("Methods", "Combined", frozenset({"clinical", "DL"}))
    >>> there = Definition("Results", "Combined", frozenset({"clinical", "DLR"}))
    >>> [(x.found, x.expected) for x in check_definitions(PrintedStudy(definitions=(here, there)))]
    [('Combined = DLR + clinical', 'DL + clinical, as in Methods')]
    """
    by_name = defaultdict(list)
    for definition in study.definitions:
        by_name[definition.name].append(definition)
    return [
        Contradiction(
            other.where,
            Rule.DEFINITION,
            f"{name} = {' + '.join(sorted(other.members))}",
            f"{' + '.join(sorted(first.members))}, as in {first.where}",
        )
        for name, (first, *others) in by_name.items()
        for other in others
        if other.members != first.members
    ]


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
