"""A look across all lesions of a cohort: scales, sizes and scanners that do not go together.

Each lesion alone may be flawless. What is found here is on the cohort as a whole: one note a code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from her2.cohort.outcome import listed
from her2.cohort.problems import Note
from her2.cohort.verify import Verified

FEWEST_BINS, MOST_BINS = 4, 512
_RARE = 0.05  # of the lesions
DIAMETERS_MM = (1.0, 200.0)
_OUTLYING = 8.0  # times the typical pixel: a factor of 10 remains where pixels differ a little
_TELLS = 0.8  # AUC
_CHANCE = 0.005
_FEWEST = 5  # lesions of either outcome
_SCALES = ((1.0, "0 to 1"), (255.0, "8 bits"), (4095.0, "12 bits"), (np.inf, "16 bits"))
_SIGNED = "levels below 0"
_BRANDS = (
    "philips", "siemens", "samsung", "sonosite", "mindray", "esaote", "supersonic", "hitachi",
    "aloka", "fujifilm", "hologic", "toshiba", "canon", "ge", "alpinion", "sonoscape",
)  # fmt: skip
_ALIASES = {
    "medison": "samsung",
    "gems": "ge",
    "acuson": "siemens",
    "general": "ge",
    "迈瑞": "mindray",
}
_COMMON_WORDS = frozenset((
    "medical", "systems", "system", "healthcare", "health", "ultrasound", "ultrasonics",
    "diagnostic", "diagnostics", "imaging", "electronics", "technologies", "technology",
    "corporation", "corp", "company", "co", "ltd", "limited", "inc", "gmbh", "ag", "sa", "spa",
    "bv", "llc", "nv", "kg",
))  # fmt: skip


def look_across(
    outcomes: Sequence[int], verified: Sequence[Verified], *, bin_width: float | None = None
) -> list[Note]:
    """Return what is wrong with the lesions of a cohort side by side.

    Parameters
    ----------
    outcomes
        (n_lesions,), 0 or 1.
    verified
        The same lesions.
    bin_width
        Of the study's features; None: bins are not counted.
    """
    y = np.asarray(outcomes, dtype=np.int64)
    return [
        *_scales(y, verified),
        *_grey_range(y, verified),
        *_bins(verified, bin_width),
        *_diameters(verified),
        *_pixel_sizes(verified),
        *_vendors([found.vendor for found in verified]),
    ]


def one_name_a_vendor(names: Iterable[str | None]) -> list[str | None]:
    """Return vendors so that one has one name: the commonest of those under which it occurs.

    >>> one_name_a_vendor(["PHILIPS", "Philips Medical Systems", "GE Healthcare", "PHILIPS", None])
    ['PHILIPS', 'PHILIPS', 'GE Healthcare', 'PHILIPS', None]
    """
    found = list(names)
    spellings: dict[str, Counter[str]] = {}
    for name in found:
        if name is not None:
            spellings.setdefault(_brand(name), Counter())[name] += 1
    chosen = {
        brand: min(counts, key=lambda name: (-counts[name], name))
        for brand, counts in spellings.items()
    }
    return [None if name is None else chosen[_brand(name)] for name in found]


def _brand(name: str) -> str:
    """Return what names of one vendor share: the brand, or the words that are no legal form.

    >>> _brand("SAMSUNG MEDISON CO., LTD."), _brand("Simulated A"), _brand("GE Vingmed Ultrasound")
    ('samsung', 'simulated a', 'ge')
    """
    words = [_ALIASES.get(word, word) for word in re.findall(r"[^\W_]+", name.casefold())]
    known = [brand for brand in _BRANDS if brand in words]
    own = [word for word in words if word not in _COMMON_WORDS]
    return known[0] if known else " ".join(own) or name


def _vendors(names: Sequence[str | None]) -> list[Note]:
    unified = one_name_a_vendor(names)
    spellings: dict[str, set[str]] = {}
    for name, one in zip(names, unified, strict=True):
        if name is not None and one is not None:
            spellings.setdefault(one, set()).add(name)
    merged = [f"{one!r} for {listed(sorted(given))}"
              for one, given in sorted(spellings.items()) if len(given) > 1]  # fmt: skip
    if not merged:
        return []
    what = f"a vendor has several names; it is {'; '.join(merged)}"
    return [Note("A06", what, "check that these names are one vendor")]


def _scales(y: NDArray[np.int64], verified: Sequence[Verified]) -> list[Note]:
    """Lesions whose grey levels are stored on different scales, by outcome and vendor."""
    scales = [_scale(found.levels) for found in verified]
    if len(set(scales) - {""}) < 2:
        return []
    vendors = one_name_a_vendor(found.vendor for found in verified)
    parts = []
    for scale in (_SIGNED, *(name for _, name in _SCALES)):
        members = [i for i, found in enumerate(scales) if found == scale]
        made_by = sorted({str(vendors[i]) for i in members if vendors[i] is not None})
        by = f", by {listed(made_by, 3)}" if made_by else ""
        if members:
            n_positive = int(y[members].sum())
            parts.append(f"{len(members)} x {scale} ({n_positive} positive{by})")
    fix = "export all images with one bit depth; grey levels of two scales cannot be compared"
    return [Note("A01", f"grey levels of several scales: {', '.join(parts)}", fix)]


def _scale(levels: tuple[float, float] | None) -> str:
    if levels is None:
        return ""
    if levels[0] < 0:
        return _SIGNED
    return next(name for top, name in _SCALES if levels[1] <= top)


def _grey_range(y: NDArray[np.int64], verified: Sequence[Verified]) -> list[Note]:
    """Lowest or highest grey levels of whole images by which the outcome can be told."""
    known = np.array([found.levels is not None for found in verified], dtype=bool)
    levels = np.array([found.levels for found in verified if found.levels is not None])
    of = y[known]
    if min((of == 1).sum(), (of == 0).sum()) < _FEWEST:
        return []
    told = []
    for place, name in enumerate(("lowest", "highest")):
        test = stats.mannwhitneyu(levels[of == 1, place], levels[of == 0, place])
        auc = float(test.statistic) / float((of == 1).sum() * (of == 0).sum())
        if max(auc, 1 - auc) >= _TELLS and test.pvalue < _CHANCE:
            told.append(f"{name} {auc:.2f}")
    if not told:
        return []
    what = f"the grey range of the image tells the outcome (AUC of its levels: {', '.join(told)})"
    return [Note("A02", what, "find out how the images of either outcome were exported")]


def _bins(verified: Sequence[Verified], bin_width: float | None) -> list[Note]:
    """Lesions whose grey levels fall into too few or too many bins for texture."""
    ranges = np.array(
        [found.lesion_levels for found in verified if found.lesion_levels is not None]
    )
    if bin_width is None or not ranges.size:
        return []
    edges = np.floor(ranges / bin_width)
    n_bins = edges[:, 1] - edges[:, 0] + 1
    few, many = int((n_bins < FEWEST_BINS).sum()), int((n_bins > MOST_BINS).sum())
    if few + many <= _RARE * len(n_bins):
        return []
    span = f"{n_bins.min():.0f} to {n_bins.max():.0f}, typically {np.median(n_bins):.0f}"
    what = (
        f"a bin width of {bin_width:g} makes {span} bins a lesion; {few} lesions have fewer than "
        f"{FEWEST_BINS}, {many} more than {MOST_BINS}"
    )
    return [Note("A03", what, "choose a bin width for these grey levels (radiomics.params)")]


def _diameters(verified: Sequence[Verified]) -> list[Note]:
    known = np.array([found.diameter_mm for found in verified if found.diameter_mm is not None])
    odd = known[(known < DIAMETERS_MM[0]) | (known > DIAMETERS_MM[1])]
    if not odd.size:
        return []
    low, high = DIAMETERS_MM
    span = f"{odd.min():.3g}" + (f" to {odd.max():.3g}" if odd.size > 1 else "")
    what = f"{odd.size} lesions of {span} mm, expected {low:g} to {high:g} mm"
    return [Note("A04", what, "check the unit of spacing_mm: millimetres a pixel, such as 0.1")]


def _pixel_sizes(verified: Sequence[Verified]) -> list[Note]:
    sizes = np.array([np.sqrt(found.spacing_mm[0] * found.spacing_mm[1])
                      for found in verified if found.spacing_mm is not None])  # fmt: skip
    if not sizes.size:
        return []
    typical = float(np.median(sizes))
    odd = sizes[(sizes > _OUTLYING * typical) | (sizes < typical / _OUTLYING)]
    if not odd.size:
        return []
    span = f"{odd.min():.3g} to {odd.max():.3g} mm"
    what = f"{odd.size} of {sizes.size} lesions have pixels of {span}, most of {typical:.3g} mm"
    return [Note("A05", what, "check whether centimetres or micrometres stand among millimetres")]
