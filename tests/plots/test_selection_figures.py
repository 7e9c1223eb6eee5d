"""Figures of the features and their selection: what they count, name, draw and refuse."""

import numpy as np
import pandas as pd
import pytest
import study_tables as tables
from drawn import texts
from matplotlib.colors import to_hex

from her2.core.errors import BadArgument
from her2.plots import (
    correlation_figure,
    feature_counts_figure,
    feature_shares_figure,
    lasso_figure,
    p_value_figure,
    stability_figure,
    weights_figure,
)
from her2.plots.style import FAMILY_COLOURS, NEGATIVE, POSITIVE, families_in_order, family_colour
from her2.plots.text import feature_title


def rng():
    return np.random.default_rng(7)


def lines(figure):
    return texts(figure).split("\n")


def bars(axes):
    """Widths and colours of the horizontal bars."""
    return [(patch.get_width(), to_hex(patch.get_facecolor())) for patch in axes.patches]


def test_feature_counts_prints_every_count_and_the_shares():
    table = pd.DataFrame(
        [("original", "shape", 14), ("original", "glcm", 22), ("square", "glcm", 44)],
        columns=["image_type", "family", "n"],
    )
    shown = lines(feature_counts_figure(table))
    assert "80 features" in shown
    assert "14 (17.5 %)" in shown and "66 (82.5 %)" in shown
    assert [text for text in shown if text in ("14", "22", "44", "–")] == ["14", "22", "–", "44"]


def test_feature_counts_shares_fill_the_bar():
    figure = feature_counts_figure(tables.feature_counts())
    stacked = [p for p in figure.axes[0].patches if p.get_height() == pytest.approx(0.24)]
    ends = [patch.get_x() + patch.get_width() for patch in stacked]
    assert len(stacked) == 8
    assert ends[:-1] == pytest.approx([patch.get_x() for patch in stacked[1:]])
    assert ends[-1] == pytest.approx(9.3)


def test_feature_shares_are_a_pie_and_bars_of_the_same_counts():
    figure = feature_shares_figure(tables.feature_counts())
    pie, bars_ = figure.axes
    totals = tables.feature_counts().groupby("family")["n"].sum()
    degrees = {to_hex(w.get_facecolor()): w.theta2 - w.theta1 for w in pie.patches}
    widths = {colour: width for width, colour in bars(bars_)}
    assert sorted(widths.values()) == sorted(totals)
    for colour, width in widths.items():
        assert abs(degrees[colour]) == pytest.approx(360 * width / totals.sum(), abs=1e-3)


def test_no_features_have_no_shares():
    with pytest.raises(BadArgument, match="at least one feature"):
        feature_shares_figure(tables.feature_counts().assign(n=0))


def test_feature_counts_of_nothing_say_so():
    table = tables.feature_counts().assign(n=np.nan)
    assert "0 features" in lines(feature_counts_figure(table))


def test_every_family_has_its_own_colour():
    assert len({*FAMILY_COLOURS.values()}) == len(FAMILY_COLOURS)
    assert family_colour("diagnostics") == family_colour("diagnostics")
    assert families_in_order(["x", "glcm", "shape"]) == ["shape", "glcm", "x"]


def test_p_values_count_what_is_kept_and_what_has_no_p():
    table = pd.DataFrame(
        {
            "feature": list("abcdef"),
            "family": ["glcm"] * 4 + ["shape"] * 2,
            "p_value": [0.01, 0.05, 0.5, np.nan, np.nan, np.nan],
        }
    )
    shown = texts(p_value_figure(table, title="Radiomics"))
    assert "glcm\nkept 1 of 4\n1 without p" in shown  # p = alpha is not below it
    assert "shape\np not estimable" in shown
    assert "Radiomics: kept 1 of 6, 3 without p" in shown


def test_p_values_colour_the_kept_points_and_floor_the_smallest():
    table = pd.DataFrame({"feature": ["a", "b"], "family": "glcm", "p_value": [0.0, 0.5]})
    axes = p_value_figure(table).axes[0]
    dropped, kept = (points for points in axes.collections if len(points.get_offsets()))
    assert to_hex(kept.get_facecolor()[0]).lower() == FAMILY_COLOURS["glcm"].lower()
    assert kept.get_offsets()[0][1] == -12
    assert dropped.get_offsets()[0][1] == pytest.approx(np.log10(0.5))
    assert "≤10⁻¹²" in texts(axes.figure)


def test_p_values_of_many_features_are_pixels_in_the_file():
    points = p_value_figure(tables.p_values(rng())).axes[0].collections
    dense = [c for c in points if len(c.get_offsets()) > 200]
    assert dense and all(c.get_rasterized() for c in dense)


def test_correlation_counts_the_pairs_above_the_limit():
    before = np.array([[1, 0.9, -0.85], [0.9, 1, 0.8], [-0.85, 0.8, 1]])
    figure = correlation_figure(before, before[:1, :1])
    shown = texts(figure)
    assert "Before: 3 features\n2 pairs with |r| > .8" in shown
    assert "After: 1 feature\n0 pairs with |r| > .8" in shown


