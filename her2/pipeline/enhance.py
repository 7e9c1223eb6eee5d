"""Images of a run enlarged four times, by a generator fitted on its training patients only.

The generator learns from native images and never from an outcome. It is fitted once on all
training patients of the split and shared by the folds; held-out patients are refused to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.cohort.lesions import is_whole, load_lesion, write_enhanced
from her2.core.errors import BadCohort
from her2.core.progress import progress
from her2.core.seeds import generator, integer_seed
from her2.core.settings import EnhanceSettings, StudySettings
from her2.core.store import code_version, content_key
from her2.core.types import Cohort, Lesion
from her2.pipeline.enhancement_figures import FitPreviews, Preview
from her2.pipeline.load_cohort import cache_folder, n_workers
from her2.pipeline.run import OpenRun, live_run

if TYPE_CHECKING:
    from lightning_modules.super_resolution.enlarging import Enlarger
    from lightning_modules.super_resolution.generator_files import GeneratorFile, Seen
    from lightning_modules.super_resolution.generator_plan import FittingPlan

logger = logging.getLogger(__name__)

VALIDATION_SHARE = 0.1  # of the training patients: evaluated during the fit, not fitted on
MOST_VALIDATION = 8  # images
MODEL = "super_resolution.safetensors"
_SOURCES = (
    "networks/rrdb.py", "super_resolution/enlarging.py", "super_resolution/rescaling.py",
)  # fmt: skip
_FIT_SOURCES = (
    "networks/rrdb.py", "networks/unet_discriminator.py", "lightning_trainer.py",
    "torch_runtime.py", "super_resolution/degradation.py",
    "super_resolution/generator_fitting.py", "super_resolution/generator_plan.py",
    "super_resolution/patches.py", "super_resolution/rescaling.py", "super_resolution/srgan.py",
)  # fmt: skip


@dataclass(frozen=True)
class Enhancement:
    """How the images of a run were enhanced.

    Attributes
    ----------
    method
        ``none``, ``bicubic`` or ``srgan``.
    native
        The lesions as they were.
    enlarger
        What enlarges an image.
    history
        The generator's training loss, empty if none was fitted.
    summary
        For results.json.
    notes
        Notes of the report.
    evidence
        measure, family, method, n, value, low, high.
    previews
        Held-out lesions, made smaller and larger again.
    """

    method: str = "none"
    native: tuple[Lesion, ...] = ()
    enlarger: Enlarger | None = None
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)
    previews: tuple[Preview, ...] = ()


def check_enhance(settings: EnhanceSettings) -> None:
    """Refuse settings that cannot be run, before the cohort is read.

    Raises
    ------
    BadConfig, MissingWeights
        With what is wrong.
    """
    if settings.method != "srgan":
        return
    from lightning_modules.super_resolution.generator_files import load_generator

    if settings.weights is not None:
        load_generator(Path(settings.weights).expanduser())
    else:
        fitting_plan(settings, 0)


def enhanced_run(run: OpenRun) -> tuple[OpenRun, Enhancement]:
    """Return the run with enhanced images, and how they were made.

    A fit shows its previews in the run that is then open in MLflow.

    Raises
    ------
    BadCohort
        There are no images to enhance.
    LeakageError
        The generator has seen, or would see, a held-out patient.
    """
    method = run.settings.enhance.method
    if method == "none":
        return run, Enhancement()
    if not run.has_images:
        raise BadCohort(
            f"expected an image and a mask of every lesion for enhance.method {method}, "
            "found a cohort without, or features that were brought; use enhance=none"
        )
    native = run.cohort.lesions
    with run.watch.step("enhance"):
        made = _made_for(run)
        lesions = enhanced_lesions(native, _enlarger_of(made), run.settings)
    made = replace(made, native=native)
    return replace(run, cohort=replace(run.cohort, lesions=lesions)), made


def enhanced_cohort(cohort: Cohort, settings: StudySettings) -> Cohort:
    """Return a cohort that has no split with enhanced images: bicubic, or by `enhance.weights`.

    Raises
    ------
    LeakageError
        The generator of `enhance.weights` has seen a patient of the cohort.
    """
    enhance = settings.enhance
    if enhance.method == "none":
        return cohort
    made = Enhancement("bicubic", enlarger=_bicubic())
    if enhance.weights is not None:
        source = _from_file(enhance, cohort.name, cohort.lesions, "cohort's")
        made = _of_generator(source, enhance, pd.DataFrame(), "")
    lesions = enhanced_lesions(cohort.lesions, _enlarger_of(made), settings)
    return replace(cohort, lesions=lesions)


def enhanced_lesions(
    lesions: Sequence[Lesion], enlarger: Enlarger, settings: StudySettings
) -> tuple[Lesion, ...]:
    """Return lesions with their enhanced images, which are made where the cache lacks them."""
    workers = 1 if enlarger.device != "cpu" else n_workers(settings.compute)
    root = enhanced_folder(settings.cache)
    pool = ThreadPoolExecutor(workers)
    try:
        with progress("enhancing", len(lesions), "images") as advance:
            made = []
            for lesion in pool.map(lambda x: enhanced_lesion(x, enlarger, root), lesions):
                made.append(lesion)
                advance(len(made))
    finally:
        pool.shutdown(cancel_futures=True)
    logger.info("enhanced: %d images by %s", len(made), enlarger.method)
    return tuple(made)


def enhanced_lesion(lesion: Lesion, enlarger: Enlarger, root: Path) -> Lesion:
    """Return a lesion with its enhanced image in the cache."""
    pixels = load_lesion(replace(lesion, enhanced=None)).pixels
    key = content_key([pixels, enlarger.key, enlarger.method, enlarger.tile_size, enlarger.device,
                       enlarging_version()])  # fmt: skip
    path = root / key[:2] / key
    if not is_whole(path):
        write_enhanced(path, enlarger(pixels))
    return replace(lesion, enhanced=path)


def enhanced_folder(cache: str | None) -> Path:
    """Return where enhanced images are kept."""
    return cache_folder(cache) / "enhanced"


@lru_cache(maxsize=1)
def enlarging_version() -> str:
    """Return a hash of the code and the package that enlarged pixels depend on."""
    return code_version(_modules(_SOURCES), ("torch",))


def fitting_plan(settings: EnhanceSettings, seed: int) -> FittingPlan:
    """Return the plan of a fit that the settings describe.

    Raises
    ------
    BadConfig
        A number is out of range.
    """
    from lightning_modules.super_resolution.generator_plan import (
        Architecture,
        FittingPlan,
        Schedule,
    )

    architecture = Architecture(**asdict(settings.generator))
    architecture.build()  # refuses sizes that are none
    return FittingPlan(
        architecture,
        Schedule(
            settings.max_steps_pixel, settings.max_steps_adversarial,
            learning_rate=settings.learning_rate, ema=settings.ema, **asdict(settings.loss),
        ),
        discriminator_channels=settings.discriminator_channels,
        patch_size=settings.patch_size, batch_size=settings.batch_size,
        steps_per_epoch=settings.steps_per_epoch, seed=integer_seed(seed, "super-resolution"),
        n_threads=settings.n_threads, accelerator=settings.accelerator,
    )  # fmt: skip


def seen_of(cohort: str, lesions: Iterable[Lesion]) -> Seen:
    """Return the hashes of some lesions' patients and images."""
    from lightning_modules.super_resolution.generator_files import Seen, patient_hash

    lesions = tuple(lesions)
    patients = {patient_hash(cohort, x.patient_id) for x in lesions}
    images = {content_key([_native(x)]) for x in lesions}
    return Seen(tuple(sorted(patients)), tuple(sorted(images)))


