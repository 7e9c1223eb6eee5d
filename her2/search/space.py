"""What is searched: settings of the command, their ranges, and when each of them matters.

A space is a file of sweeps/spaces (or one of your own), sweeps of Hydra's own syntax, or both::

    fixed:                                   # overrides of every trial
      - ~classifier.lightgbm.grid.num_leaves
    parameters:
      classifier.lightgbm.fixed.num_leaves: {type: int, low: 2, high: 31, log: true}
      classifier.imbalance: {type: choice, values: [none, weights]}
      classifier.lightgbm.fixed.min_child_samples: {type: int, low: 2, high: 40, of_rows: 0.2}
      classifier.lightgbm.fixed.subsample_freq:
        {type: int, low: 1, high: 5, when: {classifier.imbalance: none}}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from her2.core.errors import BadConfig, MissingInput
from her2.core.places import packaged_path

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from optuna.trial import Trial

Value = float | int | str
SPACES = packaged_path("sweeps") / "spaces"
MOST_POINTS = 100_000  # of a space that is counted
_RANGE = {"type", "low", "high", "step", "log", "when", "of_rows"}
_KEYS = {"float": _RANGE, "int": _RANGE, "choice": {"type", "values", "when"}}
_PLAIN = re.compile(r"(?!(?i:null|true|false|nan|inf)$)[A-Za-z_][\w./@-]*")


@dataclass(frozen=True)
class Parameter:
    """One setting that is searched.

    Attributes
    ----------
    name
        Its key on the command line.
    kind
        ``float``, ``int`` or ``choice``.
    low, high
        Limits, both included.
    step
        Distance of the values, None for none.
    log
        Whether its logarithm is searched.
    choices
        Texts as Hydra reads them.
    when
        Settings before it and the texts with which it matters, all of them.
    of_rows
        Share of the training rows that the upper limit may not exceed, None for none.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    of_rows: float | None = None

    def __post_init__(self) -> None:
        is_choice = self.kind == "choice"
        if is_choice and (not self.choices or len(set(self.choices)) < len(self.choices)):
            raise BadConfig(
                f"expected {self.name} with different values to choose from, found "
                f"{', '.join(self.choices) or 'none'}"
            )
        shown = f"{self.low:g} to {self.high:g}"
        whole = (self.low, self.high, self.step or 1)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise BadConfig(f"expected {self.name} with low up to high, found {shown}")
        if self.log and self.low <= 0:
            raise BadConfig(
                f"expected {self.name} with a low above 0 for log: true, found {shown}"
            )
        if self.step is not None and (self.step <= 0 or (self.log and self.step != 1)):
            raise BadConfig(
                f"expected {self.name} with a step above 0, and none with log: true, found "
                f"{self.step:g}"
            )
        if self.kind == "int" and any(x != int(x) for x in whole):
            raise BadConfig(f"expected {self.name} with whole limits and step, found {shown}")

    def within(self, n_rows: int) -> Parameter:
        """Return the setting with the upper limit that this number of training rows allows.

        >>> leaf = Parameter("leaf", "int", 2, 40, of_rows=0.2)
        >>> leaf.within(33).high, leaf.within(500).high, leaf.within(5).high
        (6, 40, 2)
        """
        if self.of_rows is None:
            return self
        high = min(self.high, max(self.low, self.of_rows * n_rows))
        return replace(self, high=int(high) if self.kind == "int" else high)

    def is_active(self, point: Mapping[str, Value]) -> bool:
        """Whether it matters beside these values."""
        texts = {k: as_text(v) for k, v in point.items()}
        return all(texts.get(name) in allowed for name, allowed in self.when)

    def suggest(self, trial: Trial) -> Value:
        """Return the value that the trial's sampler proposes."""
        if self.kind == "choice":
            return str(trial.suggest_categorical(self.name, self.choices))
        if self.kind == "int":
            limits = int(self.low), int(self.high)
            return trial.suggest_int(self.name, *limits, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> list[Value] | None:
        """Return all its values, None if they cannot be counted."""
        if self.kind == "choice":
            return list(self.choices)
        step = self.step or (1 if self.kind == "int" else None)
        if self.low == self.high:
            return [self.number(self.low)]
        if step is None or (self.high - self.low) / step >= MOST_POINTS:
            return None
        n = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [self.number(self.low + i * step) for i in range(n)]

    def number(self, value: float) -> Value:
        """Return a value of its type."""
        return int(value) if self.kind == "int" else value


@dataclass(frozen=True)
class Space:
    """Settings to search.

    Attributes
    ----------
    parameters
        One setting each; those that others depend on come first.
    fixed
        Overrides of every trial.
    title
        Name of the file, for the study's name.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...] = ()
    title: str = "settings"

    def __post_init__(self) -> None:
        if not self.parameters:
            raise BadConfig(
                "expected settings to search, found none; choose a space (+search=NAME or "
                f"hydra.sweeper.space=NAME: {', '.join(known_spaces())}), or give ranges such as "
                "'seed=range(0,9)'"
            )
        before: set[str] = set()
        for parameter in self.parameters:
            if late := [name for name, _ in parameter.when if name not in before]:
                raise BadConfig(
                    f"expected {parameter.name} to depend on settings that stand before it in "
                    f"the space, found {', '.join(late)}"
                )
            before.add(parameter.name)

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Return the point that the trial's sampler proposes; only what matters is asked for."""
        return self._active(lambda parameter: parameter.suggest(trial))

    def first(self) -> dict[str, Value]:
        """Return a point of the space."""
        return self._active(lambda p: p.choices[0] if p.choices else p.number(p.low))

    def points(self) -> list[dict[str, Value]] | None:
        """Return all points, None if they are more than can be counted."""
        columns = [parameter.values() for parameter in self.parameters]
        known = [column for column in columns if column is not None]
        if len(known) < len(columns) or math.prod(map(len, known)) > MOST_POINTS:
            return None
        seen: dict[Any, dict[str, Value]] = {}
        for values in product(*known):
            of_setting = dict(zip(self.parameters, values, strict=True))
            point = self._active(of_setting.__getitem__)
            seen.setdefault(tuple(point.items()), point)
        return list(seen.values())

    def _active(self, value_of: Callable[[Parameter], Value]) -> dict[str, Value]:
        """Return the values of the settings that matter beside those before them."""
        point: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.is_active(point):
                point[parameter.name] = value_of(parameter)
        return point

    def within(self, n_rows: int) -> Space:
        """Return the space with the upper limits that this number of training rows allows."""
        return replace(self, parameters=tuple(p.within(n_rows) for p in self.parameters))

    def document(self) -> dict[str, Any]:
        """Return the space as JSON, for a study to remember."""
        described = [asdict(parameter) for parameter in self.parameters]
        for one in described:
            del one["of_rows"]  # its effect, the upper limit, stays
        return {"fixed": list(self.fixed), "parameters": {d.pop("name"): d for d in described}}


def known_spaces() -> list[str]:
    """Return the names of the spaces that the package brings."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def default_space(choices: Mapping[str, Any]) -> str | None:
    """Return the space that fits the command's groups, None if none does.

    >>> default_space({"classifier": "lightgbm"}), default_space({"backbone": "resnet50"})
    ('lightgbm', 'finetune')
    """
    named = choices.get("classifier")
    if named is not None:
        return str(named) if named in known_spaces() else None
    return "finetune" if "backbone" in choices else None


def read_space(named: str) -> Space:
    """Return the space of a name in sweeps/spaces, or of a YAML file."""
    path = SPACES / f"{named}.yaml"
    if not path.is_file():
        path = Path(named).expanduser()
    if not path.is_file():
        raise MissingInput(
            f"expected hydra.sweeper.space as a file or among {', '.join(known_spaces())}, found "
            f"{named}; see sweeps/spaces"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise BadConfig(f"expected a space as YAML in {path}, found: {reason}") from error
    return parse_space(content, path.stem)


def parse_space(content: Any, title: str) -> Space:
    """Return the space of a file's content."""
    if not isinstance(content, Mapping) or set(content) - {"fixed", "parameters"}:
        found = ", ".join(map(str, content)) if isinstance(content, Mapping) else str(content)
        raise BadConfig(f"expected `parameters` and `fixed` in the space {title}, found {found}")
    fixed, described = content.get("fixed") or [], content.get("parameters") or {}
    if not isinstance(fixed, list) or not isinstance(described, Mapping):
        raise BadConfig(
            f"expected a list `fixed` and settings `parameters` in the space {title}, found "
            f"{fixed} and {described}"
        )
    parameters = tuple(_parameter(str(name), given) for name, given in described.items())
    return Space(parameters, tuple(map(str, fixed)), title)


def _parameter(name: str, given: Any) -> Parameter:
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in _KEYS:
        raise BadConfig(f"expected {name} with a type among {', '.join(_KEYS)}, found {given}")
    if unknown := sorted(set(given) - _KEYS[kind]):
        raise BadConfig(
            f"expected {name} with {', '.join(sorted(_KEYS[kind]))}, found {', '.join(unknown)}"
        )
    when = _conditions(name, given.get("when") or {})
    if kind == "choice":
        values = given.get("values")
        if not isinstance(values, list):
            raise BadConfig(f"expected {name} with a list of values, found {values}")
        return Parameter(name, kind, choices=tuple(map(hydra_text, values)), when=when)
    numbers = {key: _number(name, key, given[key]) for key in ("low", "high", "step", "of_rows")
               if given.get(key) is not None}  # fmt: skip
    if missing := sorted({"low", "high"} - set(numbers)):
        raise BadConfig(f"expected {name} with low and high, found no {' and '.join(missing)}")
    low, high, step, of_rows = map(numbers.get, ("low", "high", "step", "of_rows"))
    assert low is not None and high is not None
    is_log = bool(given.get("log", False))
    return Parameter(name, kind, low, high, step=step, log=is_log, when=when, of_rows=of_rows)


def _number(name: str, key: str, given: Any) -> float:
    """Return a number; YAML reads 1e-5 as text."""
    try:
        if isinstance(given, bool):
            raise ValueError
        return given if isinstance(given, int) else float(given)
    except (TypeError, ValueError) as error:
        raise BadConfig(f"expected {name} with a number as {key}, found {given!r}") from error


def _conditions(name: str, given: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(given, Mapping):
        raise BadConfig(f"expected {name} with `when: {{SETTING: VALUE}}`, found {given}")
    return tuple(
        (str(key), tuple(map(hydra_text, value if isinstance(value, list) else [value])))
        for key, value in given.items()
    )


def with_overrides(space: Space | None, overrides: Sequence[Override]) -> Space:
    """Return a space with sweeps of the command line in it; these win over the file's."""
    own = [override_parameter(override) for override in overrides]
    if space is None:
        return Space(tuple(own))
    named = {parameter.name for parameter in own}
    kept = [parameter for parameter in space.parameters if parameter.name not in named]
    needed = {name for parameter in kept for name, _ in parameter.when}
    first = [p for p in own if p.name in needed]
    last = [p for p in own if p.name not in needed]
    return Space((*first, *kept, *last), space.fixed, space.title)


def override_parameter(override: Override) -> Parameter:
    """Return a sweep of Hydra's syntax as a parameter.

    ``choice(a,b)`` and ``a,b`` are choices, ``range(1,9,2)`` whole numbers without the end,
    ``interval(0,1)`` numbers; ``int(interval(2,31))`` whole ones, ``tag(log, interval(...))``
    searches the logarithm.
    """
    name = override.get_key_element().lstrip("+")
    if override.is_choice_sweep():
        return Parameter(name, "choice", choices=tuple(override.sweep_string_iterator()))
    sweep: Any = override.value()
    if override.is_interval_sweep():
        values, step = [sweep.start, sweep.end], None
    elif override.is_range_sweep():
        values = sorted(sweep.range())
        step = values[1] - values[0] if len(values) > 1 else None
    else:
        values, step = [], None
    if not values:
        raise BadConfig(
            f"expected {name} as choice, interval or range with values, found "
            f"{override.input_line}"
        )
    kind = "int" if all(isinstance(x, int) for x in values) else "float"
    log = "log" in sweep.tags
    step = None if log and step == 1 else step
    return Parameter(name, kind, values[0], values[-1], step=step, log=log)


def hydra_text(value: Any) -> str:
    """Return a value as the right side of an override.

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
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def as_text(value: Value) -> str:
    """Return a setting's value as an override has it; a choice is such a text already."""
    return value if isinstance(value, str) else hydra_text(value)


def short_setting_names(names: Sequence[str]) -> dict[str, str]:
    """Return the shortest end of every dotted name that no other one has.

    >>> short_setting_names(["a.x.depth", "b.x.depth", "trainer.dropout"])
    {'a.x.depth': 'a.x.depth', 'b.x.depth': 'b.x.depth', 'trainer.dropout': 'dropout'}
    """
    short = {}
    for name in names:
        parts = name.split(".")
        ends = (".".join(parts[i:]) for i in reversed(range(len(parts))))
        own = (x for x in ends if sum(f".{n}".endswith(f".{x}") for n in names) == 1)
        short[name] = next(own, name)
    return short
