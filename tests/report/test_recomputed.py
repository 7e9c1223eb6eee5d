"""Every table of a report is what its caption says, recomputed from the predictions alone."""

import copy
import dataclasses
from collections.abc import Iterator

import numpy as np
import own_formulas as own
import pandas as pd
import pytest
from page_checks import Expected, Near, differences, says
from recomputed import CROSS_VALIDATED, PERMUTATIONS, TABLES, Truth
from recomputed_sentences import sentences
from report_page import Cell, Page, Table, as_number
from tiny_study import REFITS, TINY, lesion_mask

from her2.evaluation import PredictionRows, evaluate
from her2.report import write_report
from her2.report.headline import which_number

SHARE = 0.6  # of the training patients, in the learning curve
NO_PREDICTIONS = {
    "Problems of the input, by code",
    "Association of clinical variables with the positive outcome",
    "Features by image type and family", "Selected features and their weights",
    "Selection of features, fitted on the training patients", "Arms of the study",
    "Points of the nomogram", "Total points and probability", "SHAP values, out of fold",
    "Where the maps lie, and whether the network uses these regions",
    "Permutation importance of the features, out of fold", "Candidate models", "Leakage checks",
    "Stability of the selection over resamples of the training patients",
    "Instability: how far risks move when the study draws other patients",
    "Controls of shortcuts, cross-validated on the training patients",
    "CLEAR: evaluation of radiomics research", "METRICS: methodological radiomics score",
    "TRIPOD+AI: reporting of prediction models", "Choices that differ from the paper",
    "Data, software and settings of this result", "Time of each step",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(study):
    return Page(study.run_dir / "report.html")


@pytest.fixture(scope="module")
def truth(study, image_cohort):
    assert f"evaluation.learning_curve=[{SHARE}]" in REFITS
    assert f"evaluation.n_permutations={PERMUTATIONS}" in TINY
    cohort = pd.read_csv(image_cohort / "cohort.csv")
    areas = np.array([lesion_mask(i).sum() for i in range(len(cohort))])
    cohort["diameter, mm"] = 2 * np.sqrt(areas * 0.1**2 / np.pi)
    repeated = pd.read_parquet(study.run_dir / "repeated_cv.parquet")
    return Truth(study.predictions, repeated, cohort, (SHARE,))


@pytest.fixture(scope="module")
def expected(truth):
    return {caption: make(truth) for caption, make in TABLES.items()}


@pytest.fixture(scope="module")
def told(truth):
    return sentences(truth)


def test_every_table_of_predictions_is_recomputed(page):
    assert set(page.tables) - NO_PREDICTIONS == set(TABLES)


@pytest.mark.parametrize("caption", TABLES)
def test_every_row_of_a_table_is_what_its_caption_says(page, expected, caption):
    assert list(differences(page.tables[caption], expected[caption])) == []


def test_every_sentence_has_the_numbers_of_the_predictions(page, told):
    for section, part, numbers in told:
        found = [text for text in page.paragraphs[section] if part in text]
        assert found, (section, part)
        assert all(says(text, numbers) for text in found), (found, numbers)


ROLES = {"train": "In sample", "out_of_fold": "Cross-validated", "test": "Test"}


def curves(study, name: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Title of the role, arm and points of every curve of a table."""
    table = pd.read_csv(study.run_dir / "tables" / f"{name}.csv")
    for (role, arm), curve in table.groupby(["role", "arm"]):
        yield ROLES[role], arm, curve.reset_index(drop=True)


def test_decision_curves_are_those_of_the_predictions(study, truth):
    found = list(curves(study, "decision_curve"))
    assert len(found) == len(ROLES) * (len(truth.arms) + 2)
    for role, arm, curve in found:
        y, p = truth.scores("clinical" if arm.startswith("treat") else arm, role)
        p = {"treat_all": np.ones_like(p), "treat_none": np.zeros_like(p)}.get(arm, p)
        values = own.net_benefit(y, p, curve["threshold_probability"].to_numpy())
        if arm.startswith("treat"):
            assert curve["net_benefit"].to_numpy() == pytest.approx(values["net_benefit"][0])
            continue
        for name, ends in (("net_benefit", ("low", "high")), ("over_all", ("_low", "_high"))):
            titles = [name, *(f"{name}{end}" if end[0] == "_" else end for end in ends)]
            assert pytest.approx(values[name]) == curve[titles].to_numpy().T


def test_roc_curves_are_those_of_the_predictions(study, truth):
    found = list(curves(study, "roc"))
    assert len(found) == len(ROLES) * len(truth.arms)
    for role, arm, curve in found:
        y, p = truth.scores(arm, role)
        area = -np.trapezoid(curve["sensitivity"], curve["false_positive_rate"])
        assert area == pytest.approx(truth.auc(arm, role).value)
        if role == "Cross-validated":
            assert curve["threshold"].isna().all()
            low, high = own.mean_roc(y, p)
            assert curve["sensitivity"][1::2].to_numpy()[::-1] == pytest.approx(low)
            assert curve["sensitivity"][::2].to_numpy()[::-1] == pytest.approx(high)
            rates = np.repeat(np.linspace(1, 0, len(low)), 2)
            assert curve["false_positive_rate"].to_numpy() == pytest.approx(rates)
            continue
        called = p[0][None, :] >= curve["threshold"].to_numpy()[:, None]
        assert curve["sensitivity"].to_numpy() == pytest.approx(called[:, y == 1].mean(axis=1))
        false = called[:, y == 0].mean(axis=1)
        assert curve["false_positive_rate"].to_numpy() == pytest.approx(false)


def test_p_of_held_out_patients_counts_permutations(page):
    table = page.tables["Whether chance ranks patients as well"]
    at = {title: table.column(title) for title in ("Role", "p")}
    p_values = [row[at["p"]].value for row in table.rows if row[at["Role"]].text == "Test"]
    counts = np.array(p_values) * (PERMUTATIONS + 1)
    assert counts == pytest.approx(counts.round())
    assert min(counts) >= 1


def test_the_best_arm_is_the_one_of_the_results(study, truth):
    best, found = truth.best(), study.results["best_arm"]
    assert (found["arm"], found["tied"], found["n_arms"]) == (best.arm, best.tied, 5)
    area = study.results["arms"][best.arm]["repeated_cv"]
    assert found["auc"] == area["auc"] == pytest.approx(truth.auc(best.arm, CROSS_VALIDATED).value)
    limits = [found[name] for name in ("corrected", "low", "high")]
    assert limits == pytest.approx(list(best.corrected), abs=Near.tolerance)
    assert found["corrected"] < found["auc"] - 0.01


def changed(cell: Cell, factor: float) -> Cell:
    """The cell as it would be printed if its number were another one."""
    value = cell.value * factor
    digits = len(cell.text.split(" ")[0].partition(".")[2])
    text = f"{value:+.{digits}f}" if cell.text[0] in "+−" else f"{value:.{digits}f}"
    return Cell(text.replace("-", "−") + cell.text[len(cell.text.split(" ")[0]) :], value)


FACTORS = {"sign": -1.0, "denominator": 26 / 27}  # of the training patients, one less


@pytest.mark.parametrize("mistake", FACTORS)
@pytest.mark.parametrize("caption", TABLES)
def test_a_number_with_another_sign_or_denominator_is_found(page, expected, caption, mistake):
    table, n_changed = copy.deepcopy(page.tables[caption]), 0
    for key, values in expected[caption].cells.items():
        row = next(r for r in table.rows if table.key(r, expected[caption].keys) == key)
        for title in values:
            at = table.column(title)
            right = row[at]
            if abs(right.value or 0) < 1e-3 or right.text[:1] in "<>":
                continue
            row[at], n_changed = changed(right, FACTORS[mistake]), n_changed + 1
            assert any(title in text for text in differences(table, expected[caption])), row
            row[at] = right
    assert n_changed or caption.startswith(("Characteristics", "AUC of every arm"))


@pytest.mark.parametrize("caption", TABLES)
def test_another_limit_of_an_interval_is_found(page, expected, caption):
    table, n_changed = copy.deepcopy(page.tables[caption]), 0
    for key, values in expected[caption].cells.items():
        row = next(r for r in table.rows if table.key(r, expected[caption].keys) == key)
        for title, value in values.items():
            right = row[table.column(title)]
            if not isinstance(value, tuple) or right.limits is None:
                continue
            for limit, away in zip(right.limits, (-0.02, 0.02), strict=True):
                shown = ("+" if limit[0] == "+" else "") + f"{as_number(limit) + away:.3f}"
                head, _, tail = right.text.rpartition(limit)
                row[table.column(title)] = Cell(f"{head}{shown}{tail}", right.value)
                found = list(differences(table, expected[caption]))
                is_drawn = value[1] is None  # by a bootstrap: it holds the number, no more
                assert is_drawn or any(title in text for text in found), row
                n_changed += not is_drawn
            row[table.column(title)] = right
    values = [value for row in expected[caption].cells.values() for value in row.values()]
    assert (n_changed > 0) == any(isinstance(value, tuple) for value in values)


def swapped(table: Table, column: str, one: str, two: str) -> Table:
    """The table with two names of a column exchanged."""
    table, other = copy.deepcopy(table), {one: two, two: one}
    for row in table.rows:
        cell = row[table.column(column)]
        cell.text = other.get(cell.text, cell.text)
    return table


def retitled(table: Table, one: str, two: str) -> Table:
    """The table with the titles of two columns exchanged."""
    other = {one: two, two: one}
    titles = [other.get(title, title) for title in table.titles]
    return Table(table.caption, titles, table.rows)


def objections(table: Table, expected: dict[str, Expected]) -> list[str]:
    return list(differences(table, expected[table.caption]))


@pytest.mark.parametrize("caption", TABLES)
def test_numbers_under_another_role_or_arm_are_found(page, expected, caption):
    table = page.tables[caption]
    if "Role" in table.titles:
        assert objections(swapped(table, "Role", "Cross-validated", "Test"), expected)
    if (
        "Arm" in table.titles
        and caption != "Sample size that a model with this many predictors requires"
    ):
        assert objections(swapped(table, "Arm", "Clinical", "Radiomics"), expected)


PAIRS = [
    ("Differences of AUC between arms", "First", "Second"),
    ("Reclassification: the second arm in place of the first", "First", "Second"),
    ("Reclassification: the second arm in place of the first", "IDI (95 % CI)", "NRI (95 % CI)"),
    ("Confusion counts at the training threshold", "False negative", "False positive"),
    ("Operating points", "PPV", "NPV"),
    ("Operating points", "Sensitivity", "Specificity"),
    ("Calibration and overall error", "Slope", "Intercept"),
    ("Calibration and overall error", "Intercept", "In the large"),
    ("Characteristics of the patients by role", "Training", "Test"),
    ("Characteristics of the patients by outcome", "Negative", "Positive"),
    ("AUC of every arm", "Cross-validated", "Test (single split)"),
    ("Operating points", "F1", "Accuracy"),
    ("Operating points", "TP", "TN"),
    ("Calibration and overall error", "Brier", "Scaled Brier"),
    ("Calibration and overall error", "E50", "E90"),
    ("Discrimination, and classification at the training threshold", "F1", "Accuracy"),
    ("Discrimination, and classification at the training threshold", "Threshold", "Prevalence"),
]


@pytest.mark.parametrize(("caption", "one", "two"), PAIRS)
def test_columns_in_each_others_place_are_found(page, expected, caption, one, two):
    assert objections(retitled(page.tables[caption], one, two), expected)


@pytest.mark.parametrize("caption", TABLES)
def test_a_row_too_few_or_too_many_is_found(page, expected, caption):
    table = page.tables[caption]
    assert objections(Table(caption, table.titles, table.rows[1:]), expected)
    assert objections(Table(caption, table.titles, [*table.rows, table.rows[0]]), expected)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("which", [0, 1, 3])
def test_a_changed_number_of_a_sentence_is_found(page, told, which, position):
    section, part, numbers = told[which]
    text = next(text for text in page.paragraphs[section] if part in text)
    wrong = [*numbers]
    wrong[position] = type(numbers[position])(numbers[position] + 0.02 ** (numbers[position] < 1))
    assert says(text, numbers) and not says(text, wrong)


def simulated(role: str, kinds: list[str], n: int, seed: int) -> list[pd.DataFrame]:
    """Rows of two arms for the patients of a role, as in predictions.parquet."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3 % 2
    known = {"patient_id": [f"{role}{i:03d}" for i in range(n)], "lesion_id": "1", "y_true": y}
    return [
        pd.DataFrame(
            known
            | {"role": role, "kind": kind, "fold": np.arange(n) % 5, "arm": arm, "model": "LR"}
            | {"y_prob": 1 / (1 + np.exp(0.7 - k * y - rng.normal(size=n)))}
        )
        for k, arm in enumerate(("clinical", "radiomics"))
        for kind in kinds
    ]


@pytest.fixture(scope="module")
def of_centres(report, tmp_path_factory):
    """Truth and page of a study in which a centre judged the models too."""
    trained = simulated("train", ["out_of_fold", "in_sample"], 60, 1)
    rows = pd.concat(
        [
            *trained,
            *simulated("test", ["held_out"], 40, 2),
            *simulated("Lyon", ["held_out"], 30, 3),
        ]
    )
    again = simulated("train", ["out_of_fold"], 60, 4)
    repeated = pd.concat(
        [*(x.assign(repeat=0) for x in trained[::2]), *(x.assign(repeat=1) for x in again)]
    )
    found = evaluate(PredictionRows(rows, repeated), n_features={"clinical": 2, "radiomics": 9})
    results = report.results | {
        "arms": found.arms,
        "comparisons": found.comparisons,
        "best_arm": found.best_arm,
        "cohort": report.results["cohort"] | {"centres": {"Lyon": 30}},
    }
    tables = found.tables | {
        "comparisons": pd.DataFrame(found.comparisons),
        "which_number": which_number(results),
    }
    shown = dataclasses.replace(report, results=results, tables=tables, figures={})
    path = write_report(tmp_path_factory.mktemp("centres") / "report.html", shown)
    return Truth(rows, repeated, pd.DataFrame()), Page(path)


OF_CENTRES = [
    "AUC of every arm",
    "Primary estimate: repeated cross-validation of the whole procedure",
    "Which number is which, for the arm that ranked first",
    "Discrimination, and classification at the training threshold",
    "Operating points",
    "Calibration and overall error",
    "Confusion counts at the training threshold",
    "Differences of AUC between arms",
    "Reclassification: the second arm in place of the first",
]


@pytest.mark.parametrize("caption", OF_CENTRES)
def test_a_centre_by_its_name_is_a_role_of_every_table(of_centres, caption):
    truth, page = of_centres
    made, table = TABLES[caption](truth), page.tables[caption]
    assert list(differences(table, made)) == []
    if "Role" in table.titles:
        assert list(differences(swapped(table, "Role", "Lyon", "Test"), made))
