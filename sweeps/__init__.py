"""Searches and comparisons: `her2 COMMAND -m +search=NAME`, one file in `search/` each.

`spaces/` holds what is searched; the modules are what `hydra/sweeper=optuna` does.
"""
