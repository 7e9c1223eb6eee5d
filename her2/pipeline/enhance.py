"""Images of a run enlarged four times, by a generator fitted on its training patients only.

The generator learns from native images and never from an outcome. It is fitted once on all
training patients of the split and shared by the folds; held-out patients are refused to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import plots
from her2.cohort.lesions import is_whole, load_lesion, write_enhanced
from her2.core.errors import BadCohort
from her2.core.parallel import in_threads
from her2.core.progress import progress
from her2.core.seeds import generator, integer_seed
from her2.core.settings import EnhanceSettings, StudySettings
from her2.core.store import content_key, write_atomic
from her2.core.types import Cohort, Lesion
from her2.pipeline.load_cohort import cache_folder, n_workers
from her2.pipeline.run import OpenRun, live_run
from her2.plots.export import png_bytes

if TYPE_CHECKING:
    from lightning_modules.networks.rrdb import RRDBGenerator
    from lightning_modules.super_resolution.enlarging import Enlarger
    from lightning_modules.super_resolution.generator_files import GeneratorFile, Seen

logger = logging.getLogger(__name__)

VALIDATION_SHARE = 0.1  # of the training patients: evaluated during the fit, not fitted on
MOST_VALIDATION = 8  # images
MODEL = "super_resolution.safetensors"
FACTOR = 4
MARGIN = 4  # the cut is the lesion's box, wider by a quarter on each side
MOST_PREVIEWS = 12  # of a fit
N_PREVIEW_LESIONS = 3
PREVIEW_DPI = 150
_NO_EFFECT = ("method", "weights", "tile_size", "n_evidence", "compare")  # on a fit
_SOURCES = (
    "networks/rrdb.py", "super_resolution/enlarging.py", "super_resolution/rescaling.py",
)  # fmt: skip
_FIT_SOURCES = (
    "networks/rrdb.py", "networks/unet_discriminator.py", "lightning_trainer.py",
    "torch_runtime.py", "super_resolution/generator_fitting.py", "super_resolution/patches.py",
    "super_resolution/rescaling.py", "super_resolution/srgan.py",
)  # fmt: skip
Preview: TypeAlias = dict[str, NDArray[np.generic]]
Enlarge = Callable[[NDArray[np.generic]], NDArray[np.generic]]


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
    """Raise BadConfig or MissingWeights where settings cannot be run, before a cohort is read."""
    if settings.method != "srgan":
        return
    from lightning_modules.super_resolution.generator_files import load_generator
    from lightning_modules.super_resolution.generator_fitting import check_fit

    if settings.weights is not None:
        load_generator(Path(settings.weights).expanduser())
    else:
        check_fit(settings)


def enhanced_run(run: OpenRun) -> tuple[OpenRun, Enhancement]:
    """Return the run with enhanced images, and how they were made.

    A fit shows its previews in the run that is then open in MLflow. Raises LeakageError if the
    generator has seen, or would see, a held-out patient.
    """
    method = run.settings.enhance.method
    if method == "none":
        return run, Enhancement()
    if not run.has_images:
        raise BadCohort(
            f"expected an image and a mask of every lesion for enhance.method {method}, "
            "found a cohort without, or features that were brought; use enhance=none"
        )
    with run.watch.step("enhance"):
        made = replace(_made_for(run), native=run.cohort.lesions)
        lesions = _enhanced_lesions(run.cohort.lesions, made, run.settings)
    return replace(run, cohort=replace(run.cohort, lesions=lesions)), made


def enhanced_cohort(cohort: Cohort, settings: StudySettings) -> Cohort:
    """Return a cohort that has no split with enhanced images: bicubic, or by `enhance.weights`.

    Raises LeakageError if the generator of `enhance.weights` has seen a patient of the cohort.
    """
    enhance = settings.enhance
    if enhance.method == "none":
        return cohort
    if enhance.weights is not None:
        source = _from_file(enhance, cohort.name, cohort.lesions, "cohort's")
        made = _of_generator(source, enhance, pd.DataFrame(), "")
    else:
        made = _bicubic()
    return replace(cohort, lesions=_enhanced_lesions(cohort.lesions, made, settings))


def _enhanced_lesions(
    lesions: Sequence[Lesion], enhancement: Enhancement, settings: StudySettings
) -> tuple[Lesion, ...]:
    """Return lesions with their enhanced images, which are made where the cache lacks them."""
    enlarger = enhancement.enlarger
    assert enlarger is not None
    workers = 1 if enlarger.device != "cpu" else n_workers(settings.compute)
    enlarge = partial(enhanced_lesion, enlarger=enlarger, cache=settings.cache)
    made = []
    with progress("enhancing", len(lesions), "images") as advance:
        for lesion in in_threads(enlarge, lesions, n_threads=workers):
            made.append(lesion)
            advance(len(made))
    logger.info("enhanced: %d images by %s", len(made), enlarger.method)
    return tuple(made)


def enhanced_lesion(lesion: Lesion, enlarger: Enlarger, cache: str | None) -> Lesion:
    """Return a lesion with its enhanced image in the cache."""
    pixels = _native(lesion)
    key = content_key([pixels, enlarger.key, enlarger.method, enlarger.tile_size, enlarger.device,
                       enlarging_version()])  # fmt: skip
    return with_image(lesion, cache, key, lambda: enlarger(pixels))


def with_image(
    lesion: Lesion, cache: str | None, key: str, make: Callable[[], NDArray[np.generic]]
) -> Lesion:
    """Return a lesion with the enhanced image of a key, made where the cache lacks it."""
    path = cache_folder(cache) / "enhanced" / key[:2] / key
    if not is_whole(path):
        write_enhanced(path, make())
    return replace(lesion, enhanced=path)


def enlarging_version() -> str:
    """Return a hash of the code and the package that enlarged pixels depend on."""
    from lightning_modules.torch_runtime import version_of

    return version_of(_SOURCES, ("torch",))


def seen_of(cohort: str, lesions: Sequence[Lesion]) -> Seen:
    """Return the hashes of some lesions' patients and images."""
    from lightning_modules.super_resolution.generator_files import Seen, patient_hash

    patients = {patient_hash(cohort, x.patient_id) for x in lesions}
    images = {content_key([_native(x)]) for x in lesions}
    return Seen(tuple(sorted(patients)), tuple(sorted(images)))


