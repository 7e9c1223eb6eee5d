"""Figures of importance: what is named, where the dots lie, what is refused."""

import numpy as np
import pandas as pd
import pytest
from drawn import texts

from her2.core.errors import BadArgument
from her2.plots import importance_figure, shap_figure
from her2.plots.feature_importance import LOW_TO_HIGH


def table(n: int) -> pd.DataFrame:
    loss = np.linspace(-0.01, 0.2, n)
    names = [f"f{i}" for i in range(n)]
    return pd.DataFrame(
        {"feature": names, "auc_loss": loss, "low": loss - 0.05, "high": loss + 0.05}
    )


def test_the_largest_losses_are_on_top_and_the_rest_is_counted():
    figure = importance_figure(table(24), title="DLR")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [*(f"f{i}" for i in range(23, 3, -1)), "and 4 more"]
    assert "0.200 (0.150 to 0.250)" in texts(figure)
    assert "\N{MINUS SIGN}0.010 (\N{MINUS SIGN}0.060 to 0.040)" in texts(
        importance_figure(table(2))
    )


def test_a_loss_that_is_not_estimable_says_so():
    shown = texts(importance_figure(table(2).assign(auc_loss=[np.nan, 0.1])))
    assert "not estimable" in shown


def test_every_dot_lies_at_its_value_in_its_row_with_the_colour_of_its_position():
    values = np.array([[0.3, -0.2], [0.3, 0.0], [-0.6, 0.1]])
    positions = np.array([[1.0, np.nan], [0.5, np.nan], [0.0, np.nan]])
    axes = shap_figure(["a", "b"], values, positions).axes[0]
    dots = [d for d in axes.collections if len(d.get_offsets())]
    ordered, grey = dots
    offsets = np.asarray(ordered.get_offsets())
    assert offsets[:, 0] == pytest.approx(values[:, 0])
    assert np.abs(offsets[:, 1]).max() < 0.5
    assert offsets[0, 1] != offsets[1, 1]  # of one value: beside each other
    assert ordered.get_array().tolist() == [1.0, 0.5, 0.0]
    assert ordered.get_cmap() is LOW_TO_HIGH
    assert np.asarray(grey.get_offsets())[:, 0] == pytest.approx(values[:, 1])
    assert np.abs(np.asarray(grey.get_offsets())[:, 1] - 1).max() < 0.5
    low, high = axes.get_xlim()
    assert low == -high and high > 0.6


@pytest.mark.parametrize(
    ("features", "values", "positions"),
    [(["a"], [[1.0, 2.0]], [[0, 1]]), (["a"], [[1.0]], [[0.0], [1.0]]), ([], [[]], [[]])],
)
def test_shapes_that_do_not_fit_are_a_sentence(features, values, positions):
    with pytest.raises(BadArgument, match="one column a feature"):
        shap_figure(features, values, positions)
