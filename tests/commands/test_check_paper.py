import pytest

from her2.commands.check_paper import check_paper
from her2.core.errors import BadConfig, MissingInput
from her2.core.settings import CheckPaperSettings


def check(path):
    return check_paper(CheckPaperSettings(numbers=str(path)), path.parent)


def test_numbers_that_can_all_be_right(tmp_path, capsys):
    path = tmp_path / "numbers.yaml"
    path.write_text("proportions: [{where: Results, value: 60%, n: 15}]\n")
    assert check(path) == 0
    said = "1 claim checked: no contradiction; the numbers can all be right\n"
    assert capsys.readouterr().out == said


def test_each_contradiction_has_a_line_and_they_are_counted(tmp_path, capsys):
    path = tmp_path / "numbers.yaml"
    path.write_text("proportions:\n- {where: Results, value: 0.62, n: 15}\n")
    assert check(path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Results: found 0.62 of 15, expected 9/15 or 10/15 "
        "(a proportion is a whole number of cases)",
        "1 claim checked: 1 contradiction of 1 kind",
    ]


def test_a_bad_file_is_refused_before_anything_is_printed(tmp_path, capsys):
    with pytest.raises(MissingInput):
        check(tmp_path / "none.yaml")
    path = tmp_path / "numbers.yaml"
    path.write_text("proportion: []\n")
    with pytest.raises(BadConfig, match=r"did you mean proportions\?"):
        check(path)
    assert capsys.readouterr().out == ""
