"""The report: complete, self-contained, escaped, the same bytes for the same input."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser

import pandas as pd
import pytest

from her2.plots import prediction_figure
from her2.report import render_report, write_report

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "</script><b>",
    "</style></title><svg onload=alert(1)>",
    "{{7*7}} {% raw %}",
    "' onmouseover='alert(1)",
)
URL_ATTRIBUTES = {"src", "href", "action", "srcset", "data", "xlink:href", "poster"}


class Page(HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.comments: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def handle_comment(self, data):
        self.comments.append(data)

    def shape(self) -> Counter:
        return Counter((tag, *sorted(attrs)) for tag, attrs in self.elements)

    def values(self, tag: str, attribute: str) -> list[str]:
        return [a[attribute] for t, a in self.elements if t == tag and attribute in a]


@pytest.fixture(scope="module")
def source(report) -> str:
    return render_report(report)


def test_same_input_same_bytes(report, source, tmp_path):
    path = write_report(tmp_path / "deep" / "report.html", report)
    assert path.read_bytes().decode() == source


def test_every_section_is_in_the_navigation_and_every_link_has_a_target(source):
    page = Page(source)
    anchors = page.values("section", "id")
    assert len(anchors) == len(set(anchors)) >= 14
    links = [link.removeprefix("#") for link in page.values("a", "href")]
    assert set(anchors) == set(links)


def test_the_page_fetches_nothing_and_runs_nothing(source):
    page = Page(source)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base", "audio"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in URL_ATTRIBUTES & set(attributes):
            assert attributes[name].startswith(("data:image/", "#"))
    assert not re.search(r"url\(|@import|https?://", source)


def test_the_content_policy_allows_only_inline_style_and_images(source):
    policy = next(
        attributes["content"]
        for tag, attributes in Page(source).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "script-src" not in policy


def test_simulated_patients_are_announced(report, source):
    assert "Simulated data." in source
    assert "Simulated data." not in render_report(dataclasses.replace(report, simulated=False))


def test_numbers_of_the_results_are_in_the_tables(source):
    texts = Page(source).texts
    for expected in ("0.823 (0.793–0.853)", "0.317", "−0.11", "7.91", ".442", "<.001", "0.178"):
        assert expected in texts, expected
    assert "lightgbm" in texts and "The mask is empty" in texts
    assert "0123456789abcdef" * 4 in texts


def test_figures_stand_in_their_sections_with_captions(source):
    flow = re.search(r'<section id="flow">.*?</section>', source, flags=re.S).group()
    assert "<b>Figure 1.</b> Flow of patients" in flow
    predictions = re.search(r'<section id="predictions">.*?</section>', source, flags=re.S).group()
    assert "Deep learning radiomics, Test." in predictions
    further = re.search(r'<section id="further">.*?</section>', source, flags=re.S).group()
    assert "Lasso path." in further


def test_missing_values_are_said_and_lead_to_the_notes(sparse_report):
    source = render_report(sparse_report)
    assert '<a class="missing" href="#notes">not estimable</a>' in source
    assert "all scores are identical" in source
    assert not re.search(r">\s*(None|nan|NaN)\s*<", source)
    assert "The cohort brought no clinical variable." in source
    assert "No problem was found in the input." in source


def test_a_result_without_counts_is_shown_without_them(report):
    results = {**report.results, "arms": {"dlr": _without_counts(report.results["arms"]["dlr"])}}
    source = render_report(dataclasses.replace(report, results=results, figures={}))
    confusion = re.search(r'<section id="confusion">.*?</section>', source, flags=re.S).group()
    assert confusion.count(">not estimable<") == 12


def _without_counts(arm):
    counts = {"tp", "fp", "tn", "fn"}
    roles = {r: {k: v for k, v in p.items() if k not in counts} for r, p in arm["roles"].items()}
    return {**arm, "roles": roles}


def test_further_tables_and_hundreds_of_candidates_have_their_place(report):
    many = pd.concat([report.model_selection] * 30, ignore_index=True)
    many["chosen"] = [position == 1199 for position in range(len(many))]
    odds = pd.DataFrame({"variable": ["pr"], "odds_ratio": [0.4217], "p_value": [0.00001]})
    source = render_report(
        dataclasses.replace(report, model_selection=many, tables={"logistic_model": odds})
    )
    assert "1\u202f174 further candidates" in source
    assert source.count(">chosen<") == 1
    assert "Logistic model" in source and "0.422" in Page(source).texts


@pytest.fixture(scope="module")
def plain(report) -> Page:
    """The page with a harmless word in the places of `_with_text`."""
    return Page(render_report(_with_text(report, "PLAIN")))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_hospital_stays_text(report, plain, text):
    page = Page(render_report(_with_text(report, text)))
    assert page.shape() == plain.shape()
    assert not page.comments
    assert page.texts.count(text) == plain.texts.count("PLAIN") > 10
    assert "49" not in page.texts


def _with_text(report, text):
    """Report with this text in every place that a user's file can reach."""
    baseline = report.baseline.assign(level=text)
    baseline.loc[0, "variable"] = text
    arms = {text: report.results["arms"]["dlr"] | {"model": text}}
    results = {
        **report.results,
        "arms": arms,
        "notes": [text],
        "comparisons": [],
        "timing": {text: 1.0},
        "cohort": {**report.results["cohort"], "name": text, "data_sha256": text},
        "mlflow": {"tracking_uri": text, "experiment": text, "run_id": text},
    }
    table = pd.DataFrame({"column": [text], text: [text]})
    figure = prediction_figure(
        pd.DataFrame({"y_true": [0, 1], "y_prob": [0.2, 0.8]}), 0.5, title=text
    )
    return dataclasses.replace(
        report,
        title=text,
        results=results,
        baseline=baseline,
        model_selection=report.model_selection.assign(parameters=text, classifier=text),
        problems=report.problems.assign(code=text, title=text),
        figures={text: figure},
        differences=[(text, text, text)],
        provenance={text: text},
        tables={text: table},
    )
