"""Short names of settings, for tables and figures."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the shortest end of every dotted name that no other one has.

    Examples
    --------
    >>> short_names(["a.fixed.depth", "b.fixed.depth", "trainer.dropout"])
    {'a.fixed.depth': 'a.fixed.depth', 'b.fixed.depth': 'b.fixed.depth', 'trainer.dropout': 'dropout'}
    """  # noqa: E501
    found = {}
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]
        others = [other for other in names if other != name]
        found[name] = next(
            (end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)),
            name,
        )
    return found
