"""Fixtures of all tests."""

import gc
import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from finished import Finished
from tiny_study import (  # noqa: F401, fixtures of the commands and of the pipeline
    canary,
    feature_cache,
    image_cohort,
    make_cohort,
    shared_folder,
    study,
    table_cohort,
    tiny,
    undrawn_command,
)

os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "false"  # a thread that no test needs

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Spare what was imported and collected from every later collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let what was spared be collected at the end."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _loggers_stay_enabled() -> Iterator[None]:
    """Fail the test that switches off the package's log, which later tests would miss."""
    yield
    named = [
        log
        for name, log in logging.root.manager.loggerDict.items()
        if name.startswith("her2") and isinstance(log, logging.Logger)
    ]
    off = [log.name for log in named if log.disabled or not log.propagate]
    for log in named:
        log.disabled, log.propagate = False, True
    assert not off


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference values and real data beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared beside the repository: reference data are absent")
    return folder


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Give back the process as it was: arguments, environment, and who logs where."""
    loggers = [logging.getLogger(name) for name in (None, "her2", "lightning_modules", "hydra")]
    before = [(log, log.level, list(log.handlers)) for log in loggers]
    with mock.patch.object(sys, "argv", list(sys.argv)), mock.patch.dict(os.environ):
        try:
            yield
        finally:
            for log, level, handlers in before:
                log.setLevel(level)
                log.handlers[:] = handlers


@pytest.fixture(scope="session")
def her2_command() -> Callable[..., Finished]:
    """Return a function that runs a command line in this process: ``her2_command("check", ...)``.

    stdout and stderr are those of this process, without its workers.
    """
    from her2.cli.command_line import run

    def call(*arguments: object) -> Finished:
        out, err = io.StringIO(), io.StringIO()
        with _as_it_was(), redirect_stdout(out), redirect_stderr(err):
            try:
                status = run([str(argument) for argument in arguments])
            except SystemExit as leaving:  # Hydra's --help and --cfg
                status = int(leaving.code or 0)
        return Finished(status, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def _empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One MLflow database without runs: making its tables takes seconds, copying it none."""
    from her2.tracking import quiet  # the migrations' messages

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with quiet():
        from mlflow.tracking import MlflowClient

        MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def new_store(_empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Return a function that makes an empty MLflow store in a folder of its own: its address."""

    def make() -> str:
        path = tmp_path_factory.mktemp("store") / "mlflow.db"
        shutil.copyfile(_empty_store, path)
        return f"sqlite:///{path}"

    return make
