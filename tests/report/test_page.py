"""The short page: safe, self-contained, and without the headline of a study."""

import pandas as pd

from her2.report import write_page


def page(tmp_path, **changes):
    table = pd.DataFrame(
        {"check": ["<b>x</b>"], "expected": ["0"], "found": ["1"], "passed": [False]}
    )
    given = {
        "title": "Audit <i>", "simulated": True, "sentences": ["All & sundry."],
        "alarms": ["Leak!"], "tables": {"audit": table},
    }  # fmt: skip
    return write_page(tmp_path / "page.html", **(given | changes)).read_text()


def test_it_shows_what_it_is_given_and_escapes_it(tmp_path):
    text = page(tmp_path)
    assert "All &amp; sundry." in text and "Leak!" in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text and "<b>x</b>" not in text
    assert "<title>Audit &lt;i&gt;</title>" in text
    assert "Table 1.</b> Leakage checks" in text
    assert 'class="status bad">failed' in text


def test_it_has_no_line_an_arm_and_asks_nothing_of_the_network(tmp_path):
    text = page(tmp_path)
    assert "AUC of every arm" not in text and "http:" not in text and "https:" not in text
    assert "Simulated data." in text
    assert "Simulated data." not in page(tmp_path, simulated=False)


def test_a_table_it_does_not_know_is_shown_too(tmp_path):
    text = page(tmp_path, tables={"odd_ends": pd.DataFrame({"a": ["one"]})})
    assert "Odd ends" in text and "one" in text
