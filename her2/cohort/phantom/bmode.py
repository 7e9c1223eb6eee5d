"""From a lesion's traits to its masks and its B-mode image, as a scanner sees the tissue.

The pulse is a Gaussian times a carrier at the centre frequency. Its carrier is carried by the
phase of every scatterer (depth over wavelength, there and back), which leaves the envelope of
the received signal unchanged and needs no sampling finer than the pixels.

References
----------
Szabo, Diagnostic Ultrasound Imaging, 2nd ed., ch. 8 (speckle), doi:10.1016/C2011-0-07261-7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.sparse import csr_array

from her2.cohort.phantom.appearance import (
    Appearance,
    draw_appearance,
    filled,
    polar_grid,
    read_contour,
    true_contour,
)
from her2.cohort.phantom.patient_table import VENDORS, stream
from her2.core.errors import BadConfig

FloatImage = NDArray[np.float32]
BUMP_REACH = 4  # neighbours on each side that a Gaussian bump is carried to
SPEED_MM_PER_US = 1.54
NEPER_PER_DB = float(np.log(10) / 20)
FWHM_PER_SD = float(2 * np.sqrt(2 * np.log(2)))
FLOOR = 1e-6  # of the power: keeps the logarithm finite
FAR_FIELD_WIDENING = 1.7  # lateral width at the bottom of the image against the focus
SMOOTHING_PIXELS = (0.9, 1.3)  # of the scanner's speckle reduction
GLAND_LEVEL = 0.44  # of the grey scale


@dataclass(frozen=True)
class _Scanner:
    """Properties of a simulated scanner; axial_mm and lateral_mm are widths at half maximum."""

    spacing_mm: tuple[float, float]  # lowest and highest
    frequency_mhz: float
    axial_mm: float  # of the point-spread function at the focus
    lateral_mm: float
    dynamic_range_db: float
    n_compounded: int  # images averaged by spatial compounding
    smoothing: float  # share of the speckle filter in the image
    gain_db: float  # the usual setting
    noise_db: float  # electronic, against gland


SCANNERS = {
    VENDORS[0]: _Scanner((0.088, 0.102), 10.0, 0.17, 0.34, 62.0, 2, 0.55, 0.0, -36.0),
    VENDORS[1]: _Scanner((0.080, 0.092), 12.0, 0.15, 0.30, 66.0, 2, 0.65, 1.5, -38.0),
    VENDORS[2]: _Scanner((0.096, 0.112), 9.0, 0.20, 0.42, 58.0, 1, 0.5, -1.0, -34.0),
    VENDORS[3]: _Scanner((0.104, 0.120), 8.5, 0.22, 0.45, 60.0, 2, 0.6, 1.0, -33.0),
}


@dataclass(frozen=True)
class SimulatedLesion:
    """A simulated B-mode image and its masks.

    Attributes
    ----------
    pixels
        (H, W) uint8.
    true_mask, reader1, reader2
        (H, W) bool: the lesion, and how two readers draw it.
    spacing_mm
        (row, column) millimetres per pixel.
    """

    pixels: NDArray[np.uint8]
    true_mask: NDArray[np.bool_]
    reader1: NDArray[np.bool_]
    reader2: NDArray[np.bool_]
    spacing_mm: tuple[float, float]


def simulate_lesion(
    patient_id: str,
    *,
    outcome: int,
    has_calcification: bool,
    vendor: str,
    seed: int = 0,
    image_shape: tuple[int, int] = (400, 500),
) -> SimulatedLesion:
    """Return a HER2-positive (outcome 1) or HER2-negative (0) lesion; same arguments, same bytes.

    `image_shape` are rows and columns, each at least 128; the lesion takes 13 to 25 % of the
    columns.
    """
    if vendor not in SCANNERS:
        raise BadConfig(f"vendor must be one of {', '.join(VENDORS)}, found {vendor!r}: name one")
    scanner = SCANNERS[vendor]
    spacing = round(float(stream(seed, patient_id, "spacing").uniform(*scanner.spacing_mm)), 4)
    appearance = draw_appearance(
        outcome, has_calcification=has_calcification, rng=stream(seed, patient_id, "traits")
    )
    grid = polar_grid(appearance, image_shape)
    contour = true_contour(appearance, stream(seed, patient_id, "contour"))
    true_mask = filled(contour, grid)
    tissue = stream(seed, patient_id, "tissue")
    echo_db = backscatter_db(appearance, true_mask, spacing_mm=spacing, rng=tissue)
    points = calcifications(appearance, true_mask, tissue)
    speckle = stream(seed, patient_id, "speckle")
    envelope = receive(echo_db, points, scanner, spacing_mm=spacing, rng=speckle)
    reader1 = read_contour(contour, error=0.02, smoothing=9, rng=stream(seed, patient_id, "r1"))
    reader2 = read_contour(contour, error=0.07, smoothing=25, rng=stream(seed, patient_id, "r2"))
    return SimulatedLesion(
        pixels=compress(envelope, scanner, stream(seed, patient_id, "settings")),
        true_mask=true_mask,
        reader1=filled(reader1, grid),
        reader2=filled(reader2, grid),
        spacing_mm=(spacing, spacing),
    )


def receive(
    echo_db: FloatImage,
    points: FloatImage,
    scanner: _Scanner,
    *,
    spacing_mm: float,
    rng: np.random.Generator,
) -> FloatImage:
    """Return the envelope that the scanner receives, shape (H, W), > 0, about 1 in gland.

    `echo_db` (H, W) is the level of diffuse scattering against gland, `points` (H, W) the
    amplitude of single bright scatterers.
    """
    amplitude = np.exp(echo_db * NEPER_PER_DB)
    power = np.zeros(echo_db.shape, dtype=np.float32)
    for _ in range(scanner.n_compounded):
        power += _receive_once(amplitude, points, scanner, spacing_mm, rng)
    filtered = gaussian_filter(power, SMOOTHING_PIXELS)
    power = scanner.smoothing * filtered + (1 - scanner.smoothing) * power
    return np.asarray(np.sqrt(power / scanner.n_compounded + FLOOR))


def compress(
    envelope: FloatImage, scanner: _Scanner, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the log-compressed image at the sonographer's gain, shape (H, W) uint8."""
    gain_db = scanner.gain_db + rng.normal(0, 3)
    range_db = scanner.dynamic_range_db + rng.uniform(-5, 5)
    level = GLAND_LEVEL + (20 * np.log10(envelope) + gain_db) / range_db
    return np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8)


