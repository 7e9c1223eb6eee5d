"""Text tables: any encoding, line end and separator gives the same rows, or a sentence."""

import itertools

import pytest

from her2.cohort.cohort_table import open_table, read_table
from her2.cohort.text_table import rows_of_text
from her2.core.errors import BadCohort

ENDS = ("\n", "\r\n", "\r", "\n\r")
SEPARATORS = (",", ";", "\t", "|")
WESTERN = "patient_id,Größe,Menopause\nP1,12 µm,ja\nP2,Müller,nein\n"
CHINESE = "patient_id,年龄,免疫组化HER2,绝经\nP1,45,阳性,是\nP2,51,２＋,未查\n"
TAIWANESE = "patient_id,年齡,免疫組化HER2,停經\nP1,45,陽性,否\nP2,51,２＋,未查\n"
TEXTS = {
    "utf-8": CHINESE, "utf-8-sig": CHINESE, "utf-16": CHINESE, "utf-16-le": CHINESE,
    "utf-16-be": CHINESE, "utf-32": CHINESE, "gb18030": CHINESE, "big5": TAIWANESE,
    "cp1252": WESTERN, "latin-1": WESTERN,
}  # fmt: skip


@pytest.mark.parametrize("encoding", TEXTS)
def test_any_line_end_and_separator_gives_the_same_table(encoding, tmp_path):
    text = TEXTS[encoding]
    (tmp_path / "plain.csv").write_bytes(text.encode())
    plain = read_table(tmp_path / "plain.csv")
    for end, mark, first in itertools.product(ENDS, SEPARATORS, (False, True)):
        lines = [f"sep={mark}"] * first + text.replace(",", mark).splitlines()
        (tmp_path / "t.csv").write_bytes((end.join(lines) + end).encode(encoding))
        found = read_table(tmp_path / "t.csv")
        assert found.to_numpy().tolist() == plain.to_numpy().tolist(), (end, mark)
        assert list(found.columns) == list(plain.columns)
        assert list(found.index) == [row + first for row in plain.index]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("gb18030", "GB18030"), ("big5", "Big5"), ("cp1252", "Windows-1252"), ("utf-16-le", None)],
)
def test_an_older_encoding_is_noted(encoding, said):
    notes = rows_of_text(TEXTS[encoding].encode(encoding))[1]
    assert [note.what for note in notes] == (
        [f"the table is not UTF-8; it is read as {said}"] if said else []
    )
    assert all(note.level == "normalised" for note in notes)


@pytest.mark.parametrize(
    "text",
    ["patient_id,âge\nP1,À dire\n", "patient_id,SÍ\nP1,año\n", "patient_id,GRÖßE\nP1,é\n"],
)
def test_western_words_are_not_taken_for_chinese(text):
    assert rows_of_text(text.encode("cp1252"))[0] == rows_of_text(text.encode())[0]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("patient_id,возраст\nP1,да\n", "cp1251"), ("patient_id,年齢\nP1,はい\n", "shift_jis")],
)
def test_other_encodings_are_refused_unless_they_are_named(text, encoding):
    payload = text.encode(encoding)
    with pytest.raises(BadCohort, match=r"C06: .* in line 1; .* cohort\.encoding="):
        rows_of_text(payload)
    assert rows_of_text(payload, encoding)[0] == rows_of_text(text.encode())[0]


def test_two_encodings_in_one_file_name_the_first_line_of_the_second():
    payload = "patient_id,größe\nMüller,1\n".encode() + "Schäfer,2\n".encode("latin-1")
    with pytest.raises(BadCohort, match=r"C06: expected UTF-8, found another encoding in line 3"):
        rows_of_text(payload)


def test_an_encoding_that_is_none():
    with pytest.raises(BadCohort, match=r"C06: .*found 'klingon'"):
        rows_of_text(b"a,b", "klingon")


def test_a_file_that_is_not_in_its_named_encoding():
    with pytest.raises(BadCohort, match=r"C06: expected ascii, .* line 2"):
        rows_of_text("a,b\nä,1\n".encode(), "ascii")


def test_mixed_line_ends_and_a_line_break_in_a_cell():
    rows = rows_of_text(b'a,b\r1,"x\r\ny"\n2,3\r\n4,5')[0]
    assert [cells for _, cells in rows] == [["a", "b"], ["1", "x\ny"], ["2", "3"], ["4", "5"]]


def test_the_separator_is_that_of_the_header_below_a_title():
    rows = rows_of_text(b"Cohort, as of May, 2024\npatient_id;age\nP1;41,5\n")[0]
    assert rows[1:] == [(2, ["patient_id", "age"]), (3, ["P1", "41,5"])]


def test_an_old_workbook_under_another_name(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    with pytest.raises(BadCohort, match=r"C06: .*password-protected workbook"):
        open_table(tmp_path / "t.csv")
