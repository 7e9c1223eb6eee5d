"""The report in a real browser: quiet, alone, sortable, explained, and never run by its data."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from browser import Browser, program

from her2.report import render_report

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium to open the report with")

ATTACK = '</script><script>alert(1)</script><img src="http://example.org/x" onerror=alert(1)>'
PERFORMANCE = 'document.querySelectorAll("#performance table")[3]'
COLUMN = f"[...{PERFORMANCE}.tBodies[0].rows].map(r => r.cells[COLUMN].textContent.trim())"
HEAD = f"{PERFORMANCE}.tHead.rows[0].cells[COLUMN]"
BUTTON = f'{HEAD}.querySelector("button.sort")'


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = Browser(program(), tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def path(report, tmp_path_factory):
    """The report of a full study, with an attack in the places that a user's file can reach."""
    results = {**report.results, "notes": [ATTACK]}
    tables = {**report.tables, ATTACK: pd.DataFrame({ATTACK: [ATTACK, "a", "b"]})}
    hostile = dataclasses.replace(report, title=ATTACK, results=results, tables=tables)
    written = tmp_path_factory.mktemp("report") / "report.html"
    written.write_text(render_report(hostile))
    return written


@pytest.fixture
def page(browser, path):
    browser.open(path)
    return browser


def column(page, position):
    return page.value(COLUMN.replace("COLUMN", str(position)))


