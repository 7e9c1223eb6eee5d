"""ComBat against R's sva, with the arguments that each golden entry's call names."""

import numpy as np
import pandas as pd
import pytest
from golden import FOLDER, entries, needs_golden

from her2.stats import fit_combat

ARGUMENTS = {
    "combat_parametric": {},
    "combat_parametric_mod": {"covariates": "grp"},
    "combat_nonparametric_mod": {"covariates": "grp", "parametric": False},
    "combat_meanonly": {"mean_only": True},
    "combat_ref1": {"covariates": "grp", "reference_batch": 1},
}

pytestmark = needs_golden


def each_call() -> list:
    """Parameters (dataset, cleaned features of (samples, features), arguments)."""
    return [
        pytest.param(entry.values[0], np.array(entry.values[2]).T, arguments, id=entry.id)
        for quantity, arguments in ARGUMENTS.items()
        for entry in entries(quantity)
    ]


def inputs(dataset: str, arguments: dict) -> tuple[np.ndarray, np.ndarray, dict]:
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    named = {**arguments}
    if "covariates" in named:
        named["covariates"] = table[named["covariates"]]
    return table.filter(regex=r"^f\d+$").to_numpy(), table["batch"].to_numpy(), named


@pytest.mark.parametrize(("dataset", "expected", "arguments"), each_call())
def test_combat(dataset, expected, arguments):
    data, batch, named = inputs(dataset, arguments)
    model = fit_combat(data, batch, **named)
    cleaned = model.transform(data, batch, covariates=named.get("covariates"))
    assert cleaned == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("dataset", "expected", "arguments"), each_call())
def test_one_row_at_a_time_gives_the_same(dataset, expected, arguments):
    data, batch, named = inputs(dataset, arguments)
    model = fit_combat(data, batch, **named)
    covariates = named.get("covariates")
    for i in range(len(data)):
        extra = None if covariates is None else covariates[i : i + 1]
        row = model.transform(data[i : i + 1], batch[i : i + 1], covariates=extra)
        assert row[0] == pytest.approx(expected[i], rel=1e-8, abs=1e-8)
