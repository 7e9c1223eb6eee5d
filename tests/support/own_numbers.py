"""Numbers of a finished study as its report prints them, read back as claims.

Nothing is computed: numbers are rounded as the report rounds them and become the claims of
`her2.paper_checks`, whose `check` must find no contradiction between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import pandas as pd

from her2.paper_checks import Printed, PrintedStudy
from her2.paper_checks.claims import (
    Area,
    AreaComparison,
    Brier,
    ConfusionMatrix,
    CountRow,
    HolmFamily,
    MeanRow,
    OddsRatio,
    Proportion,
    Rate,
    Size,
    Statistic,
    Total,
)
from her2.plots.text import arm_title, is_missing, number, p_value, role_title, signed
from her2.report.formats import ratio

MEASURES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
COUNTS = ("tp", "fp", "tn", "fn")
IN_TRAINING = "out_of_fold"  # a role of the training patients
PATIENTS = {"n_train": "training", "n_test": "test", "n_external": "external"}
_BY_ROLE = {"all": "all", "train": "train", "test": "test", "external": "external"}
# the table by outcome may describe other patients than the table by role
_BY_OUTCOME = {"all": "all, by outcome", "negative": "negative", "positive": "positive"}

MAXIMUM_LIKELIHOOD = "maximum likelihood"
OUTCOME_LEVELS = ("0", "1")
_COUNT = re.compile(r"(?P<n>\d+) \((?P<share>[\d.]+) ?%\)")
_MEAN = re.compile(r"(?P<mean>\S+) ± (?P<sd>[\d.]+)")

Row: TypeAlias = Mapping[Any, Any]
Groups: TypeAlias = Mapping[str, str]
Claim = TypeVar("Claim")


def printed_study(results: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> PrintedStudy:
    """Claims of a finished study, at the precision of its report.

    Parameters
    ----------
    results
        Content of `results.json` (schema 1). What is null or absent makes no claim.
    tables
        The study's tables by name; baseline, baseline_outcome, odds_ratios, operating_points and
        comparisons are read where they are present.
    """
    performances = list(_performances(results))
    matrices = [*performances, *_operating_points(tables)]
    families = [list(results["comparisons"]), _records(tables, "comparisons")]
    tests = [test for family in families for test in family]
    by_role = baseline_claims(tables.get("baseline"), "Table 1", _BY_ROLE, ("train", "test"))
    by_outcome = baseline_claims(
        tables.get("baseline_outcome"), "Table 1 by outcome", _BY_OUTCOME, ("negative", "positive")
    )
    return PrintedStudy(
        partition={**by_role.partition, **by_outcome.partition, **_partition(results)},
        sizes=(*_sizes(results, performances), *by_role.sizes, *by_outcome.sizes),
        counts=(*by_role.counts, *by_outcome.counts),
        means=(*by_role.means, *by_outcome.means),
        proportions=_flat(_proportions, matrices),
        rates=_flat(_rates, performances),
        matrices=_flat(_matrix, matrices),
        odds_ratios=tuple(odds_ratio_claims(_records(tables, "odds_ratios"))),
        statistics=(*_flat(_hosmer_lemeshow, performances), *map(_delong, _tested(tests))),
        holm_families=tuple(f for tests in families for f in _holm_families(tests)),
        areas=(*_flat(_area, performances), *_repeated(results)),
        comparisons=tuple(_comparison(results, test) for test in _tested(tests)),
        briers=_flat(_brier, performances),
        totals=tuple(_totals(results["cohort"])),
    )


@dataclass(frozen=True)
class _Entry:
    """One row of numbers at a threshold: where it stands, its role, its values."""

    where: str
    role: str
    values: Row

    @property
    def group(self) -> str:
        """Patients that the row is about: out of fold is about the training patients too."""
        return "train" if self.role == IN_TRAINING else self.role

    def shown(self, name: str, show: Callable[[float], str] = number) -> Printed | None:
        """Return a value as it is printed, None where there is none."""
        return printed(self.values.get(name), show)

    @property
    def counts(self) -> tuple[int, int, int, int] | None:
        """True and false positives, true and false negatives; None if they are not known.

        Those out of fold are means over repeats, at a threshold of each fold: no one matrix.
        """
        found = [v for v in map(self.values.get, COUNTS) if v is not None and not is_missing(v)]
        if len(found) < len(COUNTS) or self.role == IN_TRAINING:
            return None
        tp, fp, tn, fn = map(int, found)
        return tp, fp, tn, fn


def _flat(
    claims: Callable[[_Entry], Iterable[Claim]], entries: Iterable[_Entry]
) -> tuple[Claim, ...]:
    return tuple(claim for entry in entries for claim in claims(entry))


def _records(tables: Mapping[str, pd.DataFrame], name: str) -> list[Row]:
    table = tables.get(name)
    return [] if table is None else list(table.astype(object).to_dict("records"))


def _performances(results: Mapping[str, Any]) -> Iterator[_Entry]:
    for arm, content in results["arms"].items():
        for role, values in content["roles"].items():
            yield _Entry(f"{arm_title(arm)}, {role_title(role)}", role, values)


def _operating_points(tables: Mapping[str, pd.DataFrame]) -> Iterator[_Entry]:
    for row in _records(tables, "operating_points"):
        where = f"{arm_title(row['arm'])}, {role_title(row['role'])}, {row['rule']}"
        yield _Entry(where, row["role"], row)


def _is_by_patient(cohort: Mapping[str, Any]) -> bool:
    """Whether the counts of patients are those of the rows that are evaluated."""
    if cohort.get("n_patients") is None:
        return False
    return cohort.get("unit") == "patient" or cohort.get("n_lesions") == cohort["n_patients"]


def _sizes(results: Mapping[str, Any], performances: Iterable[_Entry]) -> Iterator[Size]:
    cohort = results["cohort"]
    if _is_by_patient(cohort):
        yield Size("Cohort", "all", cohort["n_patients"], cohort.get("n_positive"))
        for key, group in (("n_train", "train"), ("n_test", "test"), ("n_external", "external")):
            if cohort.get(key):
                yield Size("Cohort", group, cohort[key])
    for entry in performances:
        yield Size(entry.where, entry.group, entry.values["n"], entry.values["n_positive"])


def _partition(results: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    roles = {role for content in results["arms"].values() for role in content["roles"]}
    parts = tuple(role for role in ("train", "test", "external") if role in roles)
    return {"all": parts} if _is_by_patient(results["cohort"]) and len(parts) > 1 else {}


def _totals(cohort: Mapping[str, Any]) -> Iterator[Total]:
    parts = {title: cohort[key] for key, title in PATIENTS.items() if cohort.get(key)}
    if len(parts) > 1 and not is_missing(cohort.get("n_patients")):
        yield Total("Cohort, patients", cohort["n_patients"], parts)


def _rates(entry: _Entry) -> Iterator[Rate]:
    if entry.counts is None:
        return
    sensitivity, specificity = entry.shown("sensitivity"), entry.shown("specificity")
    if sensitivity is not None or specificity is not None:
        yield Rate(entry.where, entry.group, sensitivity, specificity)


def _matrix(entry: _Entry) -> Iterator[ConfusionMatrix]:
    if entry.counts is None:
        return
    shown = {name: entry.shown(name) for name in MEASURES}
    measures = {name: value for name, value in shown.items() if value is not None}
    yield ConfusionMatrix(entry.where, entry.group, *entry.counts, measures)


def _proportions(entry: _Entry) -> Iterator[Proportion]:
    """Shares with Wilson's interval."""
    if entry.counts is None:
        return
    tp, fp, tn, fn = entry.counts
    trials = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    for name, (count, n) in trials.items():
        value, low, high = (entry.shown(f"{name}{end}") for end in ("", "_low", "_high"))
        if value is not None:
            yield Proportion(f"{entry.where}, {name}", value, n, count, low, high)


