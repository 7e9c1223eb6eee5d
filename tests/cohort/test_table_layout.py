"""Where a table begins and ends on its sheet."""

import openpyxl
import pytest

from her2.cohort.cohort_table import open_table
from her2.cohort.table_layout import frame_of_rows
from her2.core.errors import BadCohort

HEADER = ["patient_id", "image", "mask", "outcome", "age"]
LESIONS = [[f"P{i}", f"i{i}.png", f"m{i}.png", str(i % 2), str(40 + i)] for i in range(4)]


def read(*rows):
    frame, notes = frame_of_rows(list(enumerate(rows, start=1)))
    assert {(note.code, note.level) for note in notes} <= {("C07", "normalised")}
    return frame, [note.what for note in notes]


def test_a_plain_table_has_no_note():
    frame, said = read(HEADER, *LESIONS)
    assert frame.to_numpy().tolist() == LESIONS
    assert frame.index.tolist() == [2, 3, 4, 5]
    assert said == []


def test_titles_above_the_header():
    frame, said = read(["Breast cohort, Lyon"], ["as of May"], [], HEADER, *LESIONS)
    assert frame.to_numpy().tolist() == LESIONS
    assert frame.index.tolist() == [5, 6, 7, 8]
    assert said == ["rows 1, 2: title above the header, not read as lesions"]


@pytest.mark.parametrize(
    "legend",
    [
        [["* positive: 3+ or amplified"]],
        [[], ["0", "negative", "", "", ""], ["1", "positive", "", "", ""]],
        [["Legend:", "", "", "", ""], [], ["0", "negative"], ["1", "positive"]],
        [[], ["", "", "", "mean", "41.5"]],
        [["n = 4", "", "", "", ""]],
        [["Total", "", "", "2", "166"]],
        [["Mittelwert:", "", "", "0.5", "41.5"], ["合计", "", "", "2", ""]],
        [["one text in joined cells"] * 5],
    ],
)
def test_a_legend_under_the_table_is_left_out_and_said(legend):
    frame, said = read(HEADER, *LESIONS, *legend)
    assert frame.to_numpy().tolist() == LESIONS
    assert len(said) == 1
    assert said[0].endswith("legend under the table, not read as lesions")


@pytest.mark.parametrize(
    "last",
    [
        ["P9", "", "", "", ""],
        ["P 9", "i.png", "m.png", "", ""],
        ["Mean", "i.png", "m.png", "1", "5"],
        ["", "i.png", "m.png", "1", "5"],
    ],
)
def test_an_incomplete_row_is_no_legend(last):
    frame, said = read(HEADER, *LESIONS, last)
    assert frame.to_numpy().tolist() == [*LESIONS, last]
    assert said == []


def test_blank_rows_inside_the_table():
    frame, said = read(HEADER, *LESIONS[:2], [], ["", "", "", "", ""], *LESIONS[2:])
    assert frame.to_numpy().tolist() == LESIONS
    assert said == []


def test_the_header_again_on_every_page():
    frame, said = read(HEADER, *LESIONS[:2], HEADER, *LESIONS[2:])
    assert frame.to_numpy().tolist() == LESIONS
    assert said == ["row 4: header once more, not read as lesions"]


@pytest.mark.parametrize(
    ("upper", "lower", "names"),
    [
        (["", "", "", "IHC", ""], ["patient_id", "image", "mask", "er", "pr"], None),
        (["patient_id", "image", "mask", "IHC", ""], ["", "", "", "er", "pr"], None),
        (["patient_id", "image", "mask", "IHC", "IHC"],
         ["patient_id", "image", "mask", "er", "pr"], None),
        (["", "", "", "er", "pr"], ["patient_id", "image", "mask", "value", "value"],
         ["patient_id", "image", "mask", "er value", "pr value"]),
    ],
)  # fmt: skip
def test_two_rows_of_headings(upper, lower, names):
    frame, said = read(upper, lower, *LESIONS)
    assert list(frame.columns) == (names or ["patient_id", "image", "mask", "er", "pr"])
    assert frame.to_numpy().tolist() == LESIONS
    assert len(said) == 1


def test_joined_headings_and_legend_of_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Cohort"], ["patient_id", "outcome", "IHC", None], [None, None, "er", "pr"],
                ["P1", 0, "+", "-"], ["P2", 1, "-", "+"], [], ["+ is more than 1 %"]):  # fmt: skip
        sheet.append(row)
    for area in ("A1:D1", "A2:A3", "B2:B3", "C2:D2", "A7:D7"):
        sheet.merge_cells(area)
    book.save(tmp_path / "t.xlsx")
    frame, notes = open_table(tmp_path / "t.xlsx")
    assert list(frame.columns) == ["patient_id", "outcome", "er", "pr"]
    assert frame.to_numpy().tolist() == [["P1", "0", "+", "-"], ["P2", "1", "-", "+"]]
    assert frame.index.tolist() == [4, 5]
    assert [note.code for note in notes] == ["C26", "C07", "C07", "C07"]


def test_all_ragged_lines_are_said_at_once():
    rows = [HEADER, *LESIONS[:1], ["P7", "i.png", "m.png"], LESIONS[1], [*LESIONS[2], "more"]]
    with pytest.raises(
        BadCohort, match=r"C07: expected 5 cells .* found 3 in line 3, 6 in line 5"
    ):
        read(*rows)


def test_columns_that_are_empty_throughout_are_no_columns():
    frame, _ = read([*HEADER, "", ""], *[[*row, "", ""] for row in LESIONS])
    assert list(frame.columns) == HEADER


@pytest.mark.parametrize("rows", [[], [[]], [["", ""]], [HEADER], [HEADER, [], ["* a note"]]])
def test_nothing_under_the_header(rows):
    with pytest.raises(BadCohort, match="C29"):
        read(*rows)


def test_headings_with_line_ends_and_parted_accents_are_one_spelling():
    frame, _ = read(["patient_id", "image", "Gro\u0308\u00dfe\n(mm)"], ["P1", "i.png", "5"])
    assert list(frame.columns) == ["patient_id", "image", "Gr\u00f6\u00dfe (mm)"]
