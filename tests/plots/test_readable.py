"""Every figure can be read: no text lies on another or leaves the page, whatever is missing."""

import numpy as np
import pandas as pd
import pytest
import study_tables as tables
from drawn import assert_readable

from her2 import plots
from her2.plots.text import arm_title

RASTER_LIMIT = 500_000  # bytes of an SVG; beyond, the report would show a PNG


def rng():
    return np.random.default_rng(20250611)


def histograms(study):
    shown = study.predictions["test"]
    return plots.prediction_histogram_panels({arm_title(a): (shown[a], 0.3) for a in shown})


def roc_with_points(study):
    rules = ("Youden", "sensitivity >= .90", "specificity >= .90")
    points = pd.DataFrame(
        [(arm, rule, 0.9 - 0.2 * i, 0.4 + 0.25 * i) for arm in study.arms
         for i, rule in enumerate(rules)],
        columns=["arm", "rule", "sensitivity", "specificity"],
    )  # fmt: skip
    panels = {role: (study.curves[role], study.auc[role]) for role in study.curves}
    return plots.roc_panels(panels, points={"test": points})


def full_calibration(study):
    predictions = pd.concat(t.assign(arm=a) for a, t in study.predictions["test"].items())
    return plots.calibration_figure(
        study.calibration["test"],
        title="Test",
        curves=tables.calibration_curves(),
        predictions=predictions,
        measures=tables.calibration_measures(),
    )


def correlation(n_after):
    after = tables.correlations(rng(), n_after) if n_after > 1 else np.ones((n_after, n_after))
    return plots.correlation_figure(tables.correlations(rng(), 120), after)


def shap(n, n_patients=147):
    values = rng().normal(size=(n_patients, n)) * np.linspace(1, 0.02, n)
    values[::2, 1:] = 0.0  # not selected in every fold
    positions = rng().random((n_patients, n))
    positions[:, ::4] = np.nan
    return plots.shap_figure(
        tables.long_names(n), values, positions, title="DLR", subtitle="118 of 147 lesions"
    )


def nomogram(study):
    shown = tables.nomogram()
    return plots.nomogram_figure(
        shown["points"], shown["total"], probability_axis=shown["probability_axis"]
    )


def example():
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:20, 10:30] = True
    return np.full((40, 60), 90, dtype=np.uint8), mask, "HER2 positive"


