"""What a study is of: it goes on only with the space, the settings and the data it began with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna.study import Study

from her2.core.errors import BadConfig

KEY = "her2"  # attribute of a study: its identity
_SHOWN = 4  # differences in a message


def check_identity(study: Study, identity: Mapping[str, Any]) -> None:
    """Write a new study's identity; refuse to go on with a study of another one.

    Raises
    ------
    BadConfig
        With the difference.
    """
    plain = json.loads(json.dumps(identity))
    known = study.user_attrs.get(KEY)
    if known is None:
        study.set_user_attr(KEY, plain)
        return
    found = differences(known, plain)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BadConfig(
            f"expected the search that the study {study.study_name} began with, found another "
            f"({'; '.join(found[:_SHOWN])}{more}); give another hydra.sweeper.study_name, or the "
            "settings and data of that search"
        )


def differences(before: Any, now: Any, place: str = "") -> list[str]:
    """Return what differs between two documents, one line a place.

    >>> differences({"a": {"low": 1}, "b": 2}, {"a": {"low": 3}})
    ['a.low: 1 -> 3', 'b: 2 -> nothing']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        found = []
        for key in sorted({*before, *now}):
            name = f"{place}.{key}" if place else str(key)
            found += differences(before.get(key), now.get(key), name)
        return found
    if before == now:
        return []
    shown = ["nothing" if value is None else _short(value) for value in (before, now)]
    return [f"{place}: {shown[0]} -> {shown[1]}"]


def _short(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
