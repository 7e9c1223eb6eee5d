"""What a study prints, claim by claim: nothing here is computed.

Every claim names `where` it stands, and its set of cases by a `group` of one's choice (``train``,
``all``); claims of one group are checked against each other. What is not printed is None.
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
class _Claim:
    where: str  # it is printed


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
class Size(_Claim):
    """A stated number of cases, and of positive ones where that is stated too.

    Attributes
    ----------
    n, n_positive
        All cases of the group, and those with a positive outcome.
    """

    group: str
    n: int
    n_positive: int | None = None


@dataclass(frozen=True)
class CountRow(_Claim, _Compared):
    """A categorical variable of a baseline table.

    Attributes
    ----------
    counts, shares
        Group -> cases, and printed share, of each level.
    """

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
class MeanRow(_Claim, _Compared):
    """A numeric variable of a baseline table.

    Attributes
    ----------
    mean_sd
        Group -> mean and standard deviation.
    """

    mean_sd: Mapping[str, tuple[Printed, Printed]]


@dataclass(frozen=True)
class Proportion(_Claim, _WithLevel):
    """A share of cases, with Wilson's interval.

    Attributes
    ----------
    value, n, count, low, high
        The share, in [0, 1], the cases that it is a share of, those that it counts, and the
        limits of the interval.
    """

    value: Printed
    n: int
    count: int | None = None
    low: Printed | None = None
    high: Printed | None = None


@dataclass(frozen=True)
class Rate(_Claim):
    """Sensitivity and specificity in a group whose number of positives may be unstated.

    Attributes
    ----------
    sensitivity, specificity
        In [0, 1].
    """

    group: str
    sensitivity: Printed | None = None
    specificity: Printed | None = None


@dataclass(frozen=True)
class ConfusionMatrix(_Claim):
    """Counts at one threshold.

    Attributes
    ----------
    measures
        What is printed for them: sensitivity, specificity, ppv, npv, accuracy, f1.
    """

    group: str
    tp: int
    fp: int
    tn: int
    fn: int
    measures: Mapping[str, Printed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.measures:
            if name not in self.right_measures:
                raise BadArgument(
                    f"measures must be of {', '.join(self.right_measures)}, found {name}; "
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
class OddsRatio(_Claim, _WithLevel):
    """A row of a table of odds ratios.

    Attributes
    ----------
    is_wald
        Whether interval and p-value are Wald's (not profile likelihood, exact or bootstrap).
    group, n_exposed
        For a binary variable alone in its model: the cases it was fitted on, and how many have
        the variable (both codings where it is not said which level is 1).
    """

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
class Statistic(_Claim):
    """A test statistic with its p-value.

    Attributes
    ----------
    value, dof, p_value, reference
        The statistic, its degrees of freedom (None for a normal one), the p-value (two-sided for a
        normal or t statistic), and the distribution if there is no effect.
    """

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
class Area(_Claim, _WithLevel):
    """An AUC, its interval, and a point of its curve.

    Attributes
    ----------
    is_wald, curve
        Whether the interval is symmetric by construction (DeLong), and what is known of the curve,
        as `auc_bounds` takes it.
    matrix, sensitivity, specificity
        The point: `where` of its confusion matrix, or its rates if there is no matrix.
    """

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
class AreaComparison(_Claim, _WithLevel):
    """A difference of two AUCs.

    Attributes
    ----------
    difference, first, second, low, high, z
        `first` minus `second`, these AUCs, in [0, 1], the Wald limits of the difference, and the
        difference over its standard error.
    """

    difference: Printed | None = None
    first: Printed | None = None
    second: Printed | None = None
    low: Printed | None = None
    high: Printed | None = None
    z: Printed | None = None


@dataclass(frozen=True)
class Brier(_Claim):
    """A Brier score.

    Attributes
    ----------
    value, scaled
        The score, in [0, 1], and one minus its ratio to that of the prevalence.
    """

    value: Printed
    scaled: Printed | None = None
    group: str = ""


@dataclass(frozen=True)
class Total(_Claim):
    """A number that is said to be the sum of named parts.

    Attributes
    ----------
    n, parts
        The total, and the number of each named part.
    """

    n: int
    parts: Mapping[str, int]


@dataclass(frozen=True)
class FeatureSet(_Claim):
    """Features per image type and family.

    Attributes
    ----------
    once, per_image, unlisted, claimed
        Family -> its size: computed once (shape), listed for every image type, had by the tool and
        not named in the text; and family -> the count that is printed.
    """

    total: int
    once: Mapping[str, int]
    per_image: Mapping[str, int]
    unlisted: Mapping[str, int] = field(default_factory=dict)
    claimed: Mapping[str, int] = field(default_factory=dict)
    n_image_types: int | None = None


@dataclass(frozen=True)
class VarianceShares(_Claim):
    """Shares of standardised feature blocks in their joint variance.

    Attributes
    ----------
    shares, n_features
        Block -> share, in [0, 1], and block -> number of features; the same blocks in both.
    """

    shares: Mapping[str, Printed]
    n_features: Mapping[str, int]

    def __post_init__(self) -> None:
        if set(self.shares) != set(self.n_features):
            raise BadArgument(
                "shares and n_features must name the same blocks, found "
                f"{sorted(self.shares)} and {sorted(self.n_features)}; name each in both"
            )


@dataclass(frozen=True)
class Definition(_Claim):
    """What a name stands for in one place.

    Attributes
    ----------
    name, members
        The name, and what it consists of.
    """

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
