"""The situations of ../shared/cases: each has a judge, which ends with 0 where all is right."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = REPOSITORY.parent / "shared" / "cases"
NAMES = [folder.parent.name for folder in sorted(CASES.glob("*/run.sh"))]
NO_JUDGE = {
    "42-auc-of-1-without-uncertainty": "its judge imports a module that is no more; what it "
    "expects is in tests/stats/discrimination: test_an_auc_of_one_is_not_certain"
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of the judges: this checkout comes before their own modules."""
    folder = tmp_path_factory.mktemp("programs")
    for name, words in (("HER2", "-m her2"), ("PY", "")):
        program = folder / name
        program.write_text(
            f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(REPOSITORY))}:$PYTHONPATH\n"
            f'exec {shlex.quote(sys.executable)} {words} "$@"\n'
        )
        program.chmod(0o755)
    return {name: str(folder / name) for name in ("HER2", "PY")}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES or [None])
def test_the_judge_of_a_case_is_content(name, programs, tmp_path):
    if name is None:
        pytest.skip("no ../shared/cases beside the repository")
    if name in NO_JUDGE:
        pytest.skip(NO_JUDGE[name])
    environment = os.environ | programs | {"HER2_CACHE": str(tmp_path / "cache")}
    judged = subprocess.run(
        ["bash", CASES / name / "run.sh"],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout + judged.stderr
