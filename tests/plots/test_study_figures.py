"""Forest plot, nomogram, repeats, learning curve and agreement: values, places, refusals."""

import numpy as np
import pandas as pd
import pytest
import study_tables as tables
from drawn import texts
from matplotlib.colors import to_hex

from her2.core.errors import BadArgument
from her2.plots import (
    agreement_figure,
    forest_figure,
    instability_figure,
    learning_curve_figure,
    nomogram_figure,
    prediction_sets_figure,
    repeats_figure,
)
from her2.plots.style import ARM_COLOURS, NEGATIVE, POSITIVE

NAN = np.nan


def rng():
    return np.random.default_rng(3)


def row(**changes):
    base = {"group": "", "label": "PR", "n": 201, "n_positive": 58, "value": 0.5, "low": 0.2,
            "high": 1.1, "note": ""}  # fmt: skip
    return base | changes


def forest(*rows, **options):
    options = {"reference": 1.0, "xlabel": "Odds ratio", "log": True} | options
    return forest_figure(pd.DataFrame(rows), **options)


def drawn_intervals(figure):
    lines = [line for line in figure.axes[1].lines if line.get_marker() == "None"]
    return [list(line.get_xdata()) for line in lines if len(set(line.get_ydata())) == 1]


def markers(figure):
    return [line.get_marker() for line in figure.axes[1].lines if line.get_marker() != "None"]


def test_forest_draws_the_interval_it_is_given_and_writes_it():
    figure = forest(row())
    assert drawn_intervals(figure) == [[0.2, 1.1]]
    assert {"201", "58", "0.50 (0.20–1.10)", "PR"} <= set(texts(figure).split("\n"))
    assert markers(figure) == ["s"]


def test_forest_row_without_an_estimate_says_why():
    figure = forest(
        row(value=NAN, low=NAN, high=NAN, note="one class only"),
        row(value=NAN, low=NAN, high=NAN, note=None),
    )
    assert {"one class only", "not estimable"} <= set(texts(figure).split("\n"))
    assert not markers(figure)


def test_forest_interval_that_leaves_the_axis_ends_in_an_arrow():
    figure = forest(row(), row(value=3.0, low=0.0001, high=np.inf))
    left, right = figure.axes[1].get_xlim()
    assert drawn_intervals(figure)[1] == [left, right]
    assert markers(figure) == ["s", "<", ">", "s"]
    assert "3.00 (0.0001–∞)" in texts(figure)


def test_forest_estimate_without_interval_is_a_square_alone():
    figure = forest(row(low=NAN, high=NAN))
    assert not drawn_intervals(figure) and markers(figure) == ["s"]
    assert "0.50 (interval not estimable)" in texts(figure)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.02, "0.02 ("), (310.0, "310 ("), (1e9, ">10\u202f000 (")]
)
def test_forest_writes_ratios_with_digits_that_suit_them(value, shown):
    figure = forest(row(value=value, low=value / 2, high=value * 2))
    assert shown in texts(figure)


def test_forest_names_a_group_once_above_its_rows():
    figure = forest(row(group="Age"), row(group="Age"), row(group="Vendor"), row(group=""))
    shown = texts(figure).split("\n")
    assert shown.count("Age") == shown.count("Vendor") == 1
    assert shown.index("Age") < shown.index("PR")


def test_forest_leaves_out_a_count_that_nobody_gave():
    figure = forest(row(n_positive=NAN), row(n_positive=NAN, n=NAN))
    shown = texts(figure).split("\n")
    assert "Positive" not in shown and "n" in shown and "–" in shown


def test_forest_of_areas_has_a_linear_axis_and_three_digits():
    figure = forest(row(value=0.7), log=False, reference=0.742)
    assert figure.axes[1].get_xscale() == "linear"
    assert "0.700 (0.200–1.100)" in texts(figure)
    assert [0.742, 0.742] in [list(line.get_xdata()) for line in figure.axes[1].lines]


@pytest.mark.parametrize("changes", [{"value": -0.1}, {"value": 0.0}])
def test_forest_refuses_a_ratio_that_is_not_positive(changes):
    with pytest.raises(BadArgument, match="positive values on a log axis"):
        forest(row(**changes))


def test_forest_refuses_an_empty_table():
    with pytest.raises(BadArgument, match="forest rows with at least one row"):
        forest_figure(tables.subgroups().head(0), reference=0.5, xlabel="AUC")


def nomogram(**changes):
    shown = tables.nomogram() | changes
    return nomogram_figure(
        shown["points"], shown["total"], probability_axis=shown["probability_axis"]
    )


def scale_of(figure, name):
    """Label -> x of the scale of this name."""
    shown = figure.axes[0].texts
    (y,) = [text.get_position()[1] for text in shown if text.get_text() == name]
    return {
        text.get_text(): text.get_position()[0]
        for text in shown
        if 0 < abs(text.get_position()[1] - y) < 0.3
    }


def test_nomogram_puts_a_value_below_its_points():
    figure = nomogram()
    points, values = scale_of(figure, "Points"), scale_of(figure, "PR")
    assert values["positive"] == pytest.approx(points["0"])
    share = (values["negative"] - points["0"]) / (points["100"] - points["0"])
    assert share == pytest.approx(0.38)


