"""`her2 plan`: from assumptions, and from a finished run."""

import re

import pandas as pd
import pytest

import her2
from her2.core.results import read_results
from her2.planning.study_plan import read_plan

FEW = ("n_cohorts=20", "slope_width=.8", "compute.n_workers=1")
GIVEN = ("prevalence=.25", "auc=.80", "n_parameters=5", *FEW)


@pytest.fixture(scope="module")
def made(her2_command, tmp_path_factory):
    out = tmp_path_factory.mktemp("plan") / "out"
    return out, her2_command("plan", *GIVEN, f"run_dir={out}")


def test_the_command_says_three_lines_and_leaves_page_picture_and_tables(made):
    out, finished = made
    assert finished.status == 0, finished.err
    develop, validate, page = finished.out.splitlines()
    assert re.match(r"To develop a model of 5 candidate predictors you need \d+ patients", develop)
    assert validate.startswith("To validate it externally you need")
    assert page == f"plan: {out / 'plan.html'}"
    assert {x.name for x in (out / "figures").iterdir()} == {"plan.png", "plan.svg"}
    tables = {"requirements", "alternatives", "learning_curve", "assurance"}
    assert {x.stem for x in (out / "tables").glob("*.csv")} == tables
    needed = pd.read_csv(out / "tables" / "requirements.csv")
    assert needed["n_required"].tolist() == [x.n_required for x in read_plan(out).requirements]


def test_the_page_asks_nothing_of_the_network_and_says_why(made):
    text = (made[0] / "plan.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|<link|<iframe|@import", text.replace("http-equiv", ""))
    assert text.count("<img") == 1 and "because of the criterion" in text
    assert "Simulated data." not in text


def test_python_gives_the_bytes_of_the_command(made, tmp_path):
    settings = her2.PlanSettings(
        prevalence=0.25, auc=0.8, n_parameters=5, n_cohorts=20, slope_width=0.8,
        compute=her2.ComputeSettings(n_workers=1), run_dir=str(tmp_path),
    )  # fmt: skip
    plan = her2.plan_study(settings)
    for name in ("plan.json", "plan.html", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes(), name
    assert plan.results.deciding("development").n_positive > 0
    assert plan.figure._repr_svg_().startswith("<?xml") and "<table" in plan._repr_html_()
    assert plan.page.is_file() and len(plan.tables["alternatives"]) == 6


def test_a_pilot_says_what_is_expected(her2_command, study, tmp_path):
    results = read_results(study.run_dir)
    area = max(results.arms, key=lambda x: results.arms[x].repeated_cv.auc)
    finished = her2_command(
        "plan", f"run={study.run_dir}", f"arm={area}", "required_auc=.5", "n_parameters=5", *FEW,
        f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    found, pilot = read_plan(tmp_path).assumptions, results.arms[area]
    judged = pilot.roles["out_of_fold"]
    assert found.auc == pilot.repeated_cv.auc
    assert found.prevalence == judged.n_positive / judged.n
    assert found.source == f"{results.cohort.name}, {area}"
    assert "because of the criterion" in (tmp_path / "plan.html").read_text(encoding="utf-8")


def test_an_arm_that_the_run_lacks_is_refused(her2_command, study, tmp_path):
    finished = her2_command("plan", f"run={study.run_dir}", "arm=mri", f"run_dir={tmp_path}")
    assert finished.status == 2
    assert re.search(r"expected arm among .*combined.*, found mri", finished.sentences[0])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "expected prevalence, auc, n_parameters, or the run of a pilot, found none"),
        (["run=nowhere"], "found no results.json in nowhere"),
        (["prevalence=.4", "auc=.9", "n_parameters=3", "shrinkage=.2"], "expect less of"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(her2_command, tmp_path, words, answer):
    finished = her2_command("plan", *words, f"run_dir={tmp_path}")
    assert finished.status == 2
    assert len(finished.sentences) == 1 and answer in finished.sentences[0]
    assert not list(tmp_path.iterdir())
