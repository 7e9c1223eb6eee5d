"""Numbers of a study contradict nothing, and one that is changed is found."""

import copy
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from own_numbers import printed_study

from her2 import stats
from her2.paper_checks import PrintedStudy, Rule, check
from her2.paper_checks.baseline_rows import count_p_values

SIZES = {"train": 140, "test": 61}
ARMS = ("clinical", "radiomics", "combined")
ROLES = ("train", "out_of_fold", "test")


def simulated() -> tuple[pd.DataFrame, np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """Patients with outcome and two variables, their roles, probabilities of each arm."""
    rng = np.random.default_rng(0)
    role = np.repeat(list(SIZES), list(SIZES.values()))
    outcome = rng.permutation(np.repeat([1, 0], [58, 143]))
    er = np.where(rng.random(201) < 0.7 - 0.3 * outcome, "positive", "negative")
    patients = pd.DataFrame({"outcome": outcome, "age": rng.normal(54, 11, 201).round(), "er": er})
    patients.loc[[3, 150], "age"] = np.nan
    probabilities = {
        (arm, name): 1 / (1 + np.exp(1 - rng.normal((i + 1) / 2 * outcome, 1)))
        for i, arm in enumerate(ARMS)
        for name in ROLES
    }
    return patients, role, probabilities


def rows_of(role: np.ndarray, name: str) -> np.ndarray:
    return role == ("test" if name == "test" else "train")


def performance(y: np.ndarray, p: np.ndarray, threshold: float) -> dict:
    area, point = stats.auc_interval(y, p), stats.operating_point(y, p, threshold)
    fit = stats.hosmer_lemeshow(y, p)
    brier, prevalence = stats.brier_score(y, p), y.mean()
    names = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "tp", "fp", "tn", "fn")
    values = {name: getattr(point, name) for name in names}
    trials = {
        "sensitivity": (point.tp, point.tp + point.fn),
        "specificity": (point.tn, point.tn + point.fp),
        "ppv": (point.tp, point.tp + point.fp),
        "npv": (point.tn, point.tn + point.fn),
    }
    for name, (k, n) in trials.items():
        values[f"{name}_low"], values[f"{name}_high"] = stats.wilson_interval(k, n)
    return values | {
        "n": len(y),
        "n_positive": int(y.sum()),
        "auc": area.auc,
        "auc_low": area.low,
        "auc_high": area.high,
        "threshold": threshold,
        "brier": brier,
        "brier_scaled": 1 - brier / (prevalence * (1 - prevalence)),
        "hosmer_lemeshow": {"statistic": fit.statistic, "dof": fit.dof, "p_value": fit.p_value},
    }


def comparisons(y: np.ndarray, role: np.ndarray, probabilities: dict) -> list[dict]:
    found = []
    for name in ("out_of_fold", "test"):
        used = rows_of(role, name)
        family = []
        for first, second in combinations(ARMS, 2):
            one, two = (probabilities[arm, name][used] for arm in (first, second))
            test = stats.delong_test(y[used], one, two)
            family.append(
                {
                    "role": name,
                    "first": first,
                    "second": second,
                    "auc_difference": test.difference,
                    "low": test.low,
                    "high": test.high,
                    "z": test.z,
                    "p_value": test.p_value,
                }
            )
        adjusted = stats.holm([test["p_value"] for test in family])
        found += [t | {"p_holm": p} for t, p in zip(family, adjusted.tolist(), strict=True)]
    return found


def build_results() -> tuple[dict, dict[str, pd.DataFrame]]:
    patients, role, probabilities = simulated()
    y = patients["outcome"].to_numpy()
    arms: dict = {arm: {"roles": {}} for arm in ARMS}
    points = []
    for arm in ARMS:
        training = rows_of(role, "out_of_fold")
        threshold = stats.youden_threshold(
            y[training], probabilities[arm, "out_of_fold"][training]
        )
        for name in ROLES:
            used = rows_of(role, name)
            p = probabilities[arm, name][used]
            arms[arm]["roles"][name] = performance(y[used], p, threshold)
            point = performance(y[used], p, 0.4)
            points.append({"arm": arm, "role": name, "rule": "fixed", **point})
        arms[arm]["repeated_cv"] = {"auc": 0.731, "auc_low": 0.65, "auc_high": 0.8}
    cohort = {"n_patients": 201, "n_lesions": 201, "n_positive": 58, "n_train": 140, "n_test": 61}
    results = {
        "schema": 1,
        "cohort": cohort,
        "arms": arms,
        "comparisons": comparisons(y, role, probabilities),
    }
    return results, build_tables(patients, role, points)


