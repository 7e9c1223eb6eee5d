"""All that is wrong with a table is said at once, and is on file when the cohort is refused."""

import csv
import os

import pytest

from her2.cli.command_line import run
from her2.cohort import read_folder_cohort
from her2.core.errors import BadCohort


def broken(make_folder, kit):
    """A table with six faults of different columns."""
    root = make_folder(8, mask=None, split=["train", "valid"] * 4, age={0: "1,234"},
                       outcome={0: "2"}, patient_id={0: ""}, site=["a", ""] * 4)  # fmt: skip
    return root, {"clinical": ["age", "her2", "weight"], "centre": "site"}


def test_every_fault_of_a_table_is_one_sentence_of_one_error(make_folder, kit):
    root, settings = broken(make_folder, kit)
    with pytest.raises(BadCohort) as caught:
        read_folder_cohort(root, **settings)
    codes = [sentence[:3] for sentence in caught.value.problems]
    assert sorted(codes) == ["C08", "C16", "C22", "C28", "C28", "C28", "C28", "D50"]
    assert str(caught.value).count("\n") == 7
    assert "SECRET" not in str(caught.value)


def check(root, out, *words):
    return run(["check", "cohort=folder", f"cohort.root={root}", f"run_dir={out}", *words])


def on_file(out):
    with (out / "quarantine.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_command_prints_and_files_all_of_them(make_folder, kit, tmp_path, capsys):
    root, _ = broken(make_folder, kit)
    assert check(root, tmp_path / "o", "cohort.clinical=[age]") == 2
    lines = capsys.readouterr().err.splitlines()
    codes = sorted(line.removeprefix("her2: ")[:3] for line in lines)
    assert codes == ["C08", "C16", "C28", "C28", "D50"]
    filed = on_file(tmp_path / "o")
    assert sorted(row["code"] for row in filed) == codes
    assert {row["severity"] for row in filed} == {"stop"}


def test_rows_that_disagree_name_their_patient_on_file_alone(make_folder, kit, tmp_path, capsys):
    root = make_folder(6)
    kit.edit_table(root, patient_id={1: kit.patient_id(0)})
    assert check(root, tmp_path / "o") == 2
    said = capsys.readouterr()
    assert "C02" in said.err
    assert "SECRET" not in said.err + said.out
    named = [row for row in on_file(tmp_path / "o") if row["patient_id"]]
    assert [(row["patient_id"], row["message"][:6]) for row in named] == [
        (kit.patient_id(0), "row 2:"), (kit.patient_id(0), "row 3:"),
    ]  # fmt: skip


def test_a_cohort_that_loses_all_rows_says_the_commonest_reasons(
    make_folder, kit, tmp_path, capsys
):
    root = make_folder(10, image={0: "/a.png", 1: "/b.png", 2: "x.png"}, outcome={9: ""})
    for i in range(3, 9):
        (root / f"masks/m{i:03d}.png").unlink()
    assert check(root, tmp_path / "o") == 2
    said = capsys.readouterr().err
    assert "found 0 usable lesions" in said
    assert "6 x M01 no mask, 2 x S13 path outside the cohort's folder, 1 x C" in said
    assert "see quarantine.csv" in said
    filed = on_file(tmp_path / "o")
    assert [row["code"] for row in filed].count("M01") == 6
    assert filed[0]["code"] == "C17"


def test_a_row_without_an_outcome_is_in_the_closing_line(make_folder, tmp_path, capsys):
    root = make_folder(12, outcome={3: "NA"})
    assert check(root, tmp_path / "o") == 0
    closing = capsys.readouterr().out.splitlines()[-1]
    assert closing.endswith("quarantine.csv; excluded are 1 x C15 outcome missing")


@pytest.mark.parametrize(
    "path", ["images\\i000.png", ".\\images\\i000.png", "images\\.\\i000.png"]
)
def test_backslashes_separate_folders(path, make_folder):
    cohort = read_folder_cohort(make_folder(4, image={0: path}))
    assert cohort.problems == ()
    assert cohort.lesions[0].image.name == "i000.png"


@pytest.mark.skipif(os.name == "nt", reason="a backslash cannot be in a name")
def test_a_backslash_in_a_file_name_is_one(make_folder):
    root = make_folder(4, image={0: "images\\i000.png"})
    (root / "images/i000.png").rename(root / "images\\i000.png")
    assert read_folder_cohort(root).lesions[0].image.name == "images\\i000.png"


@pytest.mark.parametrize(
    "path",
    ["C:\\data\\a.png", "c:a.png", "\\\\server\\a.png", "..\\..\\a.png", "images\\..\\..\\x"],
)
def test_paths_of_another_computer_are_left_out(path, make_folder):
    problems = read_folder_cohort(make_folder(6, image={0: path})).problems
    assert [p.code for p in problems] == ["S13"]
