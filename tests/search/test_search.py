"""The loop of a search: what is counted, what runs again, what is refused, how it ends."""

import json
import math

import pandas as pd
import pytest
from optuna.trial import TrialState

from her2.core.errors import BadConfig, StoppedEarly

X = "x=interval(-1,1)"


def n(count: int) -> str:
    return f"hydra.sweeper.n_trials={count}"


def finished(study) -> list:
    return [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]


def test_a_search_has_its_number_of_finished_trials_and_the_best_is_in_its_summary(
    app, search_here
):
    study = search_here(X, n(8), storage=app.sqlite)
    trials = finished(study)
    assert len(trials) == 8
    assert all(math.isclose(t.values[0], (t.params["x"] - 0.3) ** 2) for t in trials)
    summary = json.loads((app.folder / "run" / "search.json").read_text())
    best = min(trials, key=lambda t: t.values[0])
    assert summary["best"] == {
        "trial": best.number, "values": {"loss": best.values[0]},
        "settings": {"x": best.params["x"]},
    }  # fmt: skip
    assert summary["n_trials"] == {
        "wanted": 8, "finished": 8, "pruned": 0, "failed": 0, "running": 0, "given_up": 0,
    }  # fmt: skip
    table = pd.read_csv(app.folder / "run" / "trials.csv")
    assert list(table["loss"]) == [t.values[0] for t in trials]
    assert "best of" not in (app.folder / "run" / "summary.html").read_text()[:100]


SAMPLERS = ["tpe", *(pytest.param(x, marks=pytest.mark.slow) for x in ("random", "qmc", "cmaes"))]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_goes_on_to_its_total_and_a_seeded_sampler_repeats_no_point(
    app, search_here, sampler
):
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    chosen = (X, "trainer.rate=interval(0,1)", f"hydra.sweeper.sampler={sampler}")
    search_here(*chosen, n(6), "hydra.sweeper.seed=3")
    study = search_here(*chosen, n(10), "hydra.sweeper.seed=3")
    assert len(app.runs()) == 10
    points = [tuple(t.params.values()) for t in finished(study)]
    assert len(set(points)) == 10
    search_here(*chosen, n(10), "hydra.sweeper.seed=3")
    assert len(app.runs()) == 10  # nothing is left to do


def test_trials_do_not_depend_on_where_the_search_was_stopped(app, search_here):
    journal = f"journal:{app.folder}/other.journal"
    search_here(X, n(5))
    halves = [t.params["x"] for t in finished(search_here(X, n(12)))]
    whole = [t.params["x"] for t in finished(search_here(X, n(12), storage=journal))]
    assert halves == whole


def test_failed_trials_are_counted_with_their_reason_and_the_search_goes_on(app, search_here):
    study = search_here(X, n(5), "failing_at=[1,2]", "nan_at=[4]")
    failed = {t.number: t.user_attrs["reason"] for t in study.get_trials(deepcopy=False)
              if t.state == TrialState.FAIL}  # fmt: skip
    assert failed == {
        1: "ValueError: trial 1 cannot be", 2: "ValueError: trial 2 cannot be",
        4: "the value is not a number: nan",
    }  # fmt: skip
    assert len(finished(study)) == 5
    summary = json.loads((app.folder / "run" / "search.json").read_text())
    assert summary["n_trials"]["failed"] == 3
    assert summary["failures"]["the value is not a number: nan"] == 1
    assert "cannot be" in (app.folder / "run" / "summary.md").read_text()


def test_too_many_failed_trials_end_the_search_with_the_last_reason(app, search_here):
    with pytest.raises(StoppedEarly, match=r"at most 1 failed trials, found 2.*trial 3 cannot"):
        search_here(X, n(9), "failing_at=[1,3]", "hydra.sweeper.max_failed_trials=1")
    summary = json.loads((app.folder / "run" / "search.json").read_text())
    assert summary["is_finished"] is False
    study = search_here(X, n(9), "failing_at=[1,3]", "hydra.sweeper.max_failed_trials=1")
    assert len(finished(study)) == 9  # failures of an earlier call do not count


def test_an_interrupted_trial_runs_again_with_the_same_point(app, search_here):
    with pytest.raises(KeyboardInterrupt, match="2 of 4 trials finished; the same command goes"):
        search_here(X, n(4), "interrupted_at=[2]")
    study = search_here(X, n(4), "interrupted_at=[2]")
    trials = study.get_trials(deepcopy=False)
    assert trials[2].state == TrialState.FAIL
    assert trials[3].params == trials[2].params
    assert trials[3].user_attrs["again_of"] == 2
    assert len(finished(study)) == 4


