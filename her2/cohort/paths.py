"""Paths that a patient table names: relative to the cohort's folder, and inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from her2.cohort.files import decoding
from her2.cohort.problems import Note, Severity, as_note, refuse
from her2.core.errors import InputProblem


def existing_paths(
    cells: Sequence[str], root: Path, notes: list[Note], *, absent: str, optional: bool = False
) -> tuple[Path, ...]:
    """Existing files inside the folder; what is wrong with the others goes to the notes."""
    kind = "image" if absent == "C04" else "mask"
    fix = f"add the {kind}, or correct its path in the table"
    found = []
    if not cells and not optional:
        notes.append(Note(absent, f"no {kind} is named", fix))
    for text in cells:
        try:
            path = inside(root, text)
        except InputProblem as problem:
            notes.append(replace(as_note(problem), path=text))
            continue
        if path.exists():
            found.append(path)
            continue
        severity: Severity | None = "warning" if optional else None
        notes.append(Note(absent, f"the {kind} file does not exist", fix, text, severity))
    return tuple(found)


def inside(root: Path, text: str) -> Path:
    """Path of a table cell, which must lie in `root`, a resolved folder.

    Raises
    ------
    InputProblem
        S13 for an absolute path, a drive, an address, `..` or a link that leads outside.
    """
    fix = "give a path relative to the cohort's folder, to a file inside it"
    if "\0" in text or "://" in text or text.startswith(("/", "\\", "~")) or text[1:2] == ":":
        raise refuse("S13", "the path is not relative", fix)
    with decoding("S13", "the path cannot be followed", fix):
        path = (root / text).resolve()
        if not path.is_relative_to(root):
            raise refuse("S13", "the path leads outside the cohort's folder", fix)
    return path
