"""`her2 audit`, and the audit that stands in a study's report."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from her2.pipeline.leakage_checks import KNOWS_OUTCOME, single_areas

QUICK = (
    "classifier=lr", "evaluation.n_folds=2", "evaluation.n_inner_folds=2",
    "evaluation.n_shuffles=3", "controls.n_noise=2", "controls.n_planted=3",
    "controls.n_leaking=2", "selection.lasso_folds=3", "compute.n_workers=1",
)  # fmt: skip


@pytest.fixture
def audit(her2_command, tmp_path):
    """Return a function that audits a cohort in `tmp_path/run`."""

    def call(root, *arguments):
        return her2_command(
            "audit", *QUICK, "cohort=folder", f"cohort.root={root}", "cohort.clinical=[age,er]",
            f"run_dir={tmp_path / 'run'}", *arguments,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def finished(her2_command, image_cohort, feature_cache, tmp_path_factory):
    """The audit of a cohort with images: exit status, output, and its folder."""
    run_dir = tmp_path_factory.mktemp("audit")
    done = her2_command(
        "audit", *QUICK, "cohort=folder", f"cohort.root={image_cohort}",
        "cohort.clinical=[age,er]", "radiomics=us2d", "backbone.image_size=64",
        f"cache={feature_cache}",
        f"run_dir={run_dir}",
    )  # fmt: skip
    return done, run_dir


def content(run_dir):
    return json.loads((run_dir / "audit.json").read_text())


def copied(root, source, copy):
    """Make the image of one patient a flipped, re-encoded copy of another's, with its mask."""
    names = {path.stem: path for path in (root / "images").iterdir()}
    pixels = np.asarray(Image.open(names[f"i{source:03d}"]).convert("L"))
    path = names[f"i{copy:03d}"].with_suffix(".jpg")
    Image.fromarray(pixels[:, ::-1].copy()).save(path, quality=80)
    with (root / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    mask = np.asarray(Image.open(root / rows[source]["mask"].split(";")[0]))
    Image.fromarray(mask[:, ::-1].copy()).save(root / "masks" / "copy.png")
    rows[copy] |= {"image": f"images/{path.name}", "mask": "masks/copy.png"}
    with (root / "cohort.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_an_honest_protocol_passes_line_by_line(finished):
    done, run_dir = finished
    found = content(run_dir)
    assert done.status == 0, done.out + done.err
    assert found["passed"] and done.sentences == []
    lines = done.out.splitlines()
    assert lines[-1] == f"audit: {run_dir / 'audit.html'}"
    assert len(lines) == len(found["checks"]) + 1
    for line, check in zip(lines, found["checks"], strict=False):
        assert line.startswith("passed   ") and check["check"] in line
    names = " ".join(check["check"] for check in found["checks"]).lower()
    for word in ("overlap", "copies", "leak", "shuffled", "noise", "power", "poison", "control"):
        assert word in names


def test_both_numbers_of_the_control_stand_side_by_side(finished):
    _, run_dir = finished
    arms = {
        (row["trial"], row["role"], row["arm"]): row["auc"] for row in content(run_dir)["arms"]
    }
    leaking = arms["control_leaks", "out_of_fold", "radiomics"]
    honest = arms["control", "out_of_fold", "radiomics"]
    assert leaking > 0.8 and leaking - honest > 0.2
    assert {arm for _, _, arm in arms} == {
        "clinical", "radiomics", "deep_learning", "dlr", "combined",
    }  # fmt: skip
    control = next(c for c in content(run_dir)["checks"] if "selection before" in c["check"])
    assert f"{leaking:.3f}" in control["found"] and f"{honest:.3f}" in control["found"]


def test_the_smallest_leak_that_is_seen_stands_beside_the_checks(finished):
    _, run_dir = finished
    power = {row["leak"]: row["seen"] for row in content(run_dir)["power"]}
    assert power["Patients entered again under other names, with the same features"] == "1"
    assert power["Patients entered again under other names, with mirrored images"] == "1"
    assert any(leak.startswith("Selection before the split") for leak in power)
    assert "Smallest planted leak that a check sees" in (run_dir / "audit.html").read_text()
    assert (run_dir / "tables" / "audit_power.csv").is_file()


def test_what_is_written_names_no_patient(finished, canary):
    _, run_dir = finished
    page = (run_dir / "audit.html").read_text()
    assert "Leakage checks" in page and "AUC of each control" in page
    assert "AUC of every arm" not in page  # the headline of a study
    table = (run_dir / "tables" / "audit.csv").read_text()
    power = (run_dir / "tables" / "audit_power.csv").read_text()
    for text in (page, table, power, (run_dir / "audit.json").read_text()):
        assert canary not in text
    assert not (run_dir / "near_duplicates.csv").exists()


@pytest.mark.slow
def test_a_copy_in_another_patient_is_found_and_listed(
    audit, make_cohort, table_cohort, tmp_path, canary
):
    root = make_cohort(images=True, columns={"group": None})
    copied(root, source=1, copy=23)
    done = audit(root, f"cohort.features={table_cohort / 'features.csv'}")
    assert done.status == 1
    checks = content(tmp_path / "run")["checks"]
    copies = next(c for c in checks if "duplicate images" in c["check"])
    assert copies["found"].startswith("1 of 780 pairs") and copies["passed"] is False
    assert any("near-duplicate images" in sentence for sentence in done.sentences)
    assert "FAILED   Overlap by copies" in done.out
    assert canary not in done.out + done.err
    with (tmp_path / "run" / "near_duplicates.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert {row["first_patient_id"][-3:], row["second_patient_id"][-3:]} == {"701", "723"}
    assert (
        row["copy_of"] == "images"
        and row["flip"] == "left-right"
        and float(row["correlation"]) > 0.8
    )


def test_a_cohort_without_images_says_what_was_not_checked(audit, table_cohort, tmp_path):
    done = audit(table_cohort, "cohort.features=features.csv")
    assert done.status in (0, 1)  # forty patients: a planted signal may be missed
    checks = {c["check"]: c for c in content(tmp_path / "run")["checks"]}
    copies = next(c for name, c in checks.items() if "duplicate images" in name)
    assert copies["passed"] is None and "no images" in copies["found"]
    assert "skipped  Overlap by copies" in done.out
    poison = next(c for name, c in checks.items() if name.startswith("Poison"))
    assert poison["passed"]


def test_a_feature_that_knows_the_outcome_is_named_as_a_leak(
    audit, table_cohort, make_cohort, tmp_path
):
    root = make_cohort()
    lines = (table_cohort / "features.csv").read_text().splitlines()
    told = [f"{line},{i % 2 + 0.01 * i}" for i, line in enumerate(lines[1:])]
    (root / "features.csv").write_text("\n".join([lines[0] + ",result", *told]) + "\n")
    done = audit(root, "cohort.features=features.csv")
    assert done.status == 1
    (said,) = [sentence for sentence in done.sentences if "one radiomics feature" in sentence]
    assert "beyond chance: result (train" in said


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("evaluation.n_shuffles=0", "evaluation.n_shuffles"),
        ("controls.n_noise=0", "controls.n_noise"),
        ("controls.n_other=1", "controls.n_"),
        ("cohort.table=absent.csv", "absent.csv"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(audit, table_cohort, setting, named):
    done = audit(table_cohort, setting)
    assert done.status == 2
    assert len(done.sentences) == 1 and named in done.sentences[0]


def test_no_column_of_noise_rings_and_one_that_knows_does():
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    areas, knows = single_areas(rng.normal(size=(12, 3000)), y)
    assert areas.max() >= KNOWS_OUTCOME  # by chance, among three thousand of twelve patients
    assert not knows.any()


@pytest.mark.parametrize(
    ("n", "distance", "expected"),
    [(40, 20.0, True), (200, 2.8, True), (200, 1.2, False), (40, 2.4, False)],
)
def test_a_column_rings_by_how_surely_it_knows_the_outcome(n, distance, expected):
    """AUC 1 rings in any cohort; .97 in a large one; .8 never; .95 of few patients may be true."""
    rng = np.random.default_rng(1)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 500))
    X[:, 7] += distance * y
    areas, knows = single_areas(X, y)
    assert knows.any() == expected
    if expected:
        assert np.flatnonzero(knows).tolist() == [7] and areas[7] == areas.max()


def test_columns_without_an_area_are_left_out():
    y = np.arange(12) % 2
    gaps = np.where(y == 1, np.nan, np.arange(12.0))
    areas, knows = single_areas(np.c_[np.ones(12), gaps, -y], y)
    assert np.isnan(areas).tolist() == [True, True, False] and knows.tolist() == [
        False,
        False,
        True,
    ]
