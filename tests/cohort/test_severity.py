"""A refusal leaves its case out, whatever milder severity its code has elsewhere."""

import ast
from pathlib import Path

import pytest

import her2
from her2.cohort import CATALOGUE, load_lesion, read_folder_cohort
from her2.cohort.dicom import _REQUIRED
from her2.cohort.problems import LEFT_OUT, as_note, refuse
from her2.core.store import Store
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.run import cohort_with
from her2.radiomics import extract_table

N = 8
RAISING = {"refuse", "InputProblem", "decoding"}


def _calls():
    """Calls of the package's source."""
    for package in ("her2", "lightning_modules"):
        for path in sorted((Path(her2.__file__).parents[1] / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield node


def _refused_codes() -> set[str]:
    """Codes that a source line passes to `refuse`, directly or through an argument."""
    found = set(_REQUIRED.values())
    for call in _calls():
        given = [k.value for k in call.keywords if k.arg in ("code", "several")]
        if getattr(call.func, "id", "") in RAISING:
            given += call.args[:1]
        nodes = [node for value in given for node in ast.walk(value)]
        found |= {node.value for node in nodes if isinstance(node, ast.Constant)}
    return found & set(CATALOGUE)


CODES = sorted(_refused_codes())


def test_the_codes_are_found_and_none_stops_a_study():
    assert {"D02", "D09", "D19", "D25", "M09", "M25", "M20", "S13", "C12"} <= set(CODES)
    assert len(CODES) > 40
    assert not [code for code in CODES if CATALOGUE[code].severity == "stop"]


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_is_never_lighter_than_quarantined(code):
    problem = refuse(code, "found", "do")
    assert as_note(problem).level in LEFT_OUT
    assert as_note(problem, "warning").level == "warning"  # of what a lesion can do without


def test_a_code_that_stops_a_study_is_no_refusal():
    with pytest.raises(AssertionError, match="D50 stops a study"):
        refuse("D50", "found", "do")


@pytest.fixture
def refused(make_folder, kit, monkeypatch):
    """Return a function that lets the first lesion's image be refused with a code."""

    def begin(code):
        from her2.cohort import images

        root = make_folder(N)
        decode = images.decode_image

        def decode_or_refuse(path, frame=None):
            if path.name == "i000.png":
                raise refuse(code, "found", "do")
            return decode(path, frame)

        def let_it_be_refused():
            for module in ("verify", "lesions"):
                monkeypatch.setattr(f"her2.cohort.{module}.decode_image", decode_or_refuse)

        return root, let_it_be_refused

    return begin


@pytest.mark.parametrize("code", CODES)
def test_check_leaves_the_lesion_out_and_names_it(code, refused, kit):
    root, let_it_be_refused = refused(code)
    let_it_be_refused()
    cohort = read_folder_cohort(root)
    assert len(cohort.lesions) == N - 1
    (problem,) = [p for p in cohort.problems if p.code == code]
    assert (problem.patient_id, problem.path) == (kit.patient_id(0), "images/i000.png")
    assert problem.severity in LEFT_OUT
    assert cohort.n_rows == N == len(cohort.lesions) + sum(map(cohort.count, LEFT_OUT))


@pytest.mark.parametrize("code", CODES)
def test_features_and_study_leave_it_out_when_it_is_refused_later(code, refused, kit, monkeypatch):
    root, let_it_be_refused = refused(code)
    cohort = read_folder_cohort(root)
    let_it_be_refused()
    monkeypatch.setattr("her2.radiomics.feature_table._extracted", lambda *_: {"a": 1.0})
    monkeypatch.setattr("her2.radiomics.recipe.Recipe.feature_names", ("a",))
    table = extract_table(cohort.lesions, store=Store(root / "cache"))
    assert len(table.values) == N - 1
    (found,) = table.problems
    assert (found.patient_id, found.code) == (kit.patient_id(0), code)
    assert len(cohort_with(cohort, table.problems).lesions) == N - 1

    def work(held):
        # as every other step of a study reads them
        return held, [load_lesion(x) for x in held.lesions]

    left, images = on_readable(work, cohort)
    assert len(images) == len(left.lesions) == N - 1
    assert [(p.patient_id, p.code) for p in left.problems] == [(kit.patient_id(0), code)]
    assert left.problems[0].severity in LEFT_OUT
