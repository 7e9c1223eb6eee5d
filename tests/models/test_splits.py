"""The split is drawn once, stratified, keeps patients whole, and cannot be changed unnoticed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from her2.core.errors import BadCohort, BadConfig, LeakageError
from her2.core.seeds import generator
from her2.core.settings import SplitSettings
from her2.core.types import Lesion, split_groups
from her2.models.splits import (
    centre_folds,
    check_split,
    grouped_folds,
    make_split,
    read_split,
    write_split,
)


def patients(n: int, n_positive: int) -> list[Lesion]:
    return [Lesion(f"p{i:03d}", "1", int(i < n_positive)) for i in range(n)]


def counts(lesions, keys) -> tuple[int, int]:
    """Lesions and positive lesions among `keys`."""
    chosen = [lesion for lesion in lesions if lesion.key in set(keys)]
    return len(chosen), sum(lesion.outcome for lesion in chosen)


def tangled(seed: int) -> list[Lesion]:
    """Patients with several lesions and groups that chain patients together."""
    rng = generator(seed, "test")
    return [
        Lesion(
            f"p{rng.integers(60):02d}",
            str(i),
            int(rng.random() < 0.3),
            group=f"g{rng.integers(80):02d}" if rng.random() < 0.5 else None,
        )
        for i in range(120)
    ]


def connected(lesions: list[Lesion]) -> np.ndarray:
    """Units by scipy's connected components of the graph of rows, patients and groups."""
    edges = [(i, f"patient {x.patient_id}") for i, x in enumerate(lesions)]
    edges += [(i, f"group {x.group}") for i, x in enumerate(lesions) if x.group]
    names = {name: len(lesions) + j for j, name in enumerate(sorted({e[1] for e in edges}))}
    rows, columns = zip(*((i, names[name]) for i, name in edges), strict=True)
    size = len(lesions) + len(names)
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(lesions)]


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("seed", range(10))
def test_units_are_the_connected_components(seed):
    lesions = tangled(seed)
    assert same_partition(split_groups(lesions), connected(lesions))


def test_a_chain_of_groups_is_one_unit():
    chain = [
        Lesion("a", "1", 0, group="g1"),
        Lesion("z", "1", 0),
        Lesion("b", "1", 0, group="g1"),
        Lesion("b", "2", 0, group="g2"),
        Lesion("c", "1", 1, group="g2"),
    ]
    assert split_groups(chain).tolist() == [0, 1, 0, 0, 0]


def test_a_group_and_a_patient_of_one_name_are_not_the_same():
    assert split_groups([Lesion("a", "1", 0), Lesion("b", "1", 0, group="a")]).tolist() == [0, 1]


def test_the_paper_s_cohort_is_split_seven_to_three_within_each_outcome():
    lesions = patients(210, 61)
    split = make_split(lesions, SplitSettings(test_size=0.3), seed=0)
    assert counts(lesions, split.test) == (63, 18)
    assert counts(lesions, split.train) == (147, 43)
    assert split.external == {}
    assert split.origin == "drawn"


def test_the_draw_is_repeatable_and_depends_on_the_seed():
    lesions = patients(210, 61)
    assert make_split(lesions, seed=1) == make_split(lesions, seed=1)
    assert make_split(lesions, seed=1).test != make_split(lesions, seed=2).test


@pytest.mark.parametrize("seed", range(5))
def test_the_draw_does_not_depend_on_the_order_of_rows(seed):
    lesions = tangled(seed)
    shuffled = [lesions[i] for i in generator(seed, "shuffle").permutation(len(lesions))]
    assert make_split(shuffled, seed=3) == make_split(lesions, seed=3)


def test_the_draw_is_not_the_first_or_the_last_patients_of_the_table():
    split = make_split(patients(210, 61), seed=0)
    numbers = np.array([int(key[1:4]) for key in split.test])
    assert 0.25 < np.mean(numbers[numbers < 61]) / 61 < 0.75
    assert numbers[numbers >= 61].min() < 80
    assert numbers[numbers >= 61].max() > 190


@pytest.mark.parametrize("seed", range(5))
def test_patients_and_chained_groups_stay_in_one_role(seed):
    lesions = tangled(seed)
    roles = make_split(lesions, seed=seed).roles()
    unit = connected(lesions)
    for u in np.unique(unit):
        assert len({roles[lesions[i].key] for i in np.flatnonzero(unit == u)}) == 1
    assert set(roles) == {lesion.key for lesion in lesions}


@pytest.mark.parametrize("size", [1, -0.1, 1.5])
def test_a_share_that_leaves_nobody_to_train_is_refused(size):
    with pytest.raises(BadConfig, match=r"expected split\.test_size"):
        SplitSettings(test_size=size)


def test_nobody_need_be_held_out():
    split = make_split(patients(20, 5), SplitSettings(test_size=0.0))
    assert (len(split.train), split.test, split.held_out) == (20, (), ())