def build_tables(
    patients: pd.DataFrame, role: np.ndarray, points: list[dict]
) -> dict[str, pd.DataFrame]:
    training = patients[role == "train"]
    odds_ratios = stats.odds_ratio_table(training, training["outcome"], ["age", "er"])
    variables = patients.drop(columns="outcome")
    return {
        "baseline": stats.baseline_table(variables, role, y_true=patients["outcome"]),
        "baseline_outcome": stats.baseline_by_outcome(variables, patients["outcome"]),
        "odds_ratios": odds_ratios,
        "operating_points": pd.DataFrame(points).drop(columns=["hosmer_lemeshow"]),
    }


@pytest.fixture(scope="module")
def finished() -> tuple[dict, dict[str, pd.DataFrame]]:
    return build_results()


@pytest.fixture
def results(finished) -> dict:
    return copy.deepcopy(finished[0])


@pytest.fixture
def tables(finished) -> dict[str, pd.DataFrame]:
    return {name: table.copy() for name, table in finished[1].items()}


def found(results: dict, tables: dict[str, pd.DataFrame]) -> set[Rule]:
    return {x.rule for x in check(printed_study(results, tables))}


def test_our_own_numbers_contradict_nothing(results, tables):
    study = printed_study(results, tables)
    assert check(study) == []
    claims = {name for name, value in vars(study).items() if value}
    assert claims == {*vars(PrintedStudy())} - {"feature_sets", "variance_shares", "definitions"}


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("sensitivity", 0.02, Rule.MATRIX_METRIC),
        ("specificity", -0.02, Rule.MATRIX_METRIC),
        ("ppv", 0.002, Rule.MATRIX_METRIC),
        ("npv", 0.002, Rule.MATRIX_METRIC),
        ("accuracy", 0.002, Rule.MATRIX_METRIC),
        ("f1", 0.002, Rule.MATRIX_METRIC),
        ("sensitivity_low", 0.01, Rule.PROPORTION_INTERVAL),
        ("npv_high", -0.01, Rule.PROPORTION_INTERVAL),
        ("tp", 1, Rule.MATRIX_TOTAL),
        ("fn", -1, Rule.MATRIX_POSITIVES),
        ("fp", 2, Rule.MATRIX_TOTAL),
        ("n", 1, Rule.COHORT_SIZE),
        ("n_positive", 1, Rule.COHORT_SIZE),
        ("auc", 0.02, Rule.AUC_DIFFERENCE),
        ("auc", -0.3, Rule.ESTIMATE_IN_INTERVAL),
        ("auc_high", -0.2, Rule.ESTIMATE_IN_INTERVAL),
        ("brier_scaled", 0.1, Rule.BRIER_RANGE),
        ("brier", 0.9, Rule.BRIER_RANGE),
    ],
)
def test_a_changed_number_of_a_role_is_found(results, tables, name, change, rule):
    results["arms"]["radiomics"]["roles"]["test"][name] += change
    assert rule in found(results, tables)


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("p_holm", 0.05, Rule.ADJUSTED_P),
        ("p_holm", -0.05, Rule.ADJUSTED_P),
        ("p_value", 0.05, Rule.STATISTIC_P),
        ("z", 0.3, Rule.STATISTIC_P),
        ("auc_difference", 0.01, Rule.AUC_DIFFERENCE),
        ("low", 0.01, Rule.INTERVAL_SYMMETRY),
    ],
)
def test_a_changed_comparison_is_found(results, tables, name, change, rule):
    test = max(results["comparisons"], key=lambda c: c["p_holm"] < 0.9 and c["p_value"])
    test[name] += change
    assert rule in found(results, tables)


def test_a_comparison_of_the_tables_is_checked_too(results, tables):
    table = pd.DataFrame(results["comparisons"])
    tables["comparisons"] = table
    assert found(results, tables) == set()
    tables["comparisons"] = table.assign(p_holm=table["p_value"] / 2)
    assert found(results, tables) == {Rule.ADJUSTED_P}


@pytest.mark.parametrize("key", ["n_patients", "n_train", "n_test", "n_positive"])
def test_a_changed_count_of_the_cohort_is_found(results, tables, key):
    results["cohort"][key] += 1
    assert {Rule.COHORT_SIZE, Rule.SUM_OF_PARTS} & found(results, tables)


def test_patients_need_not_be_lesions_but_must_add_up(results, tables):
    results["cohort"] |= {"n_patients": 190, "n_train": 131, "n_test": 59, "n_positive": 51}
    assert found(results, tables) == set()
    results["cohort"]["n_test"] = 60
    assert found(results, tables) == {Rule.SUM_OF_PARTS}


def cell(table: pd.DataFrame, variable: str, column: str, old: str, new: str) -> None:
    row = table.index[table["variable"] == variable][0]
    assert old in table.loc[row, column]
    table.loc[row, column] = table.loc[row, column].replace(old, new, 1)


def test_a_changed_count_of_table_1_is_found(results, tables):
    text = tables["baseline"].set_index("variable").loc["er", "train"].iloc[0]
    n = int(text.split()[0])
    cell(tables["baseline"], "er", "train", str(n), str(n + 1))
    assert {Rule.COHORT_SIZE, Rule.SUM_OF_PARTS, Rule.PERCENTAGE} <= found(results, tables)


