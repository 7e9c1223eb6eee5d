"""What the figures of performance show: titles, values, colours; nothing lost."""

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from drawn import texts
from matplotlib.colors import to_hex

from her2 import plots
from her2.core.errors import BadConfig
from her2.core.types import ARMS
from her2.plots import (
    calibration_figure,
    comparison_figure,
    confusion_figure,
    decision_curve_panels,
    example_figure,
    flow_figure,
    prediction_histogram_panels,
    prediction_panels,
    roc_panels,
)
from her2.plots.style import ARM_COLOURS, PAGE_WIDTH, arm_colour, arms_in_order


def example(shape=(40, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[10:20, 10:30] = True
    return np.full(shape, 90, dtype=np.uint8), mask, "HER2 positive"


def test_roc_legend_has_every_arm_with_its_interval(study):
    shown = texts(roc_panels({"Test": (study.curves["test"], study.auc["test"])}))
    value, low, high = study.auc["test"]["dlr"]
    assert f"Deep learning radiomics:  {value:.3f} ({low:.3f}–{high:.3f})" in shown


def test_an_arm_without_auc_is_named_as_not_estimable(study):
    auc = {**study.auc["test"], "clinical": (None, None, None)}
    curves = study.curves["test"].query("arm != 'clinical'")
    assert "Clinical:  not estimable" in texts(roc_panels({"Test": (curves, auc)}))


def test_roc_line_passes_through_the_points_it_was_given():
    points = pd.DataFrame(
        {"arm": "dlr", "false_positive_rate": [0, 0.25, 1], "sensitivity": [0, 0.75, 1]}
    )
    figure = roc_panels({"Test": (points, {"dlr": (0.75, 0.5, 0.9)})})
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert [[0, 0], [0.25, 0.75], [1, 1]] in lines


def test_an_arm_has_the_same_colour_in_every_figure(study):
    roc = roc_panels({"Test": (study.curves["test"], study.auc["test"])})
    decision = decision_curve_panels({"Test": study.decision["test"]})
    for figure in (roc, decision):
        colours = {to_hex(line.get_color()).lower() for line in figure.axes[0].lines}
        assert {colour.lower() for colour in ARM_COLOURS.values()} <= colours


def test_every_arm_of_the_study_has_its_own_colour():
    assert set(ARM_COLOURS) == set(ARMS)
    assert len({*ARM_COLOURS.values()}) == len(ARMS)


def test_an_unknown_arm_has_a_colour_that_does_not_depend_on_the_others():
    assert arm_colour("nomogram") == arm_colour("nomogram")
    assert arms_in_order(["nomogram", "dlr", "clinical", "dlr"]) == ["clinical", "dlr", "nomogram"]


def test_decision_curve_keeps_treat_all_from_squeezing_the_models(study):
    figure = decision_curve_panels({"Test": study.decision["test"]})
    low, high = figure.axes[0].get_ylim()
    assert low > -0.2 and high > 0.2
    assert {"Treat all", "Treat none"} <= set(texts(figure).split("\n"))


def decision(net_benefit, **columns):
    steps = np.arange(1, len(net_benefit) + 1) / 10
    return pd.DataFrame(
        {"arm": "dlr", "threshold_probability": steps, "net_benefit": net_benefit, **columns}
    )


def treat_all(prevalence):
    steps = np.arange(1, 100) / 100
    benefit = prevalence - (1 - prevalence) * steps / (1 - steps)
    return pd.DataFrame(
        {"arm": "treat_all", "threshold_probability": steps, "net_benefit": benefit}
    )


@pytest.mark.parametrize(("prevalence", "end"), [(0.295, 0.8), (0.05, 0.3), (0.6, 1.0)])
def test_decision_curve_ends_at_a_multiple_of_the_prevalence(prevalence, end):
    figure = decision_curve_panels({"Test": treat_all(prevalence)})
    assert figure.axes[0].get_xlim()[1] == pytest.approx(end)


def test_decision_curve_without_treat_all_shows_its_whole_range():
    figure = decision_curve_panels({"Test": decision([-0.1, -0.2, -0.3])})
    assert figure.axes[0].get_xlim()[1] == pytest.approx(0.3)


def test_decision_curve_draws_the_band_of_the_last_arm_alone():
    first = decision([0.3, 0.2], low=[0.0, 0.0], high=[0.9, 0.9]).assign(arm="clinical")
    last = decision([0.3, 0.2], low=[0.1, 0.05], high=[0.5, 0.4])
    figure = decision_curve_panels({"Test": pd.concat([last, first])})
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.05, 0.5)
    assert "Deep learning radiomics, 95 % CI" in texts(figure)


@pytest.mark.parametrize("columns", [{}, {"low": np.nan, "high": np.nan}])
def test_decision_curve_without_intervals_has_no_band(columns):
    figure = decision_curve_panels({"Test": decision([0.3, 0.2], **columns)})
    assert not figure.axes[0].collections and "95 % CI" not in texts(figure)


def test_operating_points_are_marked_where_they_lie():
    curve = pd.DataFrame({"arm": "dlr", "false_positive_rate": [0, 1], "sensitivity": [0, 1]})
    rules = pd.DataFrame(
        {"arm": "dlr", "rule": ["Youden", "sensitivity >= .90"], "sensitivity": [0.7, np.nan],
         "specificity": [0.8, np.nan]}
    )  # fmt: skip
    panels = {"Test": (curve, {"dlr": (0.5, 0.4, 0.6)})}
    axes = roc_panels(panels, points={"Test": rules, "a role without a panel": rules}).axes[0]
    (point,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert np.allclose(point.get_xydata(), [[0.2, 0.7]])
    assert to_hex(point.get_color()).lower() == ARM_COLOURS["dlr"].lower()
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown[-2:] == ["Youden", "sensitivity >= .90"]


def test_calibration_draws_the_intervals_it_was_given():
    groups = pd.DataFrame(
        {"arm": "dlr", "mean_predicted": [0.2, 0.7], "observed": [0.1, 0.8], "low": [0.05, np.nan],
         "high": [0.3, np.nan], "n": [20, 21]}
    )  # fmt: skip
    figure = calibration_figure(groups, title="Test")
    segments = next(c.get_segments() for c in figure.axes[0].collections)
    assert np.allclose(segments[0], [[0.2, 0.05], [0.2, 0.3]])
    assert np.allclose(segments[1], [[0.7, 0.8], [0.7, 0.8]])


def test_calibration_draws_the_curve_and_says_where_there_is_none():
    curve = pd.DataFrame(
        {"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.1, 0.6], "high": [0.3, 0.9]}
    )
    groups = pd.DataFrame(
        {"arm": ["dlr", "combined"], "mean_predicted": 0.5, "observed": 0.4, "low": 0.3,
         "high": 0.6, "n": 20}
    )  # fmt: skip
    figure = calibration_figure(
        groups,
        title="Test",
        curves={"dlr": curve, "combined": curve.assign(observed=np.nan)},
        measures={"dlr": "slope 0.90"},
    )
    known, missing = figure.axes[0], figure.axes[2]
    assert [[0.1, 0.2], [0.9, 0.8]] in [line.get_xydata().tolist() for line in known.lines]
    assert [text.get_text() for text in known.texts] == ["slope 0.90"]
    assert [text.get_text() for text in missing.texts] == ["curve not estimable"]


def test_calibration_strip_counts_both_outcomes():
    predictions = pd.DataFrame(
        {"arm": "dlr", "y_true": [1, 1, 0, 0, 0], "y_prob": [0.52, 0.53, 0.52, np.nan, 1.0]}
    )
    groups = pd.DataFrame(columns=["arm", "mean_predicted", "observed", "low", "high", "n"])
    figure = calibration_figure(groups.astype({"n": float}), title="Test", predictions=predictions)
    up, down = (patch.get_data().values for patch in figure.axes[1].patches)
    assert (up[10], up.sum()) == (2, 2)
    assert (down[10], down[-1], down.sum()) == (-1, -1, -2)


def test_histogram_names_the_threshold_and_says_what_is_missing():
    table = pd.DataFrame({"y_true": [0, 1], "y_prob": [0.2, 0.9]})
    empty = table.assign(y_prob=np.nan)
    figure = prediction_histogram_panels(
        {"A": (table, 0.4), "B": (table, None), "C": (empty, np.nan)}
    )
    shown = texts(figure)
    assert "threshold 0.400" in shown and shown.count("threshold not estimable") == 2
    assert "predictions not estimable" in shown


def test_confusion_shows_counts_and_says_where_there_are_none(study):
    arms = {"dlr": {"roles": {"test": {"tp": 11, "fn": 4, "fp": 13, "tn": 33}}}, "clinical": {}}
    shown = texts(confusion_figure(arms, roles=["test"]))
    assert re.findall(r"^\d+$", shown, flags=re.M) == ["11", "4", "13", "33"]
    assert "73 %" in shown and "not estimable" in shown


def test_prediction_bars_start_at_the_threshold():
    table = pd.DataFrame({"y_true": [1, 0], "y_prob": [0.2, 0.9]})
    figure = prediction_panels({"Test": (table, 0.4)})
    segments = [s.tolist() for c in figure.axes[0].collections for s in c.get_segments()]
    assert segments == [[[2.0, 0.4], [2.0, 0.9]], [[1.0, 0.4], [1.0, 0.2]]]
    assert "0.400" in texts(figure)


def test_a_million_predictions_do_not_become_a_million_vector_lines():
    table = pd.DataFrame({"y_true": [0, 1] * 1000, "y_prob": np.linspace(0, 1, 2000)})
    figure = prediction_panels({"Test": (table, None)})
    assert all(c.get_rasterized() for c in figure.axes[0].collections)


def test_comparison_turns_the_sign_when_it_turns_the_pair():
    row = {"role": "test", "auc_difference": -0.05, "p_holm": 0.01}
    shown = texts(comparison_figure([row | {"first": "clinical", "second": "dlr"}]))
    assert "+0.050\np = .010" in shown
    shown = texts(comparison_figure([row | {"first": "dlr", "second": "clinical"}]))
    assert "−0.050\np = .010" in shown


@pytest.mark.parametrize(
    ("n_looks", "title"),
    [(10, "Test\nHolm, 10 comparisons"), (1, "Test\nHolm, 1 comparison"), (None, "Test")],
)
def test_comparison_says_how_many_were_made(n_looks, title):
    row = {"role": "test", "first": "dlr", "second": "clinical", "auc_difference": 0.1}
    figure = comparison_figure([row | {"p_holm": 0.2, "n_looks": n_looks}])
    assert figure.axes[0].get_title(loc="left") == title


def test_comparison_says_what_is_missing():
    row = {"role": "test", "first": "dlr", "second": "clinical"}
    shown = texts(comparison_figure([row | {"auc_difference": None, "p_holm": None}]))
    assert "not\nestimable" in shown
    assert "No comparison was made" in texts(comparison_figure([]))


def test_flow_names_codes_and_sums_what_does_not_fit(study):
    flow = study.flow | {"excluded": {f"C{k:02d}": 1 for k in range(12)}}
    shown = texts(flow_figure(flow, {"M06": "The mask is empty"}))
    assert "Not eligible: n = 12" in shown and "4 other codes: 4" in shown
    assert "The mask is empty (M06): 2" in shown and "201 lesions of 201 patients" in shown


def test_flow_without_a_split_or_problems_can_be_drawn():
    flow = {"n_rows": 3, "excluded": {}, "quarantined": {}, "n_lesions": 3, "n_patients": 2}
    assert "n = 0" in texts(flow_figure(flow))


def test_example_refuses_a_mask_of_another_shape():
    pixels, mask, title = example()
    with pytest.raises(BadConfig, match="same shape"):
        example_figure([(pixels, mask.T, title)])


def test_example_without_a_mask_pixel_has_no_outline():
    pixels, mask, title = example()
    assert not example_figure([(pixels, mask & False, title)]).axes[0].collections
    assert example_figure([(pixels, mask, title)]).axes[0].collections


def test_empty_inputs_still_give_a_figure():
    curves = pd.DataFrame(columns=["arm", "false_positive_rate", "sensitivity"], dtype=float)
    benefit = pd.DataFrame(columns=["arm", "threshold_probability", "net_benefit"], dtype=float)
    assert roc_panels({"None": (curves, {})}).axes
    assert decision_curve_panels({"None": benefit}).axes
    assert confusion_figure({}).axes


def test_the_callers_settings_are_left_alone(study):
    before = dict(mpl.rcParams)
    comparison_figure(study.comparisons)
    assert dict(mpl.rcParams) == before


def test_titles_are_text_and_not_mathematics(study):
    shown = texts(roc_panels({"$\\frac{": (study.curves["test"], study.auc["test"])}))
    assert "$\\frac{" in shown


@pytest.mark.parametrize("n", [3, 4, 6])
def test_panels_of_many_roles_stand_in_rows(study, n) -> None:
    role = next(iter(study.curves))
    titles = [f"Centre {i}" for i in range(n)]
    figures = [
        plots.roc_panels(dict.fromkeys(titles, (study.curves[role], study.auc[role]))),
        plots.decision_curve_panels(dict.fromkeys(titles, study.decision[role])),
    ]
    for figure in figures:
        shown = [axes for axes in figure.axes if axes.get_title("left") or axes.get_title()]
        places = {(round(a.get_position().x0, 2), round(a.get_position().y0, 2)) for a in shown}
        assert len(places) == n
        assert len({x for x, _ in places}) == (3 if n == 3 else 2)
        assert figure.get_size_inches()[0] <= PAGE_WIDTH + 0.01
