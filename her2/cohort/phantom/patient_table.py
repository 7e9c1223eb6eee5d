"""The clinical table of the simulated cohort.

Margins are those of Table 1 of the study. Associations with HER2 are odds ratios of logistic
fits *with* an intercept, reconstructed from the printed cells (the printed ones were fitted
without). Covariates are drawn given the outcome, so the odds ratio of every binary variable
alone is exact in the limit, and the number of positives is exact in every cohort.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from her2.core.errors import BadConfig

VENDORS = ("SIMULATED A", "SIMULATED B", "SIMULATED C", "SIMULATED D")
PREVALENCE = 58 / 201
AGE_MEAN, AGE_SD, AGE_RANGE = 54.0, 11.04, (24, 88)
KI67_MEAN, KI67_SD, KI67_RANGE = 38.78, 23.31, (1.0, 95.0)
MENOPAUSE_AGE_SD = 3.0
ER_PR_CORRELATION = 0.6  # within HER2-negative and within HER2-positive patients
MISSING_CA199 = 0.02


class _Association(NamedTuple):
    """A binary variable: share of the patients, 0 to 1, and odds ratio with HER2 positivity."""

    prevalence: float
    odds_ratio: float


# The cells of PR cannot be reconstructed (its printed odds fit no split of the 84 PR-positive
# training patients). With 0.26 alone, PR keeps 0.44 beside ER, inside the printed multivariable
# interval (0.15 to 0.78).
ASSOCIATIONS = {
    "er": _Association(142 / 201, 0.240),
    "pr": _Association(118 / 201, 0.260),
    "lymph_node_metastasis": _Association(67 / 201, 1.323),
    "calcification": _Association(80 / 201, 2.238),
    "menopause": _Association(110 / 201, 1.174),
    "family_history": _Association(8 / 201, 1.528),
}
TUMOUR_MARKERS = {"ca125": (65.24, 38.06), "ca199": (13.08, 34.56), "ca153": (9.19, 7.71)}
# CEA: mean 4.80, SD 37.12, which one disseminated patient in a hundred brings about.
CEA_USUAL, CEA_DISSEMINATED, CEA_DISSEMINATED_SHARE = (1.98, 2.09), (284.0, 242.0), 0.01


def simulate_table(n_patients: int, seed: int = 0) -> pd.DataFrame:
    """Return the simulated clinical table, one row a patient, in an order without meaning.

    ``round(n_patients * 58 / 201)`` patients are HER2-positive. `her2_fish` is "" where the
    immunohistochemistry needs none; `ca199` has missing values.
    """
    if n_patients < 2:
        raise BadConfig(
            f"a simulated cohort needs at least 2 patients, found {n_patients}: "
            "raise cohort.n_patients"
        )
    outcome = _draw_outcome(n_patients, stream(seed, "outcome"))
    ihc, fish = _draw_assays(outcome, stream(seed, "assays"))
    age, postmenopausal = _draw_age_and_menopause(outcome, stream(seed, "age"))
    er, pr = _draw_receptors(outcome, stream(seed, "receptors"))
    return pd.DataFrame(
        {
            "patient_id": [f"SIM-{number:04d}" for number in range(1, n_patients + 1)],
            "lesion_id": "L1",
            "her2_ihc": ihc,
            "her2_fish": fish,
            "vendor": stream(seed, "vendor").choice(VENDORS, n_patients),
            "age": age,
            "ki67": _draw_ki67(n_patients, stream(seed, "ki67")),
            "cea": _draw_cea(n_patients, stream(seed, "cea")),
            **_draw_markers(n_patients, seed),
            "er": np.where(er, "positive", "negative"),
            "pr": np.where(pr, "positive", "negative"),
            **{name: _draw_yes(name, outcome, seed) for name in _YES_OR_NO[:2]},
            "menopause": np.where(postmenopausal, "post", "pre"),
            **{name: _draw_yes(name, outcome, seed) for name in _YES_OR_NO[2:]},
        }
    )


_YES_OR_NO = ("lymph_node_metastasis", "calcification", "family_history")


def her2_positive(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the outcome of each row, shape (n_patients,): 1 for IHC 3+, or 2+ with FISH."""
    amplified = (table["her2_ihc"] == "2+") & (table["her2_fish"] == "positive")
    positive = (table["her2_ihc"] == "3+") | amplified
    return np.asarray(positive, dtype=np.int64)


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of names, for example ``("image", "SIM-0001")``, and this seed."""
    if seed < 0:
        raise BadConfig(
            f"the seed must be 0 or more, found {seed}: set a seed that is not negative"
        )
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").astype(int).tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def _shares(name: str, outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of a binary variable given each patient's outcome (n,).

    The two are the only pair with its odds ratio whose mixture is its prevalence.
    """
    prevalence, odds_ratio = ASSOCIATIONS[name]

    def positive(negative: float) -> float:
        return float(expit(logit(negative) + np.log(odds_ratio)))

    def excess(negative: float) -> float:
        mixture = PREVALENCE * positive(negative) + (1 - PREVALENCE) * negative
        return mixture - prevalence

    negative = float(brentq(excess, 1e-9, 1 - 1e-9))
    return np.array([negative, positive(negative)])[outcome]


