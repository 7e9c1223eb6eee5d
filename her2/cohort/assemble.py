"""From rows of a table to a verified cohort: decode, compare, leave out, check, hash."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from her2.cohort.across_lesions import look_across, one_name_a_vendor
from her2.cohort.catalogue import CATALOGUE
from her2.cohort.cells import PLAIN_RULES, CellRules, listed
from her2.cohort.clinical_checks import clinical_notes
from her2.cohort.cohort_table import row_numbers
from her2.cohort.problems import LEFT_OUT, Note, Stops, sort_problems, stop
from her2.cohort.variables import clinical_table, match_features, read_features, refuse_copies
from her2.cohort.verify import Draft, Verified, compare_lesions, verify_lesions
from her2.core.errors import BadCohort, BadConfig
from her2.core.store import content_key
from her2.core.types import Cohort, Lesion, Problem, split_groups

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """The content of a cohort's files before it is verified.

    Attributes
    ----------
    name, positive
        Of the cohort and of its positive outcome, as results say them.
    root
        Folder of the cohort.
    table
        Name of the table's file.
    drafts
        One a row.
    clinical
        Columns of the table by row number, with the names that the study uses.
    notes
        On the table as a whole.
    stops
        What is wrong with the table; there are no drafts then.
    cells
        How the cells of clinical variables are read.
    """

    name: str
    root: Path
    table: str
    positive: str
    drafts: tuple[Draft, ...]
    clinical: pd.DataFrame
    notes: tuple[Note, ...] = ()
    cells: CellRules = PLAIN_RULES
    stops: tuple[BadCohort, ...] = ()

    def problems(self, drafts: Sequence[Draft], notes: Sequence[Note]) -> tuple[Problem, ...]:
        """Lines of `quarantine.csv`: what was noted on some rows, and on the table."""
        on_table = [Problem(n.code, n.level, "", "", self.table, n.what, n.fix) for n in notes]
        on_rows = [note.problem(d.patient_id, d.lesion_id) for d in drafts for note in d.notes]
        return sort_problems([*on_table, *on_rows])


def assemble(
    source: Source,
    *,
    clinical: Sequence[str],
    features: Path | None,
    largest: bool = False,
    bin_width: float | None = None,
    n_workers: int,
) -> Cohort:
    """Return the verified cohort of a source; `largest` as in `verify_lesions`.

    `bin_width` is that of the study's features, with which the bins of lesions are counted.
    """
    notes = list(source.notes)
    drafts: list[Draft] = list(source.drafts)
    stops = Stops(source.stops)
    read = stops.attempt(partial(clinical_table, source.clinical, clinical, source.cells))
    notes += read.notes if read else []
    table = None if features is None else stops.attempt(partial(read_features, features))
    stops.raise_all(source.problems(drafts, notes))
    assert read is not None
    brought = None
    if table is not None:
        drafts, brought, found = match_features(drafts, table)
        notes += found
    drafts, by_key = _verify(drafts, source.root, largest, n_workers)
    used = sorted((d for d in drafts if d.used), key=lambda d: (d.patient_id, d.lesion_id))
    lesions = tuple(d.lesion for d in used if d.lesion)
    verified = [by_key[lesion.key] for lesion in lesions]
    pictures = [found.thumbnails for found in verified if found.thumbnails is not None]
    notes += look_across([x.outcome for x in lesions], verified, bin_width=bin_width)
    problems = source.problems(drafts, notes)
    _check_roles(used, lesions)
    _check_classes(source, lesions, problems)
    variables = read.values.loc[[d.row for d in used]].set_axis([x.key for x in lesions])
    refuse_copies(variables, [lesion.outcome for lesion in lesions])
    found, copies = clinical_notes(variables, lesions, [d.row for d in used])
    notes += found
    drafts = [draft.noted(*copies.get(draft.row, ())) for draft in drafts]
    problems = source.problems(drafts, notes)
    brought = brought.loc[[x.key for x in lesions]] if brought is not None else None
    _log(len(drafts), len(lesions), problems)
    labels = _labels(source.cells, variables)
    return Cohort(
        name=source.name,
        simulated=any(found.simulated for found in verified),
        positive=source.positive,
        lesions=lesions,
        clinical=variables.rename(columns=labels),
        units={labels.get(name, name): unit for name, unit in read.units.items()},
        features=brought,
        problems=problems,
        n_rows=len(drafts),
        data_sha256=_data_sha256(lesions, verified, variables, brought),
        notes=tuple(f"{note.code}: {note.what}" for note in notes),
        acquisition=_acquisition(lesions, verified),
        thumbnails=np.stack(pictures) if len(pictures) == len(lesions) else None,
    )


def _labels(rules: CellRules, variables: pd.DataFrame) -> dict[str, str]:
    """Names of variables as tables and figures have them, where others are declared."""
    labels = {str(name): rules.variables[name].label or str(name)
              for name in variables.columns if name in rules.variables}  # fmt: skip
    shown = [labels.get(str(name), str(name)) for name in variables.columns]
    repeated = sorted({label for label in shown if shown.count(label) > 1})
    if repeated:
        raise BadConfig(
            f"expected labels in cohort.variables that differ, found {listed(repeated)} twice; "
            "rename one"
        )
    return labels


def _verify(
    drafts: Sequence[Draft], root: Path, largest: bool, n_workers: int
) -> tuple[list[Draft], dict[str, Verified]]:
    """Drafts with what decoding and comparing showed, and the findings by `Lesion.key`."""
    chosen = [draft for draft in drafts if draft.used]
    lesions = [draft.lesion for draft in chosen if draft.lesion]
    findings = verify_lesions(lesions, root, largest=largest, n_workers=n_workers)
    noted = [
        replace(d.noted(*x.notes), lesion=replace(lesion, frame=x.frame, verified_sha256=x.sha256))
        for d, lesion, x in zip(chosen, lesions, findings, strict=True)
    ]
    compared = {draft.row: draft for draft in compare_lesions(noted, findings)}
    by_key = {lesion.key: found for lesion, found in zip(lesions, findings, strict=True)}
    return [compared.get(draft.row, draft) for draft in drafts], by_key


def _check_roles(drafts: Sequence[Draft], lesions: Sequence[Lesion]) -> None:
    """Refuse a split of the table that divides a patient, a group or a shared image."""
    unit_of = split_groups(lesions)
    for unit in np.unique(unit_of):
        members = np.flatnonzero(unit_of == unit).tolist()
        if len({lesions[i].role for i in members}) > 1:
            raise stop(
                "C03",
                "expected every patient, group and image on one side of the column split, found "
                f"{row_numbers([drafts[i].row for i in members])} on several; correct the column",
            )


def _check_classes(source: Source, lesions: Sequence[Lesion], problems: Sequence[Problem]) -> None:
    """Refuse a cohort of one outcome, with the commonest reasons why its lesions were left out."""
    n_positive = sum(lesion.outcome for lesion in lesions)
    if 0 < n_positive < len(lesions):
        return
    n_lost = len(source.drafts) - len(lesions)
    first: dict[tuple[str, str], str] = {}
    for problem in problems:
        if problem.severity in LEFT_OUT:
            first.setdefault((problem.patient_id, problem.lesion_id), problem.code)
    reasons = [f"{n} x {code} {CATALOGUE[code].title}"
               for code, n in Counter(first.values()).most_common(3)]  # fmt: skip
    why = f" ({', '.join(reasons)})" if reasons else ""
    fix = f"correct the {n_lost} rows that were left out (see quarantine.csv), or " * bool(n_lost)
    raise stop(
        "C17",
        f"expected lesions of both outcomes, found {len(lesions)} usable lesions of which "
        f"{n_positive} {source.positive}{why}; {fix}bring more patients",
        problems,
    )


def _acquisition(lesions: Sequence[Lesion], verified: Sequence[Verified]) -> pd.DataFrame:
    """Vendor, device, diameter (mm) by `Lesion.key`; a column without values is left out."""
    keys = [lesion.key for lesion in lesions]
    columns = {
        "vendor": pd.Series(one_name_a_vendor(x.vendor for x in verified), keys, dtype=object),
        "device": pd.Series([x.device for x in lesions], keys, dtype=object),
        "diameter_mm": pd.Series([x.diameter_mm for x in verified], keys, dtype=np.float64),
    }
    return pd.DataFrame(columns).dropna(axis="columns", how="all")


def _log(n_rows: int, n_lesions: int, problems: Sequence[Problem]) -> None:
    codes = Counter(f"{problem.severity} {problem.code}" for problem in problems)
    listed = ", ".join(f"{code}: {n}" for code, n in sorted(codes.items())) or "no problem"
    logger.info("cohort: %d rows, %d lesions used (%s)", n_rows, n_lesions, listed)


def _data_sha256(
    lesions: Sequence[Lesion],
    findings: Sequence[Verified],
    clinical: pd.DataFrame,
    features: pd.DataFrame | None,
) -> str:
    """Hash of what is analysed: not of file names, folders, row order or what was left out."""
    lines = [
        [
            lesion.key, lesion.outcome, lesion.role, *([lesion.centre] if lesion.centre else []),
            lesion.group, found.image_sha256,
            found.mask_sha256, found.reader2_sha256, found.spacing_mm, _cells(clinical, i),
            _cells(features, i) if features is not None else None,
        ]
        for i, (lesion, found) in enumerate(zip(lesions, findings, strict=True))
    ]  # fmt: skip
    return content_key([json.dumps(line) for line in lines])


def _cells(table: pd.DataFrame, row: int) -> list[tuple[str, object]]:
    """(name, value) of a row by name; a missing value is null."""
    values = zip(table.columns, table.iloc[row], strict=True)
    return sorted(
        (str(name), None if isinstance(value, float) and math.isnan(value) else value)
        for name, value in values
    )
