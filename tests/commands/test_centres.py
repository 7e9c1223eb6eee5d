"""Studies of several hospitals: any centre is a role, judged and shown by its name."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from her2.core.results import centre_roles

SITES = ("St. Mary's / A", "Lyon", "Bern")


def site(i: int) -> str:
    return SITES[0 if i < 24 else 1 + (i // 2) % 2]


@pytest.fixture(scope="module")
def root(make_cohort):
    made = make_cohort(48, columns={"site": site, "device": lambda i: f"D{i // 2 % 2}"})
    rng = np.random.default_rng(3)
    table = pd.read_csv(made / "cohort.csv")
    values = rng.normal(size=(48, 6)) + np.outer(table["outcome"], np.linspace(0.4, 1.4, 6))
    features = pd.DataFrame(values, columns=[f"texture_{j}" for j in range(6)])
    features.insert(0, "patient_id", table["patient_id"])
    features.to_csv(made / "features.csv", index=False)
    return made


def words(root, tiny, *more):
    return (*tiny, "cohort=folder", f"cohort.root={root}", "cohort.features=features.csv",
            "cohort.clinical=[age]", *more)  # fmt: skip


@pytest.fixture(scope="module")
def external(her2_command, root, tiny, tmp_path_factory):
    """Two external centres and no test patients, with everything drawn."""
    folder = tmp_path_factory.mktemp("external")
    more = ("split.external=site", "split.test_size=0", f"run_dir={folder}")
    finished = her2_command("study", *words(root, tiny, *more))
    assert finished.status == 0, finished.err
    return folder, finished


@pytest.fixture(scope="module")
def left_out(undrawn_command, root, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("left_out")
    more = ("split.leave_out=site", f"run_dir={folder}")
    finished = undrawn_command("study", *words(root, tiny, *more))
    assert finished.status == 0, finished.err
    return folder, finished


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def test_external_centres_are_roles_with_their_own_numbers(external):
    folder, finished = external
    results, rows = results_of(folder), pd.read_parquet(folder / "predictions.parquet")
    assert results["cohort"]["centres"] == {"Bern": 12, "Lyon": 12}
    assert (results["cohort"]["n_test"], results["cohort"]["n_external"]) == (0, 24)
    for arm, content in results["arms"].items():
        assert list(content["roles"]) == ["train", "out_of_fold", "Bern", "Lyon"]
        for centre in ("Bern", "Lyon"):
            judged = rows[rows["arm"].eq(arm) & rows["role"].eq(centre)]
            assert set(judged["kind"]) == {"held_out"}
            area = roc_auc_score(judged["y_true"], judged["y_prob"])
            assert content["roles"][centre]["auc"] == pytest.approx(area)
            called = judged["y_prob"] >= content["roles"]["out_of_fold"]["threshold"]
            assert content["roles"][centre]["tp"] == int((called & judged["y_true"].eq(1)).sum())
    assert finished.out.splitlines()[0].split() == ["arm", "cross-validated", "Bern", "Lyon"]


def test_every_table_and_figure_has_the_centres(external):
    folder, _ = external
    html = (folder / "report.html").read_text()
    first_screen = html.split('<section id="headline">')[1].split("</section>")[0]
    for centre in ("Bern", "Lyon"):
        assert f"On the patients of {centre} its AUC was" in first_screen
        assert list((folder / "figures").glob(f"calibration_{centre}_*.svg"))
        for name in ("operating_points", "performance", "comparisons", "subgroups"):
            table = pd.read_csv(folder / "tables" / f"{name}.csv")
            assert centre in set(table["role"]), name
        assert centre in pd.read_csv(folder / "tables" / "baseline.csv").columns
    assert "device" in set(pd.read_csv(folder / "tables" / "subgroups.csv")["variable"])
    assert "test patients" not in first_screen


def test_radiomics_takes_the_place_of_an_absent_dlr_arm(external):
    results = results_of(external[0])
    assert list(results["arms"]) == ["clinical", "radiomics", "combined"]
    assert any("radiomics takes its place" in note for note in results["notes"])


def test_a_centre_that_is_left_out_is_judged_by_models_of_the_others(left_out):
    folder, _ = left_out
    results, rows = results_of(folder), pd.read_parquet(folder / "predictions.parquet")
    assert set(centre_roles(results)) == set(SITES)
    folds = rows[rows["kind"].eq("out_of_fold") & rows["arm"].eq("radiomics")]
    judged = rows[rows["kind"].eq("left_out") & rows["arm"].eq("radiomics")]
    assert sorted(folds["patient_id"]) == sorted(judged["patient_id"])
    of_fold = folds.set_index("patient_id")["fold"]
    for centre, members in judged.groupby("role"):
        fold = of_fold[members["patient_id"]].unique()
        assert len(fold) == 1 and (of_fold == fold[0]).sum() == len(members)
        found = results["arms"]["radiomics"]["roles"][centre]
        area = roc_auc_score(members["y_true"], members["y_prob"])
        assert found["auc"] == pytest.approx(area)
    thresholds = {c["threshold"] for r, c in results["arms"]["radiomics"]["roles"].items()
                  if r in SITES}  # fmt: skip
    assert len(thresholds) > 1  # each without the centre's own patients
    assert "each of the centres" in (folder / "report.html").read_text()


def test_check_accepts_and_refuses_what_a_study_does(her2_command, root, tiny, tmp_path):
    cohort = ("cohort=folder", f"cohort.root={root}", "cohort.features=features.csv")
    found = her2_command("check", *cohort, "split.external=site", f"run_dir={tmp_path / 'a'}")
    assert found.status == 0, found.err
    assert "role         Lyon: 12 lesions" in found.out
    for command in ("check", "study"):
        arguments = (*cohort, "split.external=nowhere", f"run_dir={tmp_path / command}")
        refused = her2_command(command, *arguments, *(tiny if command == "study" else ()))
        assert refused.status == 2
        assert "nowhere" in refused.err


def test_other_patients_of_a_centre_do_not_change_what_was_learned(
    undrawn_command, external, root, tiny, tmp_path
):
    """Outcomes of an external centre, turned round, leave every other row as it was."""
    table = pd.read_csv(root / "cohort.csv", dtype=str)
    other = tmp_path / "cohort"
    other.mkdir()
    is_bern = table["site"].eq("Bern")
    table.loc[is_bern, "outcome"] = (1 - table.loc[is_bern, "outcome"].astype(int)).astype(str)
    table.to_csv(other / "cohort.csv", index=False)
    (other / "features.csv").write_bytes((root / "features.csv").read_bytes())
    more = ("split.external=site", "split.test_size=0", f"run_dir={tmp_path / 'run'}")
    assert undrawn_command("study", *words(other, tiny, *more)).status == 0
    before = pd.read_parquet(external[0] / "predictions.parquet")
    after = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert before["y_prob"].tolist() == after["y_prob"].tolist()
