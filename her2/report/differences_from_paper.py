"""What a study does differently from the paper, and why: printed in every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from her2.report.texts import load_text

Difference = tuple[str, str, str]


def differences(config: Mapping[str, Any]) -> list[Difference]:
    """Return (the paper, this run, why), with what this run's settings change."""
    texts = load_text("differences")
    found = list(texts["always"])
    method = config.get("enhance", {}).get("method", "none")
    if method in texts["enhancement"] and ("radiomics" in config or method != "none"):
        found.append(texts["enhancement"][method])
    backbone = config.get("backbone", {}).get("name")
    if backbone and config["backbone"].get("mode", "frozen") == "frozen":
        found.append(texts["frozen_backbone"])
    return [
        (text["paper"], text["study"].format(backbone=backbone), text["why"]) for text in found
    ]