@pytest.mark.parametrize("n_positive", [0, 1, 19, 20])
def test_a_role_without_both_outcomes_is_refused(n_positive):
    with pytest.raises(BadCohort, match="expected both outcomes in the t"):
        make_split(patients(20, n_positive))


def test_small_classes_are_in_both_roles():
    lesions = patients(20, 2)
    split = make_split(lesions, SplitSettings(test_size=0.1))
    assert counts(lesions, split.test)[1] == counts(lesions, split.train)[1] == 1


def brought(roles: str) -> list[Lesion]:
    """Lesions with the roles t(rain), h(eld out as test), e(xternal); outcomes alternate."""
    names = {"t": "train", "h": "test", "e": "external"}
    return [Lesion(f"p{i}", "1", i % 2, role=names[role]) for i, role in enumerate(roles)]


def test_a_brought_split_is_taken_as_it_is():
    split = make_split(brought("ttthhee"), SplitSettings(test_size=0.5), seed=9)
    assert split.train == ("p0/1", "p1/1", "p2/1")
    assert split.test == ("p3/1", "p4/1")
    assert split.external == {"external": ("p5/1", "p6/1")}
    assert split.origin == "brought"


def test_a_split_of_some_rows_only_is_refused():
    lesions = [*brought("tthh"), Lesion("p9", "1", 0)]
    with pytest.raises(BadCohort, match="found it for 4 of 5 lesions; fill the column 'split'"):
        make_split(lesions)


def test_a_brought_split_needs_no_test_patients():
    split = make_split(brought("ttttee"))
    assert split.by_role == {
        "train": ("p0/1", "p1/1", "p2/1", "p3/1"), "external": ("p4/1", "p5/1"),
    }  # fmt: skip


def test_a_test_role_of_one_outcome_is_refused():
    with pytest.raises(BadCohort, match="expected both outcomes in the test role, found"):
        make_split(brought("tttth"))


def centres(names: str) -> list[Lesion]:
    """Lesions of the centres a, b, c ...; outcomes alternate."""
    return [Lesion(f"p{i}", "1", i % 2, centre=name) for i, name in enumerate(names)]


def test_the_centre_with_most_patients_develops_and_the_others_judge():
    split = make_split(centres("aaaaaaaabbccc"), SplitSettings(external="site", test_size=0.5))
    assert list(split.by_role) == ["train", "test", "b", "c"]
    assert split.external == {"b": ("p8/1", "p9/1"), "c": ("p10/1", "p11/1", "p12/1")}
    assert len(split.train) == len(split.test) == 4


def test_named_centres_develop():
    settings = SplitSettings(external="site", development=["b", "c"], test_size=0.0)
    split = make_split(centres("aaaaaabbccc"), settings)
    assert (len(split.train), split.test, len(split.external["a"])) == (5, (), 6)
    with pytest.raises(BadConfig, match="among the centres a, b, found x"):
        make_split(centres("aabb"), SplitSettings(external="site", development=["x"]))


def test_a_split_and_a_centre_do_not_go_together():
    lesions = [replace(lesion, centre="a") for lesion in brought("tthh")]
    with pytest.raises(BadCohort, match="found both"):
        make_split(lesions, SplitSettings(external="site"))


def test_centres_that_are_left_out_are_the_folds():
    lesions = centres("bbaacc")
    split = make_split(lesions, SplitSettings(leave_out="site"))
    assert len(split.train) == 6
    folds, names = centre_folds(lesions)
    assert (folds.tolist(), names) == ([1, 1, 0, 0, 2, 2], ("a", "b", "c"))


@pytest.mark.parametrize(
    ("lesions", "message"),
    [
        (centres("aaaa"), "two centres or more"),
        ([*centres("aabb"), Lesion("p0", "2", 0, centre="b")], "in one centre, found one in sev"),
        ([*centres("aacc"), Lesion("q", "1", 1, centre="b")], None),
        ([Lesion(f"q{i}", "1", int(i > 1), centre="aab"[i]) for i in range(3)], "outside of the"),
    ],
)
def test_centres_that_cannot_be_left_out_are_refused(lesions, message):
    if message is None:  # a centre of one outcome is judged as far as it can be
        assert centre_folds(lesions)[1] == ("a", "b", "c")
        return
    with pytest.raises(BadCohort, match=message):
        centre_folds(lesions)


def test_a_split_of_centres_is_frozen_and_read_again(tmp_path):
    split = make_split(centres("aaaabbcc"), SplitSettings(external="site", test_size=0.0))
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split


SENTENCE = (
    r"expected each patient \(and group\) in one role, found one in train and test; "
    "correct the column 'split'"
)


