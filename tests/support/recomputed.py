"""The tables of a report as their captions and notes define them, from the predictions alone.

`her2` is not imported: what it does is what is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import own_formulas as own
import pandas as pd
from page_checks import Cells, Expected, Values

ARMS = {
    "clinical": "Clinical",
    "radiomics": "Radiomics",
    "deep_learning": "Deep learning",
    "dlr": "Deep learning radiomics",
    "combined": "Combined",
}
ROLES = {"out_of_fold": "Out of fold", "in_sample": "In sample", "held_out": "Test"}
REPEATED = "Repeated cross-validation"


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
        """One arm's rows of a role as the report titles it; of a centre, its name."""
        if (arm, role) not in self.known:
            self.known[arm, role] = self._rows(arm, role)
        return self.known[arm, role]

    def _rows(self, arm: str, role: str) -> pd.DataFrame:
        of = self.predictions[self.predictions["arm"] == arm]
        named = of["kind"].map(ROLES)
        centre = ~of["role"].isin(["train", "test"])
        found = of[named.mask(centre, of["role"]) == role]
        return found.sort_values(["patient_id", "lesion_id"])

    @property
    def judged(self) -> list[str]:
        """Roles of patients whom no model had learned from."""
        held_out = self.predictions[self.predictions["kind"] == "held_out"]
        names = held_out["role"].map(lambda role: "Test" if role == "test" else role)
        return ["Out of fold", *dict.fromkeys(names)]

    def scores(self, arm: str, role: str) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows(arm, role)
        return rows["y_true"].to_numpy(), rows["y_prob"].to_numpy()

    def threshold(self, arm: str, rule: str = "Youden") -> float:
        return own.thresholds(*self.scores(arm, "Out of fold"))[rule]

    def wins_over_repeats(self, arm: str) -> list[np.ndarray]:
        of = self.repeated[self.repeated["arm"] == arm]
        of = of.sort_values(["repeat", "patient_id", "lesion_id"])
        return [
            own.wins(x["y_true"].to_numpy(), x["y_prob"].to_numpy())
            for _, x in of.groupby("repeat")
        ]

    def wins(self, arm: str, role: str) -> np.ndarray:
        """Matrix of wins whose mean is the AUC: of the repeats, the mean of theirs."""
        if role == REPEATED:
            if (arm, role) not in self.known:
                self.known[arm, role] = np.mean(self.wins_over_repeats(arm), axis=0)
            return self.known[arm, role]
        return own.wins(*self.scores(arm, role))


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
    titles = {role: "Test (single split)" if role == "Test" else role for role in truth.judged[1:]}
    cells = {
        (ARMS[arm],): {
            titles.get(role, role): own.clipped_interval(truth.wins(arm, role))
            for role in (REPEATED, *titles)
        }
        for arm in truth.arms
    }
    return Expected(("Arm",), cells)


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
        each = [won.mean() for won in truth.wins_over_repeats(arm)]
        of = truth.repeated[truth.repeated["arm"] == arm]
        n_positive, n_negative = truth.wins(arm, REPEATED).shape
        cells[(ARMS[arm],)] = {
            "Repeats": len(each),
            "Folds": of["fold"].nunique(),
            "n": n_positive + n_negative,
            "Positive": n_positive,
            "AUC (95 % CI)": own.clipped_interval(truth.wins(arm, REPEATED)),
            "SD between repeats": np.std(each, ddof=1),
            "Lowest": min(each),
            "Highest": max(each),
        }
    return Expected(("Arm",), cells)


