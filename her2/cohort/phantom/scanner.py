"""The scanners of the simulated cohort: resolution, dynamic range, pixel size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scanner:
    """What a vendor's image looks like.

    spacing_mm: lowest and highest pixel size; frequency_mhz: centre of the pulse;
    axial_mm, lateral_mm: full width at half maximum of the point-spread function at the focus;
    dynamic_range_db: of the log compression; n_looks: images averaged by spatial compounding;
    smoothing: share of the speckle filter in the image; gain_db: usual setting; noise_db:
    electronic noise against gland.
    """

    name: str
    spacing_mm: tuple[float, float]
    frequency_mhz: float
    axial_mm: float
    lateral_mm: float
    dynamic_range_db: float
    n_looks: int
    smoothing: float
    gain_db: float
    noise_db: float


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("SIMULATED A", (0.088, 0.102), 10.0, 0.17, 0.34, 62.0, 2, 0.55, 0.0, -36.0),
        Scanner("SIMULATED B", (0.080, 0.092), 12.0, 0.15, 0.30, 66.0, 2, 0.65, 1.5, -38.0),
        Scanner("SIMULATED C", (0.096, 0.112), 9.0, 0.20, 0.42, 58.0, 1, 0.5, -1.0, -34.0),
        Scanner("SIMULATED D", (0.104, 0.120), 8.5, 0.22, 0.45, 60.0, 2, 0.6, 1.0, -33.0),
    )
}
VENDORS = tuple(SCANNERS)
