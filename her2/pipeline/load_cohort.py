"""Steps that several commands start with: the cohort, and the features of its lesions."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from pathlib import Path

from her2.cohort import CATALOGUE, read_cohort, read_folder_cohort, write_quarantine
from her2.cohort.phantom import write_phantom
from her2.cohort.verified_files import keep_decoded
from her2.compute import DaskCluster, Engine, LocalPool
from her2.core.errors import BadConfig
from her2.core.progress import progress
from her2.core.run_folder import RunFolder
from her2.core.seeds import integer_seed
from her2.core.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
)
from her2.core.store import Store, content_key, default_cache, file_sha256, write_json
from her2.core.types import Cohort
from her2.models.splits import Split, make_split, read_split, write_split
from her2.radiomics import FeatureTable

logger = logging.getLogger(__name__)

ENGINES = ("local", "dask")
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
    """Return the number of worker processes.

    Raises
    ------
    BadConfig
        The engine is not known here, or the number is negative.
    """
    if compute.engine not in ENGINES:
        raise BadConfig(
            f"expected compute.engine among {', '.join(ENGINES)}, found {compute.engine!r}"
        )
    if compute.n_workers < 0:
        raise BadConfig(f"expected compute.n_workers of at least 0, found {compute.n_workers}")
    return compute.n_workers or len(os.sched_getaffinity(0))


def engine(compute: ComputeSettings) -> Engine:
    """Return what extracts features: processes of this machine, or workers of dask.

    Raises
    ------
    BadConfig
        A setting is out of range, or dask is not installed.
    """
    workers, limit = n_workers(compute), compute.timeout_s
    if limit is not None and not limit > 0:
        raise BadConfig(
            f"expected compute.timeout_s above 0, or null for no limit, found {limit:g}"
        )
    if compute.engine == "dask":
        return DaskCluster(compute.scheduler, n_workers=workers, timeout_s=limit)
    return LocalPool(workers, timeout_s=limit)


def cache_folder(cache: str | None) -> Path:
    """Return the folder of the feature cache."""
    return Path(cache).expanduser() if cache else default_cache()


def open_cohort(
    settings: CohortSettings, *, compute: ComputeSettings, cache: str | None
) -> Cohort:
    """Return the verified cohort that the settings name; a simulated one is written first."""
    workers = n_workers(compute)
    keep_decoded(DECODED_BYTES)
    if settings.reader == "phantom":
        cohort = _phantom(settings, workers, cache_folder(cache))
    else:
        cohort = read_cohort(
            settings.reader,
            root=settings.root,
            table=settings.table,
            positive=settings.positive,
            clinical=settings.clinical,
            features=settings.features,
            frame=settings.frame,
            n_workers=workers,
        )
    logger.info(
        "cohort %s: %d rows, %d lesions of %d patients used, %d excluded, %d quarantined",
        cohort.name, cohort.n_rows, len(cohort.lesions), cohort.n_patients,
        cohort.count("excluded"), cohort.count("quarantined"),
    )  # fmt: skip
    return cohort


def write_phantom_cohort(settings: CohortSettings, root: Path, workers: int) -> Path:
    """Write a simulated cohort of these settings to `root` with progress."""
    height, width = settings.image_shape
    with progress("simulating", settings.n_patients, "patients") as advance:
        return write_phantom(
            root,
            n_patients=settings.n_patients,
            seed=settings.seed,
            image_shape=(height, width),
            n_workers=workers,
            progress=lambda done, total: advance(done),
        )


def record_cohort(run: RunFolder, cohort: Cohort, split: Split | None = None) -> dict[str, object]:
    """Write cohort.json and quarantine.csv; return the flow of patients."""
    write_quarantine(run.file("quarantine.csv"), cohort.problems)
    flow = patient_flow(cohort, split)
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


def patient_flow(cohort: Cohort, split: Split | None = None) -> dict[str, object]:
    """Return the counts of the flow diagram; rows in equal rows used, excluded and quarantined."""
    flow: dict[str, object] = {
        "n_rows": cohort.n_rows,
        "excluded": _by_code(cohort, "excluded"),
        "quarantined": _by_code(cohort, "quarantined"),
        "n_lesions": len(cohort.lesions),
        "n_patients": cohort.n_patients,
    }
    if split is None:
        return flow
    roles = split.roles()
    for role in ("train", "test", "external"):
        members = [lesion for lesion in cohort.lesions if roles[lesion.key] == role]
        if members:
            flow[role] = {
                "n_patients": len({x.patient_id for x in members}),
                "n_positive": len({x.patient_id for x in members if x.outcome}),
            }
    return flow


def attention(cohort: Cohort, settings: CohortSettings) -> str | None:
    """Return what the user must look at (exit status 1), or None."""
    lost = cohort.count("quarantined")
    share = lost / max(lost + len(cohort.lesions), 1)
    if share <= settings.max_quarantine:
        return None
    enough = math.ceil(100 * share) / 100  # rounded up, so that the loss is accepted
    codes = _by_code(cohort, "quarantined")
    named = ", ".join(f"{n} x {code} {CATALOGUE[code].title}" for code, n in codes.items())
    return (
        f"{lost} of {lost + len(cohort.lesions)} eligible lesions were left out ({named}); see "
        f"quarantine.csv, repair them, or accept the loss with cohort.max_quarantine={enough:.2f}"
    )


def frozen_split(run: RunFolder, cohort: Cohort, *, test_size: float, seed: int) -> Split:
    """Return the run's split: the frozen one when the run goes on, else a new one, frozen."""
    path = run.file("split.json")
    drawn = make_split(cohort.lesions, test_size=test_size, seed=seed)
    if path.is_file() and read_split(path) != drawn:
        raise BadConfig(
            "expected the patients and split of the run that was stopped, found others in the "
            "cohort; choose another run_dir"
        )
    write_split(path, drawn)
    logger.info(
        "split (%s): %d lesions to train, %d to test, %d external",
        drawn.origin, len(drawn.train), len(drawn.test), len(drawn.external),
    )  # fmt: skip
    return drawn


