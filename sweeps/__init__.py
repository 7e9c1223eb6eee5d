"""Comparisons, one file in `search/` each: `her2 COMMAND -m +search=NAME` runs it."""
