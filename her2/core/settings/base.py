"""What a settings class is: a frozen dataclass whose fields hold default, range and meaning.

A field is declared once, ``n_folds: int = setting(5, "what it is", ge=2)``; what is refused, what
``--help`` prints and docs/settings.md are all made of that line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from functools import wraps
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from her2.core.errors import BadConfig

T = TypeVar("T")

_CONFIG = ConfigDict(extra="forbid", coerce_numbers_to_str=True, arbitrary_types_allowed=True)
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list such as [a,b]",
    "dict": "settings such as {a: 1}",
    "dataclass": "settings such as {a: 1}",
}
_LIMITS = {
    "greater_than_equal": ("ge", "of at least {}"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "of at most {}"),
    "less_than": ("lt", "below {}"),
}


class BadSettings(BadConfig):
    """Settings that cannot be run; all that is wrong with them, one sentence each.

    Attributes
    ----------
    problems
        The sentences.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)

    def __reduce__(self) -> tuple[type[BadSettings], tuple[list[str]]]:
        """Let a worker process hand the problems over."""
        return type(self), (self.problems,)


def setting(
    default: Any = None, meaning: str | None = None, *,
    factory: Callable[[], Any] | None = None, **rules: Any,
) -> Any:  # fmt: skip
    """Return a field of a settings class; `rules` are pydantic's, such as ``ge``."""
    default_is = {"default": default} if factory is None else {"default_factory": factory}
    return Field(**default_is, description=meaning, **rules)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(group: str = "") -> Callable[[type[T]], type[T]]:
    """Return what makes a class of fields a settings class; `group` is the prefix of its keys."""

    def make(cls: type[T]) -> type[T]:
        made = checked_dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
        checked = made.__init__

        @wraps(checked)
        def init(self: T, **values: Any) -> None:
            try:
                checked(self, **values)
            except ValidationError as error:
                raise BadSettings(sentences(error, made, group)) from None

        made.__init__ = init  # type: ignore[assignment, method-assign]
        return made  # type: ignore[return-value]

    return make


def validated(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return settings made of plain values; `BadSettings` says everything that is wrong."""
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        raise BadSettings(sentences(error, cls)) from None


def sentences(error: ValidationError, cls: type, group: str = "") -> list[str]:
    """Return what is wrong in our words: expected, found, do."""
    known = {key.name: key for key in keys_of(cls, group)}
    said = (_sentence(detail, group, known) for detail in error.errors(include_url=False))
    return list(dict.fromkeys(said))


def _sentence(detail: ErrorDetails, group: str, known: Mapping[str, Key]) -> str:
    parts = [str(part) for part in detail["loc"] if not str(part).startswith("function-")]
    names = ".".join([*([group] if group else []), *parts])
    kind, found = detail["type"], detail["input"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return unknown_key(names, list(known))
    while names not in known and "." in names:
        names = names.rpartition(".")[0]  # an element of a list, or a member of a union

    key = known.get(names)
    asked = _asked(kind, detail, key)
    usual = "" if key is None or key.default is None else f"; {shown(key.default)} is the default"
    if key is not None and key.choices and isinstance(found, str):
        usual = did_you_mean(found, key.choices)
    return f"expected {names} {asked}, found {shown(found)}{usual}"


def _asked(kind: str, detail: ErrorDetails, key: Key | None) -> str:
    if key is not None and key.choices and not kind.startswith("too_"):
        return f"among {', '.join(key.choices)}"
    if kind in _LIMITS:
        name, text = _LIMITS[kind]
        return text.format(f"{detail['ctx'][name]:g}")
    if kind.endswith(("too_short", "too_long")):
        n = next(v for k, v in detail["ctx"].items() if k.endswith("_length"))
        most = "at least" if kind.endswith("short") else "at most"
        return f"with {most} {n} {'character' if 'string' in kind else 'element'}{'s' * (n != 1)}"
    return f"as {_KINDS.get(kind.partition('_')[0], 'another value')}"


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Return the sentence that answers an unknown key.

    Examples
    --------
    >>> unknown_key("evaluation.nfolds", ["evaluation.n_folds", "seed"])
    'expected a setting that there is, found evaluation.nfolds; did you mean evaluation.n_folds?'
    """
    hint = did_you_mean(name, known) or "; --help lists them all"
    return f"expected a setting that there is, found {name}{hint}"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return the nearest names as ``; did you mean X?``, nothing where none is near.

    >>> did_you_mean("resnet5", ["resnet50", "vgg19"]), did_you_mean("x", ["resnet50"])
    ('; did you mean resnet50?', '')
    """
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if not near:  # the last part alone, or its beginning: n_folds for evaluation.n_folds
        last = {name: name.rpartition(".")[2] for name in known}
        ends = get_close_matches(word.rpartition(".")[2], list(last.values()), n=1, cutoff=0.75)
        near = [name for name, end in last.items() if end in ends][:1]
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: Any) -> str:
    """Return a value as a command line has it.

    >>> [shown(x) for x in (None, True, [1, "a"], 0.5, "a b")]
    ['null', 'true', '[1,a]', '0.5', 'a b']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(shown, value))}]"
    return f"{value:g}" if isinstance(value, float) and value else str(value)