def _draw_outcome(n_patients: int, rng: np.random.Generator) -> NDArray[np.int64]:
    n_positive = max(1, round(n_patients * PREVALENCE))
    outcome = np.zeros(n_patients, dtype=np.int64)
    outcome[:n_positive] = 1
    return np.asarray(rng.permutation(outcome), dtype=np.int64)


def _draw_assays(
    outcome: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Draw IHC and FISH that agree with the outcome; every 2+ has a FISH result."""
    negative = rng.choice(["0", "1+", "2+"], outcome.size, p=[0.35, 0.40, 0.25])
    positive = rng.choice(["2+", "3+"], outcome.size, p=[0.20, 0.80])
    ihc = np.where(outcome == 1, positive, negative)
    fish = np.where(outcome == 1, "positive", "negative")
    return ihc, np.where(ihc == "2+", fish, "")


def _draw_age_and_menopause(
    outcome: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw ages, and whether each is above the patient's own age at menopause."""
    age = np.clip(rng.normal(AGE_MEAN, AGE_SD, outcome.size), *AGE_RANGE)
    jitter = np.clip(rng.normal(size=outcome.size), -2, 2) * MENOPAUSE_AGE_SD
    share = _shares("menopause", outcome)
    usual = AGE_MEAN - ndtri(share) * np.hypot(AGE_SD, MENOPAUSE_AGE_SD)
    return np.rint(age).astype(np.int64), age > usual + jitter


def _draw_receptors(
    outcome: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw ER and PR, correlated by `ER_PR_CORRELATION` within each outcome."""
    er_share = _shares("er", outcome)
    pr_share = _shares("pr", outcome)
    spread = np.sqrt(er_share * (1 - er_share) * pr_share * (1 - pr_share))
    both = er_share * pr_share + ER_PR_CORRELATION * spread
    er = rng.random(outcome.size) < er_share
    pr_given_er = np.where(er, both / er_share, (pr_share - both) / (1 - er_share))
    return er, rng.random(outcome.size) < pr_given_er


def _draw_yes(name: str, outcome: NDArray[np.int64], seed: int) -> NDArray[np.str_]:
    drawn = stream(seed, name).random(outcome.size)
    return np.where(drawn < _shares(name, outcome), "yes", "no")


def _draw_ki67(n_patients: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw percentages from the beta distribution with the stated mean, SD and range."""
    low, high = KI67_RANGE
    mean, sd = (KI67_MEAN - low) / (high - low), KI67_SD / (high - low)
    size = mean * (1 - mean) / sd**2 - 1
    share = rng.beta(mean * size, (1 - mean) * size, n_patients)
    return np.asarray(np.round(low + (high - low) * share, 2))


def _draw_cea(n_patients: int, rng: np.random.Generator) -> NDArray[np.float64]:
    usual = _lognormal(*CEA_USUAL, n_patients, rng)
    disseminated = _lognormal(*CEA_DISSEMINATED, n_patients, rng)
    is_disseminated = rng.random(n_patients) < CEA_DISSEMINATED_SHARE
    return np.asarray(np.round(np.where(is_disseminated, disseminated, usual), 2), np.float64)


def _draw_markers(n_patients: int, seed: int) -> dict[str, NDArray[np.float64]]:
    markers = {
        name: np.round(_lognormal(mean, sd, n_patients, stream(seed, name)), 2)
        for name, (mean, sd) in TUMOUR_MARKERS.items()
    }
    missing = stream(seed, "missing").random(n_patients) < MISSING_CA199
    markers["ca199"][missing] = np.nan
    return markers


def _lognormal(mean: float, sd: float, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from the lognormal with this mean and SD (of the values, not of their logarithm)."""
    log_variance = np.log1p((sd / mean) ** 2)
    return rng.lognormal(np.log(mean) - log_variance / 2, np.sqrt(log_variance), size)
