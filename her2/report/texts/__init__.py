"""The report's texts as YAML: sections, captions, glossary, differences from the paper."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def load_text(name: str) -> Any:
    """Return the content of ``<name>.yaml`` in this folder, which no caller may change."""
    return yaml.safe_load(files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
