"""Figures inside the report: as data URIs, placed and captioned by their names."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from matplotlib.figure import Figure

from her2.plots.export import png_bytes, svg_bytes
from her2.plots.text import ROLE_TITLES, arm_title, role_title, sentence_case
from her2.report.view import Picture
from her2.types import ARM_TITLES

MAX_SVG_BYTES = 500_000  # above (images, many thousand points) a PNG is smaller and draws faster
PNG_DPI = 200
CSS_PIXELS = 96  # per inch

CAPTIONS = {
    "flow": "Flow of patients from the rows of the patient table to training and test.",
    "examples": "Example images with the outline of the lesion's mask.",
    "roc": "Receiver operating characteristic curves; AUC with DeLong's 95 % interval.",
    "calibration": (
        "Calibration: observed frequency against mean predicted probability in groups of "
        "patients, with 95 % intervals; dashed, perfect calibration; below, the group sizes."
    ),
    "decision_curve": (
        "Decision curves: net benefit of acting on the model's probability, against treating "
        "everybody and nobody."
    ),
    "prediction": (
        "Predicted probability of every patient, sorted, drawn from the training threshold; "
        "colour is the true outcome, so a positive patient below the line was missed."
    ),
    "confusion": "Confusion counts at the training threshold, with shares of the true outcome.",
    "comparison": (
        "Difference of AUC, row minus column, with the Holm-adjusted p of DeLong's test; "
        "outlined where it is below .05."
    ),
}


def pictures(figures: Mapping[str, Figure]) -> dict[str, list[Picture]]:
    """Pictures by section key of `CAPTIONS`; what fits no key is under ``other``."""
    placed: dict[str, list[Picture]] = {key: [] for key in (*CAPTIONS, "other")}
    for name, figure in figures.items():
        key = next((key for key in CAPTIONS if name.startswith(key)), "other")
        placed[key].append(_picture(name, figure, key))
    return placed


def _picture(name: str, figure: Figure, key: str) -> Picture:
    width, height = (round(CSS_PIXELS * inches) for inches in figure.get_size_inches())
    subject = _subject(name.removeprefix(key) if key != "other" else name)
    caption = f"{subject}. {CAPTIONS[key]}" if subject and key != "other" else None
    text = caption or CAPTIONS.get(key, f"{subject}.")
    return Picture(_data_uri(figure), text, text, width, height)


def _subject(suffix: str) -> str:
    """Arm and role that a name such as ``_deep_learning_test`` speaks of."""
    rest = suffix.removeprefix("s").removeprefix("_")
    words = []
    for role in ROLE_TITLES:
        if rest == role or rest.endswith(f"_{role}"):
            words = [role_title(role)]
            rest = rest[: -len(role)].removesuffix("_")
    if rest in ARM_TITLES:
        words = [arm_title(rest), *words]
    elif rest not in ("", "curve", "curves", "panels"):
        words = [sentence_case(rest), *words]
    return ", ".join(words)


def _data_uri(figure: Figure) -> str:
    """Figure as an image: a drawing inside an image can neither run code nor fetch anything."""
    kind, content = "image/svg+xml", svg_bytes(figure)
    if len(content) > MAX_SVG_BYTES:
        kind, content = "image/png", png_bytes(figure, dpi=PNG_DPI)
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