def test_correlation_without_a_feature_left_says_so():
    assert "no feature is left" in texts(correlation_figure(np.eye(3), np.zeros((0, 0))))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (np.ones((2, 3)), np.eye(1), r"expected before of shape \(p, p\)"),
        (np.eye(2), 7 * np.eye(2), "from -1 to 1 in after, found 7"),
        (np.zeros((0, 0)), np.eye(1), "at least one feature before"),
    ],
)
def test_correlation_refuses_what_is_no_correlation(before, after, message):
    with pytest.raises(BadArgument, match=message):
        correlation_figure(before, after)


def two_paths():
    return pd.DataFrame(
        {
            "alpha": [0.1, 0.01] * 2,
            "feature": ["original_glcm_Idn"] * 2 + ["original_glcm_Idm"] * 2,
            "coefficient": [0.0, 0.3, 0.0, -0.2],
        }
    )


def test_lasso_draws_the_paths_and_names_what_the_penalty_keeps():
    error = pd.DataFrame({"alpha": [0.1, 0.01], "mse_mean": [0.2, 0.1], "mse_sd": 0.02})
    figure = lasso_figure(two_paths(), error, chosen=0.01)
    paths = figure.axes[0].collections[0]
    assert [path.tolist() for path in paths.get_segments()] == [
        [[-2, -0.2], [-1, 0]],
        [[-2, 0.3], [-1, 0]],
    ]
    assert [to_hex(c).lower() for c in paths.get_colors()] == [NEGATIVE.lower(), POSITIVE.lower()]
    assert "α = 0.01 (dashed) keeps 2 of 2 features" in texts(figure)
    assert "original / glcm / Idn" in texts(figure)
    assert all(any(line.get_xdata()[0] == -2 for line in axes.lines) for axes in figure.axes)


def test_lasso_names_nothing_at_a_penalty_that_keeps_nothing():
    error = pd.DataFrame({"alpha": [0.1, 0.01], "mse_mean": [0.2, np.nan], "mse_sd": np.nan})
    shown = texts(lasso_figure(two_paths(), error, chosen=0.1))
    assert "keeps 0 of 2 features" in shown and "Idn" not in shown


def test_lasso_says_that_no_penalty_was_chosen():
    error = pd.DataFrame({"alpha": [0.1, 0.01], "mse_mean": np.nan, "mse_sd": np.nan})
    shown = texts(lasso_figure(two_paths(), error, chosen=None))
    assert "chosen α not estimable" in shown and "error not estimable" in shown


def test_weights_are_sorted_by_size_and_coloured_by_sign():
    table = pd.DataFrame({"feature": ["a", "b", "c"], "weight": [0.1, np.nan, -0.4]})
    figure = weights_figure(table)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["c", "a", "b"]
    assert bars(figure.axes[0]) == [(-0.4, NEGATIVE.lower()), (0.1, POSITIVE.lower())]
    assert {"−0.400", "+0.100", "not estimable"} <= set(lines(figure))


def test_weights_show_thirty_and_say_how_many_more_there_are():
    axes = weights_figure(tables.weights(rng(), 44)).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == 31 and labels[-1] == "and 14 more"
    assert len(axes.patches) == 30


def test_stability_shows_percentages_and_its_index():
    table = pd.DataFrame({"feature": ["a", "b"], "frequency": [0.254, 1.0]})
    figure = stability_figure(table, nogueira_text="Nogueira 0.40")
    assert {"25 %", "100 %", "Nogueira 0.40"} <= set(lines(figure))
    assert [width for width, _ in bars(figure.axes[0])] == [100, pytest.approx(25.4)]


def test_long_names_are_cut_to_the_limit_and_stay_different():
    titles = {feature_title(name, 34) for name in tables.NAMES}
    assert max(map(len, titles)) <= 34
    assert len(titles) == len(tables.NAMES)


EMPTY = pd.DataFrame()
REFUSED = {
    "feature_counts": lambda table: feature_counts_figure(table),
    "p_values": lambda table: p_value_figure(table),
    "lasso_path": lambda table: lasso_figure(table, tables.lasso_error(), chosen=0.1),
    "lasso_error": lambda table: lasso_figure(two_paths(), table, chosen=0.1),
    "weights": lambda table: weights_figure(table),
    "stability": lambda table: stability_figure(table),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_absent_column_is_named(name):
    with pytest.raises(BadArgument, match=r"with the columns .*found x; add "):
        REFUSED[name](pd.DataFrame({"x": [1]}))


@pytest.mark.parametrize(
    ("build", "table"),
    [
        (feature_counts_figure, tables.feature_counts()),
        (weights_figure, tables.weights(rng())),
        (stability_figure, tables.frequencies(rng())),
        (p_value_figure, tables.p_values(rng())),
    ],
)
def test_an_empty_table_is_refused(build, table):
    with pytest.raises(BadArgument, match="at least one row, found none"):
        build(table.head(0))
