"""From echo levels to a B-mode image: scatterers, point-spread function, log compression.

The pulse is a Gaussian times a carrier at the centre frequency. Its carrier is carried by the
phase of every scatterer (depth over wavelength, there and back), which leaves the envelope of
the received signal unchanged and needs no sampling finer than the pixels.

References
----------
Szabo, Diagnostic Ultrasound Imaging, 2nd ed., ch. 8 (speckle), doi:10.1016/C2011-0-07261-7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from her2.cohort.phantom.scanner import Scanner

SPEED_MM_PER_US = 1.54
NEPER_PER_DB = float(np.log(10) / 20)
FWHM_PER_SD = float(2 * np.sqrt(2 * np.log(2)))
FLOOR = 1e-6  # of the power: keeps the logarithm finite
FAR_FIELD_WIDENING = 1.7  # lateral width at the bottom of the image against the focus
SMOOTHING_PIXELS = (0.9, 1.3)  # of the scanner's speckle reduction
GLAND_LEVEL = 0.44  # of the grey scale


def receive(
    echo_db: NDArray[np.float32],
    points: NDArray[np.float32],
    scanner: Scanner,
    *,
    spacing_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the envelope that the scanner receives, shape (H, W), > 0, about 1 in gland.

    Parameters
    ----------
    echo_db
        Level of diffuse scattering, dB against gland, shape (H, W).
    points
        Amplitude of single bright scatterers, shape (H, W).
    scanner
        Point-spread function, compounding and noise.
    spacing_mm
        Millimetres per pixel.
    rng
        The patient's stream for speckle.
    """
    amplitude = np.exp(echo_db * NEPER_PER_DB)
    power = np.zeros(echo_db.shape, dtype=np.float32)
    for _ in range(scanner.n_looks):
        power += _look(amplitude, points, scanner, spacing_mm, rng)
    filtered = gaussian_filter(power, SMOOTHING_PIXELS)
    power = scanner.smoothing * filtered + (1 - scanner.smoothing) * power
    return np.asarray(np.sqrt(power / scanner.n_looks + FLOOR))


def compress(
    envelope: NDArray[np.float32], scanner: Scanner, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the log-compressed image at the sonographer's gain, shape (H, W) uint8."""
    gain_db = scanner.gain_db + rng.normal(0, 3)
    range_db = scanner.dynamic_range_db + rng.uniform(-5, 5)
    level = GLAND_LEVEL + (20 * np.log10(envelope) + gain_db) / range_db
    return np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8)


def _look(
    amplitude: NDArray[np.float32],
    points: NDArray[np.float32],
    scanner: Scanner,
    spacing_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the received power of one beam direction, shape (H, W)."""
    real, imaginary = _scatterers(amplitude, points, scanner, spacing_mm, rng)
    noise = float(10 ** (scanner.noise_db / 20) / np.sqrt(2))
    power = np.zeros(amplitude.shape, dtype=np.float32)
    for part in (real, imaginary):
        received = _spread(part, scanner, spacing_mm)
        received += noise * rng.standard_normal(amplitude.shape, dtype=np.float32)
        power += received**2
    return power


def _scatterers(
    amplitude: NDArray[np.float32],
    points: NDArray[np.float32],
    scanner: Scanner,
    spacing_mm: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the real and the imaginary part of one scatterer a pixel, at a random depth in it."""
    shape = amplitude.shape
    sign = rng.standard_normal(shape, dtype=np.float32)
    strength = np.copysign(amplitude, sign) + points
    row = np.arange(shape[0], dtype=np.float32)[:, None] + rng.random(shape, dtype=np.float32)
    wavelength_mm = SPEED_MM_PER_US / scanner.frequency_mhz
    phase = 4 * np.pi * spacing_mm / wavelength_mm * row
    return strength * np.cos(phase), strength * np.sin(phase)


def _spread(part: NDArray[np.float32], scanner: Scanner, spacing_mm: float) -> NDArray[np.float32]:
    """Convolve with the point-spread function, which widens away from the focus.

    Each kernel has unit energy, so that diffuse scattering keeps its level.
    """
    axial = scanner.axial_mm / FWHM_PER_SD / spacing_mm
    lateral = scanner.lateral_mm / FWHM_PER_SD / spacing_mm
    pulse = gaussian_filter1d(part, axial, axis=0, truncate=3) * _to_unit_energy(axial)
    near = gaussian_filter1d(pulse, lateral, axis=1, truncate=3) * _to_unit_energy(lateral)
    lateral *= FAR_FIELD_WIDENING
    far = gaussian_filter1d(pulse, lateral, axis=1, truncate=3) * _to_unit_energy(lateral)
    depth = np.linspace(0, 1, part.shape[0], dtype=np.float32)[:, None]
    weight = np.abs(depth - 0.4) / 0.6
    return np.asarray((1 - weight) * near + weight * far, dtype=np.float32)


def _to_unit_energy(sd: float) -> float:
    """Return the factor that turns a Gaussian kernel of unit sum into one of unit energy."""
    offsets = np.arange(-int(3 * sd + 0.5), int(3 * sd + 0.5) + 1)
    kernel = np.exp(-0.5 * (offsets / sd) ** 2)
    return float(kernel.sum() / np.linalg.norm(kernel))
