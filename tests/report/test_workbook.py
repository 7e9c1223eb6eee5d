"""XLSX: no cell is a formula, numbers stay numbers, the same bytes twice, names that fit."""

import io
import zipfile
from unittest import mock

import numpy as np
import openpyxl
import pandas as pd
import pytest

from her2.report import write_tables
from her2.report.table_files import sheet_names, workbook_bytes

FORMULAS = (
    "=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=HYPERLINK(\"http://x\")", "=cmd|' /C'!A0",
    " =1", "＝1+1", "#N/A", "=A1:A2", "{=1}",
)  # fmt: skip


def opened(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def cells(table: pd.DataFrame) -> list:
    return list(opened(workbook_bytes({"t": table}))["t"].iter_rows())


@pytest.mark.parametrize("text", FORMULAS)
def test_text_is_a_string_and_never_a_formula_or_an_error(text):
    rows = cells(pd.DataFrame({text: [text, "plain"]}))
    for cell in (rows[0][0], rows[1][0]):
        assert cell.data_type == "s"
        assert str(cell.value).startswith(("'", "#", "{"))
    assert rows[2][0].value == "plain"


def test_no_sheet_holds_a_formula_in_its_file():
    content = workbook_bytes({"t": pd.DataFrame({"x": list(FORMULAS)})})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name), name


def test_numbers_stay_numbers_and_missing_cells_stay_empty():
    table = pd.DataFrame(
        {"x": [-0.5, np.nan, np.inf], "n": [np.int64(-3), 4, 5], "ok": [True, False, None]}
    )
    values = [[cell.value for cell in row] for row in cells(table)[1:]]
    assert values == [[-0.5, -3, True], [None, 4, False], ["inf", 5, None]]
    assert cells(table)[1][0].data_type == "n"


def test_characters_that_xml_cannot_hold_are_replaced():
    rows = cells(pd.DataFrame({"x": ["a\0b", "\x07"]}))
    assert [row[0].value for row in rows[1:]] == ["a�b", "�"]


def test_same_tables_same_bytes_at_any_time(report):
    first = workbook_bytes(report.tables)
    with mock.patch("time.time", return_value=2_000_000_000.0):
        assert workbook_bytes(report.tables) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert core.count("1980-01-01T00:00:00Z") == 2


def test_the_header_is_frozen_and_bold():
    sheet = opened(workbook_bytes({"t": pd.DataFrame({"a": [1]})}))["t"]
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold and not sheet["A2"].font.bold


def test_sheet_names_are_short_and_unique_whatever_their_case():
    names = ["a" * 40, "a" * 31, "A" * 31, "contents", "History"]
    sheets = list(sheet_names(names).values())
    assert sheets == ["a" * 31, "a" * 29 + "_2", "A" * 29 + "_3", "contents_2", "History_2"]
    assert len({sheet.lower() for sheet in sheets}) == len(sheets)


def test_the_contents_name_every_table_and_a_too_long_one_stays_in_its_csv():
    tables = {"short": pd.DataFrame({"n": [1]}), "long": pd.DataFrame({"n": range(20)})}
    with mock.patch("her2.report.table_files.MAX_ROWS", 10):
        book = opened(workbook_bytes(tables))
    assert book.sheetnames == ["contents", "short"]
    rows = [[cell.value for cell in row] for row in book["contents"].iter_rows()]
    assert rows[1:] == [["short", "short.csv", 1], [None, "long.csv", 20]]


def test_write_tables_writes_the_workbook_beside_the_csv_files(tmp_path, report):
    paths = write_tables(tmp_path, report.tables)
    assert paths[-1].name == "tables.xlsx"
    assert len(paths) == len(report.tables) + 1
    book = openpyxl.load_workbook(paths[-1], read_only=True)
    assert set(book.sheetnames) == {"contents", *report.tables}
    book.close()
