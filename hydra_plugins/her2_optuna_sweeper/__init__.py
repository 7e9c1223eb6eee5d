"""Hydra plugin: `hydra/sweeper=optuna`, searches that go on where they were stopped."""
