"""Identifiers that became dates, and the time from examination to operation."""

import datetime

import openpyxl
import pandas as pd
import pytest

from her2.cohort import read_folder_cohort
from her2.cohort.dates import refuse_dates_for_ids, window_notes
from her2.core.errors import BadCohort


@pytest.mark.parametrize(
    "made",
    ["3-Mar", "12-mars", "Mar-12", "03.Mai", "12. Okt 24", "3月12日", "2024-03-12T00:00:00",
     "01:20:00", "2024-03-12", "12.03.2024", "3/12/24"],
)  # fmt: skip
def test_an_identifier_that_became_a_date_is_refused(made):
    with pytest.raises(BadCohort, match=r"C27: .*\(row 3\)"):
        refuse_dates_for_ids(pd.Series(["P-1", made, "P-2"], [2, 3, 4], name="patient_id"))


@pytest.mark.parametrize(
    "ids", [["3-12", "P01"], ["1", "2"], ["Mary", "Mark-1b"], ["2024-03-12", "2024-03-13"],
            ["12-345", "2024-12"],
            ["MAR-01", "MAR-02", "MAR-100"], ["Mark-12", "Tom-1"], []],
)  # fmt: skip
def test_other_identifiers_are_none(ids):
    refuse_dates_for_ids(pd.Series(ids, dtype=object, name="patient_id"))


def test_a_date_of_a_workbook(make_folder):
    root = make_folder(4)
    book = openpyxl.Workbook()
    for line in (root / "cohort.csv").read_text().splitlines():
        book.active.append(line.split(","))
    book.active["A3"] = datetime.date(2024, 3, 12)
    book.save(root / "cohort.xlsx")
    with pytest.raises(BadCohort, match=r"C27: .*\(row 3\)"):
        read_folder_cohort(root, table="cohort.xlsx")


def dated(study, surgery):
    rows = range(2, 2 + len(study))
    return window_notes(pd.DataFrame({"study_date": study, "surgery_date": surgery}, index=rows))


def test_days_to_the_operation():
    found = dated(["2024-03-01", "2024-03-01T00:00:00", "2024-03-02", "", "2024-03-02"],
                  ["2024-03-15", "2024-03-16", "2024-03-01", "2024-03-01", "NA"])  # fmt: skip
    assert {row: [(n.level, n.what) for n in notes] for row, notes in found.items()} == {
        3: [("warning", "the ultrasound was 15 days before the operation")],
        4: [("quarantined", "the ultrasound was 1 days after the operation")],
    }


@pytest.mark.parametrize("cell", ["03/04/2024", "45352", "12.03.2024", "March"])
def test_dates_that_can_be_read_in_two_ways(cell):
    with pytest.raises(BadCohort, match=r"C27: expected surgery_date .*\(row 3\)"):
        dated(["2024-03-01"] * 2, ["2024-03-05", cell])


def test_without_both_columns_there_is_nothing_to_say():
    assert window_notes(pd.DataFrame({"study_date": ["x"]})) == {}