def test_a_patient_in_two_roles_is_refused():
    lesions = [*brought("tthh"), Lesion("p0", "2", 0, role="test")]
    with pytest.raises(LeakageError, match=SENTENCE) as caught:
        make_split(lesions)
    assert "p0" not in str(caught.value)


def test_a_chain_of_groups_across_roles_is_refused():
    lesions = brought("tthh")
    lesions[0] = replace(lesions[0], group="a")
    lesions[2] = replace(lesions[2], group="b")
    make_split(lesions)
    chain = [Lesion("p7", "1", 0, group="a", role="train")]
    chain.append(Lesion("p7", "2", 0, group="b", role="train"))
    with pytest.raises(LeakageError, match=SENTENCE):
        make_split(lesions + chain)


def test_a_frozen_split_is_read_as_it_was_drawn(tmp_path):
    split = make_split(patients(30, 10), seed=5)
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split


def moved(content: dict) -> None:
    content["test"].append(content["train"].pop())


def exchanged(content: dict) -> None:
    content["test"][0], content["train"][0] = content["train"][0], content["test"][0]


def unsigned(content: dict) -> None:
    del content["sha256"]


def copied(content: dict) -> None:
    content["train"].append(content["test"][0])


@pytest.mark.parametrize("tamper", [moved, exchanged, unsigned, copied])
def test_a_split_that_was_changed_afterwards_is_refused(tmp_path, tamper):
    path = tmp_path / "split.json"
    write_split(path, make_split(patients(30, 10)))
    content = json.loads(path.read_text())
    tamper(content)
    path.write_text(json.dumps(content))
    with pytest.raises(LeakageError, match=r"expected split\.json as it was frozen"):
        read_split(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"train": 1}'])
def test_a_file_that_is_no_split_is_refused(tmp_path, text):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(LeakageError, match="found a file that is no split"):
        read_split(path)


def test_an_overlap_of_roles_is_refused():
    lesions = patients(30, 10)
    split = make_split(lesions)
    overlap = replace(split, train=tuple(sorted({*split.train, split.test[0]})))
    with pytest.raises(LeakageError, match="expected every lesion in exactly one role"):
        check_split(overlap, lesions)


def test_a_split_of_another_cohort_is_refused():
    with pytest.raises(LeakageError, match="other lesions than the cohort's"):
        check_split(make_split(patients(30, 10)), patients(31, 10))


def grouped(seed: int, n_folds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, units and folds of rows that several patients share."""
    rng = generator(seed, "rows")
    groups = rng.integers(0, 50, 130) * 7
    y = (rng.random(130) < 0.2).astype(np.int64)
    return y, groups, grouped_folds(y, groups, n_folds=n_folds, seed=seed, name="outer")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_folds", [2, 3, 5, 10])
def test_folds_keep_groups_whole_and_spread_each_outcome_within_one(seed, n_folds):
    y, groups, fold = grouped(seed, n_folds)
    assert set(fold.tolist()) == set(range(n_folds))
    identifiers = np.unique(groups)
    assert all(len(set(fold[groups == g].tolist())) == 1 for g in identifiers)
    positive = np.array([y[groups == g].any() for g in identifiers])
    fold_of = np.array([fold[groups == g][0] for g in identifiers])
    for level in (True, False):
        spread = np.bincount(fold_of[positive == level], minlength=n_folds)
        assert spread.max() - spread.min() <= 1
    assert np.ptp(np.bincount(fold_of)) <= 1


def test_folds_follow_their_rows():
    y, groups, fold = grouped(0, 5)
    order = generator(0, "order").permutation(len(y))
    again = grouped_folds(y[order], groups[order], n_folds=5, seed=0, name="outer")
    assert (again == fold[order]).all()


def test_folds_depend_on_seed_and_name():
    y, groups, fold = grouped(0, 5)
    for seed, name in ((1, "outer"), (0, "inner")):
        other = grouped_folds(y, groups, n_folds=5, seed=seed, name=name)
        assert not same_partition(other, fold)


@pytest.mark.parametrize("n_positive", [0, 1, 4, 16])
def test_fewer_patients_of_an_outcome_than_folds_are_refused(n_positive):
    y = np.zeros(20, dtype=np.int64)
    y[:n_positive] = 1
    smallest = min(n_positive, 20 - n_positive)
    sentence = (
        f"expected at least 5 patients of each outcome for 5 folds, found {smallest}; "
        f"set evaluation.n_folds to {max(smallest, 2)} or fewer"
    )
    with pytest.raises(BadCohort, match=sentence):
        grouped_folds(y, np.arange(20), n_folds=5, seed=0, name="outer")


def test_lesions_of_one_positive_patient_do_not_count_as_patients():
    y = np.array([1] * 10 + [0] * 10)
    groups = np.array([0] * 10 + list(range(1, 11)))
    with pytest.raises(BadCohort, match="found 1;"):
        grouped_folds(y, groups, n_folds=2, seed=0, name="outer")