def _made_for(run: OpenRun) -> Enhancement:
    settings = run.settings.enhance
    if settings.method == "bicubic":
        note = "Images were enlarged 4 x bicubically, which is fitted on nobody."
        return Enhancement(
            "bicubic", enlarger=_bicubic(), summary={"method": "bicubic"}, notes=(note,)
        )
    from lightning_modules.super_resolution.generator_files import save_generator

    held_out = set(run.held_out)
    judged = [x for x in run.cohort.lesions if x.key in held_out]
    if settings.weights is not None:
        source = _from_file(settings, run.cohort.name, judged, "held-out")
        made = _of_generator(source, settings, pd.DataFrame(), _file_note(source))
    else:
        source, history = _fitted(run, judged)
        made = _of_generator(source, settings, history, _fit_note(source))
    save_generator(
        run.folder.file("model") / MODEL, source.network, source.architecture, source.seen,
        n_steps=source.n_steps,
    )  # fmt: skip
    return made


def _from_file(
    settings: EnhanceSettings, cohort: str, judged: Sequence[Lesion], whose: str
) -> GeneratorFile:
    """Return the generator of `enhance.weights`, unless it has seen a judged patient."""
    from lightning_modules.super_resolution.generator_files import load_generator, refuse_seen

    source = load_generator(Path(str(settings.weights)).expanduser())
    found = seen_of(cohort, judged)
    refuse_seen(source.seen, patients=found.patients, images=found.images, whose=whose)
    return source


