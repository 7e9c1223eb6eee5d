"""How far features stay the same when a lesion is outlined or scanned a little differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from her2.compute import Engine
from her2.core.errors import BadArgument, NotEstimable
from her2.core.progress import Work
from her2.core.store import Store
from her2.core.types import Lesion
from her2.radiomics.feature_table import extract_table
from her2.radiomics.perturbation import MASK_KINDS, Perturbation
from her2.radiomics.recipe import Recipe
from her2.stats import IccForm, icc_per_feature

COLUMNS = ("feature", "changed", "value", "low", "high", "note", "n_lesions", "n_versions")


def feature_robustness(
    lesions: Sequence[Lesion],
    perturbations: Sequence[Perturbation],
    *,
    store: Store,
    recipe: Recipe | None = None,
    engine: Engine | None = None,
    form: IccForm = "ICC(2,1)",
    advance: Callable[[Work], None] = lambda work: None,
) -> pd.DataFrame:
    """Return the intraclass correlation of every feature between a lesion and its versions.

    The versions of a lesion take the place of raters: as it is, and after each perturbation.
    Changes of the mask and of the image (``changed``) are separate rows of `COLUMNS`. Outcomes are
    not used; to choose features, give training lesions only. All of a lesion's versions must
    exist, or it does not count (an eroded mask may be too small). Intervals are of 95 %.

    References
    ----------
    Zwanenburg A et al. Sci Rep 2019;9:614. doi:10.1038/s41598-018-36938-4
    """
    if not perturbations or len(set(perturbations)) < len(perturbations):
        raise BadArgument(
            f"expected one perturbation or more, each different, found {len(perturbations)} of "
            f"which {len(set(perturbations))} differ; number the repeats of a kind"
        )
    recipe = recipe or Recipe()

    def features(perturbation: Perturbation | None) -> pd.DataFrame:
        changed = replace(recipe, perturbation=perturbation)
        return extract_table(lesions, changed, store=store, engine=engine, advance=advance).values

    first = features(None)
    groups: dict[str, list[pd.DataFrame]] = {"mask": [first], "image": [first]}
    for perturbation in perturbations:
        changed = "mask" if perturbation.kind in MASK_KINDS else "image"
        groups[changed].append(features(perturbation))
    tables = [_agreement(x, changed, form) for changed, x in groups.items() if len(x) > 1]
    return pd.concat(tables, ignore_index=True)


def _agreement(versions: Sequence[pd.DataFrame], changed: str, form: IccForm) -> pd.DataFrame:
    """Return the rows of one kind of change; `versions` begin with the unchanged lesions."""
    keys = versions[0].index
    for version in versions[1:]:
        keys = keys.intersection(version.index, sort=False)
    if len(keys) < 2:
        raise NotEstimable(
            f"robustness needs two lesions with all {len(versions)} versions, found {len(keys)}; "
            "make the perturbations smaller"
        )
    ratings = np.stack([version.loc[keys].to_numpy().T for version in versions], axis=2)
    table = icc_per_feature(ratings, form=form)
    table.insert(0, "feature", list(versions[0].columns))
    table.insert(1, "changed", changed)
    return table.assign(n_lesions=len(keys), n_versions=len(versions))[list(COLUMNS)]
