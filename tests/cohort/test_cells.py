"""Cells in many notations: what each one means, alone and in its column."""

import random

import numpy as np
import pandas as pd
import pytest

from her2.cohort.cells import CellRules, answer, clean, is_missing
from her2.cohort.clinical_cells import read_variable
from her2.cohort.number_cells import written
from her2.cohort.variables import clinical_table
from her2.core.errors import BadCohort
from her2.core.settings import VariableSettings

READ = CellRules(below_limit="half", approximate=True)


def column(*cells, name="v"):
    return pd.Series(cells, index=range(2, len(cells) + 2), name=name, dtype=object)


def variable(*cells, rules=READ, name="v"):
    return read_variable(column(*cells, name=name), rules)


def read(*cells, rules=READ, name="v"):
    return variable(*cells, rules=rules, name=name).values.tolist()


def refusal(*cells, rules=READ, name="v"):
    with pytest.raises(BadCohort) as caught:
        read(*cells, rules=rules, name=name)
    return str(caught.value)


def declared(**of):
    return CellRules(variables={"v": VariableSettings(**of)})


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("35%", "35.5 %", "１２％"), [35, 35.5, 12]),
        (("12 mm", "8mm", "7.5 mm."), [12, 8, 7.5]),
        (("1.8 cm", "12 mm", "9 mm"), [18, 12, 9]),
        (("54 Jahre", "61 J.", "40岁"), [54, 61, 40]),
        (("1,000.5", "999.5", "12,345.25"), [1000.5, 999.5, 12345.25]),
        (("1.000,5", "999,5", "1.234"), [1000.5, 999.5, 1234]),
        (("1 000,5", "12,25", "1 234"), [1000.5, 12.25, 1234]),
        (("1'000.5", "1’200", "3.5"), [1000.5, 1200, 3.5]),
        (("1.234.567", "1.234"), [1234567, 1234]),
        (("22.345", "24.100"), [22.345, 24.1]),
        (("0,345", "12,5"), [0.345, 12.5]),
        (("−4", "-2", "+3"), [-4, -2, 3]),
        (("<5.0", "7.5", "≤ 4", "8.1"), [2.5, 7.5, 2, 8.1]),
        ((">1000", "750", "> 500"), [1000, 750, 500]),
        (("ca. 20", "~35", "30-40", "25"), [20, 35, 35, 25]),
        (("30-40%", "20 %", "30%–40%"), [35, 20, 35]),
        (("1e3", ".5", "7."), [1000, 0.5, 7]),
        (("٤٥", "50"), [45, 50]),
        (("5 ng/mL", "6000 pg/ml", "7 µg/L", "8 ng/ml"), [5, 6, 7, 8]),
    ],
)
def test_numbers(cells, values):
    assert read(*cells) == values
    assert read(*map(repr, values)) == values  # reading again changes nothing


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (("+", "-", "－", "−", "＋"), "pnnnp"),
        (("(+)", "（＋）", "(-)", "-"), "ppnn"),
        (("pos", "Positiv", "阳性", "阴性 (-)", "négatif"), "pppnn"),
        (("положительный", "отриц.", "陽性", "陰性"), "pnpn"),
        (("ja", "Nein", "JA", "nein", "yes"), "ynyny"),
        (("Y", "n", "N", "yes"), "ynny"),
        (("是", "否", "有", "无"), "ynyn"),
        (("oui", "Non", "sí", "no", "sì"), "ynyny"),
        (("TRUE", "False", "true"), "yny"),
    ],
)
def test_answers_have_two_levels(cells, levels):
    found = read(*cells)
    assert len(set(found)) == 2
    assert all((a == b) == (x == y) for a, x in zip(found, levels, strict=True)
               for b, y in zip(found, levels, strict=True))  # fmt: skip
    assert read(*found) == found


def test_signs_become_words_and_other_levels_keep_their_commonest_spelling():
    assert read("+", "-") == ["positive", "negative"]
    assert read("Yes", "yes", "YES", "yes", "no") == ["yes"] * 4 + ["no"]
    assert read("Left side", "left  side", "left side", "right") == ["left side"] * 3 + ["right"]
    assert read("HER2-low", "HER2 low", "HER2-low", "HER2-zero")[1] == "HER2-low"


