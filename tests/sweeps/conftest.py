"""A search of a tiny command, in this process and in others."""

import sys
from collections.abc import Callable

import pytest

optuna = pytest.importorskip("optuna")

from search_app import APP, CONFIG, App, load  # noqa: E402


@pytest.fixture
def app(tmp_path) -> App:
    (tmp_path / "app.yaml").write_text(CONFIG.format(folder=tmp_path))
    return App(tmp_path)


@pytest.fixture
def search_here(app, monkeypatch) -> Callable[..., optuna.Study]:
    """Return a function that searches in this process, and returns the study."""
    from hydra.core.global_hydra import GlobalHydra

    from sweeps.search import search  # noqa: F401, imported before the clock of a test starts

    def run(*overrides: str, storage: str | None = None) -> optuna.Study:
        import importlib.util

        spec = importlib.util.spec_from_file_location("her2_search_app", APP)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        GlobalHydra.instance().clear()
        place = storage or app.sqlite
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr(sys, "argv", ["app"])
        module.main(str(app.folder), *app.arguments(place, *overrides))
        return load(place)

    return run
