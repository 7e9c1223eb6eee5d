"""Settings of a backbone in one short line."""

from typing import Any

from her2.core.settings import BackboneSettings


def backbone(name: str, weights: str = "none", **settings: Any) -> BackboneSettings:
    return BackboneSettings(name=name, weights=weights, **settings)
