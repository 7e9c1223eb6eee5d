"""ComBat as a transformer: it learns from training rows, and leaves alone what it cannot know."""

import numpy as np
import pytest
import skops.io
from sklearn.base import clone

from her2.core.errors import BadCohort
from her2.core.seeds import generator
from her2.selection import HarmoniseFeatures
from her2.stats import fit_combat


def scanners(seed: int = 0, n: int = 60, p: int = 12) -> np.ndarray:
    """Batch in front (0, 1, 2), then features that each batch shifts and scales."""
    rng = generator(seed, "scanners")
    batch = np.arange(n) % 3
    shift, scale = rng.normal(0, 3, (3, p)), rng.uniform(0.5, 2, (3, p))
    return np.column_stack([batch, rng.standard_normal((n, p)) * scale[batch] + shift[batch]])


def test_it_is_combat_of_the_training_rows():
    X = scanners()
    found = HarmoniseFeatures().fit_transform(X)
    values, scanner = X[:, 1:], X[:, 0].astype(int)
    assert found == pytest.approx(fit_combat(values, scanner).transform(values, scanner))


def test_columns_in_front_pass():
    X = scanners()
    front = generator(0, "front").standard_normal((len(X), 4))
    with_front = np.hstack([X[:, :1], front, X[:, 1:]])
    found = HarmoniseFeatures(n_before=4).fit_transform(with_front)
    assert np.array_equal(found[:, :4], front)
    assert np.array_equal(found[:, 4:], HarmoniseFeatures().fit_transform(X))


def test_what_it_says_of_a_row_depends_on_the_training_rows_alone():
    X = scanners()
    fitted = HarmoniseFeatures().fit(X[:40])
    together = fitted.transform(X[40:])
    spoilt = X[40:].copy()
    spoilt[1:, 1:] = 1e9
    assert np.array_equal(fitted.transform(spoilt)[0], together[0])
    poisoned = X.copy()
    poisoned[40:, 1:] = -1e9
    assert np.array_equal(HarmoniseFeatures().fit(poisoned[:40]).transform(X[40:]), together)


@pytest.mark.parametrize("unknown", [np.nan, 7.0, 1e9])
def test_a_batch_that_was_not_learned_is_left_as_it_is(unknown):
    X = scanners()
    fitted = HarmoniseFeatures().fit(X)
    new = X[:3].copy()
    new[:2, 0] = unknown
    found = fitted.transform(new)
    assert np.array_equal(found[:2], new[:2, 1:])
    assert not np.array_equal(found[2], new[2, 1:])


def test_a_batch_of_few_rows_is_left_as_it_is_and_moves_nobody():
    X = scanners()
    few = np.vstack([X, np.column_stack([np.full(4, 9.0), np.full((4, 12), 1e3)])])
    fitted = HarmoniseFeatures().fit(few)
    assert fitted.model_.batches == ("0.0", "1.0", "2.0")
    assert np.array_equal(fitted.transform(few)[:60], HarmoniseFeatures().fit_transform(X))
    assert (fitted.transform(few)[60:] == 1e3).all()


@pytest.mark.parametrize("batch", [np.zeros(60), np.full(60, np.nan), np.arange(60.0)])
def test_without_two_batches_nothing_is_done_and_it_says_why(batch):
    X = scanners()
    X[:, 0] = batch
    fitted = HarmoniseFeatures().fit(X)
    assert fitted.model_ is None
    assert fitted.reason_
    assert np.array_equal(fitted.transform(X), X[:, 1:])


def test_noise_and_constants_are_left_alone_and_do_not_touch_the_others():
    X = scanners()
    noise = 1.0 + 1e-15 * generator(0, "noise").standard_normal(len(X))
    messy = np.column_stack([X, noise, np.full(len(X), 5.0), np.full(len(X), np.nan)])
    found = HarmoniseFeatures().fit_transform(messy)
    assert np.array_equal(found[:, :12], HarmoniseFeatures().fit_transform(X))
    assert np.array_equal(found[:, 12:], messy[:, 13:], equal_nan=True)


def test_what_is_missing_stays_missing():
    X = scanners()
    X[4, 3] = np.nan
    found = HarmoniseFeatures().fit_transform(X)
    assert np.isnan(found[4, 2]) and np.isfinite(np.delete(found, 4, axis=0)).all()


def test_a_table_without_any_usable_feature_is_refused():
    with pytest.raises(BadCohort, match="found none of 2"):
        HarmoniseFeatures().fit(np.column_stack([np.arange(10) % 2, np.ones((10, 2))]))


def test_it_can_be_cloned_written_and_read():
    X = scanners()
    fitted = clone(HarmoniseFeatures(min_rows=3)).fit(X)
    content = skops.io.dumps(fitted)
    unknown = skops.io.get_untrusted_types(data=content)
    assert all(name.startswith("her2.") for name in unknown)
    again = skops.io.loads(content, trusted=unknown)
    assert np.array_equal(again.transform(X), fitted.transform(X))
    assert fitted.get_feature_names_out(["v", *"abcdefghijkl"]).tolist() == list("abcdefghijkl")
