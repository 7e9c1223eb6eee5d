"""Samplers and pruners by name; each trial draws from random numbers of its own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from her2.core.errors import BadConfig
from her2.core.seeds import integer_seed

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

SAMPLERS = ("tpe", "random", "cmaes", "qmc", "grid")
PRUNERS = ("none", "median", "hyperband", "wilcoxon")


def make_sampler(name: str, *, seed: int, number: int, is_conditional: bool) -> BaseSampler:
    """Return the sampler of trial `number`.

    A sampler that is seeded once repeats its points when a search goes on, or when two processes
    work on it; so each trial has its own seed. Only the quasi-random sequence goes on by itself:
    the storage knows how far it has come.

    Raises
    ------
    BadConfig
        The sampler needs a package that is not installed.
    """
    import optuna
    from optuna.samplers import CmaEsSampler, QMCSampler, RandomSampler, TPESampler

    own = integer_seed(seed, "search", number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(
                seed=own, multivariate=True, group=is_conditional, constant_liar=True
            )
        if name == "cmaes":
            _check_cmaes()
            return CmaEsSampler(seed=own, warn_independent_sampling=False)
        if name == "qmc":
            return QMCSampler(
                seed=integer_seed(seed, "search"), scramble=True,
                independent_sampler=RandomSampler(seed=own), warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )  # fmt: skip
        return RandomSampler(seed=own)  # grid: every point is given


def make_pruner(name: str) -> BasePruner:
    """Return a pruner; steps are folds."""
    import optuna
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=1)
        if name == "hyperband":
            return HyperbandPruner(min_resource=1, max_resource="auto", reduction_factor=3)
        if name == "wilcoxon":
            return WilcoxonPruner(p_threshold=0.1, n_startup_steps=3)
    return NopPruner()


def _check_cmaes() -> None:
    try:
        import cmaes  # noqa: F401
    except ImportError as error:
        raise BadConfig(
            "expected the package cmaes for hydra.sweeper.sampler=cmaes, found none; "
            "pip install cmaes, or use tpe"
        ) from error
