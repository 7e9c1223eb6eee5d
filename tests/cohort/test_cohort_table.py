"""Tables stay text, keep their rows' numbers, and are refused where a reader would guess."""

import openpyxl
import pandas as pd
import pytest

from her2.cohort.cohort_table import read_table, require_columns
from her2.cohort.variables import clinical_table
from her2.core.errors import BadCohort, MissingInput


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_everything_is_text(tmp_path):
    table = read_table(write(tmp_path / "t.csv", "id,a\n00123,NA\n1E5,\nnull,None\n"))
    assert table.to_dict("list") == {"id": ["00123", "1E5", "null"], "a": ["NA", "", "None"]}
    assert table.index.tolist() == [2, 3, 4]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_encodings(delimiter, encoding, tmp_path):
    lines = ["id,größe,m", '1,"x;y",z']
    text = "\r\n".join(line.replace(",", delimiter) for line in lines)
    table = read_table(write(tmp_path / "t.csv", text, encoding))
    assert table.to_dict("list") == {"id": ["1"], "größe": ["x;y"], "m": ["z"]}


def test_ragged_row_names_its_line(tmp_path):
    path = write(tmp_path / "t.csv", 'id,a\n1,"two\nlines"\n\n2\n')
    with pytest.raises(BadCohort, match=r"C07: .* 2 cells .* found 1 in line 5"):
        read_table(path)


def test_one_value_more_in_every_row_does_not_shift_columns(tmp_path):
    with pytest.raises(BadCohort, match="C07"):
        read_table(write(tmp_path / "t.csv", "id,a\n1,2,3\n4,5,6\n"))


def test_undecodable_byte_names_its_line(tmp_path):
    (tmp_path / "t.csv").write_bytes("größe\nä\n".encode() + "Müller\n".encode("latin-1"))
    with pytest.raises(BadCohort, match=r"C06: .* in line 3"):
        read_table(tmp_path / "t.csv")


def test_nul_byte(tmp_path):
    with pytest.raises(BadCohort, match="C06"):
        read_table(write(tmp_path / "t.csv", "id\na\0b\n"))


def test_missing_table():
    with pytest.raises(MissingInput, match="expected a table"):
        read_table(__import__("pathlib").Path("no-such.csv"))


def test_workbook_values_of_the_first_visible_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "hidden"
    book.active.sheet_state = "hidden"
    sheet = book.create_sheet("patients")
    sheet.append(["id", "n", None])
    sheet.append(["007", 3, None])
    sheet.append([None, None, None])
    sheet.append([12, 2.5, None])
    sheet.append([12.0, True, None])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.to_dict("list") == {"id": ["007", "12", "12"], "n": ["3", "2.5", "1"]}
    assert table.index.tolist() == [2, 4, 5]


def test_damaged_workbook(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadCohort, match="C06"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize("name", ["t.xls", "t.xlsm"])
def test_other_workbooks_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BadCohort, match=r"C06: .* save the table as \.csv"):
        read_table(tmp_path / name)


def test_close_column_is_suggested(tmp_path):
    table = read_table(write(tmp_path / "t.csv", "Patient_ID,x\n1,2\n"))
    with pytest.raises(BadCohort, match=r"C28: .*'patient_id'.* found 'Patient_ID'"):
        require_columns(table, ["patient_id"], why="test")


@pytest.mark.parametrize(
    "name", ["HER2", "her-2_status", "FISH", "fish_ratio", "IHC", "erbb2", "Trastuzumab", "pCR",
             "outcome", "c-erbB-2"],
)  # fmt: skip
def test_variables_that_give_away_the_outcome(name):
    table = pd.DataFrame({name: ["1", "2"]})
    with pytest.raises(BadCohort, match="C22"):
        clinical_table(table, [name])
