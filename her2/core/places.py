"""Where the package's own files lie: inside a wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def project_root() -> Path:
    """Return the folder that holds the package."""
    return PACKAGE.parent


def packaged_path(name: str) -> Path:
    """Return a folder or file that comes with the package: `conf`, `sweeps`, the lock."""
    inside = PACKAGE / name
    return inside if inside.exists() else project_root() / name


def config_folder() -> Path:
    """Return the folder of the configuration files."""
    return packaged_path("conf")


def project_store() -> Path:
    """Return mlruns/ of the checkout, or of the working directory for an installed package."""
    root = project_root()
    is_checkout = (root / "pyproject.toml").is_file() and (root / "conf").is_dir()
    return (root if is_checkout else Path.cwd()) / "mlruns"
