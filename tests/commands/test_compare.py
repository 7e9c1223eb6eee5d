"""`her2 compare`: the numbers are those of her2.stats; what differs is refused in a sentence."""

import json
import re
import shutil
from itertools import combinations
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from compared import N_TEST, N_TRAIN, repeats, results, several, simulated, write_run
from drawn import assert_readable
from PIL import Image

from her2 import stats
from her2.comparison.models import MOST_MODELS, compare_models, models_of, most_models
from her2.comparison.outputs import (
    compare_folders,
    comparison_figures,
    comparison_tables,
    ranking,
    short_names,
)
from her2.comparison.runs import _numbered, check_comparable, open_runs, read_run, with_names
from her2.core.errors import MissingInput
from her2.core.settings import TrackingSettings
from her2.tracking import FoundRun, anonymise

FIVE = [f"backbone={n}" for n in ("resnet50", "resnet101", "vgg19", "densenet121", "crossformer")]
LONG = [
    f"backbone.name=convnext_base_384_in22ft1k_v{i},trainer.learning_rate=0.000{i},seed=1"
    for i in range(1, 10)
]


UNDRAWN = mock.patch("her2.comparison.outputs.comparison_figures", return_value={})
QUIET = TrackingSettings(enabled=False)


@pytest.fixture
def compare(her2_command, tmp_path):
    """Return a function that compares runs into `tmp_path/out`: without MLflow and figures."""

    def call(*arguments):
        with UNDRAWN:
            return her2_command(
                "compare", *arguments, f"run_dir={tmp_path / 'out'}", "tracking=none"
            )

    return call


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return several(tmp_path_factory.mktemp("runs"), FIVE[:3])


@pytest.fixture(scope="module")
def drawn(her2_command, three, tmp_path_factory):
    """What the command says and leaves for three runs, with figures."""
    out = tmp_path_factory.mktemp("compared") / "out"
    return out, her2_command("compare", *three, f"run_dir={out}", "tracking=none")


def comparison(folders):
    runs = with_names([read_run(folder) for folder in folders])
    return compare_models(runs, models_of(runs))


def vectors(folder, role):
    """Outcomes (n,), probabilities (n_repeats, n) and folds of a role, sorted by lesion."""
    keys = ["patient_id", "lesion_id"]
    if role == "test":
        rows = pd.read_parquet(folder / "predictions.parquet").query("kind == 'held_out'")
        return rows.sort_values(keys)["y_true"], rows.sort_values(keys)["y_prob"], None
    rows = pd.read_parquet(folder / "repeated_cv.parquet").sort_values(["repeat", *keys])
    y_prob, fold = (
        rows[name].to_numpy().reshape(2, -1).astype(kind)
        for name, kind in (("y_prob", float), ("fold", int))
    )
    return rows["y_true"].to_numpy()[: y_prob.shape[1]], y_prob, fold


def test_the_command_writes_a_page_figures_tables_and_numbers(drawn):
    out, finished = drawn
    assert finished.status == 0, finished.err
    names = {"auc", "roc", "comparison", "calibration", "decision_curve", "cost"}
    assert {path.stem for path in (out / "figures").glob("*.png")} == names
    tables = {"performance", "differences", "calibration", "cost"}
    assert {path.stem for path in (out / "tables").glob("*.csv")} == tables
    document = json.loads((out / "comparison.json").read_text())
    areas = [r["auc"] for r in document["performance"] if r["role"] == "out_of_fold"]
    assert areas == sorted(areas, reverse=True)
    assert finished.out.splitlines()[0].startswith(document["models"][0]["name"])
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
    assert b"Wilhelmina" not in everything  # no patient leaves the run folders
    with Image.open(out / "figures" / "roc.png") as picture:
        assert picture.width > 1000


