"""A YAML file of printed numbers, read as the claims of a study.

Scalars are read as text, so that ``54.00`` keeps its decimals. What a section may hold is said by
the fields of its claim class; docs/check_paper.md describes the format.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from her2.core.errors import BadArgument, BadConfig, MissingInput
from her2.paper_checks.claims import PrintedStudy
from her2.paper_checks.printed import Printed

_HINTS = get_type_hints(PrintedStudy)
CLAIMS: dict[str, Any] = {
    kind.name: get_args(_HINTS[kind.name])[0] for kind in fields(PrintedStudy)[1:]
}
_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


def read_numbers(path: Path | str) -> PrintedStudy:
    """Claims of a file of printed numbers.

    `BadConfig` if it cannot be understood: all its problems, one a line.
    """
    content = _content(Path(path))
    problems: list[str] = []
    defaults = content.pop("defaults", {})
    problems += _unknown(content, ("partition", "defaults", *CLAIMS))
    problems += _unknown(defaults, CLAIMS)
    claims: dict[str, Any] = {
        kind: tuple(_claims(kind, content[kind], defaults.get(kind, {}), problems))
        for kind in CLAIMS
        if kind in content
    }
    try:
        claims["partition"] = _converted(_HINTS["partition"], content.get("partition", {}), None)
        study = PrintedStudy(**claims)
    except BadArgument as error:
        problems.append(str(error))
    if not problems and not study.claims:
        problems.append(f"expected a claim, found none; write one of {', '.join(CLAIMS)}")
    if problems:
        raise BadConfig("\n".join(f"{path}: {problem}" for problem in problems))
    return study


class _Loader(yaml.BaseLoader):
    """Every scalar as text, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping, refusing a key that stands twice."""
        keys = [self.construct_object(key) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"{twice} twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingInput(f"expected a file of printed numbers, found no file {path}; name it")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError:
        raise BadConfig(f"{path}: expected text in UTF-8, found other bytes; save it so") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        found = getattr(error, "problem", None) or "something else"
        raise BadConfig(f"{path}: expected YAML, found {found}{line}; correct it") from None
    sections = content if isinstance(content, dict) else {}
    if not sections or not isinstance(sections.get("defaults", {}), dict):
        raise BadConfig(f"{path}: expected sections such as sizes, found none; see check_paper.md")
    return sections


def _claims(
    kind: str, rows: Any, defaults: Mapping[str, Any], problems: list[str]
) -> Iterable[Any]:
    if not isinstance(rows, list):
        problems.append(f"{kind}: expected a list of claims, found {_shown(rows)}; begin with -")
        return
    for i, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            problems.append(f"{kind} {i}: expected keys, found {_shown(row)}; write where: ...")
            continue
        place = f"{kind} {i} ({row['where']})" if row.get("where") else f"{kind} {i}"
        values, found = _values(CLAIMS[kind], {**defaults, **row})
        try:
            if not found:
                yield CLAIMS[kind](**values)
        except BadArgument as error:
            found.append(str(error))
        problems += [f"{place}: {problem}" for problem in found]


def _values(claim: Any, row: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Arguments of a claim, and what is wrong with them."""
    known, hints = {field.name: field for field in fields(claim)}, get_type_hints(claim)
    problems = _unknown(row, (*known, "decimals"))
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in row:
            if field.default is MISSING and field.default_factory is MISSING:
                problems.append(f"expected {name}, found none; add it")
            continue
        try:
            decimals = _converted(int | None, row.get("decimals", ""), None)
            values[name] = _converted(hints[name], row[name], decimals)
        except BadArgument as error:
            problems.append(f"{name}: {error}")
    return values, problems


def _converted(hint: Any, raw: Any, decimals: int | None) -> Any:
    """Value of a field from the text, list or mapping in the file."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:  # of a type and None: an empty value is one that is not printed
        return None if raw == "" else _converted(arguments[0], raw, decimals)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if not isinstance(raw, list) or len(raw) != len(arguments):
            raise BadArgument(f"expected {len(arguments)} values, found {_shown(raw)}; list them")
        pairs = zip(arguments, raw, strict=True)
        return tuple(_converted(kind, value, decimals) for kind, value in pairs)
    if origin in (tuple, frozenset):  # one value needs no brackets
        values = raw if isinstance(raw, list) else [raw]
        return origin(_converted(arguments[0], value, decimals) for value in values)
    if origin is not Literal and origin is not None:
        if not isinstance(raw, dict):
            raise BadArgument(
                f"expected names with values, found {_shown(raw)}; write name: value"
            )
        return {key: _converted(arguments[1], value, decimals) for key, value in raw.items()}
    if not isinstance(raw, str):
        raise BadArgument(f"expected one value, found {_shown(raw)}; write it without brackets")
    return _scalar(hint, raw, decimals)


def _scalar(hint: Any, raw: str, decimals: int | None) -> Any:
    if get_origin(hint) is Literal:
        return _one_of(raw, get_args(hint))
    if hint is Printed:
        return Printed.read(raw, decimals=decimals)
    if hint is bool:
        return _YES_NO[_one_of(raw.lower(), tuple(_YES_NO))]
    if hint is str:
        return raw
    try:
        number = hint(raw.replace(",", ""))
    except ValueError:
        number = -1
    if number < 0:  # every number that is not printed text counts something
        kind = "a whole number" if hint is int else "a number"
        raise BadArgument(f"expected {kind} of at least 0, found {raw!r}; correct it")
    return number


def _one_of(raw: str, known: Iterable[str]) -> str:
    if raw not in known:
        raise BadArgument(_expected(raw, known))
    return raw


def _unknown(found: Iterable[str], known: Iterable[str]) -> list[str]:
    return [_expected(name, known) for name in found if name not in known]


def _expected(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    advice = f"did you mean {close[0]}?" if close else "use one of these"
    return f"expected one of {', '.join(known)}, found {name}; {advice}"


def _shown(raw: Any) -> str:
    return f"{raw!r}" if isinstance(raw, str) else f"{type(raw).__name__} {raw}"
