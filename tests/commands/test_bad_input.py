"""Whatever is wrong is said in one sentence with status 2, and never with a traceback."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def study(her2_command, tiny, tmp_path):
    """Return a function that runs a study in `tmp_path/run`."""

    def call(root, *arguments, command="study"):
        return her2_command(
            command, *tiny, "cohort=folder", f"cohort.root={root}",
            f"run_dir={tmp_path / 'run'}", f"cache={tmp_path / 'cache'}", *arguments,
        )  # fmt: skip

    return call


def assert_refused(finished, *fragments, status=2):
    assert finished.status == status, finished.err
    assert "Traceback" not in finished.err
    assert "Error executing job" not in finished.err
    assert len(finished.sentences) == 1, finished.err
    for fragment in fragments:
        assert fragment in finished.sentences[0]


# settings


@pytest.mark.parametrize(
    ("setting", "fragments"),
    [
        ("split.test_size=abc", ("split.test_size as a number", "found abc")),
        ("split.test_size=1.5", ("split.test_size below 1", "1.5")),
        ("split.nonsense=1", ("nonsense",)),
        ("+split.nonsense=1", ("found split.nonsense",)),
        ("nonsense=1", ("found nonsense",)),
        ("+nonsense=1", ("nonsense",)),
        ("~split", ("split",)),
        ("split=null", ("expected split among holdout",)),
        ("classifier=nonsense", ("found nonsense", "lightgbm")),
        ("nonsense=lr", ("nonsense",)),
        ("classifier.lr=3", ("classifier",)),
        ("classifier.lr.grid.C=abc", ("classifier.lr",)),
        ("classifier.lr.grid.C=[abc]", ("classifier.lr",)),
        ("+classifier.lr.grid.nonsense=[1]", ("classifier.lr", "nonsense")),
        ("seed=abc", ("seed", "abc")),
        ("seed=-1", ("seed", "-1")),
        ("evaluation.n_folds=1", ("evaluation.n_folds of at least 2",)),
        ("evaluation.n_repeats=0", ("evaluation.n_repeats of at least 1", "found 0")),
        ("evaluation.n_stability=-1", ("evaluation.n_stability of at least 0", "-1")),
        ("evaluation.learning_curve=[1.5]", ("evaluation.learning_curve below 1", "1.5")),
        ("evaluation.stepwise=forward", ("evaluation.stepwise", "none, aic, p", "found forward")),
        (
            "evaluation.imputation=zero",
            ("evaluation.imputation", "median, multiple", "found zero"),
        ),
        ("evaluation.n_folds=30", ("for 30 folds", "found 13")),
        ("evaluation.n_folds=2.5", ("evaluation.n_folds as a whole number", "2.5")),
        ("selection.method=nonsense", ("selection.method", "nonsense")),
        ("enhance.method=nonsense", ("enhance.method", "nonsense")),
        ("fusion.members=[nonsense]", ("fusion.members", "nonsense")),
        ("compute.n_workers=-1", ("compute.n_workers", "-1")),
        ("compute.engine=nonsense", ("compute.engine", "nonsense")),
        ("cohort.reader=nonsense", ("nonsense",)),
        ("cohort.root=null", ("cohort.root",)),
        ("cohort.clinical=age", ("cohort.clinical as a list",)),
        ("seed=1 2", ("",)),
        ("seed", ("",)),
    ],
)
def test_bad_settings(study, table_cohort, setting, fragments):
    finished = study(table_cohort, "cohort.clinical=[age]", setting)
    assert_refused(finished, *fragments)


def test_a_group_that_the_command_lacks(her2_command, table_cohort, tmp_path):
    for setting in ("fusion=dlr", "+fusion=dlr"):
        finished = her2_command("sync", f"folder={table_cohort}", setting, f"run_dir={tmp_path}")
        assert_refused(finished, "expected a setting of her2 sync, found fusion")


def test_no_root(her2_command, tmp_path):
    finished = her2_command("check", "cohort=folder", f"run_dir={tmp_path}")
    assert_refused(finished, "cohort.root=DIR")


def test_a_run_dir_that_cannot_be_made(her2_command, table_cohort, tmp_path):
    (tmp_path / "file").write_text("in the way")
    finished = her2_command(
        "check", "cohort=folder", f"cohort.root={table_cohort}", f"run_dir={tmp_path / 'file'}"
    )
    assert_refused(finished, str(tmp_path / "file"))


# files


def test_no_such_folder(study, tmp_path):
    assert_refused(study(tmp_path / "nowhere"), "nowhere", "cohort.root=DIR")


def test_a_folder_without_a_table(study, tmp_path):
    assert_refused(study(tmp_path), "cohort.csv or cohort.xlsx", "no table")


def test_no_such_table(study, table_cohort):
    found = study(table_cohort, "cohort.table=patients.csv")
    assert_refused(found, "patients.csv", "'cohort.csv'")


def test_no_such_column(study, table_cohort):
    assert_refused(study(table_cohort, "cohort.clinical=[Age]"), "C28", "'Age'", "'age'")


def test_no_such_features(study, table_cohort):
    assert_refused(study(table_cohort, "cohort.features=none.csv"), "none.csv")


def test_a_table_that_is_no_text(study, tmp_path):
    (tmp_path / "cohort.csv").write_bytes(b"patient_id,outcome\n\xff\xfe\x00,1\n")
    assert_refused(study(tmp_path), "C06")


def test_images_that_are_not_named(study, table_cohort):
    finished = study(table_cohort)
    assert finished.status == 2
    image, mask = finished.sentences
    assert "C28" in image and "'image'" in image and "'mask'" in mask
    assert "it may be" not in image  # age is no misspelt image


# patients


def test_one_class_only(study, make_cohort):
    root = make_cohort(12, columns={"outcome": lambda i: 1})
    assert_refused(study(root, "cohort.clinical=[age]"), "C17", "both outcomes")


def test_fewer_positives_than_folds(study, make_cohort):
    root = make_cohort(columns={"outcome": lambda i: int(i in (1, 7, 9)), "group": None})
    assert_refused(study(root, "cohort.clinical=[age]"), "3 patients of each outcome", "found 2")


def test_a_patient_in_both_roles(study, make_cohort, canary):
    columns = {
        "patient_id": lambda i: f"{canary}{700 + i - (i == 39)}",
        "lesion_id": lambda i: str(i),
        "split": lambda i: "test" if i % 3 == 0 else "train",
        "group": None,
    }
    finished = study(make_cohort(columns=columns), "cohort.clinical=[age]")
    assert_refused(finished, "C03", "rows 40, 41")
    assert canary not in finished.err


def test_two_rows_of_one_lesion_that_disagree(study, make_cohort, canary):
    root = make_cohort(columns={"patient_id": lambda i: f"{canary}{700 + min(i, 38)}"})
    finished = study(root, "cohort.clinical=[age]")
    assert_refused(finished, "C02", "rows 40, 41")
    assert canary not in finished.err


def test_a_variable_that_gives_away_the_outcome(study, make_cohort):
    root = make_cohort(columns={"copy": lambda i: ("no", "yes")[i % 2]})
    assert_refused(study(root, "cohort.clinical=[copy]"), "C22", "'copy'")


def test_three_outcomes(study, make_cohort):
    root = make_cohort(columns={"outcome": lambda i: i % 3})
    assert_refused(study(root, "cohort.clinical=[age]"), "C16")


def test_nothing_to_learn_from(study, make_cohort):
    root = make_cohort(columns={"er": lambda i: "positive"})
    assert_refused(study(root, "cohort.clinical=[er]"), "clinical")


# masks


@pytest.mark.parametrize(
    ("mask", "code"),
    [(np.eye(32), "M02"), (np.zeros((64, 64)), "M06"), (np.ones((64, 64)), "M07")],
)
def test_a_bad_mask_is_left_out_and_pointed_at(her2_command, make_cohort, tmp_path, mask, code):
    root = make_cohort(8, images=True)  # 64 x 64 pixels
    Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / "m003.png")
    finished = her2_command("check", "cohort=folder", f"cohort.root={root}", f"run_dir={tmp_path}")
    assert_refused(finished, f"1 x {code}", "quarantine.csv", status=1)


# weights, and the user


def test_weights_that_cannot_be_had_are_missed_before_the_long_work(
    study, image_cohort, monkeypatch
):
    def unreachable(repository):
        raise ConnectionError("no network")

    weights = "lightning_modules.weights"
    monkeypatch.setattr(f"{weights}.huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(f"{weights}._download", unreachable)
    finished = study(image_cohort, "backbone=resnet50")
    assert_refused(finished, "resnet50", "backbone.weights=none", "backbone=efficientnet_lite0")
    assert "radiomics" not in finished.err


def test_weights_of_another_network(study, image_cohort):
    finished = study(image_cohort, "backbone=resnet50", "backbone.weights=offline")
    assert_refused(finished, "backbone.weights=offline")


def test_no_such_network(study, image_cohort):
    finished = study(image_cohort, "backbone.name=resnet51", "backbone.weights=none")
    assert_refused(finished, "resnet51", "did you mean")


def test_an_interruption_is_status_130(study, table_cohort, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("her2.pipeline.run.open_cohort", interrupted)
    finished = study(table_cohort, "cohort.clinical=[age]")
    assert_refused(finished, "interrupted", "run_dir", status=130)


def test_a_fault_of_the_program_is_not_hidden(study, table_cohort, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("her2.pipeline.run.open_cohort", broken)
    with pytest.raises(ZeroDivisionError):
        study(table_cohort, "cohort.clinical=[age]")