def _made_for(run: OpenRun) -> Enhancement:
    settings = run.settings.enhance
    if settings.method == "bicubic":
        return _bicubic()
    from lightning_modules.super_resolution.generator_files import save_generator

    held_out = set(run.held_out)
    judged = [x for x in run.cohort.lesions if x.key in held_out]
    history = pd.DataFrame()
    if settings.weights is not None:
        source = _from_file(settings, run.cohort.name, judged, "held-out")
        note = (
            f"Images were enlarged 4 x by a generator from a file (SHA-256 {source.sha256[:12]}) "
            f"that declares {len(source.seen.patients)} patients as its training data, none of "
            "them held-out."
        )
    else:
        source, history = _fitted(run, judged)
        note = (
            f"Images were enlarged 4 x by a generator that was fitted on the native images of the "
            f"{len(source.seen.patients)} training patients for {source.n_steps} steps, without "
            "any outcome; the folds of the training patients share it, held-out patients were not "
            "seen."
        )
    save_generator(
        run.folder.file("model") / MODEL, source.network, source.seen, n_steps=source.n_steps
    )
    return _of_generator(source, settings, history, note)


def _bicubic() -> Enhancement:
    from lightning_modules.super_resolution.enlarging import bicubic_enlarger

    note = "Images were enlarged 4 x bicubically, which is fitted on nobody."
    return Enhancement(
        "bicubic", enlarger=bicubic_enlarger(), summary={"method": "bicubic"}, notes=(note,)
    )


def _from_file(
    settings: EnhanceSettings, cohort: str, judged: Sequence[Lesion], whose: str
) -> GeneratorFile:
    """Return the generator of `enhance.weights`, unless it has seen a judged patient."""
    from lightning_modules.super_resolution.generator_files import load_generator, refuse_seen

    source = load_generator(Path(str(settings.weights)).expanduser())
    refuse_seen(source.seen, seen_of(cohort, judged), whose)
    return source


def _of_generator(
    source: GeneratorFile, settings: EnhanceSettings, history: pd.DataFrame, note: str
) -> Enhancement:
    import torch

    from lightning_modules.super_resolution.enlarging import generator_enlarger

    has_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    enlarger = generator_enlarger(
        source.network, key=source.sha256, tile_size=settings.tile_size,
        device="cuda" if has_gpu else "cpu",
    )  # fmt: skip
    summary = {
        "method": "srgan", "weights_sha256": source.sha256,
        "n_patients": len(source.seen.patients), "n_images": len(source.seen.images),
        "n_steps": source.n_steps,
        "n_parameters": sum(p.numel() for p in source.network.parameters()),
    }  # fmt: skip
    return Enhancement("srgan", (), enlarger, history, summary, (note,))


