"""Where spaces come from: files of sweeps/spaces, files of the user, and sweeps of Hydra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from her2.core.errors import BadConfig, MissingInput
from her2.core.places import packaged_path
from her2.search.space import Parameter, Space, parse_space

if TYPE_CHECKING:
    from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

SPACES = packaged_path("sweeps") / "spaces"


def known_spaces() -> list[str]:
    """Return the names of the spaces that the package brings."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def read_space(named: str) -> Space:
    """Return the space of a name in sweeps/spaces, or of a YAML file.

    Raises
    ------
    MissingInput, BadConfig
        There is no such file, or it holds no space.
    """
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


def default_space(choices: Mapping[str, Any]) -> str | None:
    """Return the space that fits the command's groups, None if none does.

    >>> default_space({"classifier": "lightgbm"}), default_space({"backbone": "resnet50"})
    ('lightgbm', 'finetune')
    """
    named = choices.get("classifier")
    if named is not None:
        return str(named) if named in known_spaces() else None
    return "finetune" if "backbone" in choices else None


def with_overrides(space: Space | None, overrides: Sequence[Override]) -> Space:
    """Return a space with sweeps of the command line in it; these win over the file's."""
    own = [override_parameter(override) for override in overrides]
    before = () if space is None else space.parameters
    named = {parameter.name for parameter in own}
    kept = [parameter for parameter in before if parameter.name not in named]
    first = [p for p in own if any(p.name == name for q in kept for name, _ in q.when)]
    last = [p for p in own if p not in first]
    title = "settings" if space is None else space.title
    fixed = () if space is None else space.fixed
    return Space((*first, *kept, *last), fixed, title)


def override_parameter(override: Override) -> Parameter:
    """Return a sweep of Hydra's syntax as a parameter.

    ``choice(a,b)`` and ``a,b`` are choices, ``range(1,9,2)`` whole numbers without the end,
    ``interval(0,1)`` numbers; ``int(interval(2,31))`` whole ones, ``tag(log, interval(...))``
    searches the logarithm.

    Raises
    ------
    BadConfig
        It is no sweep that can be searched.
    """
    name = override.get_key_element().lstrip("+")
    if override.is_interval_sweep():
        return _interval(name, override.value())  # type: ignore[arg-type]
    if override.is_range_sweep():
        return _range(name, override.value())  # type: ignore[arg-type]
    if override.is_choice_sweep():
        return Parameter(name, "choice", choices=tuple(override.sweep_string_iterator()))
    raise BadConfig(f"expected {name} as choice, range or interval, found {override.input_line}")


def _interval(name: str, sweep: IntervalSweep) -> Parameter:
    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    whole = isinstance(low, int) and isinstance(high, int)
    return Parameter(name, "int" if whole else "float", low, high, log="log" in sweep.tags)


def _range(name: str, sweep: RangeSweep) -> Parameter:
    values = list(sweep.range())
    if not values:
        raise BadConfig(f"expected a range with values for {name}, found an empty one")
    low, high = min(values), max(values)
    step = abs(values[1] - values[0]) if len(values) > 1 else None
    whole = all(isinstance(x, int) for x in values)
    log = "log" in sweep.tags
    return Parameter(
        name, "int" if whole else "float", low, high,
        step=None if log and step == 1 else step, log=log,
    )  # fmt: skip
