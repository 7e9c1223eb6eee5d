import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.logistic import multivariable_logistic
from her2.stats.association.logistic_model import fit_logistic_model


def simulated(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(54, 11, size=n), "er": rng.choice(["-", "+"], size=n)})
    table["grade"] = rng.choice(["I", "II", "III"], size=n)
    logit = 0.05 * (table["age"] - 54) + (table["er"] == "-") - 0.5
    table["y"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return table


def test_it_says_what_the_odds_ratios_say():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "er", "grade"])
    rows = multivariable_logistic(table, "y", ["age", "er", "grade"])
    assert list(model.coefficients) == rows["variable"].tolist()
    np.testing.assert_allclose(list(model.coefficients.values()), np.log(rows["odds_ratio"]))
    assert (model.n, model.n_events, model.method) == (300, table["y"].sum(), "maximum likelihood")
    assert model.levels == {"er": ("+", "-"), "grade": ("I", "II", "III")}


def test_a_prediction_by_hand():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "er", "grade"])
    case = pd.DataFrame({"grade": ["III"], "er": ["+"], "age": [60.0], "unused": [None]})
    expected = model.intercept + 60 * model.coefficients["age"] + model.coefficients["grade[III]"]
    assert model.linear_predictor(case)[0] == pytest.approx(expected)
    assert model.probability(case)[0] == pytest.approx(1 / (1 + np.exp(-expected)))


def test_a_prediction_does_not_depend_on_the_rows_beside_it():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "grade"])
    together = model.probability(table)
    assert model.probability(table.iloc[[7]])[0] == pytest.approx(together[7], abs=1e-15)


def test_a_number_as_category():
    table = simulated().assign(pr=lambda t: (t["age"] > 50).astype(int))
    number = fit_logistic_model(table, "y", ["pr"])
    category = fit_logistic_model(table.astype({"pr": "category"}), "y", ["pr"])
    assert list(category.coefficients) == ["pr[1]"]
    assert category.coefficients["pr[1]"] == pytest.approx(number.coefficients["pr"])


def test_firth_under_separation():
    table = pd.DataFrame({"x": [0, 0, 0, 1, 1, 1]})
    y = [0, 0, 0, 1, 1, 1]
    model = fit_logistic_model(table, y, ["x"])
    assert model.method == "Firth"
    assert model.coefficients["x"] == pytest.approx(np.log(49))
    with pytest.raises(NotEstimable, match="x separates the outcome"):
        fit_logistic_model(table, y, ["x"], separation="not estimable")


def test_what_it_cannot_predict():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "grade"])
    with pytest.raises(BadArgument, match="found no grade"):
        model.linear_predictor(table[["age"]])
    with pytest.raises(BadArgument, match="I, II, III, found IV"):
        model.linear_predictor(pd.DataFrame({"age": [1.0], "grade": ["IV"]}))
    with pytest.raises(BadArgument, match="age must be a number"):
        model.linear_predictor(pd.DataFrame({"age": ["old"], "grade": ["I"]}))
    with pytest.raises(NotEstimable, match="gaps in grade"):
        model.linear_predictor(pd.DataFrame({"age": [1.0], "grade": [None]}))
    with pytest.raises(BadArgument, match="at least one variable"):
        fit_logistic_model(table, "y", [])
