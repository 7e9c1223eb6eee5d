"""The tables of a report as their captions and notes define them, from the predictions alone.

`her2` is not imported: what it does is what is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import own_formulas as own
import pandas as pd
from page_checks import Cells, Expected, Near, Values
from scipy import stats

ARMS = {
    "clinical": "Clinical",
    "radiomics": "Radiomics",
    "deep_learning": "Deep learning",
    "dlr": "Deep learning radiomics",
    "combined": "Combined",
}
CROSS_VALIDATED = "Cross-validated"
ROLES = {"in_sample": "In sample", "held_out": "Test"}
PERMUTATIONS = 40  # of the tiny study


@dataclass(frozen=True)
class Truth:
    """What a study predicted and whom: all that its numbers may come from."""

    predictions: pd.DataFrame
    repeated: pd.DataFrame
    cohort: pd.DataFrame
    shares: tuple[float, ...] = ()  # of the training patients, in the learning curve
    known: dict[tuple[str, str], Any] = field(default_factory=dict)  # rows and wins, found before

    @property
    def arms(self) -> list[str]:
        return [arm for arm in ARMS if arm in set(self.predictions["arm"])]

    def rows(self, arm: str, role: str) -> pd.DataFrame:
        """One arm's rows of a role (a centre: its name), of all repeats where there are."""
        if (arm, role) not in self.known:
            self.known[arm, role] = self._rows(arm, role)
        return self.known[arm, role]

    def _rows(self, arm: str, role: str) -> pd.DataFrame:
        if role == CROSS_VALIDATED:
            of = self.repeated[self.repeated["arm"] == arm]
            return of.sort_values(["repeat", "patient_id", "lesion_id"])
        of = self.predictions[self.predictions["arm"] == arm]
        named = of["kind"].map(ROLES)
        centre = ~of["role"].isin(["train", "test"])
        found = of[named.mask(centre, of["role"]) == role]
        return found.sort_values(["patient_id", "lesion_id"]).assign(repeat=0)

    @property
    def judged(self) -> list[str]:
        """Roles of patients whom no model had learned from."""
        held_out = self.predictions[self.predictions["kind"] == "held_out"]
        names = held_out["role"].map(lambda role: "Test" if role == "test" else role)
        return [CROSS_VALIDATED, *dict.fromkeys(names)]

    def scores(self, arm: str, role: str) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes (n,) and probabilities (repeats, n), patients in one order."""
        rows = self.rows(arm, role)
        p = rows["y_prob"].to_numpy().reshape(rows["repeat"].nunique(), -1)
        return rows["y_true"].to_numpy()[: p.shape[1]], p

    def folds(self, arm: str, role: str) -> np.ndarray | None:
        """Fold of each of the `scores`; None for patients who took no part in learning."""
        if role != CROSS_VALIDATED:
            return None
        return self.rows(arm, role)["fold"].to_numpy().reshape(self.scores(arm, role)[1].shape)

    def n_folds(self, role: str) -> int | None:
        return self.repeated["fold"].nunique() if role == CROSS_VALIDATED else None

    def auc(self, arm: str, role: str) -> own.Auc:
        return own.auc(*self.scores(arm, role), self.folds(arm, role))

    def threshold(self, arm: str, rule: str = "Youden") -> float:
        """The one for other patients: of all out-of-fold rows together."""
        y, p = self.scores(arm, CROSS_VALIDATED)
        return own.thresholds(np.tile(y, len(p)), p.ravel())[rule]

    def classified(self, arm: str, role: str, rule: str = "Youden") -> Values:
        """Counts and shares; each fold of the cross-validation at the threshold of the others."""
        y, p = self.scores(arm, role)
        folds, at = self.folds(arm, role), self.threshold(arm, rule)
        chosen = at if folds is None else own.thresholds_of_others(y, p, folds, rule)
        values = own.classified(y, p, chosen, self.n_folds(role))
        return {"Threshold": at} | {TITLES[name]: value for name, value in values.items()}

    def best(self) -> Best:
        """The arm with the largest AUC, without the luck of that; arms it cannot be told from."""
        areas = {arm: self.auc(arm, CROSS_VALIDATED) for arm in self.arms}
        lead = max(areas, key=lambda arm: areas[arm].value)
        y, p = self.scores(lead, CROSS_VALIDATED)
        n_folds, scores = self.n_folds(CROSS_VALIDATED), {}
        for arm in self.arms:
            other = self.scores(arm, CROSS_VALIDATED)[1]
            if own.paired_test(y, p, other, n_folds)[2] >= 0.05:
                scores[arm] = other
        of = areas[lead]
        luck = own.luck_of_the_best(y, list(scores.values()), n_folds) if len(scores) > 1 else 0.0
        t = stats.t.ppf(0.975, of.dof)
        limits = own.shifted(of.centre - luck, of.centre, of.error, t)
        return Best(lead, list(scores), tuple(Near(x) for x in (of.value - luck, *limits)))


@dataclass(frozen=True)
class Best:
    """The leading arm, those that it cannot be told from, and its AUC corrected for the choice."""

    arm: str
    tied: list[str]
    corrected: tuple[Near, ...]


def _each(truth: Truth, roles: list[str], make: Callable[..., Values]) -> Cells:
    return {
        (ARMS[arm], role): make(truth, arm, role)
        for arm in truth.arms
        for role in roles
        if len(truth.rows(arm, role))
    }


def _every_role(truth: Truth) -> list[str]:
    return [*truth.judged, "In sample"]


def headline(truth: Truth) -> Expected:
    cells = {
        (ARMS[arm],): {_of_headline(role): truth.auc(arm, role).estimate for role in truth.judged}
        for arm in truth.arms
    }
    return Expected(("Arm",), cells)


def _of_headline(role: str) -> str:
    return {"Test": "Test (single split)", "In sample": "Training, in sample"}.get(role, role)


def which_number(truth: Truth) -> Expected:
    best = truth.best()
    cells: Cells = {}
    for role in _every_role(truth):
        n = len(truth.scores(best.arm, role)[0])
        area = truth.auc(best.arm, role).estimate
        cells[(_of_headline(role),)] = {"n": n, "AUC (95 % CI)": area}
        if role == CROSS_VALIDATED and len(best.tied) > 1:
            title = "Cross-validated, corrected for the choice"
            cells[(title,)] = {"n": n, "AUC (95 % CI)": best.corrected}
    return Expected(("Estimate",), cells)


def flow(truth: Truth) -> Expected:
    of_role = truth.predictions.drop_duplicates("patient_id").groupby("role")["y_true"]
    cells: Cells = {
        ("Rows of the patient table",): {"n": len(truth.cohort)},
        ("Not eligible",): {"n": 0},
        ("Quarantined (bad input)",): {"n": 0},
        ("Analysed lesions",): {"n": len(truth.cohort)},
        ("Analysed patients",): {"n": truth.cohort["patient_id"].nunique()},
    }
    for role, y in of_role:
        title = {"train": "Training", "test": "Test"}.get(role, role)
        cells[(f"{title} patients",)] = {"n": len(y), "Positive outcome": int(y.sum())}
    return Expected(("Step",), cells)


def repeated(truth: Truth) -> Expected:
    cells = {}
    for arm in truth.arms:
        y, p = truth.scores(arm, CROSS_VALIDATED)
        each = [own.wins(y, x).mean() for x in p]
        cells[(ARMS[arm],)] = {
            "Repeats": len(p),
            "Folds": truth.n_folds(CROSS_VALIDATED),
            "n": len(y),
            "Positive": int(y.sum()),
            "AUC (95 % CI)": truth.auc(arm, CROSS_VALIDATED).estimate,
            "SD between repeats": np.std(each, ddof=1),
            "Lowest": min(each),
            "Highest": max(each),
        }
    return Expected(("Arm",), cells)


SHARES = ("Sensitivity", "Specificity", "PPV", "NPV", "F1", "Accuracy", "Prevalence")
COUNTS = {
    "TP": "True positive",
    "FN": "False negative",
    "FP": "False positive",
    "TN": "True negative",
}
TITLES = {name.lower(): name for name in (*SHARES, *COUNTS)}


def performance(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        y, found = truth.scores(arm, role)[0], truth.classified(arm, role)
        sizes = {"n": len(y), "Positive": int(y.sum()), "AUC": truth.auc(arm, role).estimate}
        return sizes | {title: found[title] for title in ("Threshold", *SHARES)}

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


def operating_points(truth: Truth) -> Expected:
    rules = ("Youden", "sensitivity ≥ .90", "specificity ≥ .90")
    cells = {
        (ARMS[arm], role, rule): truth.classified(arm, role, rule)
        for arm in truth.arms
        for role in truth.judged
        for rule in rules
    }
    return Expected(("Arm", "Role", "Rule"), cells)


def confusion(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        found = truth.classified(arm, role)
        counted = {title: found[name] for name, title in COUNTS.items()}
        return {"Threshold": found["Threshold"]} | counted

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


def calibration(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        y, p = truth.scores(arm, role)
        score, scaled = own.brier(y, p)
        line = own.calibration_line(y, p) or (None, None)
        ici, *distances = own.calibration_distances(y, p) or (None,) * 3
        fit = own.hosmer_lemeshow(y, p, lost=2 if role == "In sample" else 0) or (None,) * 3
        return {
            "Brier": score,
            "Scaled Brier": scaled,
            "Slope": line[1],
            "Intercept": line[0],
            "In the large": own.in_the_large(y, p),
            "ICI": ici and (ici, None, None),
            **dict(zip(("E50", "E90"), distances, strict=True)),
            **dict(zip(("HL statistic", "HL d.f.", "HL p"), fit, strict=True)),
        }

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


def comparisons(truth: Truth) -> Expected:
    cells: Cells = {}
    for role in truth.judged:
        tests = {
            (first, second): own.paired_test(
                *truth.scores(first, role), truth.scores(second, role)[1], truth.n_folds(role)
            )
            for first, second in combinations(truth.arms, 2)
        }
        adjusted = own.holm([p for _, _, p in tests.values()])
        for ((first, second), (estimate, z, p)), p_holm in zip(
            tests.items(), adjusted, strict=True
        ):
            cells[role, ARMS[first], ARMS[second]] = {
                "Difference (95 % CI)": estimate,
                "z": z,
                "p": p,
                "p (Holm)": p_holm,
                "Comparisons": len(tests),
            }
    return Expected(("Role", "First", "Second"), cells)


def reclassification(truth: Truth) -> Expected:
    """The second arm in place of the first, by each patient's mean probability over repeats."""
    cells: Cells = {}
    for role in truth.judged:
        for first, second in combinations(truth.arms, 2):
            y, old = truth.scores(first, role)
            old, new = (p.mean(axis=0) for p in (old, truth.scores(second, role)[1]))
            idi, _, idi_p = own.idi(y, old, new)
            nri, _, nri_p = own.nri(y, old, new)
            cells[role, ARMS[first], ARMS[second]] = {
                "IDI (95 % CI)": idi,
                "p": idi_p,
                "NRI (95 % CI)": nri,
                "p (2)": nri_p,
            }
    return Expected(("Role", "First", "Second"), cells)