def _receive_once(
    amplitude: FloatImage,
    points: FloatImage,
    scanner: _Scanner,
    spacing_mm: float,
    rng: np.random.Generator,
) -> FloatImage:
    """Return the received power (H, W) of one beam direction.

    There is one scatterer a pixel, at a random depth in it.
    """
    shape = amplitude.shape
    sign = rng.standard_normal(shape, dtype=np.float32)
    strength = np.copysign(amplitude, sign) + points
    row = np.arange(shape[0], dtype=np.float32)[:, None] + rng.random(shape, dtype=np.float32)
    wavelength_mm = SPEED_MM_PER_US / scanner.frequency_mhz
    phase = 4 * np.pi * spacing_mm / wavelength_mm * row
    noise = float(10 ** (scanner.noise_db / 20) / np.sqrt(2))
    power = np.zeros(shape, dtype=np.float32)
    for part in (strength * np.cos(phase), strength * np.sin(phase)):  # real, imaginary
        received = _spread(part, scanner, spacing_mm)
        received += noise * rng.standard_normal(shape, dtype=np.float32)
        power += received**2
    return power


def _spread(part: FloatImage, scanner: _Scanner, spacing_mm: float) -> FloatImage:
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


def backscatter_db(
    appearance: Appearance, mask: NDArray[np.bool_], *, spacing_mm: float, rng: np.random.Generator
) -> FloatImage:
    """Return the echo level of layers, lesion and its shadow, shape (H, W), dB against gland.

    `mask` (H, W) is the true lesion.
    """
    layers = _layers_db(mask.shape, rng)
    inside = gaussian_filter(mask.astype(np.float32), appearance.edge_mm / spacing_mm)
    halo = gaussian_filter(mask.astype(np.float32), 0.8 / spacing_mm) * (1 - inside)
    scale = appearance.heterogeneity_mm / spacing_mm
    pattern = smooth_field(mask.shape, (0.8 * scale, 1.2 * scale), rng)
    lesion = appearance.contrast_db + appearance.heterogeneity_db * pattern
    echo = layers * (1 - inside) + lesion * inside + 2 * appearance.halo_db * halo
    return np.asarray(echo - _loss_db(appearance, inside, spacing_mm, rng))


def calcifications(
    appearance: Appearance, mask: NDArray[np.bool_], rng: np.random.Generator
) -> FloatImage:
    """Return the amplitude of bright points inside the lesion, shape (H, W), 0 elsewhere."""
    points = np.zeros(mask.shape, dtype=np.float32)
    inside = np.flatnonzero(mask)
    chosen = rng.choice(inside, min(appearance.n_calcifications, inside.size), replace=False)
    points.flat[chosen] = 10 ** (rng.uniform(14, 24, chosen.size) / 20)
    return points


def smooth_field(
    shape: tuple[int, ...], scale: tuple[float, float], rng: np.random.Generator
) -> FloatImage:
    """Return a Gaussian random field of unit variance, shape (H, W).

    `scale` is the standard deviation of its kernel along rows and columns, in pixels.
    """
    rows, columns = _bumps(shape[0], scale[0]), _bumps(shape[1], scale[1])
    size = (columns.shape[1], rows.shape[1])
    coefficients = rng.standard_normal(size, dtype=np.float32)
    return np.asarray(rows @ (columns @ coefficients).T)


