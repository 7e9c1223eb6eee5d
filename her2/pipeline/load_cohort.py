"""The cohort of a run: read and verified, its flow of patients, its frozen split."""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import replace
from pathlib import Path

from her2.cohort import CATALOGUE, read_cohort, read_folder_cohort, write_quarantine
from her2.cohort.cells import CellRules
from her2.cohort.clinical_checks import unseen_levels
from her2.cohort.files import keep_decoded
from her2.cohort.phantom import write_phantom
from her2.cohort.problems import stop_problems
from her2.compute import DaskCluster, Engine, LocalPool
from her2.core.errors import BadCohort, BadConfig
from her2.core.machine import n_cores
from her2.core.progress import progress
from her2.core.run_folder import RunFolder
from her2.core.settings import (
    CohortSettings,
    ComputeSettings,
    RadiomicsSettings,
    StudySettings,
)
from her2.core.store import content_key, default_cache, file_sha256, write_json
from her2.core.types import ANY_REGION, Cohort, MaskChoice, Problem
from her2.models.splits import Split, make_split, read_split, write_split
from her2.radiomics import FeatureTable, read_parameter_file
from her2.radiomics.parameters import BIN_WIDTH

logger = logging.getLogger(__name__)

NEEDS_IMAGES = (
    "expected an image and a mask of every lesion, found a cohort without; add the columns image "
    "and mask to the table"
)
NEEDS_FEATURES = (
    "expected images with masks or a table of features, found neither; add the columns image and "
    "mask to the table, or set cohort.features=FILE"
)
DECODED_BYTES = 512 * 2**20  # kept in memory: images and masks of some 350 lesions of 800 x 600


def n_workers(compute: ComputeSettings) -> int:
    """Return the number of worker processes."""
    return compute.n_workers or n_cores()


def engine(compute: ComputeSettings) -> Engine:
    """Return the engine that extracts features: local processes, or workers of dask."""
    workers, timeout_s = n_workers(compute), compute.timeout_s
    if compute.engine == "dask":
        return DaskCluster(compute.scheduler, n_workers=workers, timeout_s=timeout_s)
    return LocalPool(workers, timeout_s=timeout_s)


def cache_folder(cache: str | None) -> Path:
    """Return the folder of the feature cache."""
    return Path(cache).expanduser() if cache else default_cache()


def open_cohort(settings: StudySettings, run: RunFolder | None = None) -> Cohort:
    """Return the verified cohort that the settings name; a simulated one is written first.

    The run gets quarantine.csv, and gets it as well where the cohort cannot be studied.
    """
    try:
        cohort = _read_cohort(settings)
    except BadCohort as error:
        if run is not None:
            write_quarantine(run.file("quarantine.csv"), stop_problems(error))
        raise
    if run is not None:
        write_quarantine(run.file("quarantine.csv"), cohort.problems)
    return cohort


def _read_cohort(settings: StudySettings) -> Cohort:
    of, workers = settings.cohort, n_workers(settings.compute)
    keep_decoded(DECODED_BYTES)
    if of.reader == "phantom":
        cohort = _phantom(of, workers, cache_folder(settings.cache))
    else:
        cohort = read_cohort(
            of.reader, root=of.root, table=of.table, positive=of.positive,
            clinical=of.clinical_names, features=of.features, frame=of.frame, sheet=of.sheet,
            encoding=of.encoding, centre=settings.split.centre, masks=_mask_choice(of),
            cells=_cell_rules(of), bin_width=_bin_width(settings.radiomics), n_workers=workers,
        )  # fmt: skip
    logger.info(
        "cohort %s: %d rows, %d lesions of %d patients used, %d excluded, %d quarantined",
        cohort.name, cohort.n_rows, len(cohort.lesions), cohort.n_patients,
        cohort.count("excluded"), cohort.count("quarantined"),
    )  # fmt: skip
    return cohort


def _mask_choice(of: CohortSettings) -> MaskChoice | None:
    """Return which regions of masks are meant; None without a choice."""
    colour = None if of.mask_colour is None else tuple(of.mask_colour)
    choice = MaskChoice(of.mask_label, of.mask_segment, colour, of.mask_scale)
    return None if choice == ANY_REGION else choice


def _cell_rules(of: CohortSettings) -> CellRules:
    """Return how cells are read."""
    return CellRules(
        missing=tuple(of.missing_tokens), below_limit=of.below_limit, decimal=of.decimal,
        approximate=of.approximate, variables=of.variables,
    )  # fmt: skip


def write_phantom_cohort(settings: CohortSettings, root: Path, workers: int) -> Path:
    """Write a simulated cohort of these settings to `root` with progress."""
    height, width = settings.image_shape
    with progress("simulating", settings.n_patients, "patients") as advance:
        return write_phantom(
            root, n_patients=settings.n_patients, seed=settings.seed, n_workers=workers,
            image_shape=(height, width), progress=lambda done, total: advance(done),
        )  # fmt: skip


