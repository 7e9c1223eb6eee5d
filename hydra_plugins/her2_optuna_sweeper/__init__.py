"""Hydra plugin: `hydra/sweeper=optuna`, searches that go on where they were stopped."""

from hydra_plugins.her2_optuna_sweeper.sweeper import OptunaSweeper

__all__ = ["OptunaSweeper"]
