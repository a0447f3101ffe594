"""Parts of a batch draw what the whole would, and their shares add up."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from modules.models import global_batch
from modules.models.global_batch import Part
from modules.models.layers.dropout import Dropout
from tests.modules import tiny

MIXTURE = tiny.make_model(sampler={"name": "popularity"}, uniform_share=0.5).sampler
SEED = tf.constant([3, 4], tf.int64)
ROWS = 7
LOGITS = tf.random.stateless_normal([ROWS, 5], [1, 2])
# The second part has no rows.
CUTS = [(0, 3), (3, 3), (3, 7)]


def in_parts(function: Callable[[int, int], tf.Tensor]) -> list[np.ndarray]:
    """Returns what `function(start, end)` gives for each part, called as a replica that has it."""
    results = []
    for start, end in CUTS:
        with global_batch.part_of(Part(tf.constant(start, tf.int64), tf.constant(ROWS, tf.int64))):
            results.append(function(start, end).numpy())
    return results


@pytest.mark.parametrize(
    "draw",
    [
        lambda rows: global_batch.stateless_uniform([tf.shape(rows)[0], 3], SEED),
        lambda rows: global_batch.stateless_uniform([tf.shape(rows)[0], 2], SEED, 1, 100, tf.int64),
        lambda rows: global_batch.stateless_uniform(tf.shape(rows), SEED, dtype=tf.float64),
        lambda rows: global_batch.stateless_categorical(rows, 6, SEED),
        lambda rows: global_batch.stateless_dropout(rows, 0.4, SEED),
        lambda rows: Dropout(0.4, seed=5)(rows, training=True),
        lambda rows: MIXTURE.sample(rows, 6, SEED).ids,
    ],
    ids=["uniform", "integers", "doubles", "categorical", "dropout", "layer", "sampler"],
)
def test_parts_draw_what_the_whole_batch_would(draw: Callable[[tf.Tensor], tf.Tensor]) -> None:
    whole = draw(LOGITS).numpy()
    parts = in_parts(lambda start, end: draw(LOGITS[start:end]))
    assert [len(part) for part in parts] == [3, 0, 4]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole)) > 1


def test_shares_add_up_to_the_mean_of_the_whole_batch() -> None:
    values = LOGITS[:, 0]
    shares = in_parts(lambda start, end: global_batch.mean(values[start:end]))
    assert sum(shares) == pytest.approx(float(tf.reduce_mean(values)), rel=1e-6)
    # Not a mean of means: the parts are of unequal size.
    assert sum(shares) != pytest.approx(np.mean([np.mean(values[:3]), np.mean(values[3:])]), rel=1e-3)


def test_a_whole_batch_is_left_to_tensorflow() -> None:
    assert global_batch.mean(LOGITS) == tf.reduce_mean(LOGITS)
    weighted = global_batch.mean(tf.constant([1.0, 5.0]), weights=tf.constant([3.0, 1.0]))
    assert weighted == (3 * 1 + 1 * 5) / 4
    assert global_batch.gather_rows(LOGITS) is LOGITS
    assert global_batch.own_rows(LOGITS, like=LOGITS) is LOGITS
    assert global_batch.add_up(LOGITS) is LOGITS
    assert global_batch.once(2.0) == 2.0
    np.testing.assert_allclose(
        global_batch.log_mean_exp(LOGITS), np.log(np.mean(np.exp(LOGITS), axis=0)), rtol=1e-5, atol=1e-6
    )


def test_a_part_ends_with_its_step_even_if_that_fails() -> None:
    with pytest.raises(KeyError), global_batch.part_of(Part(tf.constant(0, tf.int64), tf.constant(9, tf.int64))):
        raise KeyError
    assert global_batch.stateless_uniform([2], SEED).shape == [2]
    assert global_batch.mean(tf.constant([1.0, 3.0])) == 2.0


@pytest.mark.parametrize("total", [0, 1, 5, 9, 256])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_are_consecutive_and_of_near_equal_size(total: int, parts: int) -> None:
    cuts = [global_batch.split(total, index, parts) for index in range(parts)]
    assert cuts[0][0] == 0
    assert cuts[-1][1] == total
    assert all(first[1] == second[0] for first, second in zip(cuts[:-1], cuts[1:], strict=True))
    sizes = [end - start for start, end in cuts]
    assert max(sizes) - min(sizes) <= 1