FIGURES = {
    "roc": lambda s: plots.roc_panels({"Test": (s.curves["test"], s.auc["test"])}),
    "roc_panels": lambda s: plots.roc_panels({r: (s.curves[r], s.auc[r]) for r in s.curves}),
    "roc_points": roc_with_points,
    "calibration": lambda s: plots.calibration_figure(s.calibration["test"], title="Test"),
    "calibration_full": full_calibration,
    "decision": lambda s: plots.decision_curve_panels({"Test": s.decision["test"]}),
    "decision_panels": lambda s: plots.decision_curve_panels(s.decision),
    "decision_band": lambda s: plots.decision_curve_panels(
        {
            r: d.assign(low=d["net_benefit"] - 0.1, high=d["net_benefit"] + 0.1)
            for r, d in s.decision.items()
        }
    ),
    "confusion": lambda s: plots.confusion_figure(s.arms),
    "prediction": lambda s: plots.prediction_panels({"Test": (s.predictions["test"]["dlr"], 0.3)}),
    "prediction_panels": lambda s: plots.prediction_panels(
        {"A": (s.predictions["test"]["dlr"], 0.3), "B": (s.predictions["test"]["dlr"], None)}
    ),
    "histograms": histograms,
    "comparison": lambda s: plots.comparison_figure([c | {"n_looks": 10} for c in s.comparisons]),
    "flow": lambda s: plots.flow_figure(s.flow),
    "examples": lambda s: plots.example_figure([example()]),
    "feature_counts": lambda s: plots.feature_counts_figure(tables.feature_counts()),
    "p_values": lambda s: plots.p_value_figure(tables.p_values(rng())),
    "correlation_9": lambda s: correlation(9),
    "correlation_30": lambda s: correlation(30),
    "correlation_1": lambda s: correlation(1),
    "correlation_0": lambda s: correlation(0),
    "lasso": lambda s: plots.lasso_figure(
        tables.lasso_path(rng()), tables.lasso_error(), chosen=0.01
    ),
    "weights": lambda s: plots.weights_figure(tables.weights(rng())),
    "weights_1": lambda s: plots.weights_figure(tables.weights(rng()).head(1)),
    "stability": lambda s: plots.stability_figure(
        tables.frequencies(rng()),
        nogueira_text="Nogueira's stability 0.42 (0.36–0.48) over 100 resamples; "
        "12.4 features on average",
    ),
    "importance": lambda s: plots.importance_figure(tables.importance(rng()), title="DLR"),
    "importance_1": lambda s: plots.importance_figure(tables.importance(rng()).head(1)),
    "shap": lambda s: shap(44),
    "shap_1": lambda s: shap(1),
    "repeats": lambda s: plots.repeats_figure(tables.repeats(rng()), tables.repeat_summary()),
    "nomogram": nomogram,
    "subgroups": lambda s: plots.forest_figure(
        tables.subgroups(), reference=0.742, xlabel="AUC", title="Combined, test"
    ),
    "odds_ratios": lambda s: plots.forest_figure(
        tables.odds_ratios(), reference=1.0, xlabel="Odds ratio", log=True
    ),
    "learning_curve": lambda s: plots.learning_curve_figure(tables.learning_curve()),
    "instability": lambda s: plots.instability_figure(
        tables.instability_points(rng()), dict.fromkeys(tables.ARMS, 0.31)
    ),
    "instability_1": lambda s: plots.instability_figure(
        tables.instability_points(rng()).query("arm == 'dlr'"), {"dlr": 0.31}
    ),
    "conformal": lambda s: plots.prediction_sets_figure(tables.prediction_sets()),
    "conformal_1": lambda s: plots.prediction_sets_figure(
        tables.prediction_sets().query("arm == 'dlr' and role == 'test'")
    ),
    "agreement": lambda s: plots.agreement_figure(tables.agreement(rng()), dice_limit=0.75),
    "harmonisation": lambda s: plots.harmonisation_figure(
        rng().normal(size=(60, 2)), rng().normal(size=(60, 2)), [*"ABCDE" * 11, *[None] * 5]
    ),
    "agreement_no_mm": lambda s: plots.agreement_figure(
        tables.agreement(rng()).assign(hausdorff_mm=np.nan), dice_limit=0.75
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_page_or_covers_another_text(name, study):
    assert_readable(FIGURES[name](study))


def test_a_file_of_the_densest_figures_stays_small():
    rows = tables.correlations(rng(), 300)
    for figure in (
        plots.correlation_figure(rows, rows[:60, :60]),
        plots.p_value_figure(tables.p_values(rng())),
        plots.lasso_figure(tables.lasso_path(rng(), 600), tables.lasso_error(), chosen=0.01),
        shap(44, n_patients=900),
    ):
        assert len(plots.svg_bytes(figure)) < RASTER_LIMIT


def missing(table, *columns):
    return table.assign(**dict.fromkeys(columns, np.nan))


ALL_MISSING = {
    "feature_counts": lambda: plots.feature_counts_figure(missing(tables.feature_counts(), "n")),
    "p_values": lambda: plots.p_value_figure(missing(tables.p_values(rng()), "p_value")),
    "correlation": lambda: plots.correlation_figure(np.full((3, 3), np.nan), [[np.nan]]),
    "lasso": lambda: plots.lasso_figure(
        missing(tables.lasso_path(rng()), "coefficient"),
        missing(tables.lasso_error(), "mse_mean", "mse_sd"),
        chosen=None,
    ),
    "weights": lambda: plots.weights_figure(missing(tables.weights(rng()), "weight")),
    "stability": lambda: plots.stability_figure(missing(tables.frequencies(rng()), "frequency")),
    "importance": lambda: plots.importance_figure(
        missing(tables.importance(rng()), "auc_loss", "low", "high")
    ),
    "shap": lambda: plots.shap_figure(["a"], [[np.nan]], [[np.nan]]),
    "repeats": lambda: plots.repeats_figure(
        missing(tables.repeats(rng()), "auc"),
        missing(tables.repeat_summary(), "auc", "auc_low", "auc_high"),
    ),
    "nomogram": lambda: plots.nomogram_figure(
        missing(tables.nomogram()["points"], "points"),
        missing(tables.nomogram()["total"], "total_points"),
        probability_axis=missing(tables.nomogram()["probability_axis"], "total_points"),
    ),
    "subgroups": lambda: plots.forest_figure(
        missing(tables.subgroups(), "n", "n_positive", "value", "low", "high"),
        reference=0.5, xlabel="AUC",
    ),
    "odds_ratios": lambda: plots.forest_figure(
        missing(tables.odds_ratios(), "n_positive", "value", "low", "high"),
        reference=1.0, xlabel="Odds ratio", log=True,
    ),
    "learning_curve": lambda: plots.learning_curve_figure(
        missing(tables.learning_curve(), "auc", "auc_low", "auc_high")
    ),
    "agreement": lambda: plots.agreement_figure(
        missing(tables.agreement(rng()), "dice", "hausdorff_mm"), dice_limit=0.75
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL_MISSING)
def test_a_figure_without_any_number_can_still_be_drawn_and_read(name):
    figure = ALL_MISSING[name]()
    assert_readable(figure)
    assert plots.svg_bytes(figure)