def _of_generator(
    source: GeneratorFile, settings: EnhanceSettings, history: pd.DataFrame, note: str
) -> Enhancement:
    from lightning_modules.super_resolution.enlarging import generator_enlarger

    network = source.network
    enlarger = generator_enlarger(
        network, reach=network.reach, key=source.sha256, tile_size=settings.tile_size,
        device=_device(settings.accelerator),
    )  # fmt: skip
    summary = {
        "method": "srgan",
        "weights_sha256": source.sha256,
        "n_patients": len(source.seen.patients),
        "n_images": len(source.seen.images),
        "n_steps": source.n_steps,
        "n_parameters": sum(p.numel() for p in network.parameters()),
    }
    return Enhancement("srgan", (), enlarger, history, summary, (note,))


def _fitted(run: OpenRun, judged: Sequence[Lesion]) -> tuple[GeneratorFile, pd.DataFrame]:
    """Return the generator of the run's training patients, from the cache if it is there."""
    from lightning_modules.super_resolution.generator_files import load_generator, refuse_seen
    from lightning_modules.super_resolution.generator_fitting import (
        WEIGHTS,
        fit_generator,
        read_history,
    )

    trained = set(run.training.keys)
    lesions = [x for x in run.cohort.lesions if x.key in trained]
    seen, found = seen_of(run.cohort.name, lesions), seen_of(run.cohort.name, judged)
    refuse_seen(seen, patients=found.patients, images=found.images, whose="held-out")
    plan = fitting_plan(run.settings.enhance, run.seed)
    folder = _fit_folder(run.settings.cache, plan, seen)
    if (folder / WEIGHTS).is_file():
        logger.info("super-resolution: the generator of these patients is in the cache")
        return load_generator(folder / WEIGHTS), read_history(folder)
    fitted_on, looked_at = _validation_apart(lesions, run.seed)
    live = live_run(run)
    with progress("super-resolution", plan.schedule.n_steps, "steps") as advance:
        history = fit_generator(
            frames(fitted_on), frames(looked_at), plan, seen, folder=folder, advance=advance,
            on_epoch=FitPreviews(
                run.folder.file("figures"), looked_at or fitted_on, plan,
                show=None if live is None else live.show,
            ),
        )  # fmt: skip
    return load_generator(folder / WEIGHTS), history


def _fit_folder(cache: str | None, plan: FittingPlan, seen: Seen) -> Path:
    version = code_version(_modules(_FIT_SOURCES), ("torch", "pytorch-lightning"))
    key = content_key([asdict(plan), list(seen.patients), list(seen.images), version])
    folder = cache_folder(cache) / "generators" / key[:24]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _validation_apart(lesions: Sequence[Lesion], seed: int) -> tuple[list[Lesion], list[Lesion]]:
    """Return the lesions to fit on, and those of a tenth of the patients to look at."""
    patients = sorted({x.patient_id for x in lesions})
    rng = generator(seed, "super-resolution", "validation")
    n = int(VALIDATION_SHARE * len(patients))
    apart = {patients[i] for i in rng.permutation(len(patients))[:n]}
    fitted_on = [x for x in lesions if x.patient_id not in apart]
    return fitted_on, [x for x in lesions if x.patient_id in apart][:MOST_VALIDATION]


def frames(lesions: Sequence[Lesion]) -> list[NDArray[np.uint8]]:
    """Return the different images of some lesions as grey levels of 8 bits."""
    from lightning_modules.crops import grey_levels

    frames = (grey_levels(_native(lesion)) for lesion in lesions)
    return list({content_key([frame]): frame for frame in frames}.values())


def _native(lesion: Lesion) -> NDArray[np.generic]:
    return load_lesion(replace(lesion, enhanced=None)).pixels


def _file_note(source: GeneratorFile) -> str:
    return (
        f"Images were enlarged 4 x by a generator from a file (SHA-256 {source.sha256[:12]}) that "
        f"declares {len(source.seen.patients)} patients as its training data, none of them "
        "held-out."
    )


def _fit_note(source: GeneratorFile) -> str:
    return (
        f"Images were enlarged 4 x by a generator that was fitted on the native images of the "
        f"{len(source.seen.patients)} training patients for {source.n_steps} steps, without any "
        "outcome; the folds of the training patients share it, held-out patients were not seen."
    )


def _bicubic() -> Enlarger:
    from lightning_modules.super_resolution.enlarging import bicubic_enlarger

    return bicubic_enlarger()


def _device(accelerator: str) -> str:
    import torch

    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _enlarger_of(made: Enhancement) -> Enlarger:
    assert made.enlarger is not None
    return made.enlarger


def _modules(names: Sequence[str]) -> list[Path]:
    import lightning_modules

    folder = Path(lightning_modules.__file__).parent
    return [folder / name for name in names]