def _fitted(run: OpenRun, judged: Sequence[Lesion]) -> tuple[GeneratorFile, pd.DataFrame]:
    """Return the generator of the run's training patients, from the cache if it is there."""
    from lightning_modules.super_resolution.generator_files import load_generator, refuse_seen
    from lightning_modules.super_resolution.generator_fitting import (
        WEIGHTS,
        fit_generator,
        read_history,
    )

    settings, trained = run.settings.enhance, set(run.training.keys)
    lesions = [x for x in run.cohort.lesions if x.key in trained]
    seen = seen_of(run.cohort.name, lesions)
    refuse_seen(seen, seen_of(run.cohort.name, judged), "held-out")
    seed = integer_seed(run.seed, "super-resolution")
    folder = _fit_folder(run, seen, seed)
    if (folder / WEIGHTS).is_file():
        logger.info("super-resolution: the generator of these patients is in the cache")
        return load_generator(folder / WEIGHTS), read_history(folder)
    fitted_on, looked_at = _validation_apart(lesions, run.seed)
    live, n_epochs = live_run(run), -(-settings.n_steps // settings.steps_per_epoch)
    steps_between = settings.steps_per_epoch * -(-n_epochs // MOST_PREVIEWS)
    with progress("super-resolution", settings.n_steps, "steps") as advance:

        def report(step: int, network: RRDBGenerator) -> None:
            advance(step)
            if step % steps_between == 0 or step == settings.n_steps:
                path = draw_preview(run, looked_at or fitted_on, step, network)
                if live is not None:
                    live.show(path)

        history = fit_generator(
            frames(fitted_on), frames(looked_at), settings, seen, seed=seed, folder=folder,
            report=report,
        )  # fmt: skip
    return load_generator(folder / WEIGHTS), history


def _fit_folder(run: OpenRun, seen: Seen, seed: int) -> Path:
    from lightning_modules.torch_runtime import version_of

    plan = {k: v for k, v in asdict(run.settings.enhance).items() if k not in _NO_EFFECT}
    version = version_of(_FIT_SOURCES, ("torch", "pytorch-lightning"))
    key = content_key([plan, seed, list(seen.patients), list(seen.images), version])
    folder = cache_folder(run.settings.cache) / "generators" / key[:24]
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


def draw_preview(
    run: OpenRun, lesions: Sequence[Lesion], step: int, network: RRDBGenerator
) -> Path:
    """Draw the first lesions as a generator enlarges them, and return the file."""
    from lightning_modules.super_resolution.enlarging import generator_enlarger

    device = str(next(network.parameters()).device)
    enlarger = generator_enlarger(network, key=str(step), tile_size=256, device=device)
    drawn = [lesion_preview(lesion, enlarger) for lesion in lesions[:N_PREVIEW_LESIONS]]
    path = run.folder.file("figures") / f"super_resolution_preview_{step:06d}.png"
    write_atomic(path, png_bytes(plots.super_resolution_figure(drawn), dpi=PREVIEW_DPI))
    return path


def lesion_preview(lesion: Lesion, enlarge: Enlarge) -> Preview:
    """Return cuts around a lesion by title: its quarter, bicubic, enlarged, and as it is.

    The cut leaves out the banner of an image, which often names a patient.
    """
    from lightning_modules.super_resolution.enlarging import bicubic_enlarger

    image = load_lesion(replace(lesion, enhanced=None))
    cut = around(image.mask)
    blocks = quarter(image.pixels).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
    return {
        "Native / 4": blocks[cut],
        "Bicubic": restored(image.pixels, bicubic_enlarger())[cut],
        "Super-resolution": restored(image.pixels, enlarge)[cut],
        "Native": image.pixels[cut],
    }


def around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the lesion's bounding box, wider by a quarter on each side."""
    box = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1])
        margin = (last - first + 1) // MARGIN
        box.append(slice(max(first - margin, 0), last + margin + 1))
    return box[0], box[1]


def restored(pixels: NDArray[np.generic], enlarge: Enlarge) -> NDArray[np.generic]:
    """Return an image made of its own quarter, of the same shape."""
    height, width = pixels.shape
    return enlarge(quarter(pixels))[:height, :width]


def quarter(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an image of a quarter of the sides: means of 4 x 4 pixels, in the image's type."""
    means = block_means(pixels)
    whole = np.issubdtype(pixels.dtype, np.integer)
    return (np.rint(means) if whole else means).astype(pixels.dtype)


def block_means(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the means of 4 x 4 pixels; missing rows and columns are those at the edge."""
    padded = np.pad(pixels, [(0, -length % FACTOR) for length in pixels.shape], mode="edge")
    rows, columns = (length // FACTOR for length in padded.shape)
    blocks = padded.reshape(rows, FACTOR, columns, FACTOR).astype(np.float64)
    return np.asarray(blocks.mean(axis=(1, 3)))
