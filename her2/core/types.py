"""The nouns of the study that more than one package needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Role = Literal["train", "test", "external"]
ROLES: tuple[Role, ...] = ("train", "test", "external")
ARMS = ("clinical", "radiomics", "deep_learning", "dlr", "combined")
ARM_TITLES = {
    "clinical": "Clinical",
    "radiomics": "Radiomics",
    "deep_learning": "Deep learning",
    "dlr": "Deep learning radiomics",
    "combined": "Combined",
}
PREDICTION_COLUMNS = (
    "patient_id", "lesion_id", "role", "fold", "kind", "arm", "model", "y_true", "y_prob",
)  # fmt: skip


@dataclass(frozen=True)
class Lesion:
    """One row of the patient table: where its image and masks are and what is known of it.

    `role` is set only where the table brings its own split; `spacing_mm` (row, column) only
    where the table gives it, and then wins over the image's header; `frame`, counted from 1, only
    where it is one of a stack (see `her2.cohort.stacks`); `enhanced` only where the run enhances
    images: the file of `her2.cohort.enhanced_images` that holds this one's.
    """

    patient_id: str
    lesion_id: str
    outcome: int
    image: Path | None = None
    masks: tuple[Path, ...] = ()
    masks_reader2: tuple[Path, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    group: str | None = None
    role: Role | None = None
    frame: int | None = None
    enhanced: Path | None = None

    @property
    def key(self) -> str:
        """Name that is unique in the cohort: ``patient_id/lesion_id``."""
        return f"{self.patient_id}/{self.lesion_id}"


@dataclass(frozen=True)
class LesionImage:
    """A lesion's grey image and mask.

    pixels: (H, W), the stored grey levels (uint8 or uint16; float32 for NIfTI/NRRD);
    mask: (H, W) bool; spacing_mm: (row, column) millimetres per pixel, 1.0 if unknown;
    enhanced: (k H, k W) with a whole k, what grey levels are read from in place of `pixels`. Mask
    and spacing are always those of `pixels`: every pixel of them is k x k enhanced ones.
    """

    pixels: NDArray[np.generic]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    spacing_known: bool = False
    enhanced: NDArray[np.generic] | None = None

    @property
    def enlargement(self) -> int:
        """How many enhanced pixels a pixel is wide; 1 where nothing is enhanced."""
        return 1 if self.enhanced is None else self.enhanced.shape[0] // self.pixels.shape[0]

    @property
    def grey(self) -> NDArray[np.generic]:
        """What grey levels are read from: the enhanced image, or the stored one."""
        return self.pixels if self.enhanced is None else self.enhanced


@dataclass(frozen=True)
class Problem:
    """One line of `quarantine.csv`.

    severity: ``quarantined`` (bad case, left out), ``excluded`` (not eligible), ``warning`` or
    ``normalised`` (used; what was changed is said). Code ``D..``/``M..``/``C..`` as catalogued.
    """

    code: str
    severity: Literal["quarantined", "excluded", "warning", "normalised"]
    patient_id: str
    lesion_id: str
    path: str
    what: str
    fix: str


@dataclass(frozen=True)
class Cohort:
    """A verified cohort: what will be analysed, and everything that was left out.

    lesions: sorted by (patient_id, lesion_id); clinical: one row a lesion, index `Lesion.key`,
    the columns named in `cohort.clinical` (object/str for categories, float for numbers, NaN
    for missing), no column at all if there are none; features: brought features (same index) or
    None; acquisition: what the files say of the imaging (same index): vendor, diameter_mm of the
    lesion, as far as known; n_rows: rows of the table before anything was left out, so that
    ``n_rows == len(lesions) + n_quarantined + n_excluded``; thumbnails: small pictures by which
    copies of an image are found, (n_lesions, 2, side, side), None unless all lesions have them.
    """

    name: str
    simulated: bool
    positive: str
    lesions: tuple[Lesion, ...]
    clinical: pd.DataFrame
    features: pd.DataFrame | None
    problems: tuple[Problem, ...]
    n_rows: int
    data_sha256: str
    notes: tuple[str, ...] = field(default=())
    acquisition: pd.DataFrame = field(default_factory=pd.DataFrame)
    thumbnails: NDArray[np.float32] | None = None

    @property
    def flow(self) -> dict[str, Any]:
        """Rows of the table that were used, excluded and quarantined, the latter two by code."""
        return {
            "n_rows": self.n_rows,
            "excluded": self.by_code("excluded"),
            "quarantined": self.by_code("quarantined"),
            "n_lesions": len(self.lesions),
            "n_patients": self.n_patients,
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row a lesion: patient_id, lesion_id, outcome, and the clinical variables."""
        ids = [(x.patient_id, x.lesion_id, x.outcome) for x in self.lesions]
        columns = ["patient_id", "lesion_id", "outcome"]
        named = pd.DataFrame(ids, columns=columns, index=self.clinical.index)
        return pd.concat([named, self.clinical], axis=1)

    def by_code(self, severity: str) -> dict[str, int]:
        """Lesions with this severity by the first code that each of them has."""
        first: dict[tuple[str, str], str] = {}
        for problem in self.problems:
            if problem.severity == severity:
                first.setdefault((problem.patient_id, problem.lesion_id), problem.code)
        return dict(sorted(Counter(first.values()).items()))

    def count(self, severity: str) -> int:
        """Lesions with this severity, each counted once; a problem of the table has no lesion."""
        found = [p for p in self.problems if p.severity == severity and p.patient_id]
        return len({(p.patient_id, p.lesion_id) for p in found})

    @property
    def n_patients(self) -> int:
        """Patients with at least one analysed lesion."""
        return len({lesion.patient_id for lesion in self.lesions})

    @property
    def y_true(self) -> NDArray[np.int64]:
        """Outcome of every lesion, shape (n_lesions,), 1 = positive."""
        return np.array([lesion.outcome for lesion in self.lesions], dtype=np.int64)


def split_groups(lesions: Sequence[Lesion]) -> NDArray[np.int64]:
    """Return the group of every lesion that no split divides.

    Rows belong together if they share a patient or a group, directly or not.

    Examples
    --------
    >>> a, b = Lesion("a", "1", 0, group="g"), Lesion("b", "1", 1, group="g")
    >>> split_groups([a, b, Lesion("c", "1", 0)]).tolist()
    [0, 0, 1]
    """
    parent = list(range(len(lesions)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_seen: dict[tuple[str, str], int] = {}
    for i, lesion in enumerate(lesions):
        names = [("patient", lesion.patient_id)]
        if lesion.group:
            names.append(("group", lesion.group))
        for name in names:
            a, b = root(i), root(first_seen.setdefault(name, i))
            parent[max(a, b)] = min(a, b)
    roots = [root(i) for i in range(len(lesions))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
