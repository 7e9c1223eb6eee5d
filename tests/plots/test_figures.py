"""What the figures show: titles, values, colours; nothing lost, nothing overlapping the page."""

import itertools
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from her2.errors import BadConfig
from her2.plots import (
    calibration_figure,
    comparison_figure,
    confusion_figure,
    decision_curve_figure,
    decision_curve_panels,
    example_figure,
    flow_figure,
    prediction_figure,
    prediction_panels,
    roc_figure,
    roc_panels,
)
from her2.plots.style import ARM_COLOURS, arm_colour, arms_in_order, settings
from her2.types import ARMS


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def example(shape=(40, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[10:20, 10:30] = True
    return np.full(shape, 90, dtype=np.uint8), mask, "HER2 positive"


def every_figure(study):
    test = study.predictions["test"]["dlr"]
    return {
        "roc": roc_figure(study.curves["test"], study.auc["test"], title="Test"),
        "roc_panels": roc_panels({r: (study.curves[r], study.auc[r]) for r in study.curves}),
        "calibration": calibration_figure(study.calibration["test"], title="Test"),
        "decision": decision_curve_figure(study.decision["test"], title="Test"),
        "decision_panels": decision_curve_panels(study.decision),
        "confusion": confusion_figure(study.arms),
        "prediction": prediction_figure(test, 0.3, title="Test"),
        "prediction_panels": prediction_panels({"A": (test, 0.3), "B": (test, None)}),
        "comparison": comparison_figure(study.comparisons),
        "flow": flow_figure(study.flow),
        "examples": example_figure([example()]),
    }


def shown_boxes(figure):
    """Boxes of the texts that are drawn (a tick beyond its axis' limits exists but is not)."""
    renderer = figure._get_renderer()
    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    ticks = {id(t.label1) for axis in axes for t in [*axis.majorTicks, *axis.minorTicks]}
    shown = [axis for axis in axes if axis.axes.axison]
    drawn = {id(tick.label1) for axis in shown for tick in axis._update_ticks()}
    for text in figure.findobj(Text):
        is_drawn = text.get_visible() and id(text) not in ticks - drawn
        if is_drawn and text.get_text().strip():
            yield text.get_text(), text.get_window_extent(renderer)


def test_no_text_leaves_the_page_or_covers_another_text(study):
    for name, figure in every_figure(study).items():
        with mpl.rc_context(settings()):  # the number of ticks depends on the text size
            boxes = list(shown_boxes(figure))
        for text, box in boxes:
            assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1, (
                f"{name}: {text!r} leaves the page"
            )
            assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, (
                f"{name}: {text!r} leaves the page"
            )
        for (first, a), (second, b) in itertools.combinations(boxes, 2):
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)
            high = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert wide < 1.5 or high < 1.5, f"{name}: {first!r} lies on {second!r}"


def test_roc_legend_has_every_arm_with_its_interval(study):
    shown = texts(roc_figure(study.curves["test"], study.auc["test"], title="Test"))
    value, low, high = study.auc["test"]["dlr"]
    assert f"Deep learning radiomics:  {value:.3f} ({low:.3f}–{high:.3f})" in shown


def test_an_arm_without_auc_is_named_as_not_estimable(study):
    auc = {**study.auc["test"], "clinical": (None, None, None)}
    curves = study.curves["test"].query("arm != 'clinical'")
    assert "Clinical:  not estimable" in texts(roc_figure(curves, auc, title="Test"))


def test_roc_line_passes_through_the_points_it_was_given():
    points = pd.DataFrame(
        {"arm": "dlr", "false_positive_rate": [0, 0.25, 1], "sensitivity": [0, 0.75, 1]}
    )
    figure = roc_figure(points, {"dlr": (0.75, 0.5, 0.9)}, title="Test")
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert [[0, 0], [0.25, 0.75], [1, 1]] in lines


def test_an_arm_has_the_same_colour_in_every_figure(study):
    roc = roc_figure(study.curves["test"], study.auc["test"], title="Test")
    decision = decision_curve_figure(study.decision["test"], title="Test")
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
    figure = decision_curve_figure(study.decision["test"], title="Test")
    low, high = figure.axes[0].get_ylim()
    assert low > -0.2 and high > 0.2
    assert {"Treat all", "Treat none"} <= set(texts(figure).split("\n"))


def test_calibration_draws_the_intervals_it_was_given():
    groups = pd.DataFrame(
        {"arm": "dlr", "mean_predicted": [0.2, 0.7], "observed": [0.1, 0.8], "low": [0.05, np.nan],
         "high": [0.3, np.nan], "n": [20, 21]}
    )  # fmt: skip
    figure = calibration_figure(groups, title="Test")
    segments = next(c.get_segments() for c in figure.axes[0].collections)
    assert np.allclose(segments[0], [[0.2, 0.05], [0.2, 0.3]])
    assert np.allclose(segments[1], [[0.7, 0.8], [0.7, 0.8]])


def test_confusion_shows_counts_and_says_where_there_are_none(study):
    arms = {"dlr": {"roles": {"test": {"tp": 11, "fn": 4, "fp": 13, "tn": 33}}}, "clinical": {}}
    shown = texts(confusion_figure(arms, roles=["test"]))
    assert re.findall(r"^\d+$", shown, flags=re.M) == ["11", "4", "13", "33"]
    assert "73 %" in shown and "not estimable" in shown


def test_prediction_bars_start_at_the_threshold():
    table = pd.DataFrame({"y_true": [1, 0], "y_prob": [0.2, 0.9]})
    figure = prediction_figure(table, 0.4, title="Test")
    segments = [s.tolist() for c in figure.axes[0].collections for s in c.get_segments()]
    assert segments == [[[2.0, 0.4], [2.0, 0.9]], [[1.0, 0.4], [1.0, 0.2]]]
    assert "0.400" in texts(figure)


def test_a_million_predictions_do_not_become_a_million_vector_lines():
    table = pd.DataFrame({"y_true": [0, 1] * 1000, "y_prob": np.linspace(0, 1, 2000)})
    figure = prediction_figure(table, None, title="Test")
    assert all(c.get_rasterized() for c in figure.axes[0].collections)


def test_comparison_turns_the_sign_when_it_turns_the_pair():
    row = {"role": "test", "auc_difference": -0.05, "p_holm": 0.01}
    shown = texts(comparison_figure([row | {"first": "clinical", "second": "dlr"}]))
    assert "+0.050\np = .010" in shown
    shown = texts(comparison_figure([row | {"first": "dlr", "second": "clinical"}]))
    assert "−0.050\np = .010" in shown


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
    assert roc_figure(curves, {}, title="None").axes
    assert decision_curve_figure(benefit, title="None").axes
    assert confusion_figure({}).axes


def test_the_callers_settings_are_left_alone(study):
    before = dict(mpl.rcParams)
    comparison_figure(study.comparisons)
    assert dict(mpl.rcParams) == before


def test_titles_are_text_and_not_mathematics(study):
    shown = texts(roc_figure(study.curves["test"], study.auc["test"], title="$\\frac{"))
    assert "$\\frac{" in shown
