"""What a study prints, claim by claim: nothing here is computed.

Every claim names `where` it stands. A group is a set of cases under a name of one's choice
(``train``, ``test``, ``all``); claims of one group are checked against each other. A number that
is not printed is None, or absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from her2.core.errors import BadArgument
from her2.paper_checks.printed import Printed

Curve = Literal["any", "concave", "youden"]
Reference = Literal["chi-square", "normal", "t"]


@dataclass(frozen=True)
class _WithLevel:
    level: float = field(default=0.95, kw_only=True)  # of the interval, as it is named

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise BadArgument(f"level must lie in (0, 1), found {self.level}; for 95 % write 0.95")


@dataclass(frozen=True)
class _Compared:
    missing: int = field(default=0, kw_only=True)  # cases of the whole without a value
    p_value: Printed | None = field(default=None, kw_only=True)
    test: str = field(default="", kw_only=True)  # its name as printed, empty if there is none
    compared: tuple[str, str] = field(default=("train", "test"), kw_only=True)  # by the p-value


@dataclass(frozen=True)
class Size:
    """A stated number of cases, and of positive ones where that is stated too.

    Attributes
    ----------
    where
        Where it is printed.
    group
        Group of the cases.
    n, n_positive
        All cases, and those with a positive outcome; None if these are not stated.
    """

    where: str
    group: str
    n: int
    n_positive: int | None = None


@dataclass(frozen=True)
class CountRow(_Compared):
    """A categorical variable of a baseline table.

    Attributes
    ----------
    counts
        Group -> cases of each level.
    shares
        Group -> printed share of each level.
    """

    where: str
    counts: Mapping[str, tuple[int, ...]]
    shares: Mapping[str, tuple[Printed, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(cells) for cells in (*self.counts.values(), *self.shares.values())}
        if len(lengths) > 1:
            raise BadArgument(
                f"every group must have one cell a level, found {sorted(lengths)} cells; "
                "add the missing level"
            )


@dataclass(frozen=True)
class MeanRow(_Compared):
    """A numeric variable of a baseline table.

    Attributes
    ----------
    mean_sd
        Group -> mean and standard deviation.
    """

    where: str
    mean_sd: Mapping[str, tuple[Printed, Printed]]


@dataclass(frozen=True)
class Proportion(_WithLevel):
    """A share of cases, with Wilson's interval.

    Attributes
    ----------
    where
        Where it is printed.
    value
        The share, in [0, 1].
    n
        Cases that it is a share of.
    count
        Cases that it counts; None if not printed.
    low, high
        Limits of Wilson's interval; None if not printed.
    level
        Confidence level of the interval, in (0, 1).
    """

    where: str
    value: Printed
    n: int
    count: int | None = None
    low: Printed | None = None
    high: Printed | None = None


@dataclass(frozen=True)
class Rate:
    """Sensitivity and specificity in a group whose number of positives may be unstated.

    Attributes
    ----------
    where
        Where it is printed.
    group
        Group of the cases.
    sensitivity, specificity
        In [0, 1]; None if not printed.
    """

    where: str
    group: str
    sensitivity: Printed | None = None
    specificity: Printed | None = None


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts at one threshold.

    Attributes
    ----------
    measures
        What is printed for them: sensitivity, specificity, ppv, npv, accuracy, f1.
    """

    where: str
    group: str
    tp: int
    fp: int
    tn: int
    fn: int
    measures: Mapping[str, Printed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [name for name in self.measures if name not in self.right_measures]
        if unknown:
            raise BadArgument(
                f"measures must be of {', '.join(self.right_measures)}, found {unknown[0]}; "
                "use these names"
            )

    @property
    def n(self) -> int:
        """All cases."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def n_positive(self) -> int:
        """Cases whose outcome is positive."""
        return self.tp + self.fn

    @property
    def right_measures(self) -> dict[str, float | None]:
        """Measures of the counts; None where the denominator is 0."""
        ratios = {
            "sensitivity": (self.tp, self.n_positive),
            "specificity": (self.tn, self.tn + self.fp),
            "ppv": (self.tp, self.tp + self.fp),
            "npv": (self.tn, self.tn + self.fn),
            "accuracy": (self.tp + self.tn, self.n),
            "f1": (2 * self.tp, 2 * self.tp + self.fp + self.fn),
        }
        return {name: k / n if n else None for name, (k, n) in ratios.items()}


@dataclass(frozen=True)
class OddsRatio(_WithLevel):
    """A row of a table of odds ratios.

    Attributes
    ----------
    is_wald
        Whether interval and p-value are Wald's (not profile likelihood, exact or bootstrap).
    group, n_exposed
        For a binary variable alone in its model: the cases it was fitted on, and how many have
        the variable (both codings where it is not said which level is 1).
    """

    where: str
    ratio: Printed
    low: Printed
    high: Printed
    p_value: Printed | None = None
    is_wald: bool = True
    group: str = ""
    n_exposed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio.value < 0:
            raise BadArgument(
                f"an odds ratio must not be negative, found {self.ratio}; give the ratio, not its "
                "logarithm"
            )


@dataclass(frozen=True)
class Statistic:
    """A test statistic with its p-value.

    Attributes
    ----------
    where
        Where it is printed.
    value
        The statistic.
    dof
        Degrees of freedom; None for a normal statistic, or if not printed.
    p_value
        Two-sided for a normal or t statistic; None if not printed.
    reference
        Distribution of the statistic if there is no effect.
    """

    where: str
    value: Printed
    dof: float | None = None
    p_value: Printed | None = None
    reference: Reference = "chi-square"


@dataclass(frozen=True)
class HolmFamily:
    """P-values that were adjusted together by Holm's method.

    Attributes
    ----------
    members
        For each p-value: where it is printed, the p-value, and the adjusted p-value.
    """

    members: tuple[tuple[str, Printed, Printed], ...]


@dataclass(frozen=True)
class Area(_WithLevel):
    """An AUC, its interval, and a point of its curve.

    Attributes
    ----------
    is_wald
        Whether the interval is symmetric by construction (DeLong).
    matrix
        `where` of the confusion matrix that is the point.
    sensitivity, specificity
        The point, if there is no matrix.
    curve
        What is known of the curve. ``any``: nothing. ``concave``: it bends one way only, as the
        curve of a proper score does in the population and nearly does when smooth. ``youden``:
        the point maximises Youden's index on the same cases, so that its bound holds for an
        empirical curve too.
    """

    where: str
    auc: Printed
    low: Printed | None = None
    high: Printed | None = None
    is_wald: bool = False
    group: str = ""
    matrix: str = ""
    sensitivity: Printed | None = None
    specificity: Printed | None = None
    curve: Curve = "concave"


@dataclass(frozen=True)
class AreaComparison(_WithLevel):
    """A difference of two AUCs.

    Attributes
    ----------
    where
        Where it is printed.
    difference
        `first` minus `second`; None if not printed.
    first, second
        The AUCs, in [0, 1]; None if not printed.
    low, high
        Limits of the Wald interval of the difference; None if not printed.
    z
        Difference over its standard error; None if not printed.
    level
        Confidence level of the interval, in (0, 1).
    """

    where: str
    difference: Printed | None = None
    first: Printed | None = None
    second: Printed | None = None
    low: Printed | None = None
    high: Printed | None = None
    z: Printed | None = None


@dataclass(frozen=True)
class Brier:
    """A Brier score.

    Attributes
    ----------
    where
        Where it is printed.
    value
        The score, in [0, 1].
    scaled
        One minus the ratio of the score to that of the prevalence; None if not printed.
    group
        Group of the cases; empty if it is not stated.
    """

    where: str
    value: Printed
    scaled: Printed | None = None
    group: str = ""


@dataclass(frozen=True)
class Total:
    """A number that is said to be the sum of named parts.

    Attributes
    ----------
    where
        Where it is printed.
    n
        The total.
    parts
        Name -> number of each part.
    """

    where: str
    n: int
    parts: Mapping[str, int]


@dataclass(frozen=True)
class FeatureSet:
    """Features per image type and family.

    Attributes
    ----------
    once, per_image, unlisted
        Families, with their size, that are computed once (shape), that are listed for every image
        type, and that the tool also has and the text does not name.
    claimed
        Counts that are printed for families.
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
    """Shares of standardised feature blocks in their joint variance.

    Attributes
    ----------
    where
        Where it is printed.
    shares
        Block -> share, in [0, 1].
    n_features
        Block -> number of features; the same blocks as in `shares`.
    """

    where: str
    shares: Mapping[str, Printed]
    n_features: Mapping[str, int]

    def __post_init__(self) -> None:
        if set(self.shares) != set(self.n_features):
            raise BadArgument(
                "shares and n_features must name the same blocks, found "
                f"{sorted(self.shares)} and {sorted(self.n_features)}; name each in both"
            )


@dataclass(frozen=True)
class Definition:
    """What a name stands for in one place.

    Attributes
    ----------
    where
        Where it is printed.
    name
        The name.
    members
        What it consists of.
    """

    where: str
    name: str
    members: frozenset[str]


@dataclass(frozen=True)
class PrintedStudy:
    """Everything that a study prints and that can be checked.

    Attributes
    ----------
    partition
        Whole -> its parts, for example ``{"all": ("train", "test")}``.
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

    def __post_init__(self) -> None:
        known = {matrix.where for matrix in self.matrices}
        for area in self.areas:
            if area.matrix and area.matrix not in known:
                raise BadArgument(
                    f"{area.where}: matrix must be the `where` of a confusion matrix, found "
                    f"{area.matrix!r}; add that matrix"
                )

    @property
    def claims(self) -> tuple[Any, ...]:
        """All claims, in the order of the fields."""
        return tuple(claim for kind in fields(self)[1:] for claim in getattr(self, kind.name))
