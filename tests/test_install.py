"""What a wheel brings, and a study that runs from it alone."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import her2

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = {"her2", "lightning_modules", "hydra_plugins"}


def run(*command: object, cwd: Path = REPOSITORY, **environment: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def uv() -> str:
    """Return the path of uv, which `make install` uses."""
    beside = REPOSITORY / ".tools" / "bin" / "uv"
    found = shutil.which("uv") or (str(beside) if beside.is_file() else None)
    if found is None:
        pytest.fail("expected uv on the path or in .tools, found neither; run make install")
    return found


def test_the_wheel_packs_three_packages_and_what_they_read():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    target = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(target["packages"]) == OURS
    assert all(place.startswith("her2/") for place in target["force-include"].values())
    assert all((REPOSITORY / brought).exists() for brought in target["force-include"])
    assert not (REPOSITORY / "hydra_plugins" / "__init__.py").exists()  # others have plugins too
    assert not list((REPOSITORY / "sweeps").rglob("*.py"))


def test_the_version_stands_once():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in settings["project"]
    place = REPOSITORY / settings["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{her2.__version__}"' in place.read_text(encoding="utf-8")


def test_the_locks_name_no_index():
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert "://" not in text and "--index" not in text and "--find-links" not in text


@pytest.mark.slow
def test_a_study_runs_from_the_wheel_alone(tmp_path):
    run(uv(), "build", "--wheel", "--out-dir", tmp_path / "dist")
    wheel = next((tmp_path / "dist").glob("her2-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == OURS
    assert "hydra_plugins/__init__.py" not in names
    for brought in ("conf/study.yaml", "sweeps/spaces/lightgbm.yaml", "requirements.lock"):
        assert f"her2/{brought}" in names

    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    run(uv(), "venv", "--python", sys.executable, environment)
    inside = {"VIRTUAL_ENV": str(environment), "PYTHONPATH": "", "UV_LINK_MODE": "hardlink"}
    run(uv(), "pip", "sync", "--require-hashes", "requirements.lock", **inside)
    run(uv(), "pip", "install", "--no-deps", wheel, **inside)

    command = environment / "bin" / "her2"
    cache = {"HER2_CACHE": str(tmp_path / "cache"), "PYTHONPATH": ""}
    place = run(
        environment / "bin" / "python",
        "-c",
        "import her2; print(her2.__file__)",
        cwd=empty,
        **cache,
    )
    assert Path(place.strip()).is_relative_to(environment)
    run(command, "study", "study=quick", "run_dir=results", cwd=empty, **cache)
    results = json.loads((empty / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["status"] == 0
    assert set(results["arms"]) >= {"clinical", "radiomics", "deep_learning", "dlr", "combined"}
    assert results["made_by"]["commit"] is None and results["made_by"]["lock_sha256"]
