"""The Python interface: the bytes of the command, typed results, and what a notebook shows."""

import subprocess
import sys
from unittest import mock

import pandas as pd
import pytest

import her2
from her2.core.places import project_root


@pytest.fixture(scope="module")
def words(tiny, table_cohort):
    """Overrides of a tiny study of a table without images."""
    return (*tiny, "cohort=folder", f"cohort.root={table_cohort}", "cohort.clinical=[age,er]",
            "cohort.features=features.csv")  # fmt: skip


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    settings = her2.StudySettings.from_overrides(
        [*words, f"run_dir={tmp_path_factory.mktemp('run')}"]
    )
    with mock.patch("her2.pipeline.write_outputs.figures", return_value=()):
        return her2.run_study(settings)


def test_a_study_from_python_has_the_bytes_of_the_command(run, words, undrawn_command, tmp_path):
    finished = undrawn_command("study", *words, f"run_dir={tmp_path}")
    assert finished.status == run.status == 0, finished.err
    for name in ("predictions.parquet", "repeated_cv.parquet", "split.json", "config.yaml"):
        assert (run.folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_results_are_typed_and_shown(run):
    found = run.results.arms["radiomics"].repeated_cv
    row = pd.read_csv(run.folder / "tables" / "repeated_cv.csv").set_index("arm").loc["radiomics"]
    assert (found.auc, found.auc_low) == pytest.approx((row["auc"], row["auc_low"]))
    assert set(run.results.arms) == {"clinical", "radiomics", "combined"}
    assert f"{found.auc:.3f}" in run._repr_html_() and "Radiomics" in run.results._repr_html_()
    assert set(run.predictions["arm"]) == set(run.results.arms)
    assert len(run.tables["performance"]) == 9
    with pytest.raises(KeyError, match="expected a table among"):
        run.tables["performnace"]
    assert run.report.is_file()


def test_settings_come_back_from_the_run_and_from_its_file(run):
    again = her2.StudySettings.from_yaml(run.folder / "config.yaml")
    assert again == run.settings == her2.load_run(run.folder).settings
    assert again.record() == her2.StudySettings.from_yaml(run.folder / "config.yaml").record()


def test_a_figure_is_shown_or_the_names_are_said(study):
    finished = her2.load_run(study.run_dir)
    assert finished.figure("roc")._repr_svg_().startswith("<?xml")
    with pytest.raises(her2.Her2Error, match=r"expected a figure among .*roc"):
        finished.figure("rock")


def test_runs_are_compared(run, study, words, undrawn_command, tmp_path):
    other = tmp_path / "other"
    assert undrawn_command("study", *words, "selection=none", f"run_dir={other}").status == 0
    made = her2.compare_runs([run, other], arms=["radiomics"], run_dir=tmp_path / "both")
    assert made.page.is_file()
    assert len(made.tables["performance"]["model"].unique()) == 2
    assert "<table" in made._repr_html_()


def test_a_folder_without_a_run_is_a_sentence(tmp_path):
    with pytest.raises(her2.MissingInput, match=r"found no results\.json"):
        her2.load_run(tmp_path)


def test_a_cohort_is_read_with_its_flow_and_table(table_cohort):
    cohort = her2.read_cohort(table_cohort, clinical=["age"], features="features.csv")
    assert cohort.flow["n_lesions"] == len(cohort.lesions) == len(cohort.table) == 40
    assert list(cohort.table) == ["patient_id", "lesion_id", "outcome", "age"]


def test_all_that_is_wrong_with_settings_is_said_at_once():
    with pytest.raises(her2.BadConfig) as caught:
        her2.StudySettings.from_overrides(["seed=x", "evaluation.n_folds=1"])
    assert len(caught.value.problems) == 2
    with pytest.raises(her2.BadConfig, match="at least 2"):
        her2.StudySettings(evaluation={"n_folds": 1})


def test_import_is_lazy_and_offers_everything_it_names():
    code = (
        "import sys, her2\n"
        "print([m for m in ('numpy', 'pydantic', 'torch', 'hydra') if m in sys.modules])\n"
        "print([name for name in her2.__all__ if not hasattr(her2, name)])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=project_root(),
    )
    assert finished.stdout.splitlines() == ["[]", "[]"]
    with pytest.raises(AttributeError, match="no attribute 'run_studdy'"):
        _ = her2.run_studdy