def performance(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        y, p = truth.scores(arm, role)
        at = truth.threshold(arm)
        sizes = {"n": len(y), "Positive": int(y.sum()), "AUC": own.auc(y, p), "Threshold": at}
        return sizes | _titled(own.classified(y, p, at), {"accuracy": "Accuracy"})

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


SHARES = {
    "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV",
    "f1": "F1",
}  # fmt: skip
COUNTS = {"tp": "TP", "fp": "FP", "tn": "TN", "fn": "FN"}


def _titled(values: Mapping[str, Any], more: Mapping[str, str]) -> Values:
    return {title: values[name] for name, title in {**SHARES, **more}.items()}


def operating_points(truth: Truth) -> Expected:
    cells: Cells = {}
    for arm in truth.arms:
        for rule, at in own.thresholds(*truth.scores(arm, "Out of fold")).items():
            for role in truth.judged:
                values = _titled(own.classified(*truth.scores(arm, role), at), COUNTS)
                cells[ARMS[arm], role, rule] = {"Threshold": at} | values
    return Expected(("Arm", "Role", "Rule"), cells)


def confusion(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        at = truth.threshold(arm)
        n = own.counts(*truth.scores(arm, role), at)
        return {
            "Threshold": at,
            "True positive": n["tp"],
            "False negative": n["fn"],
            "False positive": n["fp"],
            "True negative": n["tn"],
        }

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


def calibration(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        y, p = truth.scores(arm, role)
        score, scaled = own.brier(y, p)
        line = own.logistic(y, np.log(p / (1 - p))) or (None, None)
        distances = own.calibration_distances(y, p) or (None,) * 3
        fit = own.hosmer_lemeshow(y, p) or (None,) * 3
        return {
            "Brier": score,
            "Scaled Brier": scaled,
            "Slope": line[1],
            "Intercept": line[0],
            "In the large": own.in_the_large(y, np.log(p / (1 - p))),
            **dict(zip(("ICI", "E50", "E90"), distances, strict=True)),
            **dict(zip(("HL statistic", "HL d.f.", "HL p"), fit, strict=True)),
        }

    return Expected(("Arm", "Role"), _each(truth, _every_role(truth), row))


def comparisons(truth: Truth) -> Expected:
    cells: Cells = {}
    for role in (REPEATED, *truth.judged):
        tests = {
            (first, second): own.paired_test(truth.wins(first, role), truth.wins(second, role))
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
    """The second arm in place of the first: the first is the old model, the second the new."""
    cells: Cells = {}
    for role in truth.judged:
        for first, second in combinations(truth.arms, 2):
            y, old = truth.scores(first, role)
            new = truth.scores(second, role)[1]
            idi, _, idi_p = own.idi(y, old, new)
            nri, _, nri_p = own.nri(y, old, new)
            cells[role, ARMS[first], ARMS[second]] = {
                "IDI (95 % CI)": idi,
                "p": idi_p,
                "NRI (95 % CI)": nri,
                "p (2)": nri_p,
            }
    return Expected(("Role", "First", "Second"), cells)


def permutation(truth: Truth) -> Expected:
    def row(truth: Truth, arm: str, role: str) -> Values:
        return {"AUC": own.auc(*truth.scores(arm, role))[0]}

    return Expected(("Arm", "Role"), _each(truth, truth.judged, row))


def sample_size(truth: Truth) -> Expected:
    """Supplied patients, and the third criterion: the overall risk to .05 (Riley 2020)."""
    rows = truth.rows(truth.arms[0], "Out of fold")
    share = rows["y_true"].mean()
    required = int(np.ceil((1.96 / 0.05) ** 2 * share * (1 - share)))
    cells: Cells = {}
    for arm in truth.arms:
        if 0.5 < truth.wins(arm, REPEATED).mean() < 1:
            for criterion in "123":
                cells[ARMS[arm], criterion] = {"Supplied": len(rows)}
            cells[ARMS[arm], "3"] |= {
                "Required": required,
                "Enough": "yes" if len(rows) >= required else "no",
            }
    return Expected(("Arm", "Criterion"), cells)


def optimism(truth: Truth) -> Expected:
    """As fitted: the regression of the members' out-of-fold log odds on its own patients."""
    model = truth.rows("combined", "In sample")["model"].iloc[0]
    members = model.rpartition(" of ")[2].split(" + ")
    y = truth.scores(members[0], "Out of fold")[0]
    signatures = [truth.scores(member, "Out of fold")[1].clip(0.01, 0.99) for member in members]
    x = np.column_stack([np.log(p / (1 - p)) for p in signatures])
    coefficients = own.logistic(y, x)
    assert coefficients is not None
    fitted = 1 / (1 + np.exp(-coefficients[0] - x @ coefficients[1:]))
    name = "Combined, regression of signatures"
    cells: Cells = {
        (name, "auc"): {"Apparent": own.auc(y, fitted)[0]},
        (name, "brier"): {"Apparent": own.brier(y, fitted)[0]},
        (name, "slope"): {"Apparent": 1.0},  # of a maximum of the likelihood, on its own rows
    }
    return Expected(("Model", "Measure"), cells)


def learning_curve(truth: Truth) -> Expected:
    """The whole share is the primary estimate; patients are those of the other folds."""
    folds, patients = truth.repeated["fold"].nunique(), truth.repeated["patient_id"].nunique()
    cells: Cells = {
        (ARMS[arm], f"{share:.2f}"): {
            "Training patients": round(share * patients * (1 - 1 / folds)),
            **(
                {"AUC (95 % CI)": own.clipped_interval(truth.wins(arm, REPEATED))} if whole else {}
            ),
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
                    "Covered (95 % CI)": own.share(int(true.sum()), int((~true).sum())),
                    "Both outcomes": held.all(axis=1).mean(),
                    "Empty": (~held.any(axis=1)).mean(),
                    "One outcome": int(one.sum()),
                    "Right among these": true[one].mean() if one.any() else None,
                }
    return Expected(("Role", "Arm", "True outcome"), cells)


def _sets(truth: Truth, arm: str, role: str) -> tuple[np.ndarray, np.ndarray]:
    judged = truth.rows(arm, role).sort_values("patient_id")
    known = truth.repeated[truth.repeated["arm"].eq(arm)]
    p = np.zeros((len(judged), 2))
    for _, one in known.groupby("repeat"):
        of = judged
        if role == "Out of fold":
            of = one.sort_values("patient_id")
        for i, (fold, prob) in enumerate(zip(of["fold"], of["y_prob"], strict=True)):
            others = one[one["fold"] != fold] if role == "Out of fold" else one
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
                rows = truth.rows(arm, role)
                cells |= _subgroups((role, ARMS[arm], variable), rows, level_of)
    return Expected(("Role", "Arm", "Variable", "Level"), cells)


def _subgroups(names: tuple[str, ...], rows: pd.DataFrame, level_of: pd.Series) -> Cells:
    cells: Cells = {}
    compared = []
    for level, members in rows.groupby(rows["patient_id"].map(level_of)):
        y, p = members["y_true"].to_numpy(), members["y_prob"].to_numpy()
        known = min(y.sum(), len(y) - y.sum()) >= 5 and len(set(p)) > 1
        area = own.auc(y, p) if known else None
        values = {"n": len(y), "Positive": int(y.sum()), "AUC (95 % CI)": area}
        cells[(*names, str(level))] = values
        if known and level != "(missing)":
            compared.append((y, p))
    tested = len(compared) > 1 and all(own.delong_variance(own.wins(*x)) > 0 for x in compared)
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
    "Single split: discrimination, and classification at the training threshold": performance,
    "Operating points": operating_points,
    "Permutation test of discrimination": permutation,
    "Sample size that a model with this many predictors requires": sample_size,
    "Calibration and overall error": calibration,
    "Confusion counts at the training threshold": confusion,
    "Differences of AUC between arms": comparisons,
    "Reclassification: the second arm in place of the first": reclassification,
    "Optimism after Harrell, by bootstrap of training patients": optimism,
    "Learning curve": learning_curve,
    "Conformal prediction sets, calibrated within each outcome": conformal,
    "AUC in subgroups": subgroups,
}
