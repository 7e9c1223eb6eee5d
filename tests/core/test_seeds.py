"""Random numbers belong to names: no draw shifts another, and no global state is touched."""

import numpy as np
import pytest

from her2.core.seeds import generator, integer_seed

NAMES = [(), ("a",), ("b",), ("a", 0), ("a", 1), ("a", "b"), ("ab",), ("folds", "outer")]


def test_the_same_names_give_the_same_numbers():
    first = generator(3, "split", 1)
    generator(3, "something else").standard_normal(1000)
    second = generator(3, "split", 1)
    assert first.standard_normal(50).tobytes() == second.standard_normal(50).tobytes()


def test_the_numbers_of_a_name_never_change():
    """A study that is repeated with a later version gets the split that it had."""
    assert generator(0, "split", 0).permutation(10).tolist() == [9, 4, 8, 5, 1, 2, 7, 0, 6, 3]
    assert integer_seed(0, "lasso") == 281346528


def test_other_names_or_seeds_give_other_numbers():
    draws = [generator(seed, *names).bytes(16) for seed in (0, 1, 2) for names in NAMES]
    assert len(set(draws)) == len(draws)


def test_streams_of_neighbouring_names_are_uncorrelated():
    streams = np.array([generator(0, "patient", i).standard_normal(2000) for i in range(20)])
    r = np.corrcoef(streams)[np.triu_indices(20, 1)]
    assert np.abs(r).max() < 4.5 / np.sqrt(2000)


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_an_integer_seed_suits_every_library(seed):
    seeds = [integer_seed(seed, "step", i) for i in range(200)]
    assert all(isinstance(s, int) and 0 <= s < 2**31 for s in seeds)
    assert len(set(seeds)) == 200


def test_the_global_state_is_left_alone():
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    generator(0, "a").standard_normal(10)
    integer_seed(0, "a")
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