def deep_features(
    cohort: Cohort,
    settings: BackboneSettings,
    *,
    compute: ComputeSettings,
    cache: str | None,
    seed: int,
) -> FeatureTable:
    """Return the frozen network's features of every lesion, and say how many were in the cache."""
    from lightning_modules.crops import cohort_crops
    from lightning_modules.frozen_features import embed_cohort

    store = Store(cache_folder(cache) / "deep")
    crops = cohort_crops(
        cohort.lesions,
        size=settings.image_size,
        margin_px=settings.margin_px,
        margin_mm=settings.margin_mm,
        aspect=settings.aspect,
        n_threads=n_workers(compute),
    )
    with progress("deep features", len(cohort.lesions), "lesions") as advance:
        table = embed_cohort(
            cohort.lesions,
            crops,
            settings,
            store=store,
            seed=integer_seed(seed, "backbone"),
            n_threads=n_workers(compute),
            advance=advance,
        )
    report_cache("deep features", table)
    return table


def _phantom(settings: CohortSettings, workers: int, cache: Path) -> Cohort:
    import her2.cohort.phantom as phantom

    sources = sorted(Path(phantom.__file__).parent.glob("*.py"))
    recipe = [settings.n_patients, settings.seed, list(settings.image_shape)]
    key = content_key([*recipe, [file_sha256(path) for path in sources]])
    root = cache / "phantom" / key[:24]
    made = root / "cohort.csv"
    if not made.is_file():
        try:
            write_phantom_cohort(settings, root, workers)
        except (BadConfig, OSError):
            if not made.is_file():  # else another job was faster: the folder appears complete
                raise
    return read_folder_cohort(
        root, clinical=settings.clinical or (), name="phantom", n_workers=workers
    )


def _by_code(cohort: Cohort, severity: str) -> dict[str, int]:
    """Return lesions by the first code that left each of them out."""
    first: dict[tuple[str, str], str] = {}
    for problem in cohort.problems:
        if problem.severity == severity:
            first.setdefault((problem.patient_id, problem.lesion_id), problem.code)
    return dict(sorted(Counter(first.values()).items()))


def report_cache(title: str, table: FeatureTable) -> None:
    """Log how many lesions were measured and how many were in the cache."""
    logger.info(
        "%s: %d lesions, %d extracted, %d from the cache",
        title, len(table.values), table.n_extracted, table.n_cached,
    )  # fmt: skip
