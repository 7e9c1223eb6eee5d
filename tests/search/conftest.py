"""A search of a tiny command, in this process and in others."""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from unittest import mock

import pytest

optuna = pytest.importorskip("optuna")

from search_app import APP, CONFIG, App, load  # noqa: E402


@pytest.fixture
def app(tmp_path) -> App:
    (tmp_path / "app.yaml").write_text(CONFIG.format(folder=tmp_path))
    return App(tmp_path)


@pytest.fixture
def search_here(app) -> Callable[..., "optuna.Study"]:
    """Return a function that searches in this process, and returns the study.

    draws: whether figures are drawn, which takes longer than the search.
    """
    from hydra.core.global_hydra import GlobalHydra

    spec = importlib.util.spec_from_file_location("her2_search_command", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*overrides: str, storage: str | None = None, draws: bool = False) -> "optuna.Study":
        place = storage or app.journal
        loggers = [logging.getLogger(name) for name in (None, "hydra")]
        before = [(log, log.level, list(log.handlers)) for log in loggers]
        GlobalHydra.instance().clear()
        with (
            mock.patch.dict(os.environ, {"HYDRA_FULL_ERROR": "1"}),
            mock.patch.object(sys, "argv", ["app"]),
            nullcontext()
            if draws
            else mock.patch("her2.search.search_page.search_figures", return_value={}),
        ):
            try:
                module.main(str(app.folder), *app.arguments(place, *overrides))
            finally:
                for log, level, handlers in before:
                    log.setLevel(level)
                    log.handlers[:] = handlers
                for log in logging.root.manager.loggerDict.values():
                    if isinstance(log, logging.Logger):
                        log.disabled = False  # the app's logging switches off all that exist
        names = optuna.get_all_study_names(load_storage(place))
        return load(place, names[-1])

    return run


def load_storage(place: str) -> "optuna.storages.BaseStorage":
    from her2.search.storage import open_storage, storage_address

    return open_storage(storage_address(place))
