"""Figures of super-resolution."""

import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument
from her2.plots import super_resolution_figure, super_resolution_history_figure

TITLES = ("Native / 4", "Bicubic", "Super-resolution", "Native")


def row(seed=0, shape=(20, 30)):
    rng = np.random.default_rng(seed)
    return {title: rng.integers(0, 256, shape).astype(np.uint8) for title in TITLES}


def test_a_row_is_a_lesion_on_one_grey_scale():
    rows = [row(), row(1, (40, 30))]
    figure = super_resolution_figure(rows)
    assert len(figure.axes) == 8
    assert [axes.get_title(loc="left") for axes in figure.axes] == [*TITLES, "", "", "", ""]
    for axes in figure.axes[:4]:
        native = rows[0]["Native"]
        assert axes.images[0].get_clim() == (native.min(), native.max())
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), rows[0]["Bicubic"])


def test_rows_of_other_versions_are_refused():
    with pytest.raises(BadArgument, match="same titles"):
        super_resolution_figure([row(), {"Native": np.zeros((2, 2))}])
    with pytest.raises(BadArgument, match="0 rows"):
        super_resolution_figure([])


def test_the_history_draws_what_there_is_and_says_where_nothing_was_looked_at():
    table = pd.DataFrame({"stage": ["pixel", "pixel", "adversarial"], "step": [5, 10, 15],
                          "pixel": [0.3, 0.2, 0.2], "gradient": 0.1,
                          "discriminator": [np.nan, np.nan, 0.7], "psnr": [20.0, 21, 22],
                          "psnr_bicubic": 19.0})  # fmt: skip
    losses, quality = super_resolution_history_figure(table).axes
    assert [text.get_text() for text in losses.get_legend().get_texts()] == [
        "Pixel", "Gradient", "Discriminator"
    ]  # fmt: skip
    assert losses.get_lines()[-1].get_xdata()[0] == 10  # where the second stage begins
    assert list(quality.get_lines()[0].get_ydata()) == [20, 21, 22]
    without = super_resolution_history_figure(table.drop(columns=["psnr", "psnr_bicubic"]))
    assert without.axes[1].texts[0].get_text() == "not estimable"
