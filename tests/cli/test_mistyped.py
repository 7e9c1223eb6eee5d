"""Mistyped command lines: one sentence each, at once, with the nearest name where there is one."""

import resource

import pytest

# what was typed, and a part of the answer
LINES = [
    ("stuyd", "did you mean study?"),
    ("clasify", "did you mean classify?"),
    ("predict", "found predict"),
    ("study study=quik", "did you mean quick?"),
    ("study stdy=quick", "did you mean study"),
    ("study quick", "did you mean study=quick?"),
    ("study cohort", "the options are"),
    ("study cohort=foldr", "did you mean folder?"),
    ("study cohort=folder", "cohort.root=DIR"),
    ("study cohort=folder cohort.root=", "found none"),
    ("study cohort=folder cohort.rot=x cohort.root=DIR", "did you mean cohort.root?"),
    ("study cohort=breast_lesions_usg cohort.root=DIR cohort.table=t.csv", "leave it out"),
    ("study cohort.clinical=age,pr", "did you mean cohort.clinical=[age,pr]?"),
    ("study backbone=resnet5", "did you mean resnet"),
    ("study backbone=resnet50,vgg19", "add -m"),
    ("train -m backbone=resnet50,vg19", "did you mean vgg19?"),
    ("train backbone.mode=frozen", "expected backbone.mode=finetune"),
    ("train evaluation.n_repeats=3", "use evaluation=once"),
    ("study evalution.n_folds=3", "did you mean evaluation.n_folds?"),
    ("study n_folds=3", "did you mean evaluation.n_folds?"),
    ("study evaluation.n_folds=1", "at least 2"),
    ("study evaluation.n_folds=two", "a whole number"),
    ("study evaluation.n_folds=2.5", "a whole number"),
    ("study evaluation.scoring=auc", "did you mean roc_auc?"),
    ("study evaluation.grad_cam=maybe", "true or false"),
    ("study evaluation.learning_curve=[2]", "below 1"),
    ("study split.test_size=1.5", "below 1"),
    ("study seed=-1", "at least 0"),
    ("study seed=abc(", "a whole number"),
    ("study seed", "SETTING=VALUE"),
    ("study --seed=3", "did you mean seed=3?"),
    ("study --multrun", "did you mean --multirun?"),
    ("study -m seed=range(1,", "check its brackets"),
    ("study selection=papper", "did you mean paper?"),
    ("study selection.robust_icc=0.75", "radiomics.robustness"),
    ("study radiomics.robustness=[erosion,wobble]", "found wobble"),
    ("study classifier.candidates=[lr,svm]", "found svm"),
    ("study fusion.members=[dlr,combined]", "found combined"),
    ("study trainer.n_trials=1", "did you mean trainer.n_"),
    ("study enhance=bicubic enhance.weights=f", "leave it out"),
    ("study compute.n_workers=-2", "at least 0"),
    ("features enhance.compare=true", "fits no arm"),
    ("plan auc=.8", "expected prevalence, n_parameters, or the run of a pilot"),
    ("plan auc=.5", "auc above 0.5"),
    ("plan prevalence=.2 auc=.7 auc_low=.7 n_parameters=3", "auc_low below auc (0.7)"),
    ("plan prevalence=.2 auc=.6 n_parameters=3", "required_auc below auc (0.6)"),
    ("plan arm=dlr", "expected run=FOLDER"),
    ("plan alternatives=[0]", "alternatives of at least 1"),
    ("plan n_paramters=3", "did you mean n_parameters?"),
    ("check port=1", "one of her2 ui"),
    ("ui port=99999", "at most 65535"),
    ("classify hydra/sweeper=optuna", "add -m to search"),
    ("classify -m hydra/sweeper=optna", "did you mean optuna?"),
    ("classify -m hydra/sweeper=optuna hydra.sweeper.n_trial=3", "hydra.sweeper.n_trials?"),
    ("audit backbone.mode=finetune evaluation.n_repeats=1", "backbone.mode=frozen"),
    ("study ~nonsense", "SETTING=VALUE"),
    ("study seed=true", "a whole number"),
    ("study classifier=lightgbm classifier.lr.fixed.C=1", "found classifier.lr;"),
    ("study classifier.lr.nonsense=3", "found classifier.lr.nonsense"),
    ("study classifier.candidates=[]", "at least 1 element"),
    ("study hydra/launcher=jobli", "did you mean joblib?"),
    ("study seed=${nope}", "found nope"),
    ("study +cohort.nonsense=1", "found cohort.nonsense"),
]  # fmt: skip
OF_OTHERS = ("LexerNoViableAlt", "EOF", "AnyNode", "Traceback", "override", "HYDRA", "struct")


@pytest.mark.parametrize(("line", "answer"), LINES, ids=[line for line, _ in LINES])
def test_a_mistyped_line_gets_one_sentence_at_once(
    her2_command, line, answer, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF)
    finished = her2_command(*line.split())
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert finished.status == 2
    assert finished.out == ""
    assert len(finished.sentences) == 1, finished.err
    assert answer in finished.sentences[0]
    assert "expected" in finished.sentences[0] and "found" in finished.sentences[0]
    assert not any(word in finished.err for word in OF_OTHERS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
    assert not list(tmp_path.iterdir())


def test_a_number_among_choices_is_a_number():
    from her2.core.settings import StudySettings

    made = StudySettings.from_overrides(["backbone.in_chans=1", "trainer.precision=32"])
    assert (made.backbone.in_chans, made.trainer.precision) == (1, "32")


def test_everything_that_is_wrong_is_said_at_once(her2_command):
    finished = her2_command(
        "study", "study=quik", "seed=abc", "evalution.n_folds=3", "split.test_size=2", "--sede=1"
    )
    assert finished.status == 2
    assert len(finished.sentences) == 5
    for part in (
        "quick",
        "seed as a whole number",
        "evaluation.n_folds",
        "split.test_size",
        "sede=1",
    ):
        assert any(part in sentence for sentence in finished.sentences)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("root", "/data/my cohort (2021)"),
        ("root", "C=3/{x}, y"),
        ("root", r"C:\data\müller"),
        ("positive", "恶性"),
        ("positive", "it's [2+]"),
        ("positive", "null hypothesis: yes"),
        ("positive", "3"),
        ("table", "a'b\\"),
    ],
)
def test_a_text_is_taken_as_the_shell_hands_it_over(key, value):
    from her2.core.settings import StudySettings

    words = ["cohort=folder", "cohort.root=DIR", f"cohort.{key}={value}"]
    assert getattr(StudySettings.from_overrides(words).cohort, key) == value


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("[Alter (Jahre),PR]", ["Alter (Jahre)", "PR"]),
        ("[年龄, 'Größe, cm' ,er]", ["年龄", "Größe, cm", "er"]),
        ("[age]", ["age"]),
        ("age", None),
        ("[]", []),
    ],
)
def test_a_list_of_names_needs_no_quotes(typed, names):
    from her2.core.settings import BadSettings, StudySettings

    words = ["cohort=folder", "cohort.root=DIR", f"cohort.clinical={typed}"]
    if names is None:
        with pytest.raises(BadSettings, match="as a list"):
            StudySettings.from_overrides(words)
    else:
        assert StudySettings.from_overrides(words).cohort.clinical == names