def _area(entry: _Entry) -> Iterator[Area]:
    """AUC with its interval, of the logit; the curve is empirical, so only exact bounds hold."""
    auc, low, high = (entry.shown(name) for name in ("auc", "auc_low", "auc_high"))
    if auc is not None:
        yield Area(
            f"{entry.where}, AUC",
            auc,
            low,
            high,
            group=entry.group,
            matrix=entry.where if entry.counts else "",
            curve="any",
        )


def _repeated(results: Mapping[str, Any]) -> Iterator[Area]:
    for arm, content in results["arms"].items():
        values = content.get("repeated_cv") or {}
        auc, low, high = (printed(values.get(name)) for name in ("auc", "auc_low", "auc_high"))
        if auc is not None:
            yield Area(f"{arm_title(arm)}, repeated cross-validation", auc, low, high)


def _brier(entry: _Entry) -> Iterator[Brier]:
    value = entry.shown("brier")
    if value is not None:
        yield Brier(f"{entry.where}, Brier", value, entry.shown("brier_scaled"), entry.group)


def _hosmer_lemeshow(entry: _Entry) -> Iterator[Statistic]:
    test = entry.values.get("hosmer_lemeshow") or {}
    value, p = printed(test.get("statistic"), _two_decimals), printed(test.get("p_value"), p_value)
    if value is not None and p is not None:
        yield Statistic(f"{entry.where}, Hosmer-Lemeshow", value, test.get("dof"), p)


