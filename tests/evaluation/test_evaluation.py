"""Every number of a study comes from its predictions, and thresholds from training alone."""

import json

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from her2 import stats
from her2.core.seeds import generator
from her2.core.types import PREDICTION_COLUMNS
from her2.evaluation import evaluate, role_rows
from her2.evaluation.performance import performance, training_threshold
from her2.evaluation.prediction_rows import REPEATED

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
    """The out-of-fold rows, and a second repeat that ranks patients a little differently."""
    first = table[table["kind"].eq("out_of_fold")].sort_values("patient_id").assign(repeat=0)
    second = first.assign(repeat=1, y_prob=first["y_prob"] ** 1.3)
    order = second.groupby("arm").cumcount()
    second["y_prob"] = np.where(order % 4 == 0, second["y_prob"] * 0.9, second["y_prob"])
    return pd.concat([first, second], ignore_index=True)


def judged(table: pd.DataFrame, **settings):
    settings = {"n_resamples": 20, "n_permutations": 20, **settings}
    return evaluate(table, repeats(table), n_features=N_FEATURES, **settings)


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


def test_the_threshold_is_youden_s_of_the_out_of_fold_rows(table, found):
    chosen = table[table["arm"].eq("radiomics") & table["kind"].eq("out_of_fold")]
    y, p = chosen["y_true"].to_numpy(), chosen["y_prob"].to_numpy()

    def youden(threshold: float) -> float:
        return np.mean(p[y == 1] >= threshold) - np.mean(p[y == 0] >= threshold)

    best = max(youden(t) for t in p)
    threshold = found.arms["radiomics"]["roles"]["test"]["threshold"]
    assert youden(threshold) == pytest.approx(best)
    assert training_threshold(table, "radiomics") == threshold


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
    moved = thresholds(judged(other))
    for key, threshold in thresholds(found).items():
        assert moved[key] == pytest.approx(threshold / 2)


Y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
P = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.2, 0.2, 0.1, 0.1])


def test_counts_and_proportions_are_those_counted_by_hand():
    values, notes = performance(Y, P, 0.5, "hand")
    assert not notes
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
    trials = {"sensitivity": (3, 4), "specificity": (4, 6), "ppv": (3, 5), "npv": (4, 5)}
    for name, (successes, n) in trials.items():
        found = (values[f"{name}_low"], values[f"{name}_high"])
        assert found == pytest.approx(proportion_confint(successes, n, method="wilson"))
    assert values["auc_low"] < values["auc"] < values["auc_high"]


def test_the_calibration_line_is_the_logistic_regression_of_the_log_odds():
    import statsmodels.api as sm

    values, _ = performance(Y, P, 0.5, "hand")
    fit = sm.Logit(Y, sm.add_constant(np.log(P / (1 - P)))).fit(disp=0)
    found = [values["calibration_intercept"], values["calibration_slope"]]
    assert found == pytest.approx(fit.params.tolist(), abs=1e-6)


def test_a_proportion_of_nobody_is_none():
    values, _ = performance(Y, P, 0.95, "hand")
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
    assert sum("clinical against" in note for note in found.notes) == 8


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


def test_comparisons_are_paired_delong_tests(table, found):
    for row in found.comparisons:
        one = role_rows(table, row["first"], row["role"])
        two = role_rows(table, row["second"], row["role"])
        assert (one["patient_id"].to_numpy() == two["patient_id"].to_numpy()).all()
        test = stats.delong_test(one["y_true"], one["y_prob"], two["y_prob"])
        assert (row["auc_difference"], row["z"], row["p_value"]) == (
            test.difference,
            test.z,
            test.p_value,
        )


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
        "repeated_cv", "repeats", "operating_points", "reclassification", "permutation",
        "roc", "calibration", "calibration_curve", "decision_curve",
    }  # fmt: skip
    assert found.notes == []


# ---- the primary estimate, and the tables beside it


