"""Tables of the report: forms, missing values, groups, blocks, columns that are not there."""

import numpy as np
import pandas as pd
import pytest

from her2.plots.text import is_missing
from her2.report.formats import interval_cell, ratio, text_cell
from her2.report.sections import figure_key, glossary, section_plans
from her2.report.table_columns import comparison_formats, table_formats
from her2.report.tabulate import (
    FOLDED_FROM,
    INTERVAL,
    TableFormat,
    arm,
    decimal,
    estimate,
    p,
    plain_format,
    tabulate,
    words,
)
from her2.report.texts import load_text

AREAS = TableFormat("Areas", (arm(), estimate("AUC", "auc", stem="auc_"), p("p", "p_value")))


def texts(table):
    return [
        [f"{cell.text} {cell.detail}".strip() for cell in row.cells]
        for block in table.blocks
        for row in block
    ]


def areas(**columns):
    return pd.DataFrame({"arm": ["dlr", "dlr"], "auc": [0.8, 0.7], **columns})


def test_an_estimate_and_its_interval_share_a_cell_and_sort_by_the_estimate():
    table = tabulate(areas(auc_low=[0.7, 0.6], auc_high=[0.9, 0.8], p_value=[0.03, 2e-6]), AREAS)
    assert texts(table) == [
        ["Deep learning radiomics", "0.800 (0.700 to 0.900)", ".030"],
        ["Deep learning radiomics", "0.700 (0.600 to 0.800)", "<.001"],
    ]
    assert [row.cells[1].value for row in table.blocks[0]] == [0.8, 0.7]
    assert [row.cells[2].value for row in table.blocks[0]] == [0.03, 2e-6]


def test_absent_bounds_and_columns_are_left_out_and_not_called_missing():
    table = tabulate(areas(), AREAS)
    assert [column.title for column in table.columns] == ["Arm", "AUC"]
    assert texts(table)[0] == ["Deep learning radiomics", "0.800"]


def test_missing_bounds_are_said():
    table = tabulate(areas(auc_low=[None, 0.6], auc_high=[0.9, np.nan]), AREAS)
    assert texts(table)[0][1] == "0.800 (interval not estimable)"
    assert texts(table)[1][1] == "0.700 (interval not estimable)"


def test_a_missing_estimate_links_to_the_notes_and_has_no_place_in_an_order():
    cell = interval_cell(np.nan, 0.1, 0.2)
    assert (cell.text, cell.is_missing, cell.value) == ("not estimable", True, None)


def test_a_repeated_first_cell_is_kept_but_marked():
    first, second = tabulate(areas(), AREAS).blocks[0]
    assert (first.starts_group, second.starts_group) == (True, False)
    assert second.cells[0].text == "Deep learning radiomics"


def test_blocks_follow_their_column_and_show_some_values_once():
    how = TableFormat(
        "T", (words("Variable", "v"), words("Level", "l"), decimal("p", "p").once()), blocks_by="v"
    )
    frame = pd.DataFrame({"v": list("aab"), "l": list("xyx"), "p": [0.1, 0.1, 0.2]})
    table = tabulate(frame, how)
    assert [len(block) for block in table.blocks] == [2, 1]
    assert texts(table) == [["a", "x", "0.100"], ["a", "y", ""], ["b", "x", "0.200"]]


def test_an_unknown_column_is_shown_and_an_identifier_never():
    frame = areas(centre_name=["A", None], n=[3, 4], patient_id=["P1", "P2"])
    table = tabulate(frame, AREAS)
    assert [column.title for column in table.columns] == ["Arm", "AUC", "centre name", "n"]
    assert texts(table)[1][2:] == ["", "4"]
    assert "P1" not in str(table) and "Patients are not named" in table.note


def test_an_unknown_table_shows_p_values_as_such():
    frame = pd.DataFrame({"p_value": [0.00001, np.nan], "x": [0.25, np.nan]})
    assert texts(tabulate(frame, plain_format("t"))) == [
        ["<.001", "0.250"],
        ["not estimable", ""],
    ]


def test_a_table_without_rows_or_columns_is_a_table():
    assert tabulate(pd.DataFrame(), plain_format("t")).blocks == ()
    assert tabulate(pd.DataFrame({"a": []}), plain_format("t")).n_rows == 0


def test_long_tables_are_folded():
    long = pd.DataFrame({"n": range(FOLDED_FROM)})
    assert tabulate(long, plain_format("t")).is_folded
    assert not tabulate(long.head(5), plain_format("t")).is_folded
    assert not tabulate(long.assign(arm="dlr"), table_formats()["performance"]).is_folded


def test_a_title_promises_no_interval_that_is_not_there():
    frame = pd.DataFrame({"first": ["dlr"], "auc_difference": [0.1]})
    assert tabulate(frame, table_formats()["comparisons"]).columns[1].title == "Difference"
    full = tabulate(frame.assign(low=0.0, high=0.2), table_formats()["comparisons"])
    assert full.columns[1].title == f"Difference{INTERVAL}"


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, pd.NaT, np.inf, np.float64("nan")])
def test_what_is_missing(value):
    assert is_missing(value)
    assert text_cell(value).text == ""


def test_large_ratios_lose_decimals_that_say_nothing():
    assert [ratio(x) for x in (0.0421, 9.9994, 12.344, 1234.5)] == [
        "0.042", "9.999", "12.34", "1\u202f234",
    ]  # fmt: skip


def test_every_table_figure_and_term_has_its_place():
    parts = [part for plan in section_plans() for part in plan.parts]
    assert {part.table for part in parts} == {*table_formats(), ""} - {"audit_arms", "audit_power"}
    assert {key for part in parts for key in part.figures} == set(load_text("captions"))
    formats = [*table_formats().values(), *comparison_formats().values()]
    terms = {column.term for how in formats for column in how.columns}
    terms |= {part.term for part in parts} | {plan.term for plan in section_plans()}
    assert terms - {""} <= set(glossary())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("roc", "roc"), ("calibration_out_of_fold", "calibration"), ("comparisons", "comparison"),
        ("selection_p_values_dlr", "selection_p_values"), ("grad_cam_0", "grad_cam"),
        ("prediction_histogram_test", "prediction_histogram"), ("flowers", "further"),
        ("prediction_test", "prediction"), ("", "further"),
    ],
)  # fmt: skip
def test_figures_are_placed_by_the_longest_name_that_fits(name, key):
    assert figure_key(name) == key
