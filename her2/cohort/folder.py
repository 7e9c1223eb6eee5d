"""A cohort as a hospital brings it: a folder with a patient table, images and masks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pandas as pd

from her2.cohort.assemble import Source, assemble
from her2.cohort.catalogue import Severity
from her2.cohort.cells import PLAIN_RULES, CellRules, clean, without_zeros
from her2.cohort.cohort_table import (
    clean_ids,
    merge_repeated,
    open_table,
    require_columns,
    row_numbers,
)
from her2.cohort.dates import window_notes
from her2.cohort.files import LARGEST_LESION, decoding, is_there
from her2.cohort.outcome import (
    HER2_POSITIVE,
    binary_outcome,
    her2_outcomes,
    is_missing,
    listed,
)
from her2.cohort.problems import Note, Stops, as_note, leaves_out, refuse, stop
from her2.cohort.split_columns import INTERNAL_ROLES, column_checks
from her2.cohort.verify import Draft
from her2.core.errors import BadConfig, InputProblem, MissingInput
from her2.core.types import ANY_REGION, Cohort, Lesion, MaskChoice

TABLE_NAMES = ("cohort.csv", "cohort.xlsx")
_COLUMNS = (
    "image", "mask", "mask_reader2", "group", "spacing_mm", "frame", "split", "device",
)  # fmt: skip
_LENGTH = r"(\d*[.,]?\d+(?:e-?\d+)?)"
_SPACING = re.compile(
    rf"\[?{_LENGTH}(?:\s*(?:mm)?\s*(?:[x×*\\;/]|,\s)\s*{_LENGTH})?\s*(mm|cm|[µμu]m)?\]?"
)
_MILLIMETRES = {"cm": 10.0, "µm": 1e-3, "μm": 1e-3, "um": 1e-3}


class FolderOptions(TypedDict, total=False):
    """How the files are read.

    Attributes
    ----------
    frame
        Which image of a stack.
    centre
        The column that says at which centre an image was made.
    sheet, encoding
        Of the table, as of `her2.cohort.cohort_table.open_table`.
    bin_width
        Of grey levels, with which the study's features are measured.
    masks
        Which region of masks with several is the lesion.
    cells
        How cells are read.
    """

    frame: str | None
    centre: str | None
    sheet: str | None
    encoding: str | None
    bin_width: float | None
    masks: MaskChoice | None
    cells: CellRules


def read_folder_cohort(
    root: str | Path | None,
    *,
    table: str | Path | None = None,
    positive: str | None = None,
    clinical: Sequence[str] | None = None,
    features: str | Path | None = None,
    n_workers: int = 1,
    **options: Unpack[FolderOptions],
) -> Cohort:
    """Return the verified cohort of a folder; its `problems` say what was left out.

    `root` holds the `table`, by default ``cohort.csv`` or ``cohort.xlsx``, with the columns
    `patient_id`; `image` and `mask` (paths relative to `root`; masks joined by ``;`` are merged);
    `outcome`, or `her2_ihc` and `her2_fish`. Optional: `lesion_id`, `mask_reader2`, `group`,
    `spacing_mm` (``0.1`` or, row by column, ``0.1x0.08``), `frame` (of a stack, which image, from
    1), `split` (train, test, or an external centre's name; the option `centre` names another
    column with centres), `device` (subgroups are made of it). `positive` is the level of `outcome`
    that counts as 1; None where it is 0 and 1. `clinical` names variables, `features` a csv or
    parquet of features by `patient_id` (and `lesion_id`); no image is needed then. With `frame`
    ``largest_lesion``, of stacks without a `frame` the image in which the mask is largest is read;
    with None they are left out; `masks` says which region of masks with several is the lesion. The
    result does not depend on `n_workers`, the processes that decode. All that is wrong with the
    table is raised as one `BadCohort`.
    """
    frame, centre = options.get("frame"), options.get("centre")
    if frame not in (None, LARGEST_LESION):
        raise BadConfig(
            f"expected cohort.frame={LARGEST_LESION}, or null to leave stacks out, found {frame!r}"
        )
    folder = cohort_folder(root)
    path = _table_path(folder, table)
    rows, notes = open_table(path, sheet=options.get("sheet"), encoding=options.get("encoding"))
    needs = ("image", "mask") if features is None and not clinical else ()
    rules = options.get("cells", PLAIN_RULES)
    outcomes_of = partial(_outcomes, positive=positive, rules=rules)
    source = _source(
        rows, folder, outcomes_of, centre, needs, brings_features=features is not None,
        choice=options.get("masks") or ANY_REGION,
    )  # fmt: skip
    return assemble(
        replace(source, table=path.name, notes=(*notes, *source.notes), cells=rules),
        clinical=clinical or (),
        features=None if features is None else beside(folder, features),
        largest=frame is not None,
        bin_width=options.get("bin_width"),
        n_workers=n_workers,
    )


def _source(
    rows: pd.DataFrame,
    folder: Path,
    outcomes_of: Callable[[pd.DataFrame], tuple[str, list[int | InputProblem]]],
    centre: str | None,
    needs: Sequence[str],
    *,
    brings_features: bool,
    choice: MaskChoice,
) -> Source:
    """Rows of a table as drafts, or all that stops it; `needs` are columns that must be there."""
    stops = Stops()
    cleaned = stops.attempt(partial(clean_ids, rows))
    rows, notes = cleaned or (rows, [])
    windows = stops.attempt(partial(window_notes, rows)) or {}
    merged = stops.attempt(partial(merge_repeated, rows)) if cleaned else None
    rows, repeated = merged or (rows, {})
    outcomes = stops.attempt(partial(outcomes_of, rows))
    for check in column_checks(rows, needs, centre):
        stops.attempt(check)
    drafts: list[Draft] = []
    if outcomes is not None and not stops.found:
        needs_image = "image" in rows.columns and not brings_features
        drafts = [
            _draft(cells, outcome, folder, needs_image=needs_image, choice=choice).noted(
                *repeated.get(row, ()), *windows.get(row, ())
            )
            for row, cells, outcome in zip(
                rows.index, _cells(rows, centre), outcomes[1], strict=True
            )
        ]
    return Source(
        name="folder",
        root=folder,
        table="",
        positive=outcomes[0] if outcomes else "",
        drafts=tuple(drafts),
        clinical=rows,
        notes=tuple(notes),
        stops=tuple(stops.found),
    )


def cohort_folder(root: str | Path | None) -> Path:
    """Folder of a cohort with all links resolved."""
    if root is None or str(root) == "":
        raise MissingInput("expected the folder of a cohort, found none; set cohort.root=DIR")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise MissingInput(f"expected a folder, found no folder {folder}; set cohort.root=DIR")
    return folder.resolve()


def beside(folder: Path, path: str | Path) -> Path:
    """Return a file that the user named: in the cohort's folder if it is there, else as it is."""
    named = Path(path).expanduser()
    return folder / named if (folder / named).is_file() else named


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
        if is_there(path):
            found.append(path)
            continue
        severity: Severity | None = "warning" if optional else None
        notes.append(Note(absent, f"the {kind} file does not exist", fix, text, severity))
    return tuple(found)


