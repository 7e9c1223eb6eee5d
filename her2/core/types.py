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
class MaskChoice:
    """Which region of a mask file is the lesion, where the file holds several.

    Attributes
    ----------
    label
        Value in a label image, or number of a segment.
    segment
        Name of a segment, in any case.
    colour
        (red, green, blue), 0 to 255.
    scale
        How many times as large as the image masks may be that were drawn on an enlarged one.
    """

    label: int | None = None
    segment: str | None = None
    colour: tuple[int, ...] | None = None
    scale: int | None = None


ANY_REGION = MaskChoice()


@dataclass(frozen=True)
class Lesion:
    """One row of the patient table: where its image and masks are and what is known of it.

    Attributes
    ----------
    patient_id, lesion_id
        Whose lesion it is, and which of that patient's.
    outcome
        1 positive, 0 negative.
    image
        File of the image; None where only features or clinical variables are studied.
    masks, masks_reader2
        Files of the first and of the second reader's masks; those of one reader are merged.
    spacing_mm
        (row, column) where the table gives it; it then overrules the image's header.
    group
        Rows of one group are never on both sides of a split.
    role
        ``train``, ``test`` or the name of an external centre, where the table brings the split.
    centre
        Where the lesion was imaged, if the settings name the table's column.
    device
        What it was imaged with, as the table's column of that name says.
    frame
        Which image of a stack, from 1; None for a single image.
    enhanced
        File of the enhanced image (`her2.cohort.lesions`), where the run makes one.
    mask_choice
        Which region of its masks is meant.
    verified_sha256
        Hashes of image, mask and second reader's mask as they were verified; empty before.
    """

    patient_id: str
    lesion_id: str
    outcome: int
    image: Path | None = None
    masks: tuple[Path, ...] = ()
    masks_reader2: tuple[Path, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    group: str | None = None
    role: str | None = None
    centre: str | None = None
    device: str | None = None
    frame: int | None = None
    enhanced: Path | None = None
    mask_choice: MaskChoice = ANY_REGION
    verified_sha256: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name that is unique in the cohort: ``patient_id/lesion_id``."""
        return f"{self.patient_id}/{self.lesion_id}"


@dataclass(frozen=True)
class LesionImage:
    """A lesion's grey image and mask.

    Attributes
    ----------
    pixels
        (H, W), the stored grey levels: uint8 or uint16, float32 for NIfTI and NRRD.
    mask
        (H, W) bool.
    spacing_mm
        (row, column) millimetres per pixel of `pixels`; 1.0 if unknown.
    spacing_known
        Whether the table or the file says how large a pixel is.
    enhanced
        (k H, k W) with a whole k: what grey levels are read from in place of `pixels`.
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

    Attributes
    ----------
    code
        Of `her2.cohort.problems.CATALOGUE`, for example ``"M06"``.
    severity
        ``stop`` (nothing is studied), ``quarantined`` (bad input, left out), ``excluded`` (not
        eligible), ``warning`` (used) or ``normalised`` (used after a change).
    patient_id, lesion_id
        Empty for a problem of the table as a whole.
    path
        File it is about, relative to the cohort's folder.
    what, fix
        What was found, and what to do about it.
    """

    code: str
    severity: Literal["stop", "quarantined", "excluded", "warning", "normalised"]
    patient_id: str
    lesion_id: str
    path: str
    what: str
    fix: str


@dataclass(frozen=True)
class Cohort:
    """A verified cohort: what will be analysed, and everything that was left out.

    Attributes
    ----------
    name
        As results name it.
    simulated
        Whether any of its images was computed.
    positive
        Name of the positive outcome.
    lesions
        Sorted by (patient_id, lesion_id).
    clinical
        One row a lesion, index `Lesion.key`; a column a variable of `cohort.clinical`, by its
        declared label if it has one: text for categories, float for numbers, NaN for missing.
    features
        Features extracted elsewhere, same index; None without any.
    problems
        What was left out, changed or doubtful, the gravest first.
    n_rows
        Rows of the table: ``len(lesions) + n_quarantined + n_excluded``.
    data_sha256
        Hash of what is analysed; file names, row order and excluded lesions do not enter it.
    notes
        Remarks on the table as a whole.
    acquisition
        Vendor of the scanner and diameter_mm of the lesion as far as known, same index.
    thumbnails
        Small pictures by which copies of an image are found, (n_lesions, 2, side, side); None
        unless all lesions have them.
    units
        Of the numbers of `clinical` whose unit is known, by name.
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
    units: dict[str, str] = field(default_factory=dict)

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
        problems = [p for p in self.problems if p.severity == severity and p.patient_id]
        return len({(p.patient_id, p.lesion_id) for p in problems})

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