def test_every_number_is_that_of_the_statistics_on_the_same_vectors(drawn, three):
    document = json.loads((drawn[0] / "comparison.json").read_text())
    own = {name.partition("=")[2]: folder for name, folder in zip(FIVE, three, strict=False)}
    for role in ("out_of_fold", "test"):
        rows = [row for row in document["differences"] if row["role"] == role]
        assert {frozenset((r["first"], r["second"])) for r in rows} == {
            frozenset(pair) for pair in combinations(own, 2)
        }
        for row in rows:
            y_true, first, _ = vectors(own[row["first"]], role)
            second = vectors(own[row["second"]], role)[1]
            found = [row[k] for k in ("auc_difference", "low", "high", "z", "p_value")]
            if role == "test":
                test = stats.delong_test(y_true, first, second)
            else:
                test = stats.auc_difference(y_true, first, second, n_folds=3)
            expected = [test.difference, test.low, test.high, test.z, test.p_value]
            assert found == pytest.approx(expected, rel=1e-9)
        adjusted = stats.holm([row["p_value"] for row in rows]).tolist()
        assert [row["p_holm"] for row in rows] == adjusted
        assert {row["n_looks"] for row in rows} == {3}
    for row in document["performance"]:
        y_true, y_prob, fold = vectors(own[row["model"]], row["role"])
        area = stats.auc_estimate(y_true, y_prob, folds=fold)
        assert [row["auc"], row["auc_low"], row["auc_high"]] == [area.auc, area.low, area.high]
        assert row["n"] == (N_TEST if row["role"] == "test" else N_TRAIN)


def test_delong_by_hand_between_two_runs(tmp_path):
    """Four against four: areas 14/16 and 12/16, counted by hand; rows in another order."""
    y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    scores = ([1, 2, 3, 6, 4, 5, 7, 8], [1, 2, 5, 6, 3, 4, 7, 8])
    folders = []
    for i, score in enumerate(scores):
        table = simulated(1, n_train=40, n_test=8)
        table.loc[40:, "y_true"], table.loc[40:, "y_prob"] = y_true, np.array(score) / 10
        folders.append(write_run(tmp_path / f"r{i}", table.sample(frac=1, random_state=i)))
    row = comparison(folders).differences.query("role == 'test'").iloc[0]
    if row["first"] == "r1":
        scores = scores[::-1]
    sign = 1 if row["first"] == "r0" else -1
    assert row["auc_difference"] == pytest.approx(sign * (14 / 16 - 12 / 16))
    placed = stats.delong_test(y_true, *scores)
    assert (row["z"], row["p_value"]) == pytest.approx((placed.z, placed.p_value))


def test_two_lesions_of_a_patient_are_no_two_patients(tmp_path):
    """Every lesion twice: the same areas, and intervals that are hardly narrower."""
    tables = [simulated(seed, signal=0.5 + seed / 5) for seed in (1, 2)]
    once = [write_run(tmp_path / f"once{i}", table) for i, table in enumerate(tables)]
    twice = [
        write_run(tmp_path / f"twice{i}", pd.concat([t, t.assign(lesion_id="L2")]))
        for i, t in enumerate(tables)
    ]
    for folder in twice:  # the second repeat is a copy too
        alone = folder.with_name(folder.name.replace("twice", "once"))
        rows = pd.read_parquet(alone / "repeated_cv.parquet")
        both = pd.concat([rows, rows.assign(lesion_id="L2")])
        both.to_parquet(folder / "repeated_cv.parquet", index=False)
    single, double = comparison(once), comparison(twice)
    for made in (single, double):
        made.performance["model"] = made.performance["model"].str[-1]
    areas = [
        made.performance.set_index(["model", "role"]).sort_index() for made in (single, double)
    ]
    np.testing.assert_allclose(areas[1]["auc"], areas[0]["auc"])
    width = [table["auc_high"] - table["auc_low"] for table in areas]
    assert (width[1] / width[0]).between(0.98, 1.0).all()
    z = [made.differences.set_index("role")["z"].abs() for made in (single, double)]
    assert (z[1] / z[0]).between(1.0, 1.02).all()