def _two_decimals(value: float) -> str:
    return number(value, 2)


def _pair(test: Row) -> str:
    first, second = arm_title(test["first"]), arm_title(test["second"])
    return f"{first} - {second}, {role_title(test['role'])}"


def _tested(tests: Iterable[Row]) -> list[Row]:
    return [t for t in tests if not (is_missing(t["z"]) or is_missing(t["p_value"]))]


def _delong(test: Row) -> Statistic:
    z, p = Printed.read(_two_decimals(test["z"])), Printed.read(p_value(test["p_value"]))
    return Statistic(f"{_pair(test)}, DeLong", z, p_value=p, reference="normal")


def _comparison(results: Mapping[str, Any], test: Row) -> AreaComparison:
    arms, role = results["arms"], test["role"]
    first, second = (
        printed(arms.get(test[key], {}).get("roles", {}).get(role, {}).get("auc"))
        for key in ("first", "second")
    )
    return AreaComparison(
        _pair(test),
        printed(test["auc_difference"], signed),
        first,
        second,
        printed(test.get("low"), signed),
        printed(test.get("high"), signed),
        printed(test["z"], _two_decimals),
    )


def _holm_families(tests: Iterable[Row]) -> Iterator[HolmFamily]:
    """Group the tests of each role, which were adjusted together."""
    families: dict[str, list[tuple[str, Printed, Printed]]] = {}
    for test in tests:
        p, adjusted = printed(test["p_value"], p_value), printed(test["p_holm"], p_value)
        if p is not None and adjusted is not None:
            families.setdefault(test["role"], []).append((_pair(test), p, adjusted))
    for members in families.values():
        yield HolmFamily(tuple(members))


@dataclass(frozen=True)
class BaselineClaims:
    """What a baseline table claims; partition: its whole -> the parts it has columns for."""

    partition: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()
    counts: tuple[CountRow, ...] = ()
    means: tuple[MeanRow, ...] = ()


def printed(value: Any, show: Callable[[float], str] = number) -> Printed | None:
    """Read a value as the report prints it; None if there is none, or a reason in its place."""
    if is_missing(value) or isinstance(value, str):
        return None
    return Printed.read(show(float(value)))


def baseline_claims(
    table: pd.DataFrame | None, where: str, groups: Groups, compared: tuple[str, str]
) -> BaselineClaims:
    """Sizes, counts and means of a baseline table; medians make no claim.

    Parameters
    ----------
    table
        Columns variable, level, missing, p_value, test_name, and one of text a group; None if
        the study has no such table.
    where
        Its name.
    groups
        Column -> group, the whole first; columns that the table lacks are passed over.
    compared
        Groups that its p-values compare.
    """
    if table is None or table.empty:
        return BaselineClaims()
    rows = table.astype(object).to_dict("records")
    known = {column: group for column, group in groups.items() if _is_filled(table, column)}
    whole, *parts = known.values()
    blocks = [_Block(where, block, known, compared) for block in _blocks(rows)]
    return BaselineClaims(
        partition={whole: tuple(parts)} if len(parts) > 1 else {},
        sizes=tuple(size for block in blocks for size in block.sizes()),
        counts=tuple(row for block in blocks for row in block.counts()),
        means=tuple(row for block in blocks for row in block.means()),
    )