def test_a_page_that_misbehaves_is_noticed(browser, tmp_path):
    """What the other tests rely on."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<meta http-equiv=Content-Security-Policy content=\"script-src 'sha256-AAAA'\">"
        '<img src="http://example.org/x"><script>alert(1)</script>'
    )
    browser.open(bad)
    assert any("Content Security Policy" in str(entry) for entry in browser.complaints())
    assert "http://example.org/x" in browser.requests()
    bad.write_text("<script>alert(1)</script>")
    browser.open(bad)
    assert browser.happened("Page.javascriptDialogOpening")


def test_the_report_loads_quietly_and_asks_for_nothing(page, path):
    page.value('Promise.all([...document.images].map(i => i.decode().then(() => "", String)))')
    assert page.complaints() == []
    asked = [url for url in page.requests() if not url.startswith("data:")]
    assert asked == [path.as_uri()]


def test_every_figure_is_drawn(page):
    sizes = page.value("[...document.images].map(i => i.complete && i.naturalWidth > 100)")
    assert len(sizes) > 30 and all(sizes)


def test_an_attack_is_shown_as_text(page):
    assert page.value("document.title") == ATTACK
    assert page.value('document.querySelector("h1").textContent') == ATTACK
    assert page.value('document.querySelector("#notes li").textContent') == ATTACK
    assert page.value("document.scripts.length") == 1
    assert page.value('document.querySelectorAll("img:not([src^=\\"data:image/\\"])").length') == 0
    assert not page.happened("Page.javascriptDialogOpening")


def test_links_of_the_navigation_lead_to_their_sections_and_the_current_one_is_marked(page):
    targets = page.value(
        '[...document.querySelectorAll("nav a")].map(a => !!document.querySelector(a.hash))'
    )
    assert len(targets) > 20 and all(targets)
    page.value(
        'document.documentElement.style.scrollBehavior = "auto";'
        'document.querySelector("nav a[href=\\"#calibration\\"]").click();'
        "new Promise(done => setTimeout(done, 300))"
    )
    marked = page.value(
        '[...document.querySelectorAll("nav a[aria-current]")].map(a => a.textContent)'
    )
    assert marked == ["Calibration"]


def test_a_click_sorts_by_number_and_repeats_the_hidden_labels(page):
    original = column(page, 0), column(page, 4)
    page.value(BUTTON.replace("COLUMN", "4") + ".click()")
    areas = column(page, 4)
    assert areas == sorted(original[1], key=lambda text: float(text[:5])) != original[1]
    assert page.value(HEAD.replace("COLUMN", "4") + '.getAttribute("aria-sort")') == "ascending"
    hidden = f'[...{PERFORMANCE}.querySelectorAll(".same > span")]'
    widths = page.value(f"{hidden}.map(s => s.getBoundingClientRect().width)")
    assert min(widths) > 30  # every row says its arm again
    page.value(BUTTON.replace("COLUMN", "4") + ".click()")
    assert column(page, 4) == sorted(original[1], key=lambda t: -float(t[:5]))
    page.value(BUTTON.replace("COLUMN", "4") + ".click()")
    assert (column(page, 0), column(page, 4)) == original
    widths = page.value(f"{hidden}.map(s => s.getBoundingClientRect().width)")
    assert max(widths) <= 1


def test_a_key_sorts_too_and_equal_values_keep_their_order(page):
    arms, sizes = column(page, 0), column(page, 2)
    page.value(BUTTON.replace("COLUMN", "2") + ".focus()")
    page.press("Enter")
    expected = sorted(range(len(sizes)), key=lambda k: int(sizes[k]))
    assert column(page, 0) == [arms[k] for k in expected]


def test_levels_stay_with_their_variable_and_what_is_missing_comes_last(page):
    table = 'document.querySelectorAll("#baseline table")[1]'
    head = f'[...{table}.tHead.rows[0].cells].find(c => c.textContent.startsWith("p"))'
    page.value(f'{head}.querySelector("button.sort").click()')
    names = page.value(f"[...{table}.tBodies].map(b => b.rows[0].cells[0].textContent)")
    assert names == ["pr", "age", "lymph node metastasis", "n"]
    assert page.value(f"[...{table}.tBodies].map(b => b.rows.length)") == [2, 2, 2, 1]


def test_text_is_sorted_as_text_with_its_numbers(page):
    table = 'document.querySelector("#features table")'
    page.value(f'{table}.tHead.rows[0].cells[0].querySelector("button.sort").click()')
    names = page.value(f"[...{table}.tBodies[0].rows].map(r => r.cells[0].textContent)")
    assert names[0] == "exponential" and names[-1] == "wavelet-LL"


def test_an_explanation_opens_by_key_beside_its_button_and_closes(page):
    button = f'{PERFORMANCE}.querySelector("button.tip")'
    page.value(f'document.documentElement.style.scrollBehavior = "auto"; {button}.focus()')
    page.value("new Promise(done => setTimeout(done, 200))")
    page.press("Enter")
    tip = 'document.querySelector(":popover-open")'
    assert "took no part in any fit" in page.value(f"{tip}.textContent")
    box, near = (
        page.value(f"(({{left, top, right, bottom}}) => [left, top, right, bottom])"
                   f"({what}.getBoundingClientRect())")
        for what in (tip, button)
    )  # fmt: skip
    assert box[0] >= 0 and box[2] <= 1400 and box[1] >= 0 and box[3] <= 900
    assert abs(box[0] - near[0]) < 320 and min(abs(box[1] - near[3]), abs(box[3] - near[1])) < 12
    page.press("Escape")
    assert page.value(tip) is None


def test_folded_tables_open_together_and_for_the_printer(page):
    opened = '[...document.querySelectorAll("details")].filter(d => d.open).length'
    folded = page.value('document.querySelectorAll("details").length')
    assert page.value(opened) == 0 and folded > 3
    page.value('dispatchEvent(new Event("beforeprint"))')
    assert page.value(opened) == folded
    page.value('dispatchEvent(new Event("afterprint"))')
    assert page.value(opened) == 0
    page.value('document.querySelector("button.unfold").click()')
    assert page.value(opened) == folded


@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_is_not_wider_than_its_window(browser, path, width):
    browser.open(path, width=width)
    browser.value('document.querySelectorAll("details").forEach(d => { d.open = true; })')
    assert browser.value("document.documentElement.scrollWidth") <= width
    if width == 1400:  # no table hides a column
        hidden = browser.value(
            '[...document.querySelectorAll(".scroll")].filter(s => s.scrollWidth > s.clientWidth)'
            ".map(s => s.getAttribute('aria-label'))"
        )
        assert hidden == []


def test_without_its_script_the_report_is_complete(browser, path, tmp_path):
    silent = tmp_path / "silent.html"
    silent.write_text(path.read_text().replace("sha256-", "sha256-AA", 1))
    browser.open(silent)
    assert browser.value('document.querySelectorAll("button.sort").length') == 0
    browser.value('document.querySelector("button.tip").click()')
    assert browser.value('document.querySelector(":popover-open").textContent.length') > 40
    assert browser.value("document.images.length") > 30
