"""Cohorts: the patient table, images and masks, read once, verified, and nothing bad let in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from her2.cohort.breast_lesions_usg import read_breast_lesions_usg
from her2.cohort.catalogue import CATALOGUE
from her2.cohort.files import decode_each
from her2.cohort.folder import read_folder_cohort
from her2.cohort.lesions import load_lesion, load_reader2_mask
from her2.cohort.problems import write_quarantine
from her2.core.errors import BadConfig
from her2.core.types import Cohort

__all__ = [
    "CATALOGUE",
    "decode_each",
    "load_lesion",
    "load_reader2_mask",
    "read_cohort",
    "read_folder_cohort",
    "write_quarantine",
]
_READERS: dict[str, Callable[..., Cohort]] = {
    "folder": read_folder_cohort,
    "breast_lesions_usg": read_breast_lesions_usg,
}


def read_cohort(name: str, *, root: str | Path | None = None, **settings: Any) -> Cohort:
    """Return a verified cohort in the layout `name`; the settings are those of its reader."""
    if name not in _READERS:
        raise BadConfig(f"expected cohort to be one of {', '.join(_READERS)}, found {name!r}")
    return _READERS[name](root, **settings)
