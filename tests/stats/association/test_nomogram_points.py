import dataclasses

import numpy as np
import pandas as pd
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.logistic_model import fit_logistic_model
from her2.stats.association.nomogram_points import nomogram


def simulated(n: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"age": rng.uniform(30, 80, size=n), "er": rng.choice(["-", "+"], size=n)}
    )
    table["nodes"] = rng.integers(0, 4, size=n)
    logit = -0.05 * (table["age"] - 54) + 1.5 * (table["er"] == "-") + 0.3 * table["nodes"] - 1
    table["y"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return table


def drawn_of(table: pd.DataFrame, names: list[str]):
    model = fit_logistic_model(table, "y", names)
    return model, nomogram(model, table)


def test_points_lead_back_to_the_prediction_of_every_case():
    table = simulated()
    model, drawn = drawn_of(table, ["age", "er", "nodes"])
    for i in range(0, 150, 10):
        total = drawn.points_for(table.iloc[i].to_dict())
        assert drawn.probability(total) == pytest.approx(model.probability(table.iloc[[i]])[0])


def test_points_of_a_case_are_the_sum_of_its_axes():
    table = simulated()
    _, drawn = drawn_of(table, ["age", "er", "nodes"])
    axis = drawn.points[drawn.points["variable"] == "age"]
    of_age = np.interp(57.0, axis["value"].astype(float), axis["points"])
    look_up = drawn.points.set_index(["variable", "value"])["points"]
    total = of_age + look_up["er", "-"] + look_up["nodes", 2.0]
    found = drawn.points_for({"age": 57.0, "er": "-", "nodes": 2})
    assert found == pytest.approx(total)


def test_every_axis_starts_at_zero_and_the_longest_ends_at_100():
    table = simulated()
    model, drawn = drawn_of(table, ["age", "er", "nodes"])
    ends = drawn.points.groupby("variable")["points"].agg(["min", "max"])
    assert (ends["min"] == 0).all()
    assert ends["max"].max() == pytest.approx(100)
    assert (ends["max"] > 0).all()
    age = drawn.points[drawn.points["variable"] == "age"]
    assert model.coefficients["age"] < 0
    assert age["points"].iloc[-1] == 0  # a negative coefficient: the oldest have no points
    assert (np.diff(age["points"].astype(float)) < 0).all()


def test_few_values_are_drawn_as_they_are_and_levels_as_text():
    _, drawn = drawn_of(simulated(), ["age", "er", "nodes"])
    values = drawn.points.groupby("variable", sort=False)["value"].apply(list)
    assert values["nodes"] == [0.0, 1.0, 2.0, 3.0]
    assert values["er"] == ["+", "-"]
    assert values["age"] == [30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80]


def test_a_0_1_column_as_category_has_the_points_of_the_number():
    table = simulated().assign(pr=lambda t: (t["nodes"] > 1).astype(int))
    _, number = drawn_of(table, ["age", "pr"])
    _, category = drawn_of(table.astype({"pr": "category"}), ["age", "pr"])
    of_category = category.points[category.points["variable"] == "pr"]
    assert of_category["value"].tolist() == ["0", "1"]
    np.testing.assert_allclose(category.points["points"], number.points["points"])


def test_total_points_and_their_meaning():
    _, drawn = drawn_of(simulated(), ["age", "er", "nodes"])
    total = drawn.total_points
    assert (total["total_points"].iloc[0], total["linear_predictor"].iloc[0]) == (
        0,
        drawn.lp_at_zero,
    )
    by_hand = drawn.lp_at_zero + total["total_points"] / drawn.points_per_unit
    np.testing.assert_allclose(total["linear_predictor"], by_hand)
    np.testing.assert_allclose(total["probability"], 1 / (1 + np.exp(-by_hand)))
    at = drawn.probability_axis
    found = [drawn.probability(x) for x in at["total_points"]]
    np.testing.assert_allclose(found, at["probability"], atol=1e-4)


def test_one_variable_has_a_hundred_points():
    _, drawn = drawn_of(simulated(), ["age"])
    assert drawn.points["points"].max() == pytest.approx(100)
    assert drawn.total_points["total_points"].max() == 100


def test_a_constant_variable_costs_no_points():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "nodes"])
    drawn = nomogram(model, table[table["nodes"] == 2])
    assert drawn.points.loc[drawn.points["variable"] == "nodes", "points"].tolist() == [0.0]
    case = {"age": 50.0, "nodes": 2}
    expected = model.probability(pd.DataFrame([case]))[0]
    assert drawn.probability(drawn.points_for(case)) == pytest.approx(expected)


def test_rows_with_a_gap_are_left_out():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "er"])
    wild = pd.DataFrame({"age": [500.0, np.nan], "er": [None, "+"], "nodes": 0, "y": 0})
    with_gaps = nomogram(model, pd.concat([table, wild], ignore_index=True))
    pd.testing.assert_frame_equal(with_gaps.points, nomogram(model, table).points)


def test_no_axis_has_a_length():
    table = simulated()
    model = fit_logistic_model(table, "y", ["age", "er"])
    flat = dataclasses.replace(model, coefficients={"age": 0.0, "er[-]": 0.0})
    with pytest.raises(NotEstimable, match="no variable moves the prediction"):
        nomogram(flat, table)
    with pytest.raises(NotEstimable, match="without a missing value"):
        nomogram(model, table.assign(age=np.nan))


def test_a_case_that_does_not_fit():
    table = simulated()
    _, drawn = drawn_of(table, ["age", "er"])
    with pytest.raises(BadArgument, match="found no er"):
        drawn.points_for({"age": 50.0})
    with pytest.raises(BadArgument, match="found unknown"):
        drawn.points_for({"age": 50.0, "er": "unknown"})
    with pytest.raises(NotEstimable, match="gaps in er"):
        drawn.points_for({"age": 50.0, "er": None})
    with pytest.raises(BadArgument, match="found no er"):
        nomogram(drawn.model, table[["age"]])
