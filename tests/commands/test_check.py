"""`her2 check`: the flow of patients, the quarantine, the exit status; nothing is fitted."""

import csv

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def check(her2_command, tmp_path):
    """Return a function that checks a cohort in `tmp_path/run`."""

    def call(root, *arguments):
        return her2_command(
            "check", "cohort=folder", f"cohort.root={root}", f"run_dir={tmp_path / 'run'}",
            "compute.n_workers=1", *arguments,
        )  # fmt: skip

    return call


def flow(out: str) -> dict[str, str]:
    return {line[:12].strip(): line[13:] for line in out.splitlines()}


def test_a_good_cohort_is_described(check, image_cohort, tmp_path):
    finished = check(image_cohort, "cohort.clinical=[age,er]")
    assert finished.status == 0
    assert finished.sentences == []
    shown = flow(finished.out)
    assert shown["cohort"] == "folder"
    assert shown["rows"] == "40"
    assert shown["used"] == "40 lesions of 40 patients"
    assert shown["outcome"] == "20 outcome 1, 20 not"
    assert shown["clinical"] == "age, er"
    assert "variable     er: category, positive 23, negative 17; 0 missing" in finished.out
    assert "variable     age: number, " in finished.out
    assert len(shown["data"]) == 64
    assert "C23 variable that is known only after biopsy" in finished.out
    assert "D20" in finished.out  # the RGBA images


@pytest.mark.parametrize("named", ["cohort.root", "cohort.table"])
def test_files_beside_the_simulated_cohort_are_not_passed_over(her2_command, tmp_path, named):
    finished = her2_command("check", f"{named}={tmp_path}", f"run_dir={tmp_path / 'run'}")
    assert finished.status == 2
    (sentence,) = finished.sentences
    assert "add cohort=folder" in sentence


def test_of_stacks_the_declared_image_is_studied(check, make_cohort):
    root = make_cohort(12, images=True)
    for folder, name in (("images", "i003.png"), ("masks", "m003.png")):
        page = Image.open(root / folder / name).convert("L")
        blank = page if folder == "images" else Image.new("L", page.size)
        blank.save(root / folder / "s.tiff", save_all=True, append_images=[page])
        table = (root / "cohort.csv").read_text().replace(f"{folder}/{name}", f"{folder}/s.tiff")
        (root / "cohort.csv").write_text(table)
    assert check(root).status == 1
    finished = check(root, "cohort.frame=largest_lesion", "run_dir=" + str(root / "chosen"))
    assert finished.status == 0
    assert "normalised   M20 mask of several slices (1 x)" in finished.out
    with (root / "chosen/quarantine.csv").open(newline="", encoding="utf-8") as stream:
        chosen = [row for row in csv.DictReader(stream) if row["code"] == "M20"]
    assert "of 2 images, number 2 is analysed" in chosen[0]["message"]


def test_of_several_regions_the_settings_name_the_lesion(check, make_cohort):
    root = make_cohort(12, images=True)
    lesion = np.asarray(Image.open(root / "masks/m003.png").convert("L")) > 0
    shadow = np.zeros_like(lesion)
    shadow[:12, :12] = True
    labels = (lesion + 2 * (shadow & ~lesion)).astype(np.uint8)
    colours = np.array([(0, 0, 0), (0, 255, 0), (0, 0, 255)], dtype=np.uint8)
    Image.fromarray(colours[labels]).save(root / "masks/m003.png")
    Image.fromarray(labels).save(root / "masks/m005.png")
    refused = check(root)
    assert refused.status == 1
    assert "2 x M25 several regions in the mask, and no choice" in refused.sentences[0]
    chosen = check(
        root, "cohort.mask_colour=[0,255,0]", "cohort.mask_label=1", "cohort.mask_segment=lesion",
        "cohort.mask_scale=4", "run_dir=" + str(root / "chosen"),
    )  # fmt: skip
    assert chosen.status == 0
    assert "normalised   M25 several regions in the mask, and no choice (2 x)" in chosen.out


def test_only_a_record_is_written(check, image_cohort, tmp_path):
    check(image_cohort)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "cohort.json", "config.yaml", "environment.json", "quarantine.csv",
    ]  # fmt: skip


def test_bad_cases_are_left_out_counted_and_named(check, make_cohort, tmp_path, canary):
    root = make_cohort(12, images=True)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(root / "masks" / "m003.png")
    Image.fromarray(np.eye(32, dtype=np.uint8)).save(root / "masks" / "m005.png")
    (root / "images" / "i007.png").unlink()
    finished = check(root)
    assert finished.status == 1
    assert "quarantined  3\n" in finished.out
    assert len(finished.sentences) == 1
    for code in ("M06", "M02", "C04"):
        assert code in finished.sentences[0]
    assert canary not in finished.out + finished.err
    with (tmp_path / "run" / "quarantine.csv").open(newline="") as stream:
        left_out = {
            row["patient_id"][-3:]: row["code"]
            for row in csv.DictReader(stream)
            if row["severity"] == "quarantined"
        }
    assert left_out == {"703": "M06", "705": "M02", "707": "C04"}


def test_the_way_out_that_is_named_works(check, make_cohort, her2_command, tmp_path):
    root = make_cohort(12, images=True)
    (root / "images" / "i007.png").unlink()
    named = check(root).sentences[0].rpartition(" with ")[2]
    accepted = her2_command(
        "check", "cohort=folder", f"cohort.root={root}", f"run_dir={tmp_path / 'b'}", named
    )
    assert accepted.status == 0 and accepted.sentences == []


def test_excluded_patients_are_no_fault(check, make_cohort):
    root = make_cohort(12, columns={
        "outcome": None, "group": None,
        "her2_ihc": lambda i: ("0", "3+", "2+", "2+")[i % 4],
        "her2_fish": lambda i: ("", "", "positive", "")[i % 4],
    })  # fmt: skip
    finished = check(root, "cohort.clinical=[age]")
    assert finished.status == 0
    shown = flow(finished.out)
    assert shown["used"] == "9 lesions of 9 patients"
    assert shown["outcome"] == "6 HER2-positive, 3 not"
    assert "C12 IHC 2+ without FISH (3 x)" in finished.out