def inside(root: Path, text: str) -> Path:
    """Path of a table cell, which must lie in `root`, a resolved folder (else S13).

    Backslashes separate folders, as on Windows, unless a file has them in its name.
    """
    fix = "give a path relative to the cohort's folder, to a file inside it"
    if "\0" in text or "://" in text or text.startswith(("/", "\\", "~")) or text[1:2] == ":":
        raise refuse("S13", "the path is not relative", fix)
    with decoding("S13", "the path cannot be followed", fix):
        if "\\" in text and not (root / text).exists():
            text = text.replace("\\", "/")
        path = _as_spelt((root / text).resolve())
        if not path.is_relative_to(root):
            raise refuse("S13", "the path leads outside the cohort's folder", fix)
    return path


def _as_spelt(path: Path) -> Path:
    """Path of the one file whose name differs in case or in the form of its accents only.

    Other systems take ``A.PNG`` for ``a.png``, and macOS stores ü as two characters. The path
    itself where there is such a file, or no other, or several.
    """
    if is_there(path):
        return path
    with suppress(OSError):
        names = _names(path.parent, path.parent.stat().st_mtime_ns).get(_folded(path.name), ())
        if len(names) == 1:
            return path.with_name(names[0])
    return path


@lru_cache(maxsize=64)
def _names(folder: Path, changed_ns: int) -> dict[str, list[str]]:
    """Return the names in a folder by their folded form; the time makes the cache forget."""
    names: dict[str, list[str]] = {}
    for path in folder.iterdir():
        names.setdefault(_folded(path.name), []).append(path.name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _table_path(folder: Path, table: str | Path | None) -> Path:
    named = [folder / name for name in TABLE_NAMES] if table is None else [beside(folder, table)]
    for path in named:
        if path.is_file():
            return path
    wanted = str(table) if table is not None else " or ".join(TABLE_NAMES)
    tables = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in (".csv", ".xlsx"))
    raise MissingInput(
        f"expected the table {wanted} in {folder}, found {listed(tables) or 'no table'}; "
        "name it by cohort.table=FILE"
    )