def test_grades_stay_apart_and_their_spellings_are_one():
    assert read("-", "+", "++", "2+", "(++)", "+++") == ["negative", "+", "++", "++", "++", "+++"]
    assert read("0", "1+", "2+", "+") == ["0", "+", "2+", "+"]


@pytest.mark.parametrize(
    "cell", ["", "NA", "n/a", "#N/A", "?", "n.d.", "N.D.", "k.A.", "k. A.", "unbekannt", "未查",
             "不详", "unknown", "--", "—", "keine Angabe", "NaN", "null", "/"],
)  # fmt: skip
def test_missing_everywhere(cell):
    assert is_missing(cell)
    assert np.isnan(read(cell, "1", "2")[0])
    assert pd.isna(read(cell, "a", "b", "c")[0])


def test_a_dash_is_what_its_column_says():
    assert np.isnan(read("-", "1", "2")[0])
    found = variable("-", "left", "right")
    assert pd.isna(found.values.iloc[0])
    assert [note.code for note in found.notes] == ["C09"]
    assert "C10: expected 'v' to say what - means" in refusal("-", "pos", "neg")
    assert "C10" in refusal("-", "yes", "yes")
    assert "C10" in refusal("-", "+", "neg")


@pytest.mark.parametrize(
    ("cells", "code", "named"),
    [
        (("1", "2", "4b", "x"), "C09", "'4b' (row 4), 'x' (row 5)"),
        (("1", "2", "0x10"), "C09", "'0x10' (row 4)"),
        (("1", "2", "1_000"), "C09", "'1_000'"),
        (("1", "5²"), "C09", "'5²'"),
        (("1", "2024-03-01"), "C09", "'2024-03-01'"),
        (("pos", "80%", "neg"), "C09", "'pos' (row 2), 'neg' (row 4)"),
        (("1,234", "5,678"), "C08", "'1,234' (row 2), '5,678' (row 3)"),
        (("1.234", "5"), "C08", "'1.234' (row 2)"),
        (("1.234", "12,5", "3.5"), "C08", "'1.234' (row 2)"),
        (("250.000", "310.000"), "C08", "'250.000'"),
        (("1.8 cm", "12", "15 mm"), "C19", "'12' (row 3)"),
        (("12 mm", "5 kg"), "C19", "'12 mm' (row 2)"),
        (("3.1", "4", "5.2", "999"), "C09", "'999' (row 5)"),
        (("3.1", "4", "5.2", "-9"), "C09", "'-9' (row 5)"),
        (("0", "1", "1", "0", "9", "9"), "C09", "'9' (rows 6, 7)"),
        (("3", "4", "5", "888", "888", "999", "999"), "C09", "(rows"),
        (("200", "300", "250", "9999"), "C09", "'9999' (row 5)"),
        (("30", "41", "55", "500", "500"), "C09", "'500' (rows 5, 6)"),
        (("a", "None", "b"), "C09", "'None' (row 3)"),
        (("a", "#REF!", "b"), "C09", "'#REF!'"),
        (("yes", "positive", "no"), "C10", "'yes' (row 2), 'positive' (row 3)"),
        (("pos", "+", "++"), "C10", "'pos' (row 2)"),
        (tuple("abcdefghijk") * 2, "C10", "11 levels"),
        (tuple("abcde"), "C10", "a level for every patient"),
    ],
)
def test_refusals_name_the_cells(cells, code, named):
    said = refusal(*cells)
    assert said.startswith(f"{code}: expected")
    assert named in said
    assert "found" in said


def test_limits_and_estimates_are_refused_until_declared():
    plain = CellRules()
    said = refusal("<5.0", "7", "30-40", "ca. 20", rules=plain)
    assert "'<5.0' (row 2)" in said
    assert "'30-40' (row 4), 'ca. 20' (row 5)" in said
    assert read("<5.0", "7", rules=CellRules(below_limit="limit")) == [5, 7]
    assert np.isnan(read("<5.0", "7", rules=CellRules(below_limit="missing"))[0])
    assert read("<50", "≥50", "<50", rules=plain) == ["<50", "≥50", "<50"]  # age groups


