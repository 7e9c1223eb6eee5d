"""What is searched: settings of the command, their ranges, and when each of them matters.

A space is a file of sweeps/spaces (or one of your own), sweeps of Hydra's own syntax, or both::

    fixed:                                   # overrides of every trial
      - ~classifier.lightgbm.grid.num_leaves
    parameters:
      classifier.lightgbm.fixed.num_leaves: {type: int, low: 2, high: 31, log: true}
      classifier.imbalance: {type: choice, values: [none, weights]}
      classifier.lightgbm.fixed.subsample_freq:
        {type: int, low: 1, high: 5, when: {classifier.imbalance: none}}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from her2.core.errors import BadConfig
from her2.search.hydra_text import hydra_text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Value = float | int | str
TYPES = ("float", "int", "choice")
MOST_POINTS = 100_000  # of a space that is counted


@dataclass(frozen=True)
class Parameter:
    """One setting that is searched.

    name: its key on the command line; kind: float, int or choice; low, high: limits, both
    included; step: distance of the values, None for none; log: whether its logarithm is searched;
    choices: texts as Hydra reads them; when: settings before it and the texts with which it
    matters, all of them.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in TYPES:
            raise BadConfig(
                f"expected {self.name} with a type among {', '.join(TYPES)}, found {self.kind!r}"
            )
        if self.kind == "choice":
            if not self.choices or len(set(self.choices)) < len(self.choices):
                raise BadConfig(
                    f"expected {self.name} with different values to choose from, found "
                    f"{', '.join(self.choices) or 'none'}"
                )
            return
        self._check_range()

    def _check_range(self) -> None:
        shown = f"{self.low:g} to {self.high:g}"
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
        whole = (self.low, self.high, 1 if self.step is None else self.step)
        if self.kind == "int" and any(x != int(x) for x in whole):
            raise BadConfig(f"expected {self.name} with whole limits and step, found {shown}")

    def is_active(self, point: Mapping[str, Value]) -> bool:
        """Whether it matters beside these values."""
        return all(name in point and _text(point[name]) in allowed for name, allowed in self.when)

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        if self.kind == "int":
            step = 1 if self.step is None else int(self.step)
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: Trial) -> Value:
        """Return the value that the trial's sampler proposes."""
        if self.kind == "choice":
            return str(trial.suggest_categorical(self.name, self.choices))
        if self.kind == "int":
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(
                self.name, int(self.low), int(self.high), step=step, log=self.log
            )
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> list[Value] | None:
        """Return all its values, None if they cannot be counted."""
        if self.kind == "choice":
            return list(self.choices)
        if self.low == self.high:
            return [int(self.low) if self.kind == "int" else self.low]
        step = self.step or (1 if self.kind == "int" else None)
        if step is None:
            return None
        n = math.floor((self.high - self.low) / step + 1e-9) + 1
        if n > MOST_POINTS:
            return None
        found = [self.low + i * step for i in range(n)]
        return [int(x) for x in found] if self.kind == "int" else list(found)

    def first(self) -> Value:
        """Return one of its values."""
        if self.kind == "choice":
            return self.choices[0]
        return int(self.low) if self.kind == "int" else self.low


@dataclass(frozen=True)
class Space:
    """Settings that are searched, in an order in which each comes after what it depends on.

    fixed: overrides of every trial; title: name for people.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...] = ()
    title: str = "settings"

    def __post_init__(self) -> None:
        if not self.parameters:
            raise BadConfig(
                "expected settings to search, found none; choose a space (+search=NAME, "
                "hydra.sweeper.space=NAME or FILE) or give ranges such as "
                "'trainer.dropout=interval(0,0.5)'"
            )
        before: set[str] = set()
        for parameter in self.parameters:
            late = [name for name, _ in parameter.when if name not in before]
            if late:
                raise BadConfig(
                    f"expected {parameter.name} to depend on settings that stand before it in "
                    f"the space, found {', '.join(late)}"
                )
            before.add(parameter.name)

    @property
    def is_conditional(self) -> bool:
        """Whether a setting matters only beside some values of others."""
        return any(parameter.when for parameter in self.parameters)

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Return the point that the trial's sampler proposes; only what matters is asked for."""
        point: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.is_active(point):
                point[parameter.name] = parameter.suggest(trial)
        return point

    def first(self) -> dict[str, Value]:
        """Return a point of the space."""
        point: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.is_active(point):
                point[parameter.name] = parameter.first()
        return point

    def points(self) -> list[dict[str, Value]] | None:
        """Return all points, None if they are more than can be counted."""
        columns = [parameter.values() for parameter in self.parameters]
        known = [column for column in columns if column is not None]
        if len(known) < len(columns) or math.prod(map(len, known)) > MOST_POINTS:
            return None
        seen: dict[tuple[Any, ...], dict[str, Value]] = {}
        for point in self._combinations(known):
            seen.setdefault(tuple(point.items()), point)
        return list(seen.values())

    def _combinations(self, columns: Sequence[Sequence[Value]]) -> Iterator[dict[str, Value]]:
        for values in product(*columns):
            point: dict[str, Value] = {}
            for parameter, value in zip(self.parameters, values, strict=True):
                if parameter.is_active(point):
                    point[parameter.name] = value
            yield point

    def document(self) -> dict[str, Any]:
        """Return the space as JSON, for a study to remember."""
        described = {p.name: {k: v for k, v in asdict(p).items() if k != "name"}
                     for p in self.parameters}  # fmt: skip
        return {"fixed": list(self.fixed), "parameters": described}


def parse_space(content: Any, title: str) -> Space:
    """Return the space of a file's content.

    Raises
    ------
    BadConfig
        With what is wrong in it.
    """
    if not isinstance(content, Mapping) or set(content) - {"fixed", "parameters"}:
        found = ", ".join(map(str, content)) if isinstance(content, Mapping) else str(content)
        raise BadConfig(f"expected `parameters` and `fixed` in the space {title}, found {found}")
    fixed = content.get("fixed") or []
    described = content.get("parameters") or {}
    if not isinstance(fixed, list) or not isinstance(described, Mapping):
        raise BadConfig(
            f"expected a list `fixed` and settings `parameters` in the space {title}, found "
            f"{fixed} and {described}"
        )
    parameters = tuple(_parameter(str(name), given) for name, given in described.items())
    return Space(parameters, tuple(map(str, fixed)), title)


_KEYS = {
    "float": {"type", "low", "high", "step", "log", "when"},
    "int": {"type", "low", "high", "step", "log", "when"},
    "choice": {"type", "values", "when"},
}


def _parameter(name: str, given: Any) -> Parameter:
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in _KEYS:
        raise BadConfig(f"expected {name} with a type among {', '.join(TYPES)}, found {given}")
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
    numbers = {key: _number(name, key, given[key]) for key in ("low", "high", "step")
               if given.get(key) is not None}  # fmt: skip
    if missing := sorted({"low", "high"} - set(numbers)):
        raise BadConfig(f"expected {name} with low and high, found no {' and '.join(missing)}")
    return Parameter(
        name, kind, numbers["low"], numbers["high"], step=numbers.get("step"),
        log=bool(given.get("log", False)), when=when,
    )  # fmt: skip


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


def _text(value: Value) -> str:
    return value if isinstance(value, str) else hydra_text(value)