def _outcomes(
    frame: pd.DataFrame, positive: str | None, rules: CellRules
) -> tuple[str, list[int | InputProblem]]:
    """Name of the positive outcome, and every row's outcome or the reason to exclude it."""
    by_her2 = None
    rows = [int(row) for row in frame.index]
    if "her2_ihc" in frame.columns:
        require_columns(frame, ["her2_fish"], why="beside her2_ihc; empty where not done")
        ihc, fish = list(frame["her2_ihc"]), list(frame["her2_fish"])
        by_her2 = her2_outcomes(ihc, fish, rules=rules, rows=rows)
    if "outcome" not in frame.columns:
        if by_her2 is None:
            require_columns(frame, ["outcome"], why="or her2_ihc and her2_fish")
        assert by_her2 is not None
        return HER2_POSITIVE, by_her2
    missing = refuse("C15", "the outcome is missing", "add it; an outcome is never imputed")
    coded = binary_outcome(list(frame["outcome"]), positive, rules=rules, rows=rows)
    if by_her2 is not None:
        pairs = zip(frame.index, coded, by_her2, strict=True)
        differ = [row for row, a, b in pairs if isinstance(b, int) and a is not None and a != b]
        if differ:
            raise stop(
                "C14",
                f"expected outcome to agree with her2_ihc and her2_fish, found {len(differ)} that "
                f"differ ({row_numbers(differ)}); correct them, or leave out one of the two",
            )
    name = positive if positive is not None else "outcome 1"
    return name, [missing if value is None else value for value in coded]


def _cells(frame: pd.DataFrame, centre: str | None) -> Iterable[Any]:
    """Rows of a table, with an empty text for what is missing or a column that is not there."""
    others = frame.reindex(columns=list(_COLUMNS), fill_value="")
    others["centre"] = "" if centre is None else frame[centre].map(str)
    others = others.map(lambda cell: "" if is_missing(cell) else cell)
    return frame[["patient_id", "lesion_id"]].join(others).itertuples()


def _draft(
    cells: Any, outcome: int | InputProblem, root: Path, *, needs_image: bool, choice: MaskChoice
) -> Draft:
    draft = Draft(int(cells.Index), cells.patient_id, cells.lesion_id, None)
    if isinstance(outcome, InputProblem):
        return draft.noted(as_note(outcome))
    notes: list[Note] = []
    lesion = Lesion(
        patient_id=cells.patient_id,
        lesion_id=cells.lesion_id,
        outcome=outcome,
        spacing_mm=parse_spacing(cells.spacing_mm, notes),
        group=cells.group or None,
        role=_role(cells.split),
        centre=cells.centre or None,
        device=cells.device or None,
        frame=_frame(cells.frame, notes),
        mask_choice=choice,
    )
    if needs_image or cells.image:
        lesion = _with_paths(lesion, cells, root, notes)
    return replace(draft, lesion=None if leaves_out(notes) else lesion).noted(*notes)


def _role(cell: str) -> str | None:
    return cell.casefold() if cell.casefold() in INTERNAL_ROLES else cell or None


def _with_paths(lesion: Lesion, cells: Any, root: Path, notes: list[Note]) -> Lesion:
    images = existing_paths(_several(cells.image), root, notes, absent="C04")
    masks = existing_paths(_several(cells.mask), root, notes, absent="M01")
    several = _several(cells.mask_reader2)
    reader2 = existing_paths(several, root, notes, absent="M01", optional=True)
    if len(images) > 1:
        notes.append(Note("D19", f"{len(images)} images for one lesion", "give each its own row"))
    image = images[0] if images else None
    return replace(lesion, image=image, masks=masks, masks_reader2=reader2)


def _several(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def parse_spacing(
    text: str, notes: list[Note], *, scale: float = 1.0
) -> tuple[float, float] | None:
    """Return (row, column) mm of ``0.1`` or ``0.1x0.08``; what cannot be read is noted.

    >>> parse_spacing("0,1", []), parse_spacing("0.1 x 0.08 mm", []), parse_spacing("80 µm", [])
    ((0.1, 0.1), (0.1, 0.08), (0.08, 0.08))
    """
    if not text:
        return None
    found = _SPACING.fullmatch(clean(text))
    if found:
        rows, columns = (float((n or found[1]).replace(",", ".")) for n in found.group(1, 2))
        scale *= _MILLIMETRES.get(found[3] or "", 1.0)
        if rows > 0 and columns > 0:
            return scale * rows, scale * columns
    fix = "write the length of a pixel: 0.1, or 0.1x0.08 (row by column)"
    notes.append(Note("D45", f"the pixel spacing is {text[:20]!r}", fix))
    return None


def _frame(text: str, notes: list[Note]) -> int | None:
    number = without_zeros(text)
    if number.isdecimal() and len(number) < 10 and int(number) > 0:
        return int(number)
    if text:
        fix = "write which image of the stack is analysed: 1 for the first"
        notes.append(Note("D19", f"the frame is {text[:20]!r}, expected a whole number", fix))
    return None
