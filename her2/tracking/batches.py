"""Numbers and settings on their way into MLflow: in as few calls as a run needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = {"param": 6000, "tag": 8000}  # characters that MLflow takes


def metrics_of(
    values: Mapping[str, float],
    curves: Mapping[str, Sequence[float]],
    time_ms: int,
    step: int = 0,
) -> list[Any]:
    """Return MLflow's metrics of single numbers and of curves (step 0, 1, ...).

    A step that is not finite is left out: it was not measured. The same run written twice gives
    the same metrics, so that a second attempt adds nothing.
    """
    from mlflow.entities import Metric

    points = [(name, float(value), step) for name, value in values.items()]
    points += [(n, float(v), i) for n, curve in curves.items() for i, v in enumerate(curve)]
    return [
        Metric(name, value, time_ms + at, at) for name, value, at in points if math.isfinite(value)
    ]


def write_batch(
    client: Any,
    run_id: str,
    *,
    time_ms: int,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    steps: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write a run's numbers, settings and tags with one call where MLflow's limits allow it."""
    from mlflow.entities import Param, RunTag

    client.log_batch(
        run_id,
        metrics=metrics_of(metrics or {}, steps or {}, time_ms),
        params=[Param(k, str(v)[: LONGEST["param"]]) for k, v in (params or {}).items()],
        tags=[RunTag(k, str(v)[: LONGEST["tag"]]) for k, v in (tags or {}).items()],
    )
