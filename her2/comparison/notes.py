"""What a reader of a comparison must know of its runs."""

from __future__ import annotations

from collections.abc import Sequence

from her2.comparison.runs import FinishedRun
from her2.plots.text import NOT_ESTIMABLE


def comparison_notes(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the notes of the runs, those of all of them once, and what differs between them."""
    every = [[str(note) for note in run.results.get("notes", [])] for run in runs]
    shared = [note for note in every[0] if all(note in notes for notes in every[1:])]
    own = [
        note if note.startswith(run.name) else f"{run.name}: {note}"
        for run, notes in zip(runs, every, strict=True)
        for note in notes
        if note not in shared and NOT_ESTIMABLE not in note  # the comparison says its own
    ]
    return [*_folds(runs), *shared, *own]


def _folds(runs: Sequence[FinishedRun]) -> list[str]:
    counts = {run.name: _assignment(run) for run in runs}
    if len(set(counts.values())) == 1:
        return []
    said = ", ".join(f"{name} {len({f for _, f in folds})}" for name, folds in counts.items())
    return [
        f"The out-of-fold predictions come from different folds (numbers of folds: {said}); the "
        "lesions are the same, but a model that learned from more of them has an advantage."
    ]


def _assignment(run: FinishedRun) -> tuple[tuple[int, int], ...]:
    rows = run.predictions
    rows = rows[rows["kind"].eq("out_of_fold")].drop_duplicates("case").sort_values("case")
    return tuple((int(c), int(f)) for c, f in rows[["case", "fold"]].itertuples(index=False))
