"""A composed config as the arguments of a workflow: typed settings, one object a section."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from her2.core import settings
from her2.core.errors import BadConfig

if TYPE_CHECKING:
    from omegaconf import DictConfig

SECTIONS: dict[str, type] = {
    "cohort": settings.CohortSettings,
    "split": settings.SplitSettings,
    "enhance": settings.EnhanceSettings,
    "radiomics": settings.RadiomicsSettings,
    "selection": settings.SelectionSettings,
    "backbone": settings.BackboneSettings,
    "fusion": settings.FusionSettings,
    "evaluation": settings.EvaluationSettings,
    "trainer": settings.TrainerSettings,
    "trials": settings.TrialSettings,
    "tracking": settings.TrackingSettings,
    "compute": settings.ComputeSettings,
}
_PLAIN = tuple(field.name for field in fields(settings.PlainSettings))
_HINTS = re.compile(r"full_key|object_type|reference_type|To append to|.*HYDRA_FULL_ERROR")


def workflow_arguments(config: DictConfig) -> dict[str, Any]:
    """Return the config as keyword arguments: one settings object a section, plain values."""
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    recorded = {str(k): v for k, v in plain.items() if k != "run_dir"}
    arguments: dict[str, Any] = {"config": recorded}
    for name, value in recorded.items():
        if name in SECTIONS:
            arguments[name] = typed_section(name, config[name])
        elif name in _PLAIN:
            arguments[name] = getattr(_plain({name: value}), name)
        elif name != "command":
            arguments[name] = value
    return arguments


def _plain(values: dict[str, Any]) -> settings.PlainSettings:
    """Return settings that stand in no group, typed."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        typed = OmegaConf.merge(OmegaConf.structured(settings.PlainSettings), values)
        return OmegaConf.to_object(typed)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise BadConfig(f"{', '.join(values)}: {one_sentence(error)}") from error


def check_names(workflow: Callable[..., int], arguments: dict[str, Any]) -> None:
    """Refuse a setting that the command does not have, and the loss of one that it needs."""
    wanted = inspect.signature(workflow).parameters.keys() - {"run_dir"}
    if unknown := sorted(arguments.keys() - wanted):
        raise BadConfig(
            f"expected settings among {', '.join(sorted(wanted - {'config'}))}, found "
            f"{', '.join(unknown)}; leave it out"
        )
    if missing := sorted(wanted - arguments.keys()):
        raise BadConfig(f"expected the settings {', '.join(missing)}, found none; do not delete")


def typed_section(name: str, section: DictConfig | None) -> Any:
    """Return a section as its dataclass; a wrong type or name is refused with a sentence."""
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    if not OmegaConf.is_dict(section):
        raise BadConfig(f"expected settings of the group {name}, found {section}; see {name}=...")
    schema = OmegaConf.structured(SECTIONS[name])
    OmegaConf.set_readonly(schema, False)
    for key in schema:  # a section within a section is locked by itself
        if not OmegaConf.is_missing(schema, key) and OmegaConf.is_config(schema[key]):
            OmegaConf.set_readonly(schema[key], False)
    try:
        return OmegaConf.to_object(OmegaConf.merge(schema, section))
    except MissingMandatoryValue as error:
        raise BadConfig(
            f"expected a value for {name}.{error.key}, found none; add {name}.{error.key}=VALUE"
        ) from error
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        place = f"{name}.{key}" if key else name
        raise BadConfig(f"{place}: {one_sentence(error)}") from error


def one_sentence(error: Exception) -> str:
    """Return Hydra's message as one line, without its hints for programmers."""
    lines = [line.strip() for line in str(error).partition("Config search path:")[0].splitlines()]
    return "; ".join(line.rstrip(":;.") for line in lines if line and not _HINTS.match(line))
