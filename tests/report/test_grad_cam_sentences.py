"""What the report says of the network's maps, and when it warns."""

import numpy as np
import pandas as pd
import pytest
from report_samples import build_tables

from her2.explain import saliency
from her2.explain.saliency import CORRELATIONS, DELETION_GAIN, INSERTION_GAIN
from her2.report.narrative import grad_cam_sentences, narrative


@pytest.fixture
def table():
    return build_tables()["grad_cam"]


def said(table, **changes):
    """Sentences after the numbers (value, low, high) of some measures were changed."""
    changed = table.copy()
    for measure, numbers in changes.items():
        changed.loc[
            changed["measure"].eq(getattr(saliency, measure)), ["value", "low", "high"]
        ] = numbers
    return " ".join(narrative("grad-cam", {}, {"grad_cam": changed}))


def test_the_place_is_said_of_the_larger_role_without_a_warning(table):
    text = said(table)
    assert "In 147 training lesions (out of fold) 62 % of the map lay inside the lesion" in text
    assert "which fills 46 % of the crop: an enrichment of 1.326 (1.235 to 1.418)" in text
    assert "inside the lesion in 69 %; the crop's centre does in 98 %." in text
    assert "counts more for the probability than random places" in text
    assert "Warning" not in text


def test_maps_outside_the_lesion_are_warned_of(table):
    assert "lies outside the lesion more than inside" in said(table, ENRICHMENT=(0.7, 0.5, 0.9))
    assert "no more than a map without any knowledge" in said(table, ENRICHMENT=(1.1, 0.9, 1.3))


def test_maps_that_mark_nothing_the_network_uses_are_warned_of(table):
    nothing = (0.01, -0.1, 0.1)
    text = said(table, DELETION_GAIN=nothing, INSERTION_GAIN=nothing)
    assert "are not shown to mark what the network uses" in text
    assert "not shown" not in said(table, DELETION_GAIN=nothing, INSERTION_GAIN=(0.1, 0.05, 0.2))


def test_maps_that_random_weights_give_too_are_warned_of(table):
    rows = table["measure"].eq(CORRELATIONS["all"])
    text = said(table.assign(value=table["value"].where(~rows, 0.83)))
    assert (
        "Warning: with random weights the map stays much the same (rank correlation 0.83)" in text
    )


def test_empty_maps_are_counted(table):
    assert "Warning: 12 % of the lesions have an empty map" in said(table, FLAT=(0.12, 0.05, 0.2))


def test_what_is_not_known_is_not_said(table):
    assert grad_cam_sentences([]) == []
    assert narrative("grad-cam", {}, {}) == ()
    unknown = table.assign(value=np.nan, low=np.nan, high=np.nan)
    assert narrative("grad-cam", {}, {"grad_cam": unknown}) == ()
    only = table[table["measure"].ne(DELETION_GAIN) & table["measure"].ne(INSERTION_GAIN)]
    text = " ".join(narrative("grad-cam", {}, {"grad_cam": only}))
    assert "enrichment" in text and "random places" not in text
    without = table.assign(low=np.nan, high=np.nan)
    assert "(interval not estimable)" in said(without) or "enrichment of 1.326" in said(without)
    assert "Warning" not in said(without)
    assert narrative("grad-cam", {}, {"grad_cam": pd.DataFrame()}) == ()
