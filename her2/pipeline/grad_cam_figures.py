"""Which lesions the Grad-CAM figures show, and how: as the paper's Fig. 5B, with the errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2 import plots, stats
from her2.core.types import ARM_TITLES
from her2.pipeline.grad_cam import ARM, Explanation, view_of
from her2.pipeline.run import OpenRun
from her2.plots.text import number

ROLE_TITLES = {"out_of_fold": "training, out of fold", "test": "test", "external": "external"}
SIDE = 168  # pixels of a drawn lesion, 85 an inch: the report stays small
# title of a group: whether its lesions are called positive, and are positive
GROUPS = {
    "True positive": (True, True),
    "False positive": (True, False),
    "False negative": (False, True),
    "True negative": (False, False),
}


def grad_cam_figures(
    run: OpenRun, explained: Explanation, results: Mapping[str, Any]
) -> Iterator[tuple[str, Figure]]:
    """Yield a figure a role: of each group the surest lesion and the one in the middle."""
    for role, title in ROLE_TITLES.items():
        rows = explained.rows
        rows = rows[rows["role"].eq(role)] if len(rows) else rows
        threshold = results["arms"][ARM]["roles"].get(role, {}).get("threshold")
        if rows.empty or threshold is None:
            continue
        groups = {}
        for name, (is_called, is_positive) in GROUPS.items():
            chosen = (rows["y_prob"] >= threshold).eq(is_called) & rows["y_true"].eq(is_positive)
            members = rows[chosen]
            groups[f"{name} ({len(members)})"] = [
                _example(run, explained, key, why, is_called=is_called)
                for key, why in shown(members["y_prob"], is_called=is_called).items()
            ]
        yield (
            f"grad_cam_{role}",
            plots.grad_cam_figure(
                groups,
                title=f"{ARM_TITLES[ARM]}, {title}: called by the threshold {threshold:.3f}",
            ),
        )


def shown(y_prob: pd.Series, *, is_called: bool) -> dict[str, str]:
    """Return the keys of the surest lesion of a group and of the one in the middle, and why.

    y_prob: probabilities by key. Of equal ones the first by key is taken.

    Examples
    --------
    >>> shown(pd.Series({"a": 0.6, "b": 0.9, "c": 0.7}), is_called=True)
    {'b': 'surest', 'c': 'middle'}
    >>> shown(pd.Series({"a": 0.6}), is_called=False)
    {'a': 'the only one'}
    """
    order = y_prob.sort_index().sort_values(ascending=not is_called, kind="stable").index.tolist()
    if len(order) < 2:
        return dict.fromkeys(order, "the only one")
    return {order[0]: "surest", order[len(order) // 2]: "middle"}


def _example(
    run: OpenRun, explained: Explanation, key: str, why: str, *, is_called: bool
) -> plots.CamExample:
    row = explained.rows.loc[[key]].to_dict("records")[0]
    view = view_of(run, key, SIDE)
    outcome = run.cohort.positive if row["y_true"] else f"not {run.cohort.positive}"
    return plots.CamExample(
        image=view.crop,
        mask=view.mask,
        saliency=called_map(explained.maps[key], view.crop.shape, is_called=is_called),
        caption=f"p = {number(row['y_prob'], 2)}, {outcome}\n{why}",
        proportion=view.proportion,
    )


def called_map(
    signed: NDArray[Any], shape: tuple[int, ...], *, is_called: bool
) -> NDArray[np.float64]:
    """Return what speaks for the outcome that was called, at crop size, from 0 to 1.

    Examples
    --------
    >>> called_map(np.array([[2.0, -4.0]]), (1, 2), is_called=False).tolist()
    [[0.0, 1.0]]
    """
    image = stats.upsampled(signed if is_called else -signed, (shape[0], shape[1]))
    positive = np.maximum(image, 0.0)
    return positive / max(float(positive.max()), np.finfo(float).tiny)
