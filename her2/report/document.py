"""The report as one self-contained HTML file: same input, same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from her2.core.store import write_atomic
from her2.plots.text import NOT_ESTIMABLE
from her2.report.content import ReportInput
from her2.report.frames import frames
from her2.report.headline import HeadlineArm, alarms, headline_arms, headline_columns, sentences
from her2.report.narrative import failed_checks
from her2.report.page_parts import Section
from her2.report.sections import sections, used_terms


def write_report(path: Path, report: ReportInput) -> Path:
    """Write the report as one HTML file and return its path."""
    write_atomic(path, render_report(report).encode())
    return path


def render_report(report: ReportInput) -> str:
    """HTML of the report; every string of the input is escaped."""
    tables = frames(report)
    return render_sections(
        title=report.title,
        simulated=report.simulated,
        sentences=sentences(report.results),
        alarms=alarms(report.results, failed_checks(tables)),
        sections=sections(report, tables),
        headline_columns=headline_columns(report.results),
        arms=headline_arms(report.results),
    )


def render_sections(
    *,
    title: str,
    simulated: bool,
    sentences: Sequence[str],
    alarms: Sequence[str],
    sections: Sequence[Section],
    headline_columns: Sequence[str] = (),
    arms: Sequence[HeadlineArm] = (),
) -> str:
    """HTML of a page: sentences and alarms, a line an arm if there are any, and sections."""
    script = _template("script.js")
    return _environment().get_template("report.html").render(
        title=title,
        simulated=simulated,
        headline_columns=headline_columns,
        arms=arms,
        sentences=sentences,
        alarms=alarms,
        sections=sections,
        terms=used_terms(sections),
        style=Markup(_template("style.css")),
        script=Markup(script),
        script_hash=content_hash(script),
    )  # fmt: skip


def content_hash(script: str) -> str:
    """Source expression of a Content-Security-Policy that allows this script and no other.

    Examples
    --------
    >>> content_hash("alert('Hello, world.');")
    "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"

    References
    ----------
    .. [1] W3C. Content Security Policy Level 3, section 6.7.3.
    """
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _template(name: str) -> str:
    return files("her2.report").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("her2.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["missing"] = NOT_ESTIMABLE
    return environment
