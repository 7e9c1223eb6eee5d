"""The report: complete, self-contained, escaped, the same bytes for the same input."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import time
from collections import Counter
from html.parser import HTMLParser
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from her2.plots import prediction_panels
from her2.report import render_report, write_report
from her2.report.report_tables import all_tables
from her2.report.table_columns import table_formats

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "</script><script>alert(1)</script>",
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


def section(source: str, anchor: str) -> str:
    found = re.search(rf'<section id="{anchor}">.*?</section>', source, flags=re.S)
    return found.group() if found else ""


@pytest.fixture(scope="module")
def source(report) -> str:
    return render_report(report)


def test_same_input_same_bytes(report, source, tmp_path):
    path = write_report(tmp_path / "deep" / "report.html", report)
    assert path.read_bytes().decode() == source


def test_the_report_is_small_and_quick_beyond_its_figures(report, source):
    assert len(source.encode()) < 6_000_000
    start = time.perf_counter()
    render_report(dataclasses.replace(report, figures={}))
    assert time.perf_counter() - start < 3.0


def test_every_section_is_in_the_navigation_and_every_link_has_a_target(source):
    page = Page(source)
    anchors = page.values("section", "id")
    assert len(anchors) == len(set(anchors)) >= 20
    links = [link.removeprefix("#") for link in page.values("a", "href")]
    assert set(anchors) == set(links)


def test_sections_stand_in_the_order_of_a_results_part(source):
    assert Page(source).values("section", "id") == [
        "headline", "flow", "baseline", "clinical", "readers", "super-resolution", "features",
        "performance", "roc",
        "calibration", "decision-curves", "predictions", "individual-risks", "confusion",
        "comparisons", "nomogram",
        "grad-cam", "importance", "robustness", "model-selection", "audit", "checklists",
        "further", "notes", "differences", "provenance", "terms",
    ]  # fmt: skip


def test_no_section_is_an_empty_box(source, sparse_report):
    for text in (source, render_report(sparse_report)):
        for anchor in Page(text).values("section", "id"):
            content = section(text, anchor).split("</h2>", 1)[1]
            assert re.search(r"<(p|table|img|li|dt)[ >]", content), anchor
    sparse = render_report(sparse_report)
    for anchor in ("clinical", "readers", "super-resolution", "nomogram", "grad-cam", "robustness",
                   "checklists"):  # fmt: skip
        assert not section(sparse, anchor)
    assert "This study brought no such figure." in section(sparse, "roc")


def test_the_page_fetches_nothing_and_runs_its_one_script(source):
    page = Page(source)
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["script"] == 1
    assert not {"link", "iframe", "object", "embed", "form", "base", "audio"} & set(tags)
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in URL_ATTRIBUTES & set(attributes):
            assert attributes[name].startswith(("data:image/", "#"))
    assert not re.search(r"url\(|@import|https?://", source)


def test_the_addresses_of_figures_cannot_leave_their_attribute(report, source):
    """They are the one string that the template does not escape."""
    hostile = render_report(_with_text(report, HOSTILE[2]))
    found = Page(source).values("img", "src") + Page(hostile).values("img", "src")
    assert len(found) > 30
    for uri in found:
        assert re.fullmatch(r"data:image/(svg\+xml,[^\"&<>\n]+|png;base64,[A-Za-z0-9+/=]+)", uri)


def test_large_drawings_become_pixels_where_that_is_shorter(report):
    many = Figure(figsize=(3, 3))
    many.subplots().scatter(np.linspace(0, 1, 3000), np.linspace(0, 1, 3000) ** 2)
    figures = {"roc": many, "nomogram": report.figures["nomogram"]}

    def kinds(budget):
        with mock.patch("her2.report.sections.MAX_BYTES", budget):
            text = render_report(dataclasses.replace(report, figures=figures))
        return [uri[:14] for uri in Page(text).values("img", "src")]

    assert kinds(10**7) == ["data:image/svg", "data:image/svg"]
    assert kinds(0) == ["data:image/png", "data:image/svg"]


def test_the_content_policy_allows_only_that_script(source):
    policy = next(
        attributes["content"]
        for tag, attributes in Page(source).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    script = re.search(r"<script>(.*)</script>", source, flags=re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_the_script_cannot_end_early_and_evaluates_no_text(source):
    script = re.search(r"<script>(.*)</script>", source, flags=re.S).group(1)
    assert "<" not in script.replace(" < ", "")  # no tag and no comment can begin
    assert not re.search(
        r"\beval\b|Function\(|innerHTML|outerHTML|document\.write|fetch\(", script
    )
    assert not re.search(r"XMLHttpRequest|WebSocket|import\(|localStorage|setTimeout", script)


def test_simulated_patients_are_announced(report, source):
    assert "Simulated data." in source
    assert "Simulated data." not in render_report(dataclasses.replace(report, simulated=False))


def test_numbers_of_the_results_are_in_the_tables(source):
    texts = Page(source).texts
    for expected in ("0.823", "(0.793 to 0.853)", "0.317", "−0.11", "7.91", ".637", "<.001"):
        assert expected in texts, expected
    assert "lightgbm" in texts and "The mask is empty" in texts
    assert "0123456789abcdef" * 4 in texts


def test_the_primary_estimate_stands_before_the_single_split(source):
    text = section(source, "performance")
    assert text.index("Primary estimate") < text.index("Discrimination, and classification")
    assert "ranked first in 20 repeats of 5-fold cross-validation" in text
    headline = section(source, "headline")
    assert headline.index("Cross-validated") < headline.index("Test (single split)")


def test_figures_stand_in_their_sections_with_captions(source):
    assert "<b>Figure 1.</b> Flow of patients" in section(source, "flow")
    assert "Deep learning radiomics, Test." in section(source, "predictions")
    assert "Lasso path." in section(source, "further")
    assert "Grad-CAM: regions" in section(source, "grad-cam")
    features = section(source, "features")
    assert features.index("Radiomics. LASSO") < features.index("Deep learning. Distribution")
    numbers = [int(n) for n in re.findall(r"<figcaption><b>Figure (\d+)\.", source)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_tables_are_numbered_and_the_two_parts_of_table_1_share_a_number(source, report):
    labels = re.findall(r"<b>Table (\w+)\.</b>", source)
    assert labels[:4] == ["1a", "1b", "2", "3"]
    assert labels[2:] == [str(n) for n in range(2, len(labels))]
    alone = {k: v for k, v in report.tables.items() if k != "baseline_outcome"}
    text = render_report(dataclasses.replace(report, tables=alone))
    assert re.findall(r"<b>Table (\w+)\.</b>", text)[:2] == ["1", "2"]


def test_every_named_table_is_shown_under_its_caption(source):
    for name, how in table_formats().items():
        if name not in ("audit_arms", "audit_power"):  # of the audit's own page
            assert how.caption in source, name
    assert "900 rows" not in source  # points of a curve belong to its figure


def test_patients_are_not_named(source):
    assert "CANARY" not in source
    assert "Patients are not named here" in section(source, "readers")


def test_every_explained_term_has_its_explanation_and_stands_in_the_glossary(source):
    page = Page(source)
    asked = set(page.values("button", "popovertarget"))
    explained = set(page.values("div", "id"))
    assert len(asked) > 25 and asked <= explained
    glossary = section(source, "terms")
    for name in ("AUC", "Wilson", "Holm", "ICI", "NRI", "VIF", "SMD", "Nogueira"):
        assert f"<dt>{name}</dt>" in glossary, name


def test_checklists_are_folded_with_their_answers_counted(source):
    text = section(source, "checklists")
    assert text.count("<details") == text.count("<summary") == 3
    assert "30 items: 15 met, 5 not met, 5 need the author, 5 not applicable" in text


def test_missing_values_are_said_and_lead_to_the_notes(sparse_report):
    source = render_report(sparse_report)
    assert '<a class="missing" href="#notes">not estimable</a>' in source
    assert "all scores are identical" in source
    assert not re.search(r">\s*(None|nan|NaN)\s*<", source)
    assert "The cohort brought no clinical variable." in source
    assert "No problem was found in the input." in source


def test_tables_full_of_missing_values_never_say_nan(report):
    tables = {name: _without_numbers(table) for name, table in report.tables.items()}
    text = render_report(dataclasses.replace(report, tables=tables, figures={}))
    assert not re.findall(r">[^<]*\b(?:None(?! of)|nan|NaN|NaT|inf)\b[^<]*<", text)
    for anchor in ("readers", "performance", "comparisons", "nomogram", "robustness"):
        assert section(text, anchor).count(">not estimable<") >= 5, anchor
    assert section(text, "clinical").count(">\N{EN DASH}<") > 40


def _without_numbers(table: pd.DataFrame) -> pd.DataFrame:
    numbers = [c for c in table if pd.api.types.is_numeric_dtype(table[c].dtype)]
    empty = table.astype(object)
    empty[numbers] = None
    return empty


def test_a_failed_check_rings_the_alarm(report):
    audit = report.tables["audit"].assign(passed=[True, False, True, True])
    tables = {**report.tables, "audit": audit}
    text = render_report(dataclasses.replace(report, tables=tables, figures={}))
    headline = section(text, "headline")
    assert "A check of the protocol failed: poisoned test patients, found same." in headline


def test_a_result_without_counts_is_shown_without_them(report):
    results = {**report.results, "arms": {"dlr": _without_counts(report.results["arms"]["dlr"])}}
    source = render_report(dataclasses.replace(report, results=results, figures={}))
    assert section(source, "confusion").count(">not estimable<") == 12


def test_results_of_an_older_run_are_shown_as_far_as_they_go(report):
    """No limits of errors and shares, no prevalence, no ICI, no choice: columns are left out."""
    new = "brier_|calibration_.*_|.*large|ici|e50|e90|prev|sens.*_|ppv_|f1_|accuracy_"
    arm = report.results["arms"]["dlr"]
    roles = {
        role: {k: v for k, v in p.items() if not re.match(new, k)}
        for role, p in arm["roles"].items()
    }
    results = {**report.results, "arms": {"dlr": {**arm, "roles": roles}}, "comparisons": []}
    del results["best_arm"]
    source = render_report(dataclasses.replace(report, results=results, tables={}, figures={}))
    assert "Cross-validated" in section(source, "headline")
    assert "corrected for the choice" not in source
    assert "ICI ?" not in section(source, "calibration")
    assert "There were no two arms to compare." in section(source, "comparisons")
    assert "interval not estimable" not in source


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


def test_a_long_table_is_cut_and_says_so(report):
    long = pd.DataFrame({"n": range(2000)})
    source = render_report(dataclasses.replace(report, tables={"long": long}, figures={}))
    assert "The first 400 of 2\u202f000 rows are shown" in section(source, "further")
    assert source.count("<tr") < 1000


@pytest.fixture(scope="module")
def plain(report) -> Page:
    """The page with a harmless word in the places of `_with_text`."""
    return Page(render_report(_with_text(report, "PLAIN")))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_hospital_stays_text(report, plain, text):
    page = Page(render_report(_with_text(report, text)))
    assert page.shape() == plain.shape()
    assert not page.comments
    said = [x.count(text.replace("_", " ")) for x in page.texts]
    assert sum(said) == sum(x.count("PLAIN") for x in plain.texts) > 60
    assert "49" not in page.texts


def _with_text(report, text):
    """Report with this text in every place that a user's file can reach."""
    baseline = report.baseline.astype(object).fillna("").assign(level=text, test_name=text)
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
    predictions = pd.DataFrame({"y_true": [0, 1], "y_prob": [0.2, 0.8]})
    figure = prediction_panels({text: (predictions, 0.5)})
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
        tables={name: _hostile(t, text) for name, t in report.tables.items()} | {text: table},
    )


def _hostile(table: pd.DataFrame, text: str) -> pd.DataFrame:
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c].dtype)]
    words = [c for c in words if c not in ("passed", "supported")]
    changed = table.astype(object).head(3)
    changed[words] = text
    return changed


@pytest.mark.parametrize(
    ("scoring", "first"), [("log loss", ["B", "A", "C"]), ("AUC", ["C", "A", "B"])]
)
def test_candidates_are_ranked_by_what_chose_them(report, scoring, first):
    candidates = pd.DataFrame(
        {
            "arm": "clinical", "classifier": "lr", "parameters": ["A", "B", "C"],
            "cv_auc_mean": [0.7, 0.6, 0.8], "cv_auc_sd": 0.1, "cv_log_loss_mean": [0.5, 0.4, 0.6],
            "scoring": scoring, "chosen": [first[0] == x for x in "ABC"],
        }
    )  # fmt: skip
    shown = all_tables(dataclasses.replace(report, model_selection=candidates))["model_selection"]
    assert shown["parameters"].tolist() == first
    assert shown["chosen"].tolist() == ["chosen", "", ""]