def test_a_run_without_repeats_is_judged_by_its_only_one(tmp_path):
    folders = several(tmp_path, ["a", "b"])
    for folder in folders:
        (folder / "repeated_cv.parquet").unlink()
    made = comparison(folders)
    keys = ["patient_id", "lesion_id"]
    for folder in folders:
        rows = pd.read_parquet(folder / "predictions.parquet").query("kind == 'out_of_fold'")
        rows = rows.sort_values(keys)
        area = stats.auc_estimate(rows["y_true"], rows["y_prob"], folds=rows["fold"].astype(int))
        found = made.performance.query("model == @folder.name and role == 'out_of_fold'")
        values = found[["auc", "auc_low", "auc_high"]].to_numpy().tolist()
        assert values == [[area.auc, area.low, area.high]]


def test_the_page_asks_nothing_of_the_network_and_says_how_to_choose(drawn):
    text = (drawn[0] / "comparison.html").read_text()
    assert not re.search(r"https?://|<link|<iframe|@import", text.replace("http-equiv", ""))
    assert text.count("<img") == 6 and "data:image" in text
    assert "Choose by the out-of-fold AUC" in text and "The best of 3 is optimistic" in text
    assert "Simulated data." in text


@pytest.mark.parametrize(
    "names", [LONG[:2], pytest.param(LONG, marks=pytest.mark.slow)], ids=["2", "9"]
)
def test_figures_of_few_and_many_models_can_be_read(names, tmp_path):
    """Their pictures were looked at; here no text may lie on another."""
    made = comparison(several(tmp_path, names))
    for figure in comparison_figures(made, comparison_tables(made)["cost"]).values():
        assert_readable(figure)


def test_names_in_figures_are_short_and_differ():
    short = short_names([f"network_{'x' * 30}_{i}_of_many" for i in range(9)], 15)
    assert len(set(short.values())) == 9
    assert max(map(len, short.values())) <= 15
    assert len(set(short_names(["a" * 40 + "b" * i for i in range(12)], 12).values())) == 12


