"""The report's own numbers as a reader sees them, ready to be checked against each other.

Nothing is computed: numbers are rounded as the report rounds them and become the claims of
`her2.paper_checks`, whose `check` must find no contradiction between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from her2.paper_checks import (
    Area,
    AreaComparison,
    Brier,
    ConfusionMatrix,
    Contradiction,
    HolmFamily,
    Printed,
    PrintedStudy,
    Proportion,
    Rate,
    Size,
    Statistic,
    Total,
)
from her2.plots.text import arm_title, number, p_value, role_title, signed
from her2.report.formats import is_unknown
from her2.report.own_tables import Row, baseline_claims, odds_ratio_claims, printed

COLUMNS = ("where", "rule", "found")
MEASURES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
COUNTS = ("tp", "fp", "tn", "fn")
IN_TRAINING = "out_of_fold"  # a role of the training patients; Youden's threshold is from it
PATIENTS = {"n_train": "training", "n_test": "test", "n_external": "external"}
_BY_ROLE = {"all": "all", "train": "train", "test": "test", "external": "external"}
# the table by outcome may describe other patients than the table by role
_BY_OUTCOME = {"all": "all, by outcome", "negative": "negative", "positive": "positive"}

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

    Examples
    --------
    >>> from her2.paper_checks import check
    >>> cohort = {"n_patients": 201, "n_train": 140, "n_test": 60}
    >>> study = printed_study({"cohort": cohort, "arms": {}, "comparisons": []}, {})
    >>> [x.found for x in check(study)]
    ['training + test = 200']
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


def coherence_table(contradictions: Iterable[Contradiction]) -> pd.DataFrame:
    """Contradictions as a table with the columns where, rule, found; without a repetition.

    Examples
    --------
    >>> from her2.paper_checks import Rule
    >>> found = Contradiction("Table 1, er", Rule.SUM_OF_PARTS, "96 + 45 = 141", "142")
    >>> coherence_table([found, found]).iloc[0].tolist()
    ['Table 1, er', 'parts add up to the whole', '96 + 45 = 141, expected 142']
    """
    rows = [(x.where, str(x.rule), f"{x.found}, expected {x.expected}") for x in contradictions]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=list(COLUMNS))


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
        """True and false positives, true and false negatives; None if they are not known."""
        found = [
            int(v) for v in map(self.values.get, COUNTS) if v is not None and not is_unknown(v)
        ]
        if len(found) < len(COUNTS):
            return None
        tp, fp, tn, fn = found
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
    if len(parts) > 1 and not is_unknown(cohort.get("n_patients")):
        yield Total("Cohort, patients", cohort["n_patients"], parts)


def _rates(entry: _Entry) -> Iterator[Rate]:
    sensitivity, specificity = entry.shown("sensitivity"), entry.shown("specificity")
    if sensitivity is not None:
        yield Rate(entry.where, entry.group, "sensitivity", sensitivity)
    if specificity is not None:
        yield Rate(entry.where, entry.group, "specificity", specificity)


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
    """AUC with DeLong's interval; the curve is empirical, so only exact bounds hold."""
    auc, low, high = (entry.shown(name) for name in ("auc", "auc_low", "auc_high"))
    if auc is not None:
        yield Area(
            f"{entry.where}, AUC",
            auc,
            low,
            high,
            is_wald=True,
            group=entry.group,
            matrix=next(_matrix(entry), None),
            curve="youden" if entry.role == IN_TRAINING else "any",
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
    return [t for t in tests if not (is_unknown(t["z"]) or is_unknown(t["p_value"]))]


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
