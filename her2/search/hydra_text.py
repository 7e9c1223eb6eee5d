"""Values as Hydra reads them on a command line, and back."""

from __future__ import annotations

import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][\w./@-]*")
_WORDS = {"null", "true", "false", "nan", "inf"}


def hydra_text(value: Any) -> str:
    """Return a value as the right side of an override.

    Examples
    --------
    >>> [hydra_text(x) for x in (None, True, 3, 1e-05, "sqrt", "a b", [1, "x"])]
    ['null', 'true', '3', '1e-05', 'sqrt', "'a b'", '[1,x]']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(hydra_text(x) for x in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{hydra_text(v)}" for k, v in value.items()) + "}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def python_value(text: str) -> Any:
    """Return what Hydra makes of the right side of an override.

    >>> python_value("1e-05"), python_value("sqrt"), python_value("[1,2]")
    (1e-05, 'sqrt', [1, 2])
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(f"key={text}").value()