def _bumps(length: int, scale: float) -> csr_array:
    """Return Gaussian bumps one `scale` apart, shape (length, n_bumps), rows of unit norm.

    Sparse, since each pixel sees nine bumps; and its products use no BLAS, whose last digits
    may depend on the number of threads.
    """
    position = np.arange(length) / scale
    first = np.floor(position).astype(np.int64)
    nearest = first[:, None] + np.arange(-BUMP_REACH, BUMP_REACH + 1)
    height = np.exp(-0.5 * (position[:, None] - nearest) ** 2)
    height /= np.sqrt((height**2).sum(axis=1, keepdims=True))
    starts = np.arange(length + 1) * height.shape[1]
    entries = (height.astype(np.float32).ravel(), (nearest + BUMP_REACH).ravel(), starts)
    return csr_array(entries, shape=(length, int(first[-1]) + 2 * BUMP_REACH + 1))


def _layers_db(shape: tuple[int, ...], rng: np.random.Generator) -> FloatImage:
    """Return skin, fat, gland and muscle with their fibres, dB."""
    height, width = shape
    row = (np.arange(height, dtype=np.float32) / height)[:, None]
    skin = rng.uniform(0.045, 0.065) + 0.004 * smooth_field((1, width), (1, width / 4), rng)
    fat = rng.uniform(0.16, 0.27) + 0.025 * smooth_field((1, width), (1, width / 6), rng)
    muscle = rng.uniform(0.80, 0.95) + 0.012 * smooth_field((1, width), (1, width / 3), rng)
    echo = _gland_db(shape, rng)
    echo = _blend(echo, rng.uniform(-11, -6) + _fibres_db(shape, 1.5, rng), row < fat)
    echo = _blend(echo, rng.uniform(-10, -5) + _fibres_db(shape, 0.9, rng), row > muscle)
    echo[row < skin] = rng.uniform(1, 5)
    for border, strength in ((0.006, 12.0), (skin, 8.0), (fat, 7.0), (muscle, 11.0)):
        echo += strength * np.exp(-0.5 * ((row - border) / 0.005) ** 2)
    return echo


def _gland_db(shape: tuple[int, ...], rng: np.random.Generator) -> FloatImage:
    """Return gland: lobules of fat between echogenic stroma, drawn out along the skin."""
    height, width = shape
    lobules = smooth_field(shape, (height / 45, width / 20), rng)
    stripes = smooth_field(shape, (height / 130, width / 12), rng)
    echo = rng.uniform(1.2, 2.8) * lobules + rng.uniform(1.0, 2.2) * stripes
    return _undulate(echo, rng) + _fibres_db(shape, rng.uniform(1.0, 1.7), rng)


def _fibres_db(shape: tuple[int, ...], threshold: float, rng: np.random.Generator) -> FloatImage:
    """Return thin bright strands along the skin, denser in places, dB above their tissue."""
    height, width = shape
    strands = smooth_field(shape, (1.2 * height / 400, width / 22), rng)
    density = 0.5 * smooth_field(shape, (height / 9, width / 7), rng)
    bright = np.asarray(7 * np.clip(strands + density - threshold, 0, 1.8), dtype=np.float32)
    return _undulate(bright, rng)


def _undulate(field: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return the field with its rows bent into waves, as fasciae and ligaments are."""
    height, width = field.shape
    shift = smooth_field(field.shape, (height / 6, width / 8), rng) * height / 32
    source = np.clip(np.arange(height)[:, None] + np.rint(shift).astype(int), 0, height - 1)
    return np.asarray(np.take_along_axis(field, source, axis=0))


def _blend(under: FloatImage, over: FloatImage, where: NDArray[np.bool_]) -> FloatImage:
    weight = gaussian_filter1d(where.astype(np.float32), 1.5, axis=0)
    return np.asarray(under * (1 - weight) + over * weight)


def _loss_db(
    appearance: Appearance, inside: FloatImage, spacing_mm: float, rng: np.random.Generator
) -> FloatImage:
    """Return attenuation that the gain does not undo: depth, poor contact, the lesion's shadow.

    Behind the lesion the loss is proportional to the path through it (Beer-Lambert), blurred
    more the wider the aperture that looks around it.
    """
    height, width = inside.shape
    depth = (np.arange(height, dtype=np.float32) / height)[:, None]
    contact = smooth_field((1, width), (1, width / 12), rng)
    path = gaussian_filter1d(np.cumsum(inside, axis=0), 0.5 / spacing_mm, axis=1) * spacing_mm
    shadow = np.clip(appearance.posterior_db_per_mm * path, -8, 14) * (1 - 0.8 * inside)
    focus = rng.uniform(-2, 2) * (depth - 0.45)
    return np.asarray(rng.uniform(4, 11) * depth**2 + focus + 1.2 * contact + shadow)