REFUSED = {
    "other data": (
        {"data_sha256": "e" * 64},
        "runs of the same data, found simulated (SHA-256 ddd",
    ),
    "other split": ({"split_sha256": "6" * 64}, "runs of the same split, found 170 patients to"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_was_judged_otherwise_is_refused(compare, tmp_path, what):
    changes, sentence = REFUSED[what]
    first = write_run(tmp_path / "first", simulated(1))
    second = write_run(tmp_path / "second", simulated(2), **changes)
    finished = compare(first, second)
    assert finished.status == 2
    assert len(finished.sentences) == 1 and sentence in finished.sentences[0]
    assert "in first and " in finished.sentences[0] and "in second" in finished.sentences[0]
    assert not (tmp_path / "out" / "comparison.html").exists()


def renamed(table):
    return table.assign(patient_id=table["patient_id"].replace("Wilhelmina0003", "Wilhelmina9003"))


def flipped(table):
    return table.assign(y_true=table["y_true"].where(table.index != 5, 1 - table["y_true"]))


def shortened(table):
    return table.iloc[:-1]


@pytest.mark.parametrize("change", [renamed, flipped, shortened])
def test_other_lesions_or_outcomes_are_refused_though_the_hashes_agree(compare, tmp_path, change):
    first = write_run(tmp_path / "first", simulated(1))
    second = write_run(tmp_path / "second", change(simulated(2)))
    finished = compare(first, second)
    assert finished.status == 2
    assert "expected runs of the same lesions" in finished.sentences[0]
    assert "Wilhelmina" not in finished.err


def test_too_few_runs_and_the_same_run_twice_are_refused(compare, three):
    assert "at least two runs to compare, found 0" in compare().sentences[0]
    assert "at least two runs to compare, found 1" in compare(three[0]).sentences[0]
    twice = compare(three[0], three[1], f"{three[0]}/../{three[0].name}")
    assert twice.status == 2 and "found the run resnet50 twice" in twice.sentences[0]


def test_a_folder_that_is_no_finished_run_is_refused(compare, three, tmp_path):
    assert "found no folder no/where" in compare(three[0], "no/where").sentences[0]
    unfinished = shutil.copytree(three[1], tmp_path / "unfinished")
    (unfinished / "results.json").unlink()
    finished = compare(three[0], unfinished)
    assert finished.status == 2
    assert "expected a finished run with results.json, found none in" in finished.sentences[0]
    (unfinished / "results.json").write_text('{"schema": 1}')
    assert "without cohort and arms" in compare(three[0], unfinished).sentences[0]


def test_arms_and_names(compare, tmp_path):
    for run in ("a", "b"):
        arms = [simulated(ord(run) + i).assign(arm=arm)
                for i, arm in enumerate(("clinical", "dlr"))]  # fmt: skip
        write_run(tmp_path / run, pd.concat(arms))
    folders = tmp_path / "a", tmp_path / "b"
    models = models_of([read_run(folder) for folder in folders])
    assert [m.name for m in models] == ["a/clinical", "a/dlr", "b/clinical", "b/dlr"]
    assert compare(*folders, "arms=[dlr]", "names=[old,new]").status == 0
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {(m["name"], m["arm"]) for m in document["models"]} == {("old", "dlr"), ("new", "dlr")}
    wrong = compare(*folders, "arms=[combined]")
    assert "expected arms among clinical, dlr, found combined" in wrong.sentences[0]
    assert "with 2 different names" in compare(*folders, "names=[old,old]").sentences[0]


def test_more_models_than_can_be_told_apart_ask_for_arms(tmp_path):
    tables = [
        simulated(i).assign(arm=arm) for i, arm in enumerate(("clinical", "dlr", "combined"))
    ]
    runs = [write_run(tmp_path / f"r{i}", pd.concat(tables)) for i in range(5)]
    opened = with_names([read_run(run) for run in runs])
    with pytest.raises(ValueError, match=f"at most {MOST_MODELS} models to compare, found 15"):
        models_of(opened)
    models, note = most_models(opened)
    assert {model.arm for model in models} == {"combined"} and len(models) == 5
    assert "every run is shown by its arm combined" in note


def test_a_multiruns_jobs_are_compared_in_its_folder_with_the_reason_of_what_is_missing(
    three, tmp_path, capsys
):
    missing = {"backbone=none": "no such network"}
    with UNDRAWN:
        page = compare_folders(three, tmp_path, tracking=QUIET, missing=missing)
    assert page == tmp_path / "comparison.html"
    text = page.read_text()
    assert "backbone=none is not compared: no such network" in text
    assert pd.read_csv(tmp_path / "tables" / "missing.csv")["run"].tolist() == ["backbone=none"]
    assert "comparison: " in capsys.readouterr().out


def test_folds_that_differ_are_said(tmp_path):
    first = write_run(tmp_path / "first", simulated(1))
    other = simulated(2)
    other["fold"] = pd.array(np.arange(len(other)) % 5, dtype="Int64")
    second = write_run(tmp_path / "second", other)
    with UNDRAWN:
        compare_folders([first, second], tmp_path, tracking=QUIET)
    notes = json.loads((tmp_path / "comparison.json").read_text())["notes"]
    assert "different folds (numbers of folds: first 3, second 5)" in notes[0]
    assert notes[1].startswith("The patients are simulated")  # of all runs: once


def test_a_model_without_an_area_is_last_and_the_notes_say_why(tmp_path):
    flat = write_run(tmp_path / "flat", simulated(3).assign(y_prob=0.5))
    good = write_run(tmp_path / "good", simulated(4))
    made = comparison([flat, good])
    assert made.names == ["good", "flat"]
    assert made.differences["p_value"].isna().all()
    assert any("flat, out_of_fold: AUC is not estimable" in note for note in made.notes)
    figures = comparison_figures(made, comparison_tables(made)["cost"])
    for figure in figures.values():
        assert_readable(figure)


def test_runs_without_cost_have_no_figure_of_it(tmp_path):
    folders = several(tmp_path, ["a", "b"])
    for folder in folders:
        kept = json.loads((folder / "results.json").read_text())
        del kept["cost"]
        (folder / "results.json").write_text(json.dumps(kept))
    made = comparison(folders)
    assert "cost" not in comparison_figures(made, comparison_tables(made)["cost"])


def test_the_note_is_a_table_in_the_order_of_the_ranking(three):
    made = comparison(three)
    lines = [line for line in ranking(made).splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == made.names


def test_runs_are_found_in_mlflow_by_the_beginning_of_their_ids(
    her2_command, new_store, three, tmp_path
):
    """One run's folder is here, of the other only what MLflow keeps."""
    from mlflow.tracking import MlflowClient

    uri = new_store()
    client, ids = MlflowClient(tracking_uri=uri), []
    experiment = client.create_experiment("her2", (tmp_path / "artifacts").as_uri())
    for i, name in enumerate(("vgg19", "resnet50")):
        run = client.create_run(experiment, run_name=f"train {name} folder seed 0").info.run_id
        table = simulated(70 + i)
        content = results(table) | {"mlflow": {"tracking_uri": uri, "run_id": run}}
        if i:
            send_anonymous(client, run, table, content, tmp_path / name)
        else:
            folder = write_run(tmp_path / name, table)
            (folder / "results.json").write_text(json.dumps(content))
            client.set_tag(run, "her2.run_dir", str(folder))
        ids.append(run)
    opened = open_runs([ids[0][:12], ids[1]], uri=uri)
    check_comparable(opened)
    assert [run.folder is None for run in opened] == [False, True]
    with UNDRAWN:
        finished = her2_command(
            "compare", ids[0][:12], ids[1], f"run_dir={tmp_path / 'out'}", f"tracking.uri={uri}"
        )
    assert finished.status == 0, finished.err
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {m["name"]: m["run_id"] for m in document["models"]} == dict(
        zip(("vgg19", "resnet50"), ids, strict=True)
    )
    parent = client.get_run(document["mlflow"]["run_id"])
    assert parent.data.tags["kind"] == "comparison"
    assert "| model | out of fold | test |" in parent.data.tags["mlflow.note.content"]
    assert client.get_run(ids[0]).data.tags["comparison"] == parent.info.run_id
    assert "mlflow.parentRunId" not in client.get_run(ids[0]).data.tags
    content["mlflow"]["run_id"] = ids[1]  # the folder has come to hold another run
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(MissingInput, match=f"expected results.json of run {ids[0][:8]}"):
        open_runs([ids[0]], uri=uri)
    unknown = her2_command("compare", ids[0], "0123456789ab", f"tracking.uri={uri}")
    assert unknown.status == 2 and "0123456789ab" in unknown.sentences[0]


def test_predictions_that_an_earlier_version_sent_are_refused(tmp_path):
    """Without the patient of each lesion nobody knows which rows are independent."""
    files = [tmp_path / "predictions.parquet", tmp_path / "repeated_cv.parquet"]
    for file, rows in zip(files, (simulated(1), repeats(simulated(1))), strict=True):
        anonymise(rows).to_parquet(file)
    found = FoundRun("0123456789", "old", {}, {}, {})
    assert all("patient" in table for table in _numbered(found, files))
    anonymise(simulated(1)).drop(columns="patient").to_parquet(files[0])
    with pytest.raises(MissingInput, match=r"those of run 01234567 without.*run it again"):
        _numbered(found, files)


def send_anonymous(client, run, table, content, folder):
    """Send what a run leaves in MLflow: numbers in place of names, and no folder."""
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))
    client.log_artifact(run, str(folder / "results.json"))
    for name, rows in (("predictions", table), ("repeated_cv", repeats(table))):
        anonymise(rows).to_parquet(folder / f"{name}.parquet", index=False)
        client.log_artifact(run, str(folder / f"{name}.parquet"), "evaluation")
    shutil.rmtree(folder)
