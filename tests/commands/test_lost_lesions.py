"""A file that vanishes while a command works costs its own lesion, and is named in the run."""

import csv

import pytest

from her2.cohort import lesions


def problems(run_dir):
    with (run_dir / "quarantine.csv").open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["severity"] == "quarantined"]


@pytest.mark.parametrize("command", ["features", "classify"])
def test_a_mask_deleted_in_the_middle(her2_command, make_cohort, tmp_path, monkeypatch, command):
    root = make_cohort(40, images=True)
    mask = root / "masks" / "m006.png"
    load = lesions.load_lesion

    def delete_and_load(lesion):
        mask.unlink(missing_ok=True)
        return load(lesion)

    for user in ("her2.radiomics.recipe", "her2.pipeline.lost_lesions"):
        monkeypatch.setattr(f"{user}.load_lesion", delete_and_load)
    (tmp_path / "p.yaml").write_text("imageType: {Original: {}}\nfeatureClass: {firstorder: []}\n")
    tiny = (
        "classifier=lr", "evaluation.n_folds=3", "evaluation.n_inner_folds=3",
        "evaluation.n_repeats=1", "evaluation.n_permutations=40", "evaluation.n_stability=0",
        "evaluation.n_shuffles=0", "evaluation.learning_curve=[]",
    )  # fmt: skip
    run_dir = tmp_path / "run"
    finished = her2_command(
        command, "cohort=folder", f"cohort.root={root}", f"run_dir={run_dir}",
        f"cache={tmp_path / 'cache'}", f"radiomics.params={tmp_path / 'p.yaml'}",
        "compute.n_workers=1", *(tiny if command == "classify" else ()),
    )  # fmt: skip
    assert finished.status == 1, finished.err  # a lesion was lost
    assert "1 of 40 eligible lesions were left out" in finished.err
    (found,) = problems(run_dir)
    assert found["patient_id"].endswith("706")
    assert "706" not in finished.out + finished.err
    assert (run_dir / "features.parquet").is_file()
