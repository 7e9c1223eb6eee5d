"""docs/tutorial.py does what it says, with a small cohort of features in place of images."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
from tiny_study import TINY

from her2.pipeline import write_outputs
from her2.pipeline.figures import figures

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "tutorial.py"
PATIENTS = '"cohort.n_patients=60",'  # of the tutorial's two studies


def only_roc(*of):
    return ((name, figure) for name, figure in figures(*of) if name == "roc")


def test_the_tutorial_runs(table_cohort, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(write_outputs, "figures", only_roc)  # drawing takes most of a small study
    monkeypatch.setattr("her2.report.table_files.workbook_bytes", lambda *_: b"")
    script = SCRIPT.read_text(encoding="utf-8")
    assert script.count(PATIENTS) == 2
    cohort = ["cohort=folder", f"cohort.root={table_cohort}", "cohort.clinical=[age,er]"]
    cohort.append(f"cohort.features={table_cohort / 'features.csv'}")
    names = {"__name__": "tutorial", "SMALL": [*TINY, *cohort, "compute.n_workers=1"]}
    with mpl.rc_context({"backend": "agg"}):
        exec(compile(script.replace(PATIENTS, "*SMALL,"), str(SCRIPT), "exec"), names)
    said = capsys.readouterr().out
    for arm in ("clinical", "radiomics"):
        assert f"{arm}: AUC 0." in said
    assert "95 % interval" in said
    assert names["run"].folder == Path("outputs/tutorial/default")
    assert names["run"].figure("roc").path.is_file()
    assert set(names["her2"].load_run("outputs/tutorial/mrmr").results.arms) >= {"radiomics"}


def test_the_first_import_of_a_notebook_is_light():
    code = (
        "from time import perf_counter; start = perf_counter()\n"
        "import her2; seconds = perf_counter() - start\n"
        "import sys; heavy = {'torch', 'mlflow', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "print(sorted(heavy), seconds < 0.3, her2.__version__)"
    )
    root = str(SCRIPT.parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.startswith("[] True ")