def test_another_space_is_refused_with_the_difference_and_a_new_name_helps(app, search_here):
    search_here(X, n(2), "hydra.sweeper.study_name=one")
    with pytest.raises(BadConfig, match=r"space\.parameters\.x\.high: 1.0 -> 2.0.*study_name"):
        search_here("x=interval(-1,2)", n(3), "hydra.sweeper.study_name=one")
    with pytest.raises(BadConfig, match=r"settings\.depth: 1 -> 2"):
        search_here(X, n(3), "depth=2", "hydra.sweeper.study_name=one")
    assert len(app.runs()) == 2
    search_here("x=interval(-1,2)", n(2), "hydra.sweeper.study_name=two")
    assert len(app.runs()) == 4


def test_other_data_are_refused_with_both_hashes(app, search_here):
    search_here(X, n(2))
    (app.folder / "app.yaml").write_text(
        (app.folder / "app.yaml").read_text().replace("data: a", "data: b")
    )
    with pytest.raises(BadConfig, match=r"data\.data_sha256: a -> b"):
        search_here(X, n(3))


def test_a_countable_space_is_searched_once_and_no_point_runs_twice(app, search_here):
    study = search_here("x=choice(0.1,0.2,0.3)", n(20))
    assert len(app.runs()) == 3
    assert len({t.params["x"] for t in finished(study)}) == 3
    copies = [t for t in finished(study) if "copy_of" in t.user_attrs]
    for copy in copies:
        assert copy.values == study.trials[copy.user_attrs["copy_of"]].values


def test_a_grid_tries_every_point_once(app, search_here):
    study = search_here(
        "x=range(0,3)", "trainer.rate=choice(0.1,0.2)", "hydra.sweeper.sampler=grid", n(100)
    )
    points = {(t.params["x"], t.params["trainer.rate"]) for t in finished(study)}
    assert points == {(x, rate) for x in (0, 1, 2) for rate in ("0.1", "0.2")}
    assert len(app.runs()) == 6


def test_a_grid_of_numbers_without_steps_is_refused(search_here):
    with pytest.raises(BadConfig, match=r"steps in a space that is searched with .*grid"):
        search_here(X, n(3), "hydra.sweeper.sampler=grid")


def test_two_metrics_end_with_a_front_and_a_winner_on_it(app, search_here):
    study = search_here(
        X, "two=true", n(12), "hydra.sweeper.metrics=[loss,size]",
        "hydra.sweeper.directions=[minimize,minimize]", draws=True,
    )  # fmt: skip
    summary = json.loads((app.folder / "run" / "search.json").read_text())
    front = {entry["trial"] for entry in summary["front"]}
    assert front == {t.number for t in study.best_trials}
    assert summary["best"]["trial"] in front
    drawn = {path.stem for path in (app.folder / "run" / "figures").glob("*.png")}
    kinds = ("optimisation_history", "parallel_coordinates", "slices", "parameter_importance")
    assert drawn == {"front", *(f"{kind}_{m}" for kind in kinds for m in ("loss", "size"))}


def test_a_setting_matters_only_beside_others(app, search_here, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text(
        "parameters:\n"
        "  x: {type: float, low: -1, high: 1}\n"
        "  kind: {type: choice, values: [plain, deep]}\n"
        "  trainer.drop: {type: float, low: 0.1, high: 0.5, when: {kind: deep}}\n"
    )
    study = search_here(f"hydra.sweeper.space={space}", n(12))
    for trial in finished(study):
        assert ("trainer.drop" in trial.params) == (trial.params["kind"] == "deep")
    table = pd.read_csv(app.folder / "run" / "trials.csv")
    assert list(table["drop"].isna()) == list(table["kind"] == "plain")


def test_the_same_command_goes_on_in_the_folder_in_which_it_began(app, search_here):
    search_here(X, n(2))
    config = app.folder / "app.yaml"
    config.write_text(config.read_text().replace("/run\n", "/later\n", 1))
    search_here(X, n(3))
    assert json.loads((app.folder / "run" / "search.json").read_text())["n_trials"]["wanted"] == 3
    assert not (app.folder / "later").exists()
    search_here(X, n(3), f"run_dir={app.folder}/named")
    assert (app.folder / "named" / "search.json").is_file()


def test_a_setting_that_the_command_does_not_have_is_refused_before_any_trial(app, search_here):
    with pytest.raises(BadConfig, match=r"found trainr\.rate, which it does not have"):
        search_here("+trainr.rate=interval(0,1)", n(2))
    assert app.runs() == []


def test_hydras_own_words_make_the_types_of_a_space(search_here):
    study = search_here(
        "x=tag(log, interval(0.01, 1))", "depth=int(interval(1, 4))", "seed=range(0,10,5)",
        "kind=plain,deep", "trainer.rate=choice(0.1,0.2)", n(8),
    )  # fmt: skip
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    assert study.trials[0].distributions == {
        "x": FloatDistribution(0.01, 1.0, log=True), "depth": IntDistribution(1, 4),
        "seed": IntDistribution(0, 5, step=5),
        "kind": CategoricalDistribution(("plain", "deep")),
        "trainer.rate": CategoricalDistribution(("0.1", "0.2")),
    }  # fmt: skip
