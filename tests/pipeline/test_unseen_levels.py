"""A level of a clinical variable that models of a split have not seen is noted (C11)."""

import csv

import numpy as np
import pandas as pd
import pytest

from her2.core.settings import (
    CohortSettings,
    ComputeSettings,
    EvaluationSettings,
    SplitSettings,
    StudySettings,
)
from her2.pipeline.run import open_run

N = 40
WHAT = "'rare' of 'er' in {} lesions, and in no training lesion"


def opened(folder, settings_of_split, **columns):
    """Open a study of a table with two levels of `er`, and a third one as `columns` say."""
    names = [f"p{i:02d}" for i in range(N)]
    site = ["A" if i < N // 2 else "B" for i in range(N)]
    table = pd.DataFrame({
        "patient_id": names, "outcome": np.arange(N) % 2, "site": site,
        "er": ["neg" if i % 3 else "pos" for i in range(N)], **columns,
    })  # fmt: skip
    table.to_csv(folder / "cohort.csv", index=False)
    values = np.random.default_rng(0).normal(size=(N, 2))
    features = pd.DataFrame(values, columns=list("ab")).assign(patient_id=names)
    features.to_csv(folder / "features.csv", index=False)
    settings = StudySettings(
        cohort=CohortSettings(
            root=str(folder), table=str(folder / "cohort.csv"), clinical=["er"],
            features=str(folder / "features.csv"),
        ),
        split=settings_of_split, evaluation=EvaluationSettings(n_folds=3, n_repeats=1),
        compute=ComputeSettings(n_workers=1),
    )  # fmt: skip
    return open_run("study", settings, folder / "run")


def found(run):
    with run.folder.file("quarantine.csv").open(newline="", encoding="utf-8") as stream:
        return [row["message"] for row in csv.DictReader(stream) if row["code"] == "C11"]


def with_rare(rows):
    return ["rare" if i in rows else "neg" if i % 3 else "pos" for i in range(N)]


def test_of_a_drawn_split(tmp_path):
    drawn = opened(tmp_path, SplitSettings(test_size=0.3))
    assert found(drawn) == []
    (tmp_path / "second").mkdir()
    tested = {int(key[1:3]) for key in drawn.split.test[:2]}
    assert found(
        opened(tmp_path / "second", SplitSettings(test_size=0.3), er=with_rare(tested))
    ) == [WHAT.format(2)]


@pytest.mark.parametrize("given", [
    {"external": "site", "development": ["A"]}, {"leave_out": "site", "test_size": 0.0},
])  # fmt: skip
def test_of_centres(given, tmp_path):
    run = opened(tmp_path, SplitSettings(**given), er=with_rare({21, 22, 23}))
    assert found(run) == [WHAT.format(3)]
    assert run.cohort.problems[-1].patient_id == ""


def test_of_the_table_it_is_noted_once(tmp_path):
    column = ["train"] * 28 + ["test"] * 12
    run = opened(tmp_path, SplitSettings(), er=with_rare({30, 31}), split=column)
    assert found(run) == [WHAT.format(2)]