def test_the_primary_estimate_is_the_mean_over_repeats(table, found):
    summary, single = found.tables["repeated_cv"], found.tables["repeats"]
    for arm in ARMS:
        y, p = stats_of(table, arm)
        areas = [stats.auc(y, one) for one in p]
        row = summary[summary["arm"].eq(arm)].iloc[0]
        assert row["auc"] == pytest.approx(np.mean(areas))
        assert row["sd_between_repeats"] == pytest.approx(np.std(areas, ddof=1))
        assert (row["min"], row["max"]) == pytest.approx((min(areas), max(areas)))
        assert row["auc_low"] < row["auc"] < row["auc_high"]
        assert single.loc[single["arm"].eq(arm), "auc"].tolist() == pytest.approx(areas)
        assert found.arms[arm]["repeated_cv"]["auc"] == row["auc"]


def stats_of(table: pd.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray]:
    rows = repeats(table)
    rows = rows[rows["arm"].eq(arm)].sort_values(["repeat", "patient_id", "lesion_id"])
    p = rows["y_prob"].to_numpy().reshape(2, -1)
    return rows["y_true"].to_numpy()[: p.shape[1]], p


def test_arms_are_compared_by_their_mean_auc_over_the_repeats(table, found):
    summary = found.tables["repeated_cv"].set_index("arm")["auc"]
    assert len(found.repeated_comparisons) == 3
    for row in found.repeated_comparisons:
        assert row["role"] == REPEATED
        difference = summary[row["first"]] - summary[row["second"]]
        assert row["auc_difference"] == pytest.approx(difference)
        assert row["low"] < row["auc_difference"] < row["high"]


def test_one_repeat_is_not_compared_as_repeats(table):
    once = repeats(table).query("repeat == 0")
    found = evaluate(table, once, n_features=N_FEATURES)
    assert found.repeated_comparisons == []
    summary = found.tables["repeated_cv"].set_index("arm")
    for arm in ARMS:
        out_of_fold = found.arms[arm]["roles"]["out_of_fold"]
        for name in ("auc", "auc_low", "auc_high"):
            assert summary.loc[arm, name] == pytest.approx(out_of_fold[name])


def test_the_number_of_looks_is_printed_with_every_comparison(found):
    assert {row["n_looks"] for row in found.comparisons} == {3}


def test_operating_points_use_thresholds_of_out_of_fold_rows(table, found):
    points = found.tables["operating_points"]
    assert set(points["rule"]) == {"Youden", "sensitivity ≥ .90", "specificity ≥ .90"}
    assert (points.groupby(["arm", "rule"])["threshold"].nunique() == 1).all()
    honest = points[points["role"].eq("out_of_fold")].set_index("rule")
    assert (honest.loc["sensitivity ≥ .90", "sensitivity"] >= 0.9).all()
    assert (honest.loc["specificity ≥ .90", "specificity"] >= 0.9).all()
    assert (points["sensitivity_low"] <= points["sensitivity"]).all()


def test_reclassification_favours_the_better_arm(found):
    table = found.tables["reclassification"]
    row = table[(table["first"] == "clinical") & (table["second"] == "combined")]
    assert (row["idi"] > 0).all()  # combined in place of clinical
    assert (row["idi_low"] < row["idi"]).all()


def test_permutation_p_values_are_never_zero(found):
    p_values = found.tables["permutation"]["p_value"]
    assert (p_values >= 1 / 21).all()
    assert (p_values <= 1).all()


def test_bands_hold_the_decision_curve(found):
    curve = found.tables["decision_curve"].dropna(subset=["low"])
    assert set(curve["arm"]) == set(ARMS)
    inside = (curve["low"] <= curve["net_benefit"]) & (curve["net_benefit"] <= curve["high"])
    assert inside.mean() > 0.95


def test_nothing_is_resampled_unless_asked(table):
    found = judged(table, n_resamples=0, n_permutations=0)
    assert found.tables["permutation"].empty
    assert "low" not in found.tables["decision_curve"]