def test_other_changes_of_table_1_are_found(results, tables):
    untouched = tables["baseline"].copy()
    for variable, column, old, new, rule in (
        ("er", "test", "%", "1%", Rule.PERCENTAGE),
        ("n", "all", "201", "210", Rule.COHORT_SIZE),
        ("outcome", "test", "(", "(1", Rule.PERCENTAGE),
    ):
        tables["baseline"] = untouched.copy()
        cell(tables["baseline"], variable, column, old, new)
        assert rule in found(results, tables)
    wrong = untouched.copy()
    row = wrong.index[wrong["variable"] == "er"][0]
    wrong.loc[row, "p_value"] = (wrong.loc[row, "p_value"] + 0.5) % 1
    assert found(results, tables | {"baseline": wrong}) == {Rule.BASELINE_TEST}


def test_a_changed_mean_of_table_1_is_found(results, tables):
    complete = simulated()[0].fillna(54.0)
    role = np.repeat(list(SIZES), list(SIZES.values()))
    tables["baseline"] = stats.baseline_table(complete[["age"]], role)
    assert found(results, tables) == set()
    row = tables["baseline"].index[tables["baseline"]["variable"] == "age"][0]
    mean, sd = tables["baseline"].loc[row, "all"].split(" ± ")
    tables["baseline"].loc[row, "all"] = f"{float(mean) + 0.5:.1f} ± {sd}"
    assert found(results, tables) == {Rule.POOLED_SUMMARY}


def test_table_1_by_outcome(results, tables):
    p = count_p_values((50, 93), (30, 28))["chi-square (Yates)"]
    rows = [
        ("n", "", "201", "143", "58", 0, None, ""),
        ("er", "negative", "80 (39.8%)", "50 (35.0%)", "30 (51.7%)", 0, p, "chi-square (Yates)"),
        ("er", "positive", "121 (60.2%)", "93 (65.0%)", "28 (48.3%)", None, None, ""),
    ]  # fmt: skip
    names = ["variable", "level", "all", "negative", "positive", "missing", "p_value", "test_name"]
    tables["baseline_outcome"] = pd.DataFrame(rows, columns=names)
    assert found(results, tables) == set()
    tables["baseline_outcome"].loc[0, "positive"] = "59"
    assert found(results, tables) == {Rule.COHORT_SIZE, Rule.SUM_OF_PARTS}
    tables["baseline_outcome"].loc[0, "positive"] = "58"
    tables["baseline_outcome"].loc[1, "p_value"] = p + 0.1
    assert found(results, tables) == {Rule.BASELINE_TEST}


@pytest.mark.parametrize("name", ["odds_ratio", "low", "adjusted_odds_ratio", "adjusted_high"])
def test_a_changed_odds_ratio_is_found(results, tables, name):
    tables["odds_ratios"].loc[2, name] *= 1.1
    assert Rule.INTERVAL_SYMMETRY in found(results, tables)


def test_an_odds_ratio_outside_its_interval_is_found_for_firth_too(results, tables):
    tables["odds_ratios"].loc[2, "method"] = "Firth"
    tables["odds_ratios"].loc[2, "odds_ratio"] *= 1.05
    assert found(results, tables) == set()  # a profile interval need not be symmetric
    tables["odds_ratios"].loc[2, "odds_ratio"] *= 20
    assert found(results, tables) == {Rule.ESTIMATE_IN_INTERVAL}


def test_the_auc_that_its_own_threshold_forbids_is_found(results, tables):
    values = results["arms"]["clinical"]["roles"]["test"]
    shift = 0.97 - values["auc"]
    for name in ("auc", "auc_low", "auc_high"):
        values[name] += shift
    assert Rule.AUC_POINT in found(results, tables)


def test_what_is_not_estimable_claims_nothing(results, tables):
    values = results["arms"]["radiomics"]["roles"]["test"]
    kept = {name: values[name] for name in ("n", "n_positive")}
    empty = {"statistic": None, "dof": None, "p_value": None}
    results["arms"]["radiomics"]["roles"]["test"] = (
        dict.fromkeys(values) | kept | {"hosmer_lemeshow": empty}
    )
    results["arms"]["radiomics"]["repeated_cv"] = None
    for test in results["comparisons"]:
        if "radiomics" in (test["first"], test["second"]) and test["role"] == "test":
            test |= dict.fromkeys(("auc_difference", "low", "high", "z", "p_value", "p_holm"))
    left = [c for c in results["comparisons"] if c["role"] == "test" and c["p_value"] is not None]
    left[0]["p_holm"] = left[0]["p_value"]  # the family of one test that remains
    tables["odds_ratios"].loc[2, ["odds_ratio", "low", "high", "p_value"]] = np.nan
    assert found(results, tables) == set()
