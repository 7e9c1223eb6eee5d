"""Figures inside the report: as data URIs, placed and captioned by their names."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
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


def pictures(figures: Mapping[str, Figure]) -> dict[str, list[PageImage]]:
    """Pictures by key of ``captions.yaml``; what fits no key is under `FURTHER`.

    The largest drawings become pixels, where that is shorter, as long as all of them together
    exceed `MAX_BYTES`.
    """
    drawings = {name: _svg_uri(svg_bytes(figure)) for name, figure in figures.items()}
    heavy = _heavy({name: len(drawing) for name, drawing in drawings.items()})
    placed: dict[str, list[PageImage]] = {key: [] for key in (*load_text("captions"), FURTHER)}
    for name, figure in figures.items():
        key = figure_key(name)
        uri = min(drawings[name], _png_uri(figure), key=len) if name in heavy else drawings[name]
        arm, caption = _caption(name, key)
        placed[key].append(_picture(figure, uri, caption, arm))
    order = arms_in_order(picture.arm for found in placed.values() for picture in found)
    for found in placed.values():
        found.sort(key=lambda picture: order.index(picture.arm))
    return placed


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


def _picture(figure: Figure, uri: str, caption: str, arm: str = "") -> PageImage:
    width, height = (round(CSS_PIXELS * inches) for inches in figure.get_size_inches())
    return PageImage(uri, caption, width, height, arm=arm)


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


def _caption(name: str, key: str) -> tuple[str, str]:
    """Return the arm that a figure's name speaks of, and the figure's caption."""
    rest = name if key == FURTHER else name.removeprefix(key)
    rest = rest.removeprefix("s").removeprefix("_")
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
    subject = ", ".join(words)
    if key == FURTHER:
        return arm, f"{subject}."
    caption = load_text("captions")[key]
    return arm, f"{subject}. {caption}" if subject else caption


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
