"""Workbooks: which sheet is read, and what of its layout is said."""

import datetime
import zipfile

import openpyxl
import pytest

from her2.cohort.cohort_table import open_table
from her2.core.errors import BadCohort, BadConfig

HEADER = ["patient_id", "outcome", "age"]


@pytest.fixture
def book():
    made = openpyxl.Workbook()
    made.active.title = "patients"
    for row in (HEADER, ["P1", 0, 41], ["P2", 1, 52], ["P3", 0, 63]):
        made.active.append(row)
    return made


def opened(book, tmp_path, **settings):
    book.save(tmp_path / "t.xlsx")
    frame, notes = open_table(tmp_path / "t.xlsx", **settings)
    assert all(note.code in ("C26", "C07") for note in notes)
    return frame, [note.what for note in notes]


def test_hidden_rows_columns_and_sheets_are_counted(book, tmp_path):
    sheet = book.active
    sheet.row_dimensions[3].hidden = sheet.column_dimensions["C"].hidden = True
    book.create_sheet("old").sheet_state = "hidden"
    frame, said = opened(book, tmp_path)
    assert frame["patient_id"].tolist() == ["P1", "P2", "P3"]
    assert said == [
        "hidden sheets: 1, not read", "hidden rows: 1, used like the others (3)",
        "hidden columns: 1, read like the others (C)",
    ]  # fmt: skip


def test_merged_cells_have_their_value_everywhere(book, tmp_path):
    book.active.append(["P4", 1, 70])
    book.active.merge_cells("B4:B5")
    frame, said = opened(book, tmp_path)
    assert frame["outcome"].tolist() == ["0", "1", "0", "0"]
    assert said == ["merged cells: 1, each filled with their value (B4:B5)"]


def test_all_formulas_without_a_value_are_listed(book, tmp_path):
    book.active["C2"], book.active["C4"] = "=1+1", "=A1"
    with pytest.raises(BadCohort, match=r"C26: .*\(C2, C4\); open the workbook"):
        opened(book, tmp_path)


def test_the_stored_value_of_a_formula_is_used(book, tmp_path):
    book.active["C2"] = "=40+1"
    book.save(tmp_path / "a.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w") as new,
    ):
        for name in old.namelist():
            stored = b"<f>40+1</f><v>41</v>"
            content = old.read(name).replace(b"<f>40+1</f><v></v>", stored)
            content = content.replace(b"<f>40+1</f><v />", stored)
            new.writestr(name, content)
    assert open_table(tmp_path / "t.xlsx")[0]["age"].tolist()[0] == "41"


def test_the_one_sheet_with_patients_is_read(book, tmp_path):
    legend = book.create_sheet("legend", 0)
    legend.append(["level", "meaning"])
    legend.append([0, "negative"])
    assert opened(book, tmp_path)[0]["patient_id"].tolist() == ["P1", "P2", "P3"]


def test_of_several_sheets_with_patients_the_one_with_an_outcome(book, tmp_path):
    visits = book.create_sheet("visits", 0)
    visits.append(["patient_id", "visit"])
    visits.append(["P1", "May"])
    assert list(opened(book, tmp_path)[0].columns) == HEADER


def test_a_list_of_the_columns_is_no_table_of_patients(book, tmp_path):
    columns = book.create_sheet("columns", 0)
    for row in (["column", "meaning"], ["patient_id", "whose row"], ["outcome", "0 or 1"]):
        columns.append(row)
    assert opened(book, tmp_path)[0]["patient_id"].tolist() == ["P1", "P2", "P3"]


def test_two_sheets_that_may_be_meant_are_listed_until_one_is_named(book, tmp_path):
    copy = book.copy_worksheet(book.active)
    copy.title = "copy"
    copy["A2"] = "X1"
    with pytest.raises(BadCohort, match=r"C06: .* found 'patients', 'copy'; .*cohort\.sheet"):
        opened(book, tmp_path)
    assert opened(book, tmp_path, sheet="copy")[0]["patient_id"].tolist()[0] == "X1"
    with pytest.raises(BadCohort, match=r"C06: expected the sheet 'May', found 'patients'"):
        opened(book, tmp_path, sheet="May")


def test_a_sheet_of_a_text_table(tmp_path):
    (tmp_path / "t.csv").write_text("patient_id,outcome\nP1,1\n")
    with pytest.raises(BadConfig, match=r"expected an \.xlsx workbook for cohort\.sheet"):
        open_table(tmp_path / "t.csv", sheet="a")


def test_leading_zeros_of_the_number_format_are_kept(book, tmp_path):
    book.active["A2"] = 7
    book.active["A2"].number_format = "000"
    assert opened(book, tmp_path)[0]["patient_id"].tolist()[0] == "007"


def test_dates_are_year_month_day(book, tmp_path):
    book.active["C2"] = datetime.date(2024, 3, 12)
    assert opened(book, tmp_path)[0]["age"].tolist()[0] == "2024-03-12T00:00:00"


def test_rows_that_are_formatted_and_empty_cost_nothing(book, tmp_path):
    for row in range(5, 3000):
        book.active.cell(row, 1).number_format = "0.00"
    frame, said = opened(book, tmp_path)
    assert (len(frame), said) == (3, [])


def test_too_many_rows_are_refused_while_they_are_counted(book, tmp_path, monkeypatch):
    monkeypatch.setattr("her2.cohort.workbook.MAX_ROWS", 10)
    for i in range(100):
        book.active.append([f"Q{i}", 0, 50])
    with pytest.raises(BadCohort, match="C29: expected at most 10 rows"):
        opened(book, tmp_path)


def test_a_row_number_beyond_any_sheet(book, tmp_path):
    book.save(tmp_path / "a.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "t.xlsx", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<row r="4"', b'<row r="2000000000"'))
    with pytest.raises(BadCohort, match="C29"):
        open_table(tmp_path / "t.xlsx")


def test_a_workbook_named_csv_is_read_as_what_it_is(book, tmp_path):
    book.save(tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").rename(tmp_path / "t.csv")
    assert len(open_table(tmp_path / "t.csv")[0]) == 3


def test_openpyxl_does_not_speak_of_a_damaged_workbook(book, tmp_path, recwarn):
    path = tmp_path / "t.xlsx"
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    links = "xl/_rels/workbook.xml.rels"
    more = b'<Relationship Type="x" Id="y"/></Relationships>'
    parts[links] = parts[links].replace(b"</Relationships>", more)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(BadCohort, match=r"C06: .* found a damaged file"):
        open_table(path)
    assert not recwarn.list