def test_nomogram_scales_agree_with_the_model():
    figure = nomogram()  # linear predictor = -4 + 0.045 total points
    total = scale_of(figure, "Total points")
    predictor, probability = scale_of(figure, "Linear predictor"), scale_of(figure, "Probability")
    assert predictor["−4"] == pytest.approx(total["0"])
    assert probability["0.5"] == pytest.approx(predictor["0"])
    share = (predictor["0"] - total["0"]) / (total["180"] - total["0"])
    assert share * 180 == pytest.approx(4 / 0.045)


def test_nomogram_thins_the_ticks_of_a_crowded_number_but_keeps_every_level():
    shown = texts(nomogram()).split("\n")
    ages = [age for age in range(20, 95, 5) if str(age) in shown]
    assert 3 <= len(ages) < 15
    assert {f"category {level}" for level in ("4A", "4B", "4C", "5")} <= set(shown)


def test_nomogram_leaves_out_probabilities_beyond_its_points():
    shown = texts(nomogram()).split("\n")
    assert "0.05" in shown and "0.99" not in shown and "0.01" not in shown


def test_nomogram_names_a_variable_without_points():
    shown = texts(nomogram()).split("\n")
    assert "Lymph node metastasis" in shown and shown.count("not estimable") == 1


def test_nomogram_refuses_an_empty_table():
    with pytest.raises(BadArgument, match="nomogram points with at least one row"):
        nomogram(points=tables.nomogram()["points"].head(0))


def test_repeats_draw_a_dot_a_repeat_and_the_interval():
    repeats = pd.DataFrame({"arm": "dlr", "repeat": [1, 2, 3], "auc": [0.7, NAN, 0.8]})
    summary = pd.DataFrame({"arm": ["dlr"], "auc": 0.75, "auc_low": 0.6, "auc_high": 0.9})
    axes = repeats_figure(repeats, summary).axes[0]
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [0.7, 0.8]
    assert [0.6, 0.9] in [list(line.get_xdata()) for line in axes.lines]
    colour = to_hex(axes.collections[0].get_facecolor()[0])
    assert colour.lower() == ARM_COLOURS["dlr"].lower()


def test_repeats_say_what_is_not_estimable():
    shown = texts(repeats_figure(tables.repeats(rng()), tables.repeat_summary()))
    assert "0.740 (interval not estimable)" in shown
    assert shown.split("\n").count("not estimable") == 1


def test_learning_curve_draws_every_arm_once_and_the_others_behind():
    table = tables.learning_curve()
    axes = learning_curve_figure(table).axes
    assert len(axes) == 5
    own = [line for line in axes[3].lines if line.get_marker() == "o"]
    assert own[0].get_xdata().tolist() == [28, 56, 84, 112, 140]
    assert own[0].get_ydata() == pytest.approx(table.loc[table["arm"] == "dlr", "auc"])
    assert [text.get_text() for text in axes[0].texts] == ["not estimable"]


def test_learning_curve_labels_the_full_size_with_its_share():
    labels = [
        t.get_text()
        for t in learning_curve_figure(tables.learning_curve()).axes[1].get_xticklabels()
    ]
    assert "140\n100 %" in labels


def test_agreement_colours_what_a_third_reader_decides():
    table = pd.DataFrame({"dice": [0.9, 0.75, 0.74, NAN], "hausdorff_mm": [1.0, 2.0, 5.0, 4.0]})
    figure = agreement_figure(table, dice_limit=0.75)
    assert "Dice: 1 of 3 below 0.75" in texts(figure)
    colours = [to_hex(colour) for colour in figure.axes[2].collections[0].get_facecolors()]
    assert colours == [NEGATIVE.lower(), NEGATIVE.lower(), POSITIVE.lower()]


def test_agreement_counts_every_lesion_in_a_bin_of_its_colour():
    table = tables.agreement(rng())
    patches = agreement_figure(table, dice_limit=0.75).axes[0].patches
    low = [p for p in patches if to_hex(p.get_facecolor()) == POSITIVE.lower()]
    assert sum(p.get_height() for p in patches) == len(table)
    assert sum(p.get_height() for p in low) == (table["dice"] < 0.75).sum()
    assert all(p.get_x() + p.get_width() <= 0.75 for p in low if p.get_height())


def test_agreement_of_identical_masks_is_drawn():
    table = pd.DataFrame({"dice": [1.0, 1.0], "hausdorff_mm": [0.0, 0.0]})
    assert "Dice: 0 of 2 below 0.75" in texts(agreement_figure(table, dice_limit=0.75))


@pytest.mark.parametrize(
    ("build", "table"),
    [
        (learning_curve_figure, tables.learning_curve()),
        (
            lambda t: instability_figure(t, dict.fromkeys(tables.ARMS, 0.3)),
            tables.instability_points(rng()),
        ),
        (prediction_sets_figure, tables.prediction_sets()),
        (lambda t: agreement_figure(t, dice_limit=0.75), tables.agreement(rng())),
        (lambda t: repeats_figure(t, tables.repeat_summary()), tables.repeats(rng())),
    ],
)  # fmt: skip
def test_an_empty_table_and_an_absent_column_are_refused(build, table):
    with pytest.raises(BadArgument, match="at least one row, found none"):
        build(table.head(0))
    with pytest.raises(BadArgument, match=f"add {table.columns[-1]}"):
        build(table.drop(columns=table.columns[-1]))