def test_shares_are_not_mixed_with_per_cent():
    assert "C18" in refusal("0.35", "0.2", "40", "55", name="Ki-67")
    assert read("0.5", "1", "40", "55", name="Ki-67") == [0.5, 1, 40, 55]


def test_notes_say_what_was_changed():
    assert [n.code for n in variable("1,5", "2").notes] == ["C08"]
    assert [n.code for n in variable("1.8 cm", "12 mm", "3 mm").notes] == ["C19"]
    assert [n.code for n in variable("<1", "2", "3").notes] == ["C09"]
    assert variable("1.5", "2", "12 345").notes[0].level == "normalised"


def test_units_come_from_cells_heading_or_declaration():
    assert variable("1 cm", "2 cm").unit == "cm"
    assert variable("10", "20", name="size (mm)").unit == "mm"
    found = variable("10", "2 cm", name="size (mm)")
    assert (found.values.tolist(), found.unit) == ([10, 20], "mm")
    found = variable("10", "2 cm", rules=declared(unit="mm"))
    assert (found.values.tolist(), found.unit) == ([10, 20], "mm")


def test_declarations():
    rules = declared(levels={"positive": ["pos", "80%", "++"], "negative": ["neg", "<1%", "-"]})
    assert read("pos", "80%", "-", "<1%", "+", rules=rules) == [
        "positive", "positive", "negative", "negative", "positive",
    ]  # fmt: skip
    assert "did you mean" in refusal("poss", "neg", rules=rules)
    assert read("1", "2.0", "4b", rules=declared(kind="category")) == ["1", "2.0", "4b"]
    assert read("3", "5", "999", rules=declared(range=[0, 1000])) == [3, 5, 999]
    assert "C18" in refusal("3", "5", "999", rules=declared(range=[0, 100]))
    assert np.isnan(read("3", "5", "999.0", rules=CellRules(("999",)))[2])
    assert read("1,234", "5", rules=CellRules(decimal="comma")) == [1.234, 5]
    assert read("1,234", "5", rules=CellRules(decimal="point")) == [1234, 5]


def test_all_that_is_wrong_is_said_at_once():
    table = pd.DataFrame({"a": ["1", "x", "2"], "b": ["1,234", "2,345", "9"], "c": list("pqp")})
    with pytest.raises(BadCohort) as caught:
        clinical_table(table, ["a", "b", "c"])
    said = str(caught.value)
    assert "C09: expected 'a'" in said
    assert "C08: expected 'b'" in said


def test_numbers_and_categories():
    table = pd.DataFrame(
        {"age": ["40", "NA", "61.5"], "signs": ["no", "k.A.", " a  b "]}, index=[2, 3, 4]
    )
    found = clinical_table(table, ["age", "signs"])
    assert found.values["age"].dtype == float
    assert found.values["age"].tolist()[::2] == [40.0, 61.5]
    assert found.values.isna().to_numpy().tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert found.values["signs"].tolist()[::2] == ["no", "a b"]
    assert found.notes == []


def test_no_text_breaks_the_reading():
    alphabet = "0123456789.,'-+<>% ()abcmHER2FISH＋（）阳性阴\u2212\u00a0µ²½"
    rng = random.Random(0)
    for _ in range(3000):
        text = "".join(rng.choices(alphabet, k=rng.randint(0, 8)))
        assert clean(clean(text)) == clean(text)
        assert answer(text) == answer(clean(text))
        number = written(2, text)
        assert number is None or number.low[-1].isdigit() or number.low[-1] == "."
        try:
            values = read_variable(column(text, "3", "4"), READ).values
        except BadCohort as error:
            assert "'v'" in str(error)
            continue
        assert values.notna().sum() >= 2


