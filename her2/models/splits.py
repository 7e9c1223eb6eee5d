"""Who is trained on and who is judged: drawn once, grouped by patient, frozen with a hash."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadCohort, BadConfig, LeakageError
from her2.core.seeds import generator
from her2.core.settings import SplitSettings
from her2.core.store import content_key, write_json
from her2.core.types import Lesion, split_groups


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
    train, test
        Values of `Lesion.key`, sorted.
    external
        Those of every external centre, by its name.
    origin
        ``drawn``, ``brought`` by the table, or by ``centre``.
    test_size, seed
        Of the draw.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    external: dict[str, tuple[str, ...]]
    origin: str
    test_size: float
    seed: int

    @property
    def sha256(self) -> str:
        """Hash of the roles alone."""
        centres = [[name, list(keys)] for name, keys in sorted(self.external.items())]
        return content_key([list(self.train), list(self.test), centres])

    @property
    def by_role(self) -> dict[str, tuple[str, ...]]:
        """Keys of the lesions by role: train, test, and the centres by name; none is empty."""
        named = {"train": self.train, "test": self.test, **dict(sorted(self.external.items()))}
        return {role: keys for role, keys in named.items() if keys}

    @property
    def held_out(self) -> tuple[str, ...]:
        """Keys of the lesions that no fit may see."""
        return tuple(key for role, keys in self.by_role.items() if role != "train" for key in keys)

    def roles(self) -> dict[str, str]:
        """Return lesion key -> role."""
        return {key: role for role, keys in self.by_role.items() for key in keys}

    def of(self, left: Container[str]) -> Split:
        """Return the split of the lesions that are left."""
        kept = {role: tuple(k for k in keys if k in left) for role, keys in self.by_role.items()}
        external = {role: keys for role, keys in kept.items() if role in self.external}
        return replace(self, train=kept["train"], test=kept.get("test", ()), external=external)


def make_split(
    lesions: Sequence[Lesion], settings: SplitSettings | None = None, *, seed: int = 0
) -> Split:
    """Return the study's split: the table's own, that by centre, or a stratified draw.

    The draw takes the same share of positive and of negative units for the test role; a unit is
    a patient with everything that must stay on its side. With `split.external` only the lesions
    of the development centres are drawn from, and the other centres are external; with
    `split.leave_out` all lesions are trained on, and the folds are the centres.

    Raises
    ------
    BadCohort
        The table gives a role to some lesions only, or a role would hold one class only.
    """
    settings = settings or SplitSettings()
    brought = [lesion for lesion in lesions if lesion.role is not None]
    by_centre = settings.external is not None or settings.leave_out is not None
    if brought and by_centre:
        raise BadCohort(
            "expected either the column 'split' or a centre's column to give the roles, found "
            "both; remove the column, or leave out split.external and split.leave_out"
        )
    if brought and len(brought) < len(lesions):
        raise BadCohort(
            f"expected a split for every row or for none, found it for {len(brought)} of "
            f"{len(lesions)} lesions; fill the column 'split' or remove it"
        )
    if brought:
        roles = {lesion.key: str(lesion.role) for lesion in lesions}
    elif settings.leave_out is not None:
        roles = {lesion.key: "train" for lesion in lesions}
    else:
        roles = _drawn_roles(lesions, settings, seed)
    by_role: dict[str, tuple[str, ...]] = {
        role: tuple(sorted(key for key, r in roles.items() if r == role))
        for role in sorted(set(roles.values()))
    }
    origin = "brought" if brought else "centre" if by_centre else "drawn"
    train, test = by_role.pop("train", ()), by_role.pop("test", ())
    split = Split(train, test, by_role, origin, settings.test_size, seed)
    check_split(split, lesions)
    return split


def check_split(split: Split, lesions: Sequence[Lesion]) -> None:
    """Refuse a split with overlap, with unknown lesions, or with one class in train or test."""
    keys = [key for members in split.by_role.values() for key in members]
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
    for role in ("train", "test") if split.test else ("train",):
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
        external = {name: tuple(keys) for name, keys in content.pop("external").items()}
        train, test = (tuple(content.pop(role)) for role in ("train", "test"))
        split = Split(train=train, test=test, external=external, **content)
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

    Raises
    ------
    BadCohort
        A class has fewer groups than there are folds.
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


def centre_folds(lesions: Sequence[Lesion]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the fold of every lesion, (n,), and the name of each fold: its centre.

    Raises
    ------
    BadCohort
        One centre only, a patient of two centres, or others that have one outcome only.
    """
    names = tuple(sorted({str(lesion.centre) for lesion in lesions}))
    folds = np.array([names.index(str(lesion.centre)) for lesion in lesions], dtype=np.int64)
    if len(names) < 2:
        raise BadCohort(
            f"expected two centres or more to leave one out, found {', '.join(names)}; correct "
            "split.leave_out"
        )
    groups, outcome = split_groups(lesions), np.array([lesion.outcome for lesion in lesions])
    for unit in np.unique(groups).tolist():
        if len(set(folds[groups == unit].tolist())) > 1:
            raise BadCohort(
                "expected each patient (and group) in one centre, found one in several; correct "
                "the column that split.leave_out names"
            )
    for k, name in enumerate(names):
        if len(set(outcome[folds != k].tolist())) < 2:
            raise BadCohort(
                f"expected both outcomes outside of the centre {name}, found one; it cannot be "
                "left out"
            )
    return folds, names


def _drawn_roles(lesions: Sequence[Lesion], settings: SplitSettings, seed: int) -> dict[str, str]:
    inside = set(_development(lesions, settings.development)) if settings.external else None
    # the draw must not depend on the order of the rows, so it goes by the sorted keys
    ordered = sorted(
        (x for x in lesions if inside is None or x.centre in inside),
        key=lambda lesion: (lesion.patient_id, lesion.lesion_id),
    )
    group_of = split_groups(ordered)
    outcome = np.array([lesion.outcome for lesion in ordered])
    positive = np.array([outcome[group_of == u].max() for u in range(group_of.max() + 1)])
    test_units: set[int] = set()
    for level in (0, 1) if settings.test_size else ():
        members = np.flatnonzero(positive == level)
        drawn = generator(seed, "split", level).permutation(members)
        n_test = min(max(round(settings.test_size * len(members)), 1), len(members) - 1)
        test_units.update(drawn[: max(n_test, 0)].tolist())
    roles = {lesion.key: str(lesion.centre) for lesion in lesions}
    return roles | {
        lesion.key: ("test" if unit in test_units else "train")
        for lesion, unit in zip(ordered, group_of.tolist(), strict=True)
    }


def _development(lesions: Sequence[Lesion], named: Sequence[str] | None) -> list[str]:
    """Return the centres that train: those that are named, else the one with most patients."""
    patients = {(str(lesion.centre), lesion.patient_id) for lesion in lesions}
    sizes = Counter(centre for centre, _ in sorted(patients))
    unknown = sorted(set(named or ()) - set(sizes))
    if unknown:
        raise BadConfig(
            f"expected split.development among the centres {', '.join(sorted(sizes))}, found "
            f"{', '.join(unknown)}; name some of them"
        )
    return list(named) if named else [sizes.most_common(1)[0][0]]