@dataclass(frozen=True)
class Key:
    """One setting as a command line names it.

    Attributes
    ----------
    name
        Such as ``evaluation.n_folds``.
    annotation
        Its type.
    default
        Its default value; None where there is none.
    description
        One sentence.
    limits
        Its range as text, such as ``>= 2``; empty where any value will do.
    """

    name: str
    annotation: Any
    default: Any
    description: str
    limits: str

    @property
    def types(self) -> tuple[Any, ...]:
        """The members of a union, None left out."""
        is_union = get_origin(self.annotation) in (Union, UnionType)
        members = get_args(self.annotation) if is_union else (self.annotation,)
        bare = (get_args(x)[0] if get_origin(x) is Annotated else x for x in members)
        return tuple(x for x in bare if x is not NoneType)

    @property
    def element(self) -> Any:
        """The type of a list's elements; None for no list."""
        lists = [x for x in self.types if get_origin(x) is list]
        if not lists:
            return None
        of = get_args(lists[0])[0]
        return get_args(of)[0] if get_origin(of) is Annotated else of

    @property
    def is_free(self) -> bool:
        """Whether any key may stand below this one."""
        return any(get_origin(x) is dict for x in self.types)

    @property
    def is_optional(self) -> bool:
        """Whether null is a value."""
        return NoneType in get_args(self.annotation)

    @property
    def choices(self) -> tuple[str, ...]:
        """What there is to choose from; empty where that is no list of words."""
        for one in (*self.types, self.element):
            if get_origin(one) is Literal:
                return tuple(str(x) for x in get_args(one))
        return ()

    @property
    def holds_text(self) -> bool:
        """Whether its value is text: any, or one of some words."""
        words = [x for one in self.types if get_origin(one) is Literal for x in get_args(one)]
        return str in self.types or any(isinstance(x, str) for x in words)

    @property
    def range_text(self) -> str:
        """What is taken: type, limits, and whether null is a value."""
        plain = {int: "whole number", float: "number", bool: "true | false", str: "text"}
        text = " or ".join(plain.get(x, "settings") for x in self.types)
        if self.choices:
            text = ("list of " if self.element is not None else "") + " | ".join(self.choices)
        elif self.element is not None:
            text = f"list of {plain.get(self.element, 'value')}s"
        limits = f", {self.limits}" if self.limits else ""
        return text + limits + (" or null" if self.is_optional else "")


def keys_of(cls: type, prefix: str = "") -> Iterator[Key]:
    """Yield every setting of a class, those of its sections included."""
    infos: Mapping[str, FieldInfo] = cls.__pydantic_fields__  # type: ignore[attr-defined]
    for name, info in infos.items():
        full = f"{prefix}.{name}" if prefix else name
        if is_dataclass(info.annotation):
            yield from keys_of(info.annotation, full)
            continue
        default = info.get_default(call_default_factory=True)
        yield Key(full, info.annotation, default, info.description or "", _limits(info))


def _limits(info: FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    inner = [x for x in get_args(info.annotation) if get_origin(x) is Annotated]
    rules = [*info.metadata, *(rule for x in inner for rule in get_args(x)[1:])]
    rules = [one for rule in rules for one in getattr(rule, "metadata", [rule])]
    found = [
        f"{sign} {limit:g}"
        for rule in rules
        for name, sign in signs.items()
        if (limit := getattr(rule, name, None)) is not None
    ]
    return " and ".join(found)


def defaults_of(cls: type) -> dict[str, Any]:
    """Return the defaults of a class as plain values, those of its sections by their classes."""
    plain: dict[str, Any] = {}
    infos: Mapping[str, FieldInfo] = cls.__pydantic_fields__  # type: ignore[attr-defined]
    for name, info in infos.items():
        section = info.annotation
        default = info.get_default(call_default_factory=True)
        plain[name] = defaults_of(section) if is_dataclass(section) else default
    return plain
