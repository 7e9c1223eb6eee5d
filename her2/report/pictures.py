"""Figures inside the report: as data URIs, placed and captioned by their names."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from matplotlib.figure import Figure

from her2.core.types import ARM_TITLES
from her2.plots.export import png_bytes, svg_bytes
from her2.plots.style import arms_in_order
from her2.plots.text import ROLE_TITLES, arm_title, role_title, sentence_case
from her2.report.page_parts import PageImage
from her2.report.texts import load_text

FURTHER = "further"
MAX_DRAWING = 400_000  # bytes; above (images, many points) pixels are fewer and draw faster
MAX_BYTES = 4_000_000  # of all figures: the report stays small enough to be sent around
PNG_DPI = 200
CSS_PIXELS = 96  # per inch
_PLAIN = " !$'*+,-./;=?[]^_`{|}~"  # may stand in a data URI as it is, and looks like no link
_COMMENT = re.compile(r"<!--.*?-->", flags=re.DOTALL)
_WHITE = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class PlacedPicture:
    """A picture and the arm it shows.

    Attributes
    ----------
    arm
        Arm in the name of the figure; empty if there is none.
    picture
        With its caption.
    """

    arm: str
    picture: PageImage


def pictures(figures: Mapping[str, Figure]) -> dict[str, list[PlacedPicture]]:
    """Pictures by key of ``captions.yaml``; what fits no key is under `FURTHER`.

    The largest drawings become pixels, where that is shorter, as long as all of them together
    exceed `MAX_BYTES`.
    """
    drawings = {name: _svg_uri(svg_bytes(figure)) for name, figure in figures.items()}
    heavy = _heavy({name: len(drawing) for name, drawing in drawings.items()})
    placed: dict[str, list[PlacedPicture]] = {key: [] for key in (*load_text("captions"), FURTHER)}
    for name, figure in figures.items():
        key = figure_key(name)
        uri = min(drawings[name], _png_uri(figure), key=len) if name in heavy else drawings[name]
        arm, caption = _caption(name, key)
        placed[key].append(PlacedPicture(arm, _picture(figure, uri, caption)))
    return {key: _by_arm(found) for key, found in placed.items()}


def captioned(figure: Figure, caption: str) -> PageImage:
    """One figure with a caption of its own; pixels where its drawing would be large."""
    drawing = _svg_uri(svg_bytes(figure))
    uri = min(drawing, _png_uri(figure), key=len) if len(drawing) > MAX_DRAWING else drawing
    return _picture(figure, uri, caption)


def figure_key(figure_name: str) -> str:
    """Start of a figure's name that places it, or `FURTHER`.

    Examples
    --------
    >>> figure_key("calibration_test"), figure_key("selection_lasso_dlr"), figure_key("rocket")
    ('calibration', 'selection_lasso', 'further')
    """
    captions: Mapping[str, str] = load_text("captions")
    fitting = [key for key in captions if re.match(rf"{key}(s?_|s?$)", figure_name)]
    return max(fitting, key=len, default=FURTHER)


def _picture(figure: Figure, uri: str, caption: str) -> PageImage:
    width, height = (round(CSS_PIXELS * inches) for inches in figure.get_size_inches())
    return PageImage(uri, caption, caption, width, height)


def _heavy(sizes: Mapping[str, int]) -> set[str]:
    heavy = {name for name, size in sizes.items() if size > MAX_DRAWING}
    light = sorted((n for n in sizes if n not in heavy), key=lambda n: (-sizes[n], n))
    total = sum(sizes[name] for name in light)
    for name in light:
        if total <= MAX_BYTES:
            break
        heavy.add(name)
        total -= sizes[name]
    return heavy


def _by_arm(found: list[PlacedPicture]) -> list[PlacedPicture]:
    order = {arm: position for position, arm in enumerate(arms_in_order(x.arm for x in found))}
    return sorted(found, key=lambda x: order[x.arm])


def _caption(name: str, key: str) -> tuple[str, str]:
    """Return the arm that a figure's name speaks of, and the figure's caption."""
    if key == FURTHER:
        arm, subject = _subject(name)
        return arm, f"{subject}."
    arm, subject = _subject(name.removeprefix(key))
    caption = load_text("captions")[key]
    return arm, f"{subject}. {caption}" if subject else caption


def _subject(suffix: str) -> tuple[str, str]:
    """Arm that a name such as ``_deep_learning_test`` speaks of, and its arm and role in words."""
    rest = suffix.removeprefix("s").removeprefix("_")
    words = []
    for role in ROLE_TITLES:
        if rest == role or rest.endswith(f"_{role}"):
            words = [role_title(role)]
            rest = rest[: -len(role)].removesuffix("_")
    arm = rest if rest in ARM_TITLES else ""
    if arm:
        words = [arm_title(arm), *words]
    elif rest not in ("", "curve", "curves", "panels"):
        words = [sentence_case(rest), *words]
    return arm, ", ".join(words)


def _svg_uri(drawing: bytes) -> str:
    """Drawing as an image: inside an image it can neither run code nor fetch anything.

    Percent-encoding is a quarter shorter than base64; a line break inside an address would be
    dropped by the browser and join two attributes.
    """
    text = _WHITE.sub(" ", _COMMENT.sub("", drawing.decode()))
    if "'" not in text:
        text = text.replace('"', "'")  # which needs no encoding
    return f"data:image/svg+xml,{quote(text, safe=_PLAIN)}"


def _png_uri(figure: Figure) -> str:
    content = base64.b64encode(png_bytes(figure, dpi=PNG_DPI)).decode("ascii")
    return f"data:image/png;base64,{content}"