def record_cohort(run: RunFolder, cohort: Cohort, split: Split | None = None) -> dict[str, object]:
    """Write cohort.json and quarantine.csv; return the counts of the flow diagram.

    Its rows in are equal to the rows used, excluded and quarantined.
    """
    write_quarantine(run.file("quarantine.csv"), cohort.problems)
    flow: dict[str, object] = dict(cohort.flow)
    by_key = {lesion.key: lesion for lesion in cohort.lesions}
    roles: dict[str, dict[str, int]] = {}
    for role, keys in split.by_role.items() if split else ():
        members = [by_key[key] for key in keys]
        roles[role] = {
            "n_patients": len({x.patient_id for x in members}),
            "n_positive": len({x.patient_id for x in members if x.outcome}),
        }
    if split is not None:
        flow["roles"] = roles
    record = {
        "name": cohort.name,
        "simulated": cohort.simulated,
        "positive": cohort.positive,
        "data_sha256": cohort.data_sha256,
        "clinical": list(cohort.clinical.columns),
        "flow": flow,
        "notes": list(cohort.notes),
    }
    write_json(run.file("cohort.json"), record)
    return flow


def attention(cohort: Cohort, max_quarantine: float) -> str | None:
    """Return a warning of too many quarantined lesions (exit status 1), or None."""
    lost = cohort.count("quarantined")
    share = lost / max(lost + len(cohort.lesions), 1)
    if share <= max_quarantine:
        return None
    enough = math.ceil(100 * share) / 100  # rounded up, so that the share is accepted
    codes = cohort.by_code("quarantined")
    named = ", ".join(f"{n} x {code} {CATALOGUE[code].title}" for code, n in codes.items())
    return (
        f"{lost} of {lost + len(cohort.lesions)} eligible lesions were left out ({named}); see "
        f"quarantine.csv, repair them, or accept the loss with cohort.max_quarantine={enough:.2f}"
    )


def warn(*sentences: str | None) -> int:
    """Print sentences to stderr; return the exit status, 1 if there is any."""
    said = [sentence for sentence in sentences if sentence]
    for sentence in said:
        sys.stderr.write(f"her2: {sentence}\n")
    return 1 if said else 0


def _bin_width(settings: RadiomicsSettings) -> float | None:
    """Return the bin width of the study's features; None where it is not of stored grey levels."""
    if not settings.params:
        return BIN_WIDTH
    chosen = read_parameter_file(settings.params).parameters.get("setting", {})
    is_other = chosen.get("normalize") or chosen.get("binCount")
    return None if is_other else float(chosen.get("binWidth", BIN_WIDTH))


def frozen_split(run: RunFolder, cohort: Cohort, settings: StudySettings) -> Split:
    """Return the run's split: the frozen one when the run goes on, else a new one, frozen."""
    path = run.file("split.json")
    drawn = make_split(cohort.lesions, settings.split, seed=settings.seed)
    if path.is_file() and read_split(path) != drawn:
        raise BadConfig(
            "expected the patients and split of the run that was stopped, found others in the "
            "cohort; choose another run_dir"
        )
    write_split(path, drawn)
    sizes = ", ".join(f"{role} {len(keys)}" for role, keys in drawn.by_role.items())
    logger.info("split (%s), lesions: %s", drawn.origin, sizes)
    return drawn


def unseen_level_problems(cohort: Cohort, split: Split, *, by_centre: bool) -> list[Problem]:
    """Return the levels (C11) of lesions that are judged by models which have not seen them.

    by_centre: each centre is left out in turn. The reader names those of a split in the table.
    """
    if split.origin == "brought":
        return []
    of = split.roles()
    centres = {str(lesion.centre) for lesion in cohort.lesions} if by_centre else set()
    roles = [
        ["train" if lesion.centre != name else name for lesion in cohort.lesions]
        for name in sorted(centres)
    ] or [[of[lesion.key] for lesion in cohort.lesions]]
    notes = [note for each in roles for note in unseen_levels(cohort.clinical, each)]
    return [note.problem("", "") for note in dict.fromkeys(notes)]


def _phantom(settings: CohortSettings, workers: int, cache: Path) -> Cohort:
    import her2.cohort.phantom as phantom

    if settings.root or settings.table:
        raise BadConfig(
            "expected cohort=folder beside cohort.root or cohort.table, found the simulated "
            "cohort; add cohort=folder, or name no files"
        )
    sources = sorted(Path(phantom.__file__).parent.glob("*.py"))
    recipe = [settings.n_patients, settings.seed, list(settings.image_shape)]
    key = content_key([*recipe, [file_sha256(path) for path in sources]])
    root = cache / "phantom" / key[:24]
    made = root / "cohort.csv"
    try:
        if not made.is_file():
            write_phantom_cohort(settings, root, workers)
    except (BadConfig, OSError):
        if not made.is_file():  # else another job was faster: the folder appears complete
            raise
    cohort = read_folder_cohort(
        root, clinical=settings.clinical_names, cells=_cell_rules(settings), n_workers=workers
    )
    return replace(cohort, name="phantom")


def report_cache(title: str, table: FeatureTable) -> None:
    """Log how many lesions were measured and how many were in the cache."""
    logger.info(
        "%s: %d lesions, %d extracted, %d from the cache",
        title, len(table.values), table.n_extracted, table.n_cached,
    )  # fmt: skip
