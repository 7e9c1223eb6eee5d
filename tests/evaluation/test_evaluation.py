"""Every number of a study comes from its predictions, and thresholds from training alone."""

import dataclasses
import json
from functools import partial
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from her2 import stats
from her2.core.seeds import generator
from her2.core.types import PREDICTION_COLUMNS
from her2.evaluation import PredictionRows, evaluate, role_rows
from her2.evaluation.performance import performance
from her2.evaluation.prediction_rows import RoleRows
from her2.evaluation.thresholds import threshold_of_folds, training_threshold

ARMS = ("clinical", "radiomics", "combined")
N_FEATURES = {"clinical": 3, "radiomics": 8, "combined": 2}
SIZES = {"train": 60, "test": 40, "external": 30}


def rows(arm: str, role: str, kind: str, y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    n = len(y)
    frame = pd.DataFrame(
        {
            "patient_id": [f"{role}{i:03d}" for i in range(n)],
            "lesion_id": "1",
            "role": role,
            "fold": pd.array(np.arange(n) % 5 if kind == "out_of_fold" else [None] * n, "Int64"),
            "kind": kind,
            "arm": arm,
            "model": f"model of {arm}",
            "y_true": y,
            "y_prob": p,
        }
    )
    return frame[list(PREDICTION_COLUMNS)]


def predictions(seed: int = 0) -> pd.DataFrame:
    rng = generator(seed, "predictions")
    frames = []
    for role, n in SIZES.items():
        y = (np.arange(n) % 3 == 0).astype(np.int64)
        for i, arm in enumerate(ARMS):
            kinds = ("out_of_fold", "in_sample") if role == "train" else ("held_out",)
            for kind in kinds:
                logit = 0.6 * (i + 1) * (y - 0.5) + rng.standard_normal(n) - 0.5
                frames.append(rows(arm, role, kind, y, 1 / (1 + np.exp(-logit))))
    return pd.concat(frames, ignore_index=True)


def repeats(table: pd.DataFrame) -> pd.DataFrame:
    """The out-of-fold rows, and a second repeat of other folds that ranks a little differently."""
    first = table[table["kind"].eq("out_of_fold")].sort_values("patient_id").assign(repeat=0)
    differs = first.groupby("arm")["y_prob"].transform("nunique") > 1
    second = first.assign(repeat=1, y_prob=first["y_prob"] ** np.where(differs, 1.3, 1.0))
    order = second.groupby("arm").cumcount()
    second["y_prob"] *= np.where(differs & (order % 4 == 0), 0.9, 1.0)
    second["fold"] = (order // 7 % 5).astype("Int64").to_numpy()
    return pd.concat([first, second], ignore_index=True)


def judged(table: pd.DataFrame, **settings):
    settings = {"n_permutations": 20, **settings}
    return evaluate(PredictionRows(table, repeats(table)), n_features=N_FEATURES, **settings)


@pytest.fixture(scope="module", autouse=True)
def _few_resamples():
    """Draw 5 resamples for the interval of ICI: its 200 are most of an evaluation's time."""
    few = partial(stats.ici_interval, n_resamples=5)
    with mock.patch.object(stats, "ici_interval", few):
        yield


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return predictions()


@pytest.fixture(scope="module")
def found(table):
    return judged(table)


def numbers(evaluation) -> str:
    """Everything that goes into results.json, as text."""
    return json.dumps([evaluation.arms, evaluation.comparisons, evaluation.notes])


def test_results_are_json_without_nan(found):
    text = json.dumps([found.arms, found.comparisons, found.notes], allow_nan=False)
    assert json.loads(text)[0]["clinical"]["roles"]["test"]["n"] == 40


def test_arms_and_roles_are_those_of_the_table(found):
    assert list(found.arms) == list(ARMS)
    for name, arm in found.arms.items():
        assert list(arm["roles"]) == ["train", "out_of_fold", "test", "external"]
        assert (arm["model"], arm["n_features"]) == (f"model of {name}", N_FEATURES[name])
        assert [p["n"] for p in arm["roles"].values()] == [60, 60, 40, 30]


def test_nothing_depends_on_the_order_of_rows(table, found):
    shuffled = table.sample(frac=1, random_state=0)
    again = judged(shuffled)
    assert numbers(again) == numbers(found)
    for name in found.tables:
        pd.testing.assert_frame_equal(again.tables[name], found.tables[name])


def test_a_role_s_numbers_depend_on_its_own_rows_and_the_threshold_only(table, found):
    other = table.copy()
    other.loc[other["role"].eq("external"), "y_prob"] = 0.5
    again = judged(other)
    for arm in ARMS:
        for role in ("train", "out_of_fold", "test"):
            assert again.arms[arm]["roles"][role] == found.arms[arm]["roles"][role]
        assert again.arms[arm]["roles"]["external"] != found.arms[arm]["roles"]["external"]


def thresholds(evaluation) -> dict[tuple[str, str], float]:
    return {
        (name, role): performance["threshold"]
        for name, arm in evaluation.arms.items()
        for role, performance in arm["roles"].items()
    }


def test_an_arm_has_one_threshold_in_every_role(found):
    by_arm: dict[str, set[float]] = {}
    for (arm, _), threshold in thresholds(found).items():
        by_arm.setdefault(arm, set()).add(threshold)
    assert all(len(values) == 1 for values in by_arm.values())
    assert len(set.union(*by_arm.values())) == 3


def test_the_threshold_is_youden_s_of_the_rows_of_all_repeats(table, found):
    y, p = stats_of(table, "radiomics")
    y, p = np.tile(y, 2), p.ravel()

    def youden(threshold: float) -> float:
        return np.mean(p[y == 1] >= threshold) - np.mean(p[y == 0] >= threshold)

    best = max(youden(t) for t in p)
    threshold = found.arms["radiomics"]["roles"]["test"]["threshold"]
    assert youden(threshold) == pytest.approx(best)
    assert training_threshold(PredictionRows(table, repeats(table)), "radiomics") == threshold


def cross_validated(table: pd.DataFrame, arm: str = "radiomics") -> RoleRows:
    return PredictionRows(table, repeats(table)).of(arm, "out_of_fold")


def test_a_fold_is_judged_at_the_threshold_of_the_other_folds_of_its_repeat(table, found):
    rows = cross_validated(table)
    own = threshold_of_folds(rows)
    called = np.empty(own.shape, dtype=bool)
    for r in range(2):
        for k in range(5):
            others, judged_rows = rows.fold[r] != k, rows.fold[r] == k
            at = stats.youden_threshold(rows.y_true[others], rows.y_prob[r, others])
            assert (own[r, judged_rows] == at).all()
            called[r, judged_rows] = rows.y_prob[r, judged_rows] >= at
    values = found.arms["radiomics"]["roles"]["out_of_fold"]
    assert values["tp"] == called[:, rows.y_true == 1].sum() / 2
    assert values["fp"] == called[:, rows.y_true == 0].sum() / 2
    assert values["sensitivity"] == pytest.approx(called[:, rows.y_true == 1].mean())
    assert values["ppv"] == pytest.approx(values["tp"] / (values["tp"] + values["fp"]))


def test_outcomes_of_a_fold_do_not_move_its_own_threshold(table):
    rows = cross_validated(table)
    flipped = dataclasses.replace(rows, y_true=np.where(rows.fold[0] == 2, 1, rows.y_true))
    same = rows.fold[0] == 2
    before, after = (threshold_of_folds(x)[0] for x in (rows, flipped))
    assert (before[same] == after[same]).all()
    assert (before[~same] != after[~same]).any()


def test_noise_has_no_youden_index_at_thresholds_of_other_folds():
    def youden(seed: int) -> float:
        rng = generator(seed, "noise")
        y, fold = np.arange(60) % 2, np.tile(np.arange(60) // 2 % 5, (1, 1))
        rows = RoleRows("out_of_fold", "noise", y, rng.random((1, 60)), fold, np.arange(60), ())
        called = rows.y_prob[0] >= threshold_of_folds(rows)[0]
        return called[y == 1].mean() - called[y == 0].mean()

    assert abs(np.mean([youden(seed) for seed in range(100)])) < 0.05  # of its own rows: .15


@pytest.mark.parametrize("kind", ["held_out", "in_sample"])
def test_rows_that_are_not_out_of_fold_do_not_move_a_threshold(table, found, kind):
    rng = generator(1, "other")
    other = table.copy()
    changed = other["kind"].eq(kind)
    other.loc[changed, "y_prob"] = rng.random(int(changed.sum()))
    other.loc[changed, "y_true"] = 1 - other.loc[changed, "y_true"]
    assert thresholds(judged(other)) == thresholds(found)


def test_out_of_fold_rows_do_move_it(table, found):
    other = table.copy()
    other.loc[other["kind"].eq("out_of_fold"), "y_prob"] /= 2
    halved = repeats(table)
    halved["y_prob"] /= 2
    moved = thresholds(evaluate(PredictionRows(other, halved), n_features=N_FEATURES))
    for key, threshold in thresholds(found).items():
        assert moved[key] == pytest.approx(threshold / 2)


def test_the_cross_validated_role_is_that_of_repeated_cv_not_of_the_first_repeat(table, found):
    other = table.copy()
    other.loc[other["kind"].eq("out_of_fold"), "y_prob"] = 0.5
    again = evaluate(
        PredictionRows(other, repeats(table)), n_features=N_FEATURES, n_permutations=20
    )
    assert numbers(again) == numbers(found)


Y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
P = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.2, 0.2, 0.1, 0.1])


def held_out(y: np.ndarray = Y, p: np.ndarray = P, patient: np.ndarray | None = None) -> RoleRows:
    patient = np.arange(len(y)) if patient is None else patient
    return RoleRows("test", "hand", y, np.atleast_2d(p), None, patient, ())


def test_counts_and_proportions_are_those_counted_by_hand():
    values, notes = performance(held_out(), 0.5)
    assert [note for note in notes if "interval of ICI" not in note] == []
    assert {name: values[name] for name in ("n", "n_positive", "tp", "fp", "tn", "fn")} == {
        "n": 10, "n_positive": 4, "tp": 3, "fp": 2, "tn": 4, "fn": 1,
    }  # fmt: skip
    assert values["sensitivity"] == 3 / 4
    assert values["specificity"] == pytest.approx(4 / 6)
    assert values["ppv"] == 3 / 5
    assert values["npv"] == 4 / 5
    assert values["accuracy"] == 7 / 10
    assert values["f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert values["auc"] == pytest.approx((6 + 6 + 5 + 4) / 24)
    assert values["brier"] == pytest.approx(np.mean((P - Y) ** 2))
    assert values["prevalence"] == 0.4
    trials = {"sensitivity": (3, 4), "specificity": (4, 6), "ppv": (3, 5), "npv": (4, 5)}
    trials["accuracy"] = (7, 10)
    for name, (successes, n) in trials.items():
        found = (values[f"{name}_low"], values[f"{name}_high"])
        assert found == pytest.approx(proportion_confint(successes, n, method="wilson"))
    jaccard = np.array(proportion_confint(3, 6, method="wilson"))
    assert (values["f1_low"], values["f1_high"]) == pytest.approx(2 * jaccard / (1 + jaccard))
    assert values["auc_low"] < values["auc"] < values["auc_high"]


def test_errors_of_a_role_have_their_limits():
    values, _ = performance(held_out(), 0.5)
    error = (P - Y) ** 2
    half = student_t.ppf(0.975, 9) * error.std(ddof=1) / np.sqrt(10)
    limits = values["brier_low"], values["brier_high"]
    assert limits == pytest.approx((error.mean() - half, error.mean() + half))
    for name in ("brier_scaled", "calibration_slope", "calibration_in_the_large"):
        assert values[f"{name}_low"] < values[name] < values[f"{name}_high"], name


def test_every_measure_lies_between_its_limits(found):
    for arm in found.arms.values():
        for values in arm["roles"].values():
            limited = [name.removesuffix("_low") for name in values if name.endswith("_low")]
            assert len(limited) == 13
            for name in limited:
                assert values[f"{name}_low"] <= values[name] <= values[f"{name}_high"], name


def test_rows_of_one_patient_are_no_independent_cases():
    y, p = np.repeat(Y, 4), np.repeat(P, 4)
    single, _ = performance(held_out(), 0.5)
    rows, _ = performance(held_out(y, p), 0.5)
    patients, _ = performance(held_out(y, p, np.repeat(np.arange(10), 4)), 0.5)
    for name in ("auc", "sensitivity", "accuracy", "brier", "calibration_slope"):
        assert rows[name] == pytest.approx(single[name]) == pytest.approx(patients[name])
        width = [x[f"{name}_high"] - x[f"{name}_low"] for x in (rows, patients, single)]
        assert width[0] < 0.7 * width[1], name
        assert 0.8 * width[2] < width[1] < 1.4 * width[2], name  # few patients: Student's


def test_four_equal_repeats_are_worth_no_more_than_one(table):
    once = dataclasses.replace(cross_validated(table), fold=None)
    once = dataclasses.replace(once, y_prob=once.y_prob[:1])
    often = dataclasses.replace(once, y_prob=np.tile(once.y_prob, (4, 1)))
    one, four = (performance(rows, 0.4)[0] for rows in (once, often))
    for name in ("auc", "sensitivity", "f1", "brier"):
        for end in ("", "_low", "_high"):
            assert four[name + end] == pytest.approx(one[name + end])
    assert four["tp"] == one["tp"]


def test_hosmer_lemeshow_loses_degrees_of_freedom_in_sample_only(table, found):
    y = outcomes(table, "test")
    for role, external in (("train", False), ("test", True)):
        rows = role_rows(table, "clinical", role)
        fit = stats.hosmer_lemeshow(rows["y_true"], rows["y_prob"], external=external)
        test = found.arms["clinical"]["roles"][role]["hosmer_lemeshow"]
        assert test == {"statistic": fit.statistic, "dof": fit.dof, "p_value": fit.p_value}
    assert found.arms["clinical"]["roles"]["test"]["hosmer_lemeshow"]["dof"] == 10
    assert found.arms["clinical"]["roles"]["train"]["hosmer_lemeshow"]["dof"] == 8
    assert len(y) == 40


def test_the_calibration_line_is_the_logistic_regression_of_the_log_odds():
    import statsmodels.api as sm

    values, _ = performance(held_out(), 0.5)
    fit = sm.Logit(Y, sm.add_constant(np.log(P / (1 - P)))).fit(disp=0)
    found = [values["calibration_intercept"], values["calibration_slope"]]
    assert found == pytest.approx(fit.params.tolist(), abs=1e-6)


def test_a_proportion_of_nobody_is_none():
    values, _ = performance(held_out(), 0.95)
    assert values["ppv"] is None
    assert values["ppv_low"] is None
    assert values["sensitivity"] == 0
    assert values["npv"] == pytest.approx(6 / 10)


def constant(table: pd.DataFrame, arm: str, kind: str | None = None) -> pd.DataFrame:
    other = table.copy()
    chosen = other["arm"].eq(arm) & (other["kind"].eq(kind) if kind else True)
    other.loc[chosen, "y_prob"] = 0.3
    return other


def test_constant_predictions_have_no_auc_and_no_threshold_and_it_is_said(table):
    found = judged(constant(table, "clinical"))
    for role, values in found.arms["clinical"]["roles"].items():
        for name in ("auc", "auc_low", "auc_high", "threshold", "sensitivity", "ppv_low", "tp",
                     "f1", "calibration_slope"):  # fmt: skip
            assert values[name] is None, name
        assert values["brier"] == pytest.approx(np.mean((0.3 - outcomes(table, role)) ** 2))
        assert any(note.startswith(f"clinical, {role}: AUC") for note in found.notes)
    assert any(note.startswith("clinical: no threshold") for note in found.notes)
    assert found.best_arm["n_arms"] == 2
    assert not any(note.startswith("radiomics,") for note in found.notes)
    json.dumps([found.arms, found.comparisons], allow_nan=False)


def outcomes(table: pd.DataFrame, role: str) -> np.ndarray:
    return role_rows(table, "clinical", role)["y_true"].to_numpy()


def test_a_constant_arm_leaves_the_other_comparisons_and_their_family(table):
    found = judged(constant(table, "clinical"))
    tested = [row for row in found.comparisons if row["p_value"] is not None]
    absent = [row for row in found.comparisons if row["p_value"] is None]
    assert {(r["first"], r["second"]) for r in tested} == {("radiomics", "combined")}
    assert all(row["p_holm"] == row["p_value"] for row in tested)
    assert len(absent) == 6
    assert all(row["p_holm"] is row["z"] is row["auc_difference"] is None for row in absent)
    assert sum("clinical against" in note for note in found.notes) == 6


def test_a_role_of_one_outcome_is_reported_without_what_it_cannot_give(table):
    other = table[~(table["role"].eq("external") & table["y_true"].eq(1))]
    found = judged(other)
    for arm in ARMS:
        values = found.arms[arm]["roles"]["external"]
        assert values["auc"] is values["sensitivity"] is values["calibration_slope"] is None
        assert values["n_positive"] == 0
        assert 0 <= values["specificity"] <= 1
        assert any(note.startswith(f"{arm}, external: AUC") for note in found.notes)
    json.dumps([found.arms, found.comparisons], allow_nan=False)


def test_certain_and_wrong_predictions_stay_json(table):
    other = table.copy()
    other["y_prob"] = other["y_prob"].round()
    found = judged(other)
    json.dumps([found.arms, found.comparisons, found.notes], allow_nan=False)


def test_arms_are_compared_in_pairs_within_each_role(found):
    pairs = [("clinical", "radiomics"), ("clinical", "combined"), ("radiomics", "combined")]
    expected = [(role, *pair) for role in ("out_of_fold", "test", "external") for pair in pairs]
    assert [(r["role"], r["first"], r["second"]) for r in found.comparisons] == expected


def test_held_out_comparisons_are_paired_delong_tests(table, found):
    for row in found.comparisons:
        if row["role"] == "out_of_fold":
            continue
        one = role_rows(table, row["first"], row["role"])
        two = role_rows(table, row["second"], row["role"])
        assert (one["patient_id"].to_numpy() == two["patient_id"].to_numpy()).all()
        test = stats.delong_test(one["y_true"], one["y_prob"], two["y_prob"])
        expected = (test.difference, test.low, test.high, test.z, test.p_value)
        names = ("auc_difference", "low", "high", "z", "p_value")
        assert tuple(row[name] for name in names) == pytest.approx(expected)


def test_cross_validated_comparisons_count_who_was_learned_from(table, found):
    tested = [row for row in found.comparisons if row["role"] == "out_of_fold"]
    assert len(tested) == 3
    for row in tested:
        one, two = (cross_validated(table, row[name]) for name in ("first", "second"))
        naive = stats.auc_difference(one.y_true, one.y_prob, two.y_prob)
        test = stats.auc_difference(one.y_true, one.y_prob, two.y_prob, n_folds=5)
        assert (row["auc_difference"], row["z"]) == (test.difference, test.z)
        assert row["auc_difference"] == pytest.approx(naive.difference)
        assert row["high"] - row["low"] > 1.1 * (naive.high - naive.low)


def test_p_values_are_adjusted_within_a_role(found):
    for role in ("out_of_fold", "test", "external"):
        family = [row for row in found.comparisons if row["role"] == role]
        expected = multipletests([row["p_value"] for row in family], method="holm")[1]
        assert [row["p_holm"] for row in family] == pytest.approx(expected.tolist())
    everything = multipletests([r["p_value"] for r in found.comparisons], method="holm")[1]
    assert [r["p_holm"] for r in found.comparisons] != pytest.approx(everything.tolist())


def test_a_study_without_external_patients_has_no_external_numbers(table):
    found = judged(table[table["role"].ne("external")])
    assert all("external" not in arm["roles"] for arm in found.arms.values())
    assert {row["role"] for row in found.comparisons} == {"out_of_fold", "test"}
    assert set(found.tables["roc"]["role"]) == {"train", "out_of_fold", "test"}


def test_curves_are_there_for_every_arm_and_role(found):
    for curve in (found.tables["roc"], found.tables["calibration"]):
        assert set(zip(curve["role"], curve["arm"], strict=True)) == {
            (role, arm) for role in ("train", "out_of_fold", "test", "external") for arm in ARMS
        }
    assert set(found.tables["decision_curve"]["arm"]) == {*ARMS, "treat_all", "treat_none"}


def test_the_area_under_the_drawn_curve_is_the_reported_auc(found):
    for arm in ARMS:
        for role, values in found.arms[arm]["roles"].items():
            curve = found.tables["roc"][
                found.tables["roc"]["arm"].eq(arm) & found.tables["roc"]["role"].eq(role)
            ]
            area = np.trapezoid(curve["sensitivity"], curve["false_positive_rate"])
            assert abs(area) == pytest.approx(values["auc"])


def test_decision_curves_are_the_net_benefit_by_its_formula(table, found):
    chosen = found.tables["decision_curve"][found.tables["decision_curve"]["role"].eq("test")]
    y = outcomes(table, "test")
    p = role_rows(table, "clinical", "test")["y_prob"].to_numpy()
    for t in (0.1, 0.33, 0.5):
        at = chosen[np.isclose(chosen["threshold_probability"], t)].set_index("arm")
        treated = p >= t
        gain = np.sum(treated & (y == 1)) - np.sum(treated & (y == 0)) * t / (1 - t)
        assert at.loc["clinical", "net_benefit"] == pytest.approx(gain / len(y))
        everybody = y.mean() - (1 - y.mean()) * t / (1 - t)
        assert at.loc["treat_all", "net_benefit"] == pytest.approx(everybody)
        assert at.loc["treat_none", "net_benefit"] == 0


def test_an_evaluation_is_made_of_predictions_and_nothing_else(found):
    assert set(found.tables) == {
        "repeated_cv", "repeats", "operating_points", "reclassification", "against_chance",
        "roc", "calibration", "calibration_curve", "decision_curve",
    }  # fmt: skip
    assert found.notes == []


# ---- the primary estimate, and the tables beside it


def test_the_primary_estimate_is_the_mean_over_repeats(table, found):
    summary, single = found.tables["repeated_cv"], found.tables["repeats"]
    for arm in ARMS:
        y, p = stats_of(table, arm)
        of_role = found.arms[arm]["roles"]["out_of_fold"]
        areas = [stats.auc(y, one) for one in p]
        row = summary[summary["arm"].eq(arm)].iloc[0]
        assert row["auc"] == pytest.approx(np.mean(areas))
        assert row["sd_between_repeats"] == pytest.approx(np.std(areas, ddof=1))
        assert (row["min"], row["max"]) == pytest.approx((min(areas), max(areas)))
        assert row["auc_low"] < row["auc"] < row["auc_high"]
        assert single.loc[single["arm"].eq(arm), "auc"].tolist() == pytest.approx(areas)
        for name in ("auc", "auc_low", "auc_high"):
            assert found.arms[arm]["repeated_cv"][name] == row[name] == of_role[name]


def stats_of(table: pd.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray]:
    rows = repeats(table)
    rows = rows[rows["arm"].eq(arm)].sort_values(["repeat", "patient_id", "lesion_id"])
    p = rows["y_prob"].to_numpy().reshape(2, -1)
    return rows["y_true"].to_numpy()[: p.shape[1]], p


def test_arms_are_compared_by_their_mean_auc_over_the_repeats(table, found):
    summary = found.tables["repeated_cv"].set_index("arm")["auc"]
    for row in found.comparisons[:3]:
        assert row["role"] == "out_of_fold"
        difference = summary[row["first"]] - summary[row["second"]]
        assert row["auc_difference"] == pytest.approx(difference)
        assert row["low"] < row["auc_difference"] < row["high"]


def test_the_interval_is_that_of_the_estimate_with_its_folds(table, found):
    for arm in ARMS:
        rows = cross_validated(table, arm)
        of = stats.auc_estimate(rows.y_true, rows.y_prob, folds=rows.fold)
        held = stats.auc_estimate(rows.y_true, rows.y_prob)
        row = found.tables["repeated_cv"].set_index("arm").loc[arm]
        assert (row["auc_low"], row["auc_high"]) == (of.low, of.high)
        assert of.standard_error > 1.1 * held.standard_error


def test_the_best_arm_is_corrected_for_the_choice(table, found):
    summary = found.tables["repeated_cv"].set_index("arm")["auc"]
    best = found.best_arm
    assert (best["arm"], best["n_arms"]) == (summary.idxmax(), 3)
    assert best["auc"] == summary.max()
    tied = {best["arm"]}
    for row in found.comparisons[:3]:
        pair = {row["first"], row["second"]}
        if best["arm"] in pair and row["p_value"] >= 0.05:
            tied |= pair
    assert set(best["tied"]) == tied
    assert best["corrected"] <= best["auc"]
    assert best["low"] < best["corrected"] < best["high"]


def test_one_arm_was_not_chosen(table):
    found = judged(table[table["arm"].eq("clinical")])
    best, area = found.best_arm, found.arms["clinical"]["repeated_cv"]
    assert (best["corrected"], best["tied"], best["n_arms"]) == (area["auc"], ["clinical"], 1)
    assert (best["low"], best["high"]) == (area["auc_low"], area["auc_high"])


def test_no_arm_is_the_best_of_arms_without_an_auc(table):
    other = table.assign(y_prob=0.3)
    assert judged(other).best_arm is None


def test_one_repeat_has_an_interval_too(table):
    once = repeats(table).query("repeat == 0")
    found = evaluate(PredictionRows(table, once), n_features=N_FEATURES)
    summary = found.tables["repeated_cv"].set_index("arm")
    for arm in ARMS:
        out_of_fold = found.arms[arm]["roles"]["out_of_fold"]
        for name in ("auc", "auc_low", "auc_high"):
            assert summary.loc[arm, name] == out_of_fold[name]
        assert found.arms[arm]["repeated_cv"]["sd_between_repeats"] is None
        assert out_of_fold["auc_low"] < out_of_fold["auc"] < out_of_fold["auc_high"]


def test_the_number_of_looks_is_printed_with_every_comparison(found):
    assert {row["n_looks"] for row in found.comparisons} == {3}


def test_operating_points_use_thresholds_of_out_of_fold_rows(table, found):
    points = found.tables["operating_points"]
    assert set(points["rule"]) == {"Youden", "sensitivity ≥ .90", "specificity ≥ .90"}
    assert (points.groupby(["arm", "rule"])["threshold"].nunique() == 1).all()
    for arm in ARMS:
        y, p = stats_of(table, arm)
        y, p = np.tile(y, 2), p.ravel()
        at = points[points["arm"].eq(arm)].groupby("rule")["threshold"].first()
        assert np.mean(p[y == 1] >= at["sensitivity ≥ .90"]) >= 0.9
        assert np.mean(p[y == 0] < at["specificity ≥ .90"]) >= 0.9
    for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
        known = points.dropna(subset=[name])
        assert (known[f"{name}_low"] <= known[name]).all()
        assert (known[name] <= known[f"{name}_high"]).all()
    assert points.groupby("role")["prevalence"].nunique().eq(1).all()


def test_reclassification_favours_the_better_arm(found):
    table = found.tables["reclassification"]
    row = table[(table["first"] == "clinical") & (table["second"] == "combined")]
    assert (row["idi"] > 0).all()  # combined in place of clinical
    assert (row["idi_low"] < row["idi"]).all()


def test_permutation_p_values_are_never_zero(found):
    table = found.tables["against_chance"]
    held_out = table[table["role"].ne("out_of_fold")]
    assert (held_out["p_value"] >= 1 / 21).all()
    assert (held_out["p_value"] <= 1).all()
    assert (held_out["n_permutations"] == 20).all()


def test_cross_validated_patients_are_tested_by_the_primary_standard_error(table, found):
    rows = found.tables["against_chance"].query("role == 'out_of_fold'").set_index("arm")
    assert rows["n_permutations"].isna().all()
    for arm in ARMS:
        of = cross_validated(table, arm)
        expected = stats.auc_estimate(of.y_true, of.y_prob, folds=of.fold)
        assert rows.loc[arm, "p_value"] == expected.p_value
        assert rows.loc[arm, "auc"] == expected.auc


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("net_benefit", "low", "high"), ("over_all", "over_all_low", "over_all_high")],
)
def test_bands_hold_the_decision_curve(found, value, low, high):
    curve = found.tables["decision_curve"].dropna(subset=[low])
    assert set(curve["arm"]) == set(ARMS)
    assert ((curve[low] <= curve[value]) & (curve[value] <= curve[high])).all()


def test_the_gain_over_treating_all_is_the_difference_of_the_two_curves(found):
    curve = found.tables["decision_curve"]
    keys = ["role", "threshold_probability"]
    everybody = curve[curve["arm"].eq("treat_all")].set_index(keys)["net_benefit"]
    for arm in ARMS:
        of = curve[curve["arm"].eq(arm)].set_index(keys)
        difference = of["net_benefit"] - everybody
        assert of["over_all"].to_numpy() == pytest.approx(difference.loc[of.index].to_numpy())


def test_the_mean_roc_curve_has_no_threshold(found):
    roc = found.tables["roc"]
    is_mean = roc["role"].eq("out_of_fold")
    assert roc.loc[is_mean, "threshold"].isna().all()
    assert roc.loc[~is_mean, "threshold"].notna().all()


def test_few_patients_have_a_logistic_calibration_curve(found):
    assert set(found.tables["calibration_curve"]["kind"]) == {"logistic"}


def test_nothing_is_permuted_unless_asked(table):
    found = judged(table, n_permutations=0)
    assert set(found.tables["against_chance"]["role"]) == {"out_of_fold"}
