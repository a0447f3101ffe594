"""SASRec: what its query sees, and what it must not see."""

import numpy as np
import pytest
import tensorflow as tf

from modules.config import ModelConfig
from modules.retrievers.sasrec import SASRec
from tests.modules import tiny

HISTORIES = [[1, 2, 3, 4, 5], [6, 7], [20], []]
CONTEXT = tiny.make_context([1, 2, 3, 0], HISTORIES)


def make_retriever(config: ModelConfig | None = None, **options: float) -> SASRec:
    """Returns a built retriever of random weights."""
    config = config or tiny.make_config()
    retriever = SASRec(tiny.make_corpus(), config, SASRec.Options(**options), seed=1)
    length = config.history_length
    retriever.query(tiny.make_context([1], [[1]], length))
    tiny.randomise(retriever)
    return retriever


@pytest.mark.parametrize("blocks", [1, 2])
def test_queries_and_candidates_have_the_width_of_the_embeddings(blocks: int) -> None:
    retriever = make_retriever(blocks=blocks)
    query = retriever.query(CONTEXT)
    assert query.shape == (4, tiny.WIDTH)
    assert np.all(np.isfinite(query))
    assert retriever.all_candidates().shape == (21, tiny.WIDTH)


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_padding_items_embedding_is_never_seen_behind_an_item(blocks: int) -> None:
    retriever = make_retriever(blocks=blocks)
    before = retriever.query(CONTEXT).numpy()
    table = retriever.all_candidates()
    table.assign(tf.concat([tf.fill([1, tiny.WIDTH], 50.0), table[1:]], axis=0))
    after = retriever.query(CONTEXT).numpy()
    np.testing.assert_allclose(after[:3], before[:3], rtol=1e-5, atol=1e-6)
    assert np.all(np.isfinite(after))


@pytest.mark.parametrize("blocks", [1, 2])
def test_longer_padding_on_the_left_changes_nothing(blocks: int) -> None:
    short = make_retriever(blocks=blocks)
    long = make_retriever(tiny.make_config(history_length=9), blocks=blocks)
    for ours, theirs in zip(long.trainable_variables, short.trainable_variables, strict=True):
        if ours.shape == theirs.shape:
            ours.assign(theirs)
        else:
            # The latest position is the last row of either table.
            ours.assign(tf.concat([ours[:4], theirs], axis=0))
    found = long.query(tiny.make_context([1, 2, 3, 0], HISTORIES, 9))
    np.testing.assert_allclose(found[:3], short.query(CONTEXT)[:3], rtol=1e-4, atol=1e-5)


def test_one_row_does_not_depend_on_the_others() -> None:
    retriever = make_retriever(blocks=2)
    together = retriever.query(CONTEXT)
    for row, history in enumerate(HISTORIES):
        alone = retriever.query(tiny.make_context([9], [history]))
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-4, atol=1e-5)


def test_every_item_and_its_place_matter() -> None:
    retriever = make_retriever(blocks=2)
    histories = [[1, 2, 3], [9, 2, 3], [2, 1, 3], [1, 2, 4], [1, 2]]
    queries = retriever.query(tiny.make_context([1] * 5, histories)).numpy()
    distances = np.abs(queries[:, np.newaxis] - queries[np.newaxis]).max(axis=2)
    assert np.all(distances[~np.eye(5, dtype=bool)] > 1e-3)


def test_the_last_position_alone_is_that_of_the_causal_transformer() -> None:
    """The last block attends from the latest position only; run over all of them its last row must be the same."""
    retriever = make_retriever(blocks=2)
    history = CONTEXT.history
    present = (history != 0)[:, tf.newaxis, :]
    causal = tf.linalg.band_part(tf.ones([1, 5, 5], tf.bool), -1, 0)
    weights = tiny.weights_by_name(retriever)
    hidden = tf.gather(retriever.all_candidates(), history) + weights["position_embeddings"]
    for block in retriever._blocks:
        hidden = block(hidden, causal & present, last_only=False)
    expected = retriever._output_norm(hidden)[:, -1]
    np.testing.assert_allclose(retriever.query(CONTEXT)[:3], expected[:3], rtol=1e-4, atol=1e-5)


def test_later_positions_are_not_seen_by_earlier_ones() -> None:
    retriever = make_retriever(blocks=1)
    block = retriever._blocks[0]
    hidden = tf.constant(np.random.default_rng(0).normal(size=[1, 5, tiny.WIDTH]), tf.float32)
    changed = tf.concat([hidden[:, :3], hidden[:, 3:] + 1.0], axis=1)
    causal = tf.linalg.band_part(tf.ones([1, 5, 5], tf.bool), -1, 0)
    first, second = (block(x, causal, last_only=False).numpy() for x in (hidden, changed))
    np.testing.assert_allclose(first[:, :3], second[:, :3], rtol=1e-5)
    assert np.all(np.abs(first[:, 3:] - second[:, 3:]).max(axis=2) > 1e-3)


def test_dropout_works_in_training_alone() -> None:
    retriever = make_retriever(dropout=0.5)
    calm, again = (retriever.query(CONTEXT) for _ in range(2))
    np.testing.assert_array_equal(calm, again)
    first, second = (retriever.query(CONTEXT, training=True) for _ in range(2))
    assert np.abs(first - calm).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3


def test_every_weight_learns() -> None:
    retriever = make_retriever(blocks=2)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(retriever.query(CONTEXT) ** 3)
    gradients = tape.gradient(total, retriever.trainable_variables)
    for variable, gradient in zip(retriever.trainable_variables, gradients, strict=True):
        # A softmax does not feel a constant added to all its keys.
        if "key/bias" not in variable.name:
            assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.name


def test_a_context_without_a_known_item_is_cold() -> None:
    np.testing.assert_array_equal(make_retriever().is_cold(CONTEXT), [False, False, False, True])


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`retriever.heads` must divide `embedding_dim`. Received: heads=3, .*=8"):
        SASRec(tiny.make_corpus(), tiny.make_config(), SASRec.Options(heads=3), seed=1)
