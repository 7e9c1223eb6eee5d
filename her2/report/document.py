"""Pages as self-contained HTML files: the report of a study, and shorter ones in its form."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from her2.core.store import write_atomic
from her2.report.headline import (
    headline_alarms,
    headline_arms,
    headline_columns,
    headline_sentences,
)
from her2.report.page_parts import Section, numbered
from her2.report.report_tables import ReportInput, all_tables
from her2.report.sections import sections, used_terms
from her2.report.table_columns import table_formats
from her2.report.tabulate import plain_format, tabulate


def write_report(path: Path, report: ReportInput) -> Path:
    """Write the report as one HTML file and return its path."""
    write_atomic(path, render_report(report).encode())
    return path


def render_report(report: ReportInput) -> str:
    """HTML of the report: same input, same bytes; every string of the input is escaped."""
    tables = all_tables(report)
    return _render(
        title=report.title,
        simulated=report.simulated,
        sentences=headline_sentences(report.results),
        alarms=headline_alarms(report.results, tables),
        sections=sections(report, tables),
        headline_columns=headline_columns(report.results),
        arms=headline_arms(report.results),
    )


def write_sections(
    path: Path,
    *,
    title: str,
    simulated: bool,
    sentences: Sequence[str],
    alarms: Sequence[str],
    sections: Sequence[Section],
) -> Path:
    """Write a page in the form of the report, sentences and red alarms on top; return its path.

    The figures and tables of the sections get their numbers here.
    """
    text = _render(
        title=title, simulated=simulated, sentences=sentences, alarms=alarms,
        sections=sections, headline_columns=(), arms=(),
    )  # fmt: skip
    write_atomic(path, text.encode())
    return path


def write_page(
    path: Path,
    *,
    title: str,
    simulated: bool,
    sentences: Sequence[str],
    alarms: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
) -> Path:
    """Write a page of tables, each a section, and return its path; see `write_sections`.

    A table of a name that the report knows has the report's form.
    """
    found = []
    for name, frame in tables.items():
        how = table_formats().get(name, plain_format(name))
        found.append(Section(name.replace("_", "-"), how.caption, (), (tabulate(frame, how),)))
    return write_sections(
        path, title=title, simulated=simulated, sentences=sentences, alarms=alarms, sections=found
    )


def _render(*, sections: Sequence[Section], **content: object) -> str:
    """HTML of a page; its figures and tables get numbers."""
    script = _template("script.js")
    environment = Environment(
        loader=PackageLoader("her2.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        sections=numbered(sections),
        terms=used_terms(sections),
        style=Markup(_template("style.css")),
        script=Markup(script),
        script_hash=content_hash(script),
        **content,
    )


def content_hash(script: str) -> str:
    """Source expression of a Content-Security-Policy that allows this script and no other.

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
