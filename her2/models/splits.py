"""Who is trained on and who is judged: drawn once, grouped by patient, frozen with a hash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadCohort, BadConfig, LeakageError
from her2.core.seeds import generator
from her2.core.store import content_key, write_json
from her2.core.types import Lesion, Role, split_groups


@dataclass(frozen=True)
class Rows:
    """Rows in a fixed order.

    Attributes
    ----------
    keys
        Of the lesions.
    y_true, groups
        Outcomes and units that stay together, (n,) each.
    """

    keys: tuple[str, ...]
    y_true: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def y_of_units(self) -> NDArray[np.int64]:
        """Outcomes of the units, (n_units,): positive if one of its rows is."""
        return np.array([self.y_true[self.groups == g].max() for g in np.unique(self.groups)])


@dataclass(frozen=True)
class Split:
    """The role of every lesion.

    Attributes
    ----------
    train, test, external
        Values of `Lesion.key`, sorted.
    origin
        ``drawn``, or ``brought`` by the table.
    test_size, seed
        Of the draw.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    external: tuple[str, ...]
    origin: str
    test_size: float
    seed: int

    @property
    def sha256(self) -> str:
        """Hash of the roles alone."""
        return content_key([list(self.train), list(self.test), list(self.external)])

    def roles(self) -> dict[str, Role]:
        """Return lesion key -> role."""
        named: dict[Role, tuple[str, ...]]
        named = {"train": self.train, "test": self.test, "external": self.external}
        return {key: role for role, keys in named.items() for key in keys}


def make_split(lesions: Sequence[Lesion], *, test_size: float = 0.3, seed: int = 0) -> Split:
    """Return the study's split: the table's own where it brings one, else a stratified draw.

    The draw takes the same share of positive and of negative units for the test role; a unit is
    a patient with everything that must stay on its side.
    """
    brought = [lesion for lesion in lesions if lesion.role is not None]
    if brought and len(brought) < len(lesions):
        raise BadCohort(
            f"expected a split for every row or for none, found it for {len(brought)} of "
            f"{len(lesions)} lesions; fill the column 'split' or remove it"
        )
    role_of: dict[str, Role] = {lesion.key: lesion.role or "train" for lesion in lesions}
    if not brought:
        role_of = _drawn_roles(lesions, test_size, seed)
    train, test, external = (
        tuple(sorted(x.key for x in lesions if role_of[x.key] == role))
        for role in ("train", "test", "external")
    )
    split = Split(train, test, external, "brought" if brought else "drawn", test_size, seed)
    check_split(split, lesions)
    return split


def check_split(split: Split, lesions: Sequence[Lesion]) -> None:
    """Refuse a split with overlap, with unknown lesions, or with one class in train or test."""
    keys = [*split.train, *split.test, *split.external]
    if len(keys) != len(set(keys)) or set(keys) != {lesion.key for lesion in lesions}:
        raise LeakageError(
            "expected every lesion in exactly one role, found an overlap or other lesions than "
            "the cohort's; draw the split again in a new run_dir"
        )
    roles = split.roles()
    seen: dict[int, str] = {}
    for lesion, unit in zip(lesions, split_groups(lesions).tolist(), strict=True):
        if seen.setdefault(unit, roles[lesion.key]) != roles[lesion.key]:
            raise LeakageError(
                "expected each patient (and group) in one role, found one in "
                f"{seen[unit]} and {roles[lesion.key]}; correct the column 'split'"
            )
    for role in ("train", "test"):
        outcomes = {lesion.outcome for lesion in lesions if roles[lesion.key] == role}
        if len(outcomes) < 2:
            raise BadCohort(
                f"expected both outcomes in the {role} role, found {sorted(outcomes) or 'nobody'};"
                " bring more patients or change split.test_size"
            )


def write_split(path: Path, split: Split) -> None:
    """Freeze a split as JSON with its hash."""
    write_json(path, {**asdict(split), "sha256": split.sha256})


def read_split(path: Path) -> Split:
    """Return a frozen split; one whose roles do not match its hash is refused."""
    try:
        content = json.loads(path.read_text())
        recorded = content.pop("sha256", None)
        for role in ("train", "test", "external"):
            content[role] = tuple(content[role])
        split = Split(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _not_as_frozen(path, "a file that is no split") from error
    if split.sha256 != recorded:
        raise _not_as_frozen(path, "roles that do not match its hash")
    return split


def _not_as_frozen(path: Path, found: str) -> LeakageError:
    return LeakageError(
        f"expected {path.name} as it was frozen, found {found}; restore the file or start a new "
        "run_dir"
    )


def grouped_folds(
    y_true: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    n_folds: int,
    seed: int,
    name: str,
    setting: str = "evaluation.n_folds",
) -> NDArray[np.int64]:
    """Return the fold of every row, shape (n,): groups stay whole, outcomes are dealt evenly.

    name: of the random numbers; setting: what the user changes for another `n_folds`.
    """
    identifiers = np.unique(groups)
    positive = np.array([y_true[groups == g].max() for g in identifiers])
    smallest = int(min(positive.sum(), len(positive) - positive.sum()))
    if smallest < n_folds:
        raise BadCohort(
            f"expected at least {n_folds} patients of each outcome for {n_folds} folds, found "
            f"{smallest}; set {setting} to {max(smallest, 2)} or fewer, or bring more"
        )
    order = generator(seed, "folds", name).permutation(len(identifiers))
    ordered = np.concatenate([order[positive[order] == 1], order[positive[order] == 0]])
    fold_of_group = np.empty(len(identifiers), dtype=np.int64)
    fold_of_group[ordered] = np.arange(len(identifiers)) % n_folds
    return fold_of_group[np.searchsorted(identifiers, groups)]


def _drawn_roles(lesions: Sequence[Lesion], test_size: float, seed: int) -> dict[str, Role]:
    if not 0 < test_size < 1:
        raise BadConfig(
            f"expected split.test_size between 0 and 1, found {test_size}; 0.3 keeps 70 % to train"
        )
    # the draw must not depend on the order of the rows, so it goes by the sorted keys
    ordered = sorted(lesions, key=lambda lesion: (lesion.patient_id, lesion.lesion_id))
    group_of = split_groups(ordered)
    outcome = np.array([lesion.outcome for lesion in ordered])
    positive = np.array([outcome[group_of == u].max() for u in range(group_of.max() + 1)])
    test_units: set[int] = set()
    for level in (0, 1):
        members = np.flatnonzero(positive == level)
        drawn = generator(seed, "split", level).permutation(members)
        n_test = min(max(round(test_size * len(members)), 1), len(members) - 1)
        test_units.update(drawn[: max(n_test, 0)].tolist())
    return {
        lesion.key: "test" if unit in test_units else "train"
        for lesion, unit in zip(ordered, group_of.tolist(), strict=True)
    }