def against_chance(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        found = truth.auc(arm, role)
        if role == CROSS_VALIDATED:
            return {"AUC": found.value, "Permutations": None, "p": found.p_value}
        return {"AUC": found.value, "Permutations": PERMUTATIONS}

    return Expected(("Arm", "Role"), _each(truth, truth.judged, row))


def sample_size(truth: Truth) -> Expected:
    """Supplied patients, and the third criterion: the overall risk to .05 (Riley 2020)."""
    y = truth.scores(truth.arms[0], CROSS_VALIDATED)[0]
    share = y.mean()
    required = int(np.ceil((1.96 / 0.05) ** 2 * share * (1 - share)))
    cells: Cells = {}
    for arm in truth.arms:
        if 0.5 < truth.auc(arm, CROSS_VALIDATED).value < 1:
            for criterion in "123":
                cells[ARMS[arm], criterion] = {"Supplied": len(y)}
            cells[ARMS[arm], "3"] |= {
                "Required": required,
                "Enough": "yes" if len(y) >= required else "no",
            }
    return Expected(("Arm", "Criterion"), cells)


def learning_curve(truth: Truth) -> Expected:
    """The whole share is the primary estimate; patients are those of the other folds."""
    folds, patients = truth.repeated["fold"].nunique(), truth.repeated["patient_id"].nunique()
    cells: Cells = {
        (ARMS[arm], f"{share:.2f}"): {
            "Training patients": round(share * patients * (1 - 1 / folds)),
            **({"AUC (95 % CI)": truth.auc(arm, CROSS_VALIDATED).estimate} if whole else {}),
        }
        for arm in truth.arms
        if arm != "combined"
        for share, whole in (*((share, False) for share in truth.shares), (1.0, True))
    }
    return Expected(("Arm", "Share"), cells)


def conformal(truth: Truth) -> Expected:
    """Every p value counted patient by patient; sets hold what is above .1."""
    cells: Cells = {}
    for role in truth.judged:
        for arm in truth.arms:
            y, sets = _sets(truth, arm, role)
            for title, values in {"negative": (0,), "positive": (1,), "both": (0, 1)}.items():
                rows = np.isin(y, values)
                held, true = sets[rows], sets[rows, y[rows]]
                one = held.sum(axis=1) == 1
                cells[(role, ARMS[arm], title)] = {
                    "n": int(rows.sum()),
                    "Covered (95 % CI)": own.share(true[None], np.ones((1, len(true)))),
                    "Both outcomes": held.all(axis=1).mean(),
                    "Empty": (~held.any(axis=1)).mean(),
                    "One outcome": int(one.sum()),
                    "Right among these": true[one].mean() if one.any() else None,
                }
    return Expected(("Role", "Arm", "True outcome"), cells)


def _sets(truth: Truth, arm: str, role: str) -> tuple[np.ndarray, np.ndarray]:
    judged = truth.rows(arm, role).query("repeat == 0").sort_values("patient_id")
    known = truth.repeated[truth.repeated["arm"].eq(arm)]
    p = np.zeros((len(judged), 2))
    for _, one in known.groupby("repeat"):
        of = judged
        if role == CROSS_VALIDATED:
            of = one.sort_values("patient_id")
        for i, (fold, prob) in enumerate(zip(of["fold"], of["y_prob"], strict=True)):
            others = one[one["fold"] != fold] if role == CROSS_VALIDATED else one
            for outcome, sign in ((0, -1), (1, 1)):
                same = others.loc[others["y_true"].eq(outcome), "y_prob"]
                p[i, outcome] += (1 + (sign * same <= sign * prob).sum()) / (1 + len(same))
    return judged["y_true"].to_numpy(), p / known["repeat"].nunique() > 0.1


def subgroups(truth: Truth) -> Expected:
    """Every known variable, numbers cut at the median; 5 of each outcome for an AUC."""
    known = truth.cohort.set_index("patient_id")
    levels = {"er": known["er"]}
    for name in ("age", "diameter, mm"):
        cut = float(f"{known[name].median():.3g}")
        above = (known[name] >= cut).map({True: f">= {cut:g}", False: f"< {cut:g}"})
        levels[name] = above.where(known[name].notna(), "(missing)")
    cells: Cells = {}
    for role in truth.judged:
        for arm in truth.arms:
            for variable, level_of in levels.items():
                names = (role, ARMS[arm], variable)
                cells |= _subgroups(names, truth.rows(arm, role), level_of, truth.n_folds(role))
    return Expected(("Role", "Arm", "Variable", "Level"), cells)


def _subgroups(
    names: tuple[str, ...], rows: pd.DataFrame, level_of: pd.Series, n_folds: int | None
) -> Cells:
    cells: Cells = {}
    compared = []
    for level, members in rows.groupby(rows["patient_id"].map(level_of)):
        p = members["y_prob"].to_numpy().reshape(members["repeat"].nunique(), -1)
        y = members["y_true"].to_numpy()[: p.shape[1]]
        known = min(y.sum(), len(y) - y.sum()) >= 5 and all(len(set(x)) > 1 for x in p)
        area = own.auc(y, p, n_folds) if known else None
        values = {"n": len(y), "Positive": int(y.sum())}
        cells[(*names, str(level))] = values | {"AUC (95 % CI)": area and area.estimate}
        if area and level != "(missing)":
            compared.append(area)
    tested = len(compared) > 1 and all(area.error > 0 for area in compared)
    p_value = own.heterogeneity(compared) if tested else None
    return {key: values | {"p of interaction": p_value} for key, values in cells.items()}


def baseline(truth: Truth) -> Expected:
    role = truth.predictions.drop_duplicates("patient_id").set_index("patient_id")["role"]
    titles = {"train": "Training", "test": "Test"}
    return _characteristics(truth, role.map(lambda name: titles.get(name, name)), outcome=True)


def baseline_outcome(truth: Truth) -> Expected:
    outcome = truth.cohort.set_index("patient_id")["outcome"]
    return _characteristics(truth, outcome.map({0: "Negative", 1: "Positive"}), outcome=False)


def _characteristics(truth: Truth, group: pd.Series, *, outcome: bool) -> Expected:
    known = truth.cohort.set_index("patient_id")
    known["group"] = group
    parts = {"All": known} | {str(name): part for name, part in known.groupby("group")}
    cells: Cells = {("n", ""): {title: str(len(part)) for title, part in parts.items()}}
    for variable in ("outcome", "er") if outcome else ("er",):
        for level in sorted(known[variable].unique()):
            cells[variable, str(level)] = {
                title: f"{(n := (part[variable] == level).sum())} ({100 * n / len(part):.1f}%)"
                for title, part in parts.items()
            }
    ages = {title: part["age"].dropna() for title, part in parts.items()}
    cells["age", "mean ± SD"] = {
        title: f"{age.mean():.2f} ± {age.std():.2f}" for title, age in ages.items()
    } | {"Missing": int(known["age"].isna().sum())}
    cells["age", "median [Q1, Q3]"] = {
        title: "{1:.2f} [{0:.2f}, {2:.2f}]".format(*age.quantile([0.25, 0.5, 0.75]))
        for title, age in ages.items()
    }
    return Expected(("Variable", "Level"), cells)


TABLES: dict[str, Callable[[Truth], Expected]] = {
    "AUC of every arm": headline,
    "Counts": flow,
    "Characteristics of the patients by role": baseline,
    "Characteristics of the patients by outcome": baseline_outcome,
    "Primary estimate: repeated cross-validation of the whole procedure": repeated,
    "Which number is which, for the arm that ranked first": which_number,
    "Discrimination, and classification at the training threshold": performance,
    "Operating points": operating_points,
    "Whether chance ranks patients as well": against_chance,
    "Sample size that a model with this many predictors requires": sample_size,
    "Calibration and overall error": calibration,
    "Confusion counts at the training threshold": confusion,
    "Differences of AUC between arms": comparisons,
    "Reclassification: the second arm in place of the first": reclassification,
    "Learning curve": learning_curve,
    "Conformal prediction sets, calibrated within each outcome": conformal,
    "AUC in subgroups": subgroups,
}
