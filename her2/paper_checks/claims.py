"""What a study prints, claim by claim: nothing here is computed.

Every claim names `where` it stands. A group is a set of cases under a name of the reader's
choice (``train``, ``test``, ``all``); claims that share a group are checked against each other.
A number that is not printed is None, or absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from her2.core.errors import BadArgument
from her2.paper_checks.printed import Printed
from her2.stats import validation

Curve = Literal["any", "concave", "youden"]
Reference = Literal["chi-square", "normal", "t"]


@dataclass(frozen=True)
class Size:
    """A stated number of cases, and of positive ones where that is stated too."""

    where: str
    group: str
    n: int
    n_positive: int | None = None


@dataclass(frozen=True)
class CountRow:
    """A categorical variable of a baseline table.

    counts: group -> cases of each level; shares: group -> printed share of each level; missing:
    cases of the whole without a value; compared: groups that the p-value compares; test: name of
    the test as printed, empty if it is not named.
    """

    where: str
    counts: Mapping[str, tuple[int, ...]]
    shares: Mapping[str, tuple[Printed, ...]] = field(default_factory=dict)
    missing: int = 0
    p_value: Printed | None = None
    test: str = ""
    compared: tuple[str, str] = ("train", "test")

    def __post_init__(self) -> None:
        lengths = {len(cells) for cells in (*self.counts.values(), *self.shares.values())}
        if len(lengths) > 1:
            raise BadArgument(
                f"{self.where}: every group must have one cell a level, found {sorted(lengths)} "
                "cells; add the missing level"
            )


@dataclass(frozen=True)
class MeanRow:
    """A numeric variable of a baseline table: group -> (mean, standard deviation)."""

    where: str
    summaries: Mapping[str, tuple[Printed, Printed]]
    missing: int = 0
    p_value: Printed | None = None
    test: str = ""
    compared: tuple[str, str] = ("train", "test")


@dataclass(frozen=True)
class Proportion:
    """A share of n cases; `low` and `high` are the limits of Wilson's interval."""

    where: str
    value: Printed
    n: int
    count: int | None = None
    low: Printed | None = None
    high: Printed | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        validation.check_level(self.level)


@dataclass(frozen=True)
class Rate:
    """A sensitivity or specificity of a group whose number of positives may be unstated."""

    where: str
    group: str
    measure: Literal["sensitivity", "specificity"]
    value: Printed


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts at one threshold, and the measures that are printed for them, by name.

    Known measures: sensitivity, specificity, ppv, npv, accuracy, f1.
    """

    where: str
    group: str
    tp: int
    fp: int
    tn: int
    fn: int
    measures: Mapping[str, Printed] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """All cases."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def n_positive(self) -> int:
        """Cases whose outcome is positive."""
        return self.tp + self.fn


@dataclass(frozen=True)
class OddsRatio:
    """A row of a table of odds ratios.

    level: of the interval as it is named; is_wald: whether interval and p-value are of Wald's
    form (not profile likelihood, exact or bootstrap); group and n_exposed: for a binary variable
    alone in its model, the cases it was fitted on and how many have the variable (both codings
    where it is not said which level is 1).
    """

    where: str
    ratio: Printed
    low: Printed
    high: Printed
    p_value: Printed | None = None
    level: float = 0.95
    is_wald: bool = True
    group: str = ""
    n_exposed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        validation.check_level(self.level)
        if self.ratio.value < 0:
            raise BadArgument(
                f"{self.where}: an odds ratio must not be negative, found {self.ratio}; "
                "type the ratio, not its logarithm"
            )


@dataclass(frozen=True)
class Statistic:
    """A test statistic with its degrees of freedom (None for a normal one) and p-value."""

    where: str
    value: Printed
    dof: float | None = None
    p_value: Printed | None = None
    reference: Reference = "chi-square"


@dataclass(frozen=True)
class HolmFamily:
    """P-values that were adjusted together by Holm's method, as (where, p, adjusted p)."""

    members: tuple[tuple[str, Printed, Printed], ...]


@dataclass(frozen=True)
class Area:
    """An AUC, its interval, and a point of its curve.

    is_wald: whether the interval is symmetric by construction (DeLong); matrix, or sensitivity
    and specificity: the point; curve: what is known of the curve. ``any``: nothing;
    ``concave``: it bends one way only, as the curve of a proper score does in the population and
    nearly does when smooth; ``youden``: the point maximises Youden's index on the same cases,
    which makes its bound exact for an empirical curve too.
    """

    where: str
    auc: Printed
    low: Printed | None = None
    high: Printed | None = None
    level: float = 0.95
    is_wald: bool = False
    group: str = ""
    matrix: ConfusionMatrix | None = None
    sensitivity: Printed | None = None
    specificity: Printed | None = None
    curve: Curve = "concave"

    def __post_init__(self) -> None:
        validation.check_level(self.level)


@dataclass(frozen=True)
class AreaComparison:
    """A difference of two AUCs, first minus second, with its interval, z and p-value."""

    where: str
    difference: Printed | None = None
    first: Printed | None = None
    second: Printed | None = None
    low: Printed | None = None
    high: Printed | None = None
    z: Printed | None = None
    p_value: Printed | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        validation.check_level(self.level)


@dataclass(frozen=True)
class Brier:
    """A Brier score, and scaled by that of the prevalence where this is printed."""

    where: str
    value: Printed
    scaled: Printed | None = None
    group: str = ""


@dataclass(frozen=True)
class Total:
    """A number that is said to be the sum of named parts."""

    where: str
    n: int
    parts: Mapping[str, int]


@dataclass(frozen=True)
class FeatureSet:
    """Features per image type and family.

    total: all features; once: families computed once (shape); per_image: families listed for
    every image type with their size; unlisted: families that the tool also has, which the text
    does not name; claimed: counts printed for families; n_image_types: if it is printed.
    """

    where: str
    total: int
    once: Mapping[str, int]
    per_image: Mapping[str, int]
    unlisted: Mapping[str, int] = field(default_factory=dict)
    claimed: Mapping[str, int] = field(default_factory=dict)
    n_image_types: int | None = None


@dataclass(frozen=True)
class VarianceShares:
    """Shares of standardised feature blocks in their joint variance: block -> share, size."""

    where: str
    shares: Mapping[str, Printed]
    n_features: Mapping[str, int]

    def __post_init__(self) -> None:
        if set(self.shares) != set(self.n_features):
            raise BadArgument(
                f"{self.where}: shares and n_features must name the same blocks, found "
                f"{sorted(self.shares)} and {sorted(self.n_features)}; name each in both"
            )


@dataclass(frozen=True)
class Definition:
    """What a name stands for in one place."""

    where: str
    name: str
    members: frozenset[str]


@dataclass(frozen=True)
class PrintedStudy:
    """Everything that a study prints and that can be checked.

    partition: whole -> its parts, for example ``{"all": ("train", "test")}``.
    """

    partition: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()
    counts: tuple[CountRow, ...] = ()
    means: tuple[MeanRow, ...] = ()
    proportions: tuple[Proportion, ...] = ()
    rates: tuple[Rate, ...] = ()
    matrices: tuple[ConfusionMatrix, ...] = ()
    odds_ratios: tuple[OddsRatio, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    holm_families: tuple[HolmFamily, ...] = ()
    areas: tuple[Area, ...] = ()
    comparisons: tuple[AreaComparison, ...] = ()
    briers: tuple[Brier, ...] = ()
    totals: tuple[Total, ...] = ()
    feature_sets: tuple[FeatureSet, ...] = ()
    variance_shares: tuple[VarianceShares, ...] = ()
    definitions: tuple[Definition, ...] = ()
