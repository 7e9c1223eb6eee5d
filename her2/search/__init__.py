"""Searches of settings: Optuna behind Hydra's multirun; spaces lie in sweeps/."""