@pytest.mark.parametrize(
    "cells",
    [
        ("WAHR", "FALSCH", "TRUE", "false", "vrai", "FALSO"),
        ("Negative.", "negative", "Positive", "positive,"),
    ],
)
def test_truth_of_spreadsheets_and_stops_after_words_make_no_levels(cells):
    assert len(set(read(*cells, *cells))) == 2


@pytest.mark.parametrize("fault", ["#BEZUG!", "#VALEUR!", "#NOM?", "#¡REF!", "#WERT!"])
def test_faults_of_a_spreadsheet_are_no_levels_in_any_language(fault):
    assert f"'{fault}' (row 3)" in refusal("a", fault, "b", "a", "b")


def test_the_missing_mark_of_a_german_spreadsheet_is_missing():
    assert np.isnan(read("1.5", "#NV", "2.5")[1])


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (("1965-03-04", "1970-11-02", "1965-03-04"), "C27"),
        (("4.3.1965", "2.11.1970", "4.3.1965"), "C27"),
        (("1965-03-04T00:00:00", "1970-11-02T00:00:00"), "C27"),
        (("12x15 mm", "18 x 9 mm", "7 mm × 6 mm", "12x15 mm"), "C09"),
        (("positive (80%)", "positive (20 %)", "neg", "positive (5%)"), "C09"),
    ],
)
def test_dates_and_measurements_are_no_levels(cells, code):
    said = refusal(*cells * 2)
    assert said.startswith(code)
    assert f"{cells[0]!r} (rows 2, " in said


def test_two_groups_of_per_cent_and_levels_with_figures_are_levels():
    assert len(set(read("low, <14%", "high, 14% or more", "low, <14%"))) == 2
    assert len(set(read("T1", "4a", "GE 10 MHz", "50-59", "T1", "4a"))) == 4


def test_few_values_and_a_larger_one_are_no_missing_marker():
    assert read("1.8", "2.4", "1.9", "2.4") == [1.8, 2.4, 1.9, 2.4]
    assert "'0' (rows 5, 6)" in refusal("160", "165", "171", "0", "0")


def test_a_share_of_0_is_no_missing_marker():
    cells = ("90", "80", "95", "100", "0", "0", "0")
    assert read(*cells, name="ER (%)")[-1] == 0
    assert "'0' (rows 6, 7, 8)" in refusal(*cells, name="height")


def test_levels_that_may_be_one_are_noted():
    cells = ("pre", "Premenopausal", "post", "post-menopausal", "Postmenopausal")
    (note,) = variable(*cells * 3).notes
    assert (note.code, note.level) == ("C10", "warning")
    assert "'post-menopausal'" in note.what
    assert "'pre'" in note.what
    ordinary = ("left", "right", "ductal", "lobular", "atypical", "typical", "male", "female")
    assert variable(*ordinary * 3).notes == ()
    assert variable(*("ER+/HER2-", "ER-/HER2-", "T1", "T1c", "LumA", "LumB") * 3).notes == ()


def test_the_mark_by_which_spreadsheets_keep_text_is_no_part_of_it():
    assert read("'40", "'-1.5", "42") == [40, -1.5, 42]
    assert len(set(read("'+", "+", "'-", "-"))) == 2


def test_levels_that_name_her2_are_noted():
    table = pd.DataFrame({"pam50": ["Her2", "LumA", "Basal", "LumA"], "grade": list("abab")})
    codes = [(n.code, n.level) for n in clinical_table(table, ["pam50", "grade"]).notes]
    assert codes == [("C22", "warning"), ("C23", "warning")]


@pytest.mark.parametrize(
    ("name", "leaks"),
    [("ER status measured by IHC", False), ("PR (IHC)", False), ("IHC", True),
     ("her2_ihc ER", True), ("Ki-67 IHC", False), ("marker_ihc", True)],
)  # fmt: skip
def test_ihc_of_another_marker_does_not_give_the_outcome_away(name, leaks):
    table = pd.DataFrame({name: ["pos", "neg"] * 3})
    if not leaks:
        assert clinical_table(table, [name]).values[name].nunique() == 2
        return
    with pytest.raises(BadCohort, match="C22"):
        clinical_table(table, [name])