def odds_ratio_claims(rows: Iterable[Row]) -> Iterator[OddsRatio]:
    """Odds ratios alone and adjusted, as far as they were estimable.

    Maximum-likelihood rows have Wald intervals; Firth's have profile ones, which need not be
    symmetric.
    """
    for row in rows:
        is_wald = row.get("method") == MAXIMUM_LIKELIHOOD
        for prefix, suffix in (("", ""), ("adjusted_", ", adjusted")):
            names = ("odds_ratio", "low", "high")
            found = [printed(row.get(f"{prefix}{name}"), ratio) for name in names]
            value, low, high = found
            if value is None or low is None or high is None:
                continue
            p = printed(row.get(f"{prefix}p_value"), p_value)
            where = f"Table 2, {row['variable']}{suffix}"
            yield OddsRatio(where, value, low, high, p, is_wald=is_wald)


def _is_filled(table: pd.DataFrame, column: str) -> bool:
    """Whether a column of text has a number: an absent group's is empty or holds dashes."""
    return column in table and bool(table[column].astype(str).str.contains(r"\d").any())


def _blocks(rows: Iterable[Row]) -> list[list[Row]]:
    """Neighbouring rows of one variable."""
    blocks: list[list[Row]] = []
    for row in rows:
        is_same = bool(blocks) and blocks[-1][0]["variable"] == row["variable"]
        blocks[-1].append(row) if is_same else blocks.append([row])
    return blocks


@dataclass(frozen=True)
class _Block:
    """The rows of one variable; groups: column -> group."""

    table: str
    rows: list[Row]
    groups: Groups
    compared: tuple[str, str]

    @property
    def where(self) -> str:
        """Name of the place."""
        return f"{self.table}, {self.rows[0]['variable']}"

    @property
    def missing(self) -> int:
        """Cases without a value, which the first row says."""
        value = self.rows[0].get("missing")
        return 0 if value is None or is_missing(value) else int(value)

    @property
    def p_value(self) -> Printed | None:
        """P-value, which the first row says."""
        return printed(self.rows[0].get("p_value"), p_value)

    @property
    def test(self) -> str:
        """Name of the test; a word no test has where there is none."""
        name = self.rows[0].get("test_name")
        return "none" if is_missing(name) or not name else str(name)

    def sizes(self) -> Iterator[Size]:
        """Sizes that the row n states, or the positives that the row of the outcome does."""
        if self.rows[0]["variable"] == "n":
            for column, group in self.groups.items():
                yield Size(self.where, group, int(self.rows[0][column]))
        levels = tuple(str(row["level"]) for row in self.rows)
        if self.rows[0]["variable"] == "outcome" and levels == OUTCOME_LEVELS:
            for row in self.counts():
                for group, (negative, positive) in row.counts.items():
                    yield Size(self.where, group, negative + positive, positive)

    def counts(self) -> Iterator[CountRow]:
        """Count the levels in every group whose cells all are counts."""
        found = {
            group: [_COUNT.fullmatch(str(row[column])) for row in self.rows]
            for column, group in self.groups.items()
        }
        cells = {g: [m for m in matches if m] for g, matches in found.items() if all(matches)}
        if cells:
            yield CountRow(
                self.where,
                {g: tuple(int(m["n"]) for m in matches) for g, matches in cells.items()},
                {g: tuple(Printed.read(f"{m['share']}%") for m in ms) for g, ms in cells.items()},
                missing=self.missing,
                p_value=self.p_value,
                test=self.test,
                compared=self.compared,
            )

    def means(self) -> Iterator[MeanRow]:
        """Mean and standard deviation, of the groups that have both."""
        found = {g: _MEAN.fullmatch(str(self.rows[0][c])) for c, g in self.groups.items()}
        summaries = {
            group: (Printed.read(match["mean"]), Printed.read(match["sd"]))
            for group, match in found.items()
            if match
        }
        if summaries:
            yield MeanRow(
                self.where,
                summaries,
                missing=self.missing,
                p_value=self.p_value,
                test=self.test,
                compared=self.compared,
            )
