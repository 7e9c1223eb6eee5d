"""Passwords stay out of what is written: addresses without them, and variables by their names.

A value that a setting takes from the environment (``${oc.env:NAME}``) is used, and written as
``***`` with four digits of a hash, by which a changed one is noticed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_CREDENTIALS = re.compile(r"(?<=://)\S*@")
_PARAMETERS = re.compile(
    r"([?&;](?:\w*(?:password|passwd|pwd|token|secret|api_?key|credential)\w*)=)[^&;\s#]+", re.I
)
_ENVIRONMENT = re.compile(r"oc\.env:\s*([^,}\s]+)")
_VARIABLE = "HER2_ADDRESS_"  # of this process and its children: an address that has a password
_masked: dict[str, str] = {}  # values of settings that came from the environment


def masked_address(text: str) -> str:
    """Return a text without the passwords of addresses in it.

    >>> masked_address("https://user:pass@word@server/path and ftp://a/b?token=c&d=e")
    'https://***@server/path and ftp://a/b?token=***&d=e'
    """
    return _PARAMETERS.sub(rf"\g<1>{MASK}", _CREDENTIALS.sub(f"{MASK}@", text))


def masked(value: Any) -> Any:
    """Return settings, or a part of them, as they may be written."""
    if isinstance(value, Mapping):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(masked, value))
    return masked_address(_masked.get(value, value)) if isinstance(value, str) else value


def remember_environment(written: Any, resolved: Any) -> None:
    """Note which texts among settings came from the environment.

    written, resolved: the same settings before and after their ``${...}`` are filled in.
    """
    if isinstance(written, Mapping) and isinstance(resolved, Mapping):
        for key in written:
            remember_environment(written[key], resolved.get(key))
    elif isinstance(written, list) and isinstance(resolved, list):
        for one, other in zip(written, resolved, strict=False):
            remember_environment(one, other)
    elif isinstance(written, str) and isinstance(resolved, str) and "${" in written:
        _masked.update({resolved: _without_variables(written, resolved)})


def _without_variables(written: str, resolved: str) -> str:
    """Return a text without the values of the variables that made it."""
    for name in _ENVIRONMENT.findall(written):
        value = os.environ.get(name.strip("'\""))
        if value and not name.startswith(_VARIABLE):  # addresses are written without passwords
            mark = hashlib.sha256(f"{name}\n{value}".encode()).hexdigest()[:4]
            resolved = resolved.replace(value, f"{MASK}{mark}")
    return resolved


def hidden(text: str) -> str:
    """Return a setting that names its address, if it has a password, by a variable.

    So the address enters no file that Hydra writes and no line that a launcher logs; jobs in
    other processes have the variable too.
    """
    if masked_address(text) == text or "${" in text:
        return text
    name = f"{_VARIABLE}{hashlib.sha256(text.encode()).hexdigest()[:8].upper()}"
    os.environ[name] = text
    return f"${{oc.env:{name}}}"


class MaskedFormatter(logging.Formatter):
    """Lines of a log, those of a traceback too, without the passwords of addresses."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        return masked_address(super().format(record))
