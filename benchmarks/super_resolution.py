"""Super-resolution against bicubic enlargement on patients that it was not fitted on.

Usage: python benchmarks/super_resolution.py ROOT [OVERRIDE ...]   (ROOT of BrEaST-Lesions-USG;
settings of the group enhance, for example max_steps_pixel=600)

Fits the generator of enhance=srgan_small on 64 patients, as a study does, and prints PSNR and SSIM
of images of all the other patients, shrunk to a quarter by area and enlarged again, in the whole
frame and around the lesion. Fails if bicubic enlargement is better in either.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

# radiomics.py beside this file must not hide the package of that name
sys.path = [
    entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent
]

import numpy as np

from her2 import stats
from her2.cohort import load_lesion, read_cohort
from her2.core.seeds import generator, integer_seed
from her2.core.settings import EnhanceSettings, StudySettings
from her2.core.types import Cohort
from her2.pipeline.enhance import around, frames, restored, seen_of
from lightning_modules.super_resolution.enlarging import bicubic_enlarger, generator_enlarger
from lightning_modules.super_resolution.generator_files import load_generator
from lightning_modules.super_resolution.generator_fitting import WEIGHTS, fit_generator

N_TRAINING = 64


def settings(overrides: list[str]) -> EnhanceSettings:
    """Return enhance=srgan_small with some settings changed."""
    changed = [f"enhance.{override}" for override in overrides]
    return StudySettings.from_overrides(["enhance=srgan_small", *changed]).enhance


def cpu_minutes() -> float:
    return sum(os.times()[:2]) / 60


def fit(cohort: Cohort, chosen: EnhanceSettings, train: list[int]) -> object:
    """Return the generator of some lesions, and say what it cost."""
    lesions = [cohort.lesions[i] for i in train]
    start, before = perf_counter(), cpu_minutes()
    with tempfile.TemporaryDirectory() as name:
        seen = seen_of(cohort.name, lesions)
        seed = integer_seed(0, "super-resolution")
        fit_generator(frames(lesions), [], chosen, seen, seed=seed, folder=Path(name))
        source = load_generator(Path(name) / WEIGHTS)
    minutes = (perf_counter() - start) / 60
    print(f"fit on {len(lesions)} patients: {source.n_steps} steps, {minutes:.1f} minutes, "
          f"{cpu_minutes() - before:.1f} of the CPU")  # fmt: skip
    return generator_enlarger(source.network, key=source.sha256, tile_size=chosen.tile_size)


def measured(cohort: Cohort, test: list[int], enlargers: dict) -> dict:
    """Return PSNR and SSIM by (measure, method), one value an image."""
    found: dict = {}
    for i in test:
        image = load_lesion(cohort.lesions[i])
        cut = around(image.mask)
        for method, enlarge in enlargers.items():
            again = restored(image.pixels, enlarge)
            pairs = {"frame": (image.pixels, again), "lesion": (image.pixels[cut], again[cut])}
            for place, pair in pairs.items():
                found.setdefault((f"PSNR, {place}", method), []).append(stats.psnr(*pair))
                found.setdefault((f"SSIM, {place}", method), []).append(stats.ssim(*pair))
    return {key: np.array(values) for key, values in found.items()}


def main(arguments: list[str]) -> None:
    root, *overrides = arguments
    cohort = read_cohort("breast_lesions_usg", root=root)
    order = generator(0, "benchmark").permutation(len(cohort.lesions)).tolist()
    train, test = order[:N_TRAINING], order[N_TRAINING:]
    chosen = settings(overrides)
    print(f"{os.cpu_count()} cores, {chosen.n_threads} threads; {len(test)} held-out patients")
    enlargers = {"bicubic": bicubic_enlarger(), "srgan": fit(cohort, chosen, train)}
    found = measured(cohort, test, enlargers)
    is_better = True
    for measure in dict.fromkeys(name for name, _ in found):
        bicubic, srgan = found[measure, "bicubic"], found[measure, "srgan"]
        gain = srgan - bicubic
        half = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        is_better &= bool(gain.mean() > 0)
        print(f"{measure}: bicubic {bicubic.mean():.3f}, srgan {srgan.mean():.3f}, gain "
              f"{gain.mean():+.4f} ({gain.mean() - half:+.4f} to {gain.mean() + half:+.4f}), "
              f"better in {np.mean(gain > 0):.0%} of patients")  # fmt: skip
    if not is_better:
        sys.exit("bicubic enlargement is better")


if __name__ == "__main__":
    main(sys.argv[1:])
