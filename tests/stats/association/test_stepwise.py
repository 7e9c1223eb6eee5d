from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.logistic_model import (
    _best_by_test,
    _Change,
    fit_logistic_model,
    stepwise_logistic,
)

NAMES = ["strong", "weak", "noise", "grade"]


def simulated(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(n, 3)), columns=NAMES[:3])
    table["grade"] = rng.choice(["I", "II", "III"], size=n)
    logit = 1.5 * table["strong"] + 0.4 * table["weak"]
    table["y"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return table


@pytest.mark.parametrize("criterion", ["aic", "p"])
def test_signal_stays_and_noise_goes(criterion):
    found = stepwise_logistic(simulated(), "y", NAMES, criterion=criterion)
    assert set(found.selected) == {"strong", "weak"}


def test_the_path_falls_and_ends_with_the_chosen_model():
    table = simulated()
    found = stepwise_logistic(table, "y", NAMES)
    assert (np.diff(found.path["value"]) < 0).all()
    assert found.path["step"].tolist() == list(range(len(found.path)))
    for step, names in ((0, NAMES), (-1, found.selected)):
        model = fit_logistic_model(table, "y", names)
        aic = -2 * model.log_likelihood + 2 * (len(model.coefficients) + 1)
        assert found.path["value"].iloc[step] == pytest.approx(aic)


def test_a_category_goes_as_a_whole():
    found = stepwise_logistic(simulated(), "y", ["strong", "grade"])
    assert found.path["change"].tolist() == ["", "- grade"]


def test_it_may_choose_nothing():
    found = stepwise_logistic(simulated(), "y", ["noise"], criterion="p")
    assert found.selected == ()
    assert found.path["change"].tolist() == [""]


def test_all_steps_use_the_same_cases():
    table = simulated()
    holes = table.assign(noise=table["noise"].where(np.arange(300) >= 40))
    found = stepwise_logistic(holes, "y", NAMES)
    expected = stepwise_logistic(table.iloc[40:], "y", NAMES)
    pd.testing.assert_frame_equal(found.path, expected.path)


def test_p_values_of_the_path_respect_the_limits():
    path = stepwise_logistic(simulated(), "y", NAMES, criterion="p").path
    entered = path[path["change"].str.startswith("+")]
    assert (entered["value"] < 0.05).all()
    strict = stepwise_logistic(simulated(), "y", NAMES, criterion="p", p_enter=1e-6, p_remove=1e-5)
    assert strict.selected == ("strong",)


def test_separation_has_no_stepwise_choice():
    table = simulated().assign(perfect=lambda t: t["y"] + 0.0)
    with pytest.raises(NotEstimable, match="perfect separate"):
        stepwise_logistic(table, "y", ["strong", "perfect"])
    with pytest.raises(NotEstimable, match="one has one value only"):
        stepwise_logistic(table.assign(one=1), "y", ["strong", "one"])


def test_bad_arguments():
    table = simulated()
    with pytest.raises(BadArgument, match="criterion"):
        stepwise_logistic(table, "y", NAMES, criterion="r2")
    with pytest.raises(BadArgument, match="p_enter <= p_remove"):
        stepwise_logistic(table, "y", NAMES, criterion="p", p_enter=0.2)
    with pytest.raises(BadArgument, match="at least one variable"):
        stepwise_logistic(table, "y", [])
    with pytest.raises(BadArgument, match="found no ki67"):
        stepwise_logistic(table, "y", ["ki67"])


def test_a_larger_model_that_fits_worse_gains_nothing():
    """As where its fit ran out of steps: neither taken in nor kept."""
    search = SimpleNamespace(
        variables=("a",), deviance=lambda names: 10.0 + 8.0 * len(names), n_terms=len,
        removals=lambda names: [("- a", ())] if names else [],
        additions=lambda names: [] if names else [("+ a", ("a",))],
    )  # fmt: skip
    assert _best_by_test(search, 0.05, 0.10, _Change("", (), np.nan)) is None
    with_a = _Change("+ a", ("a",), 0.01)
    assert _best_by_test(search, 0.05, 0.10, with_a) == _Change("- a", (), 1.0)
