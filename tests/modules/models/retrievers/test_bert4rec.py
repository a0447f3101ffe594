"""BERT4Rec: the gap behind the history, gaps within it, and the head on both."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.retrievers.bert4rec import BERT4Rec
from tests.modules import tiny
from tests.modules.models.layers.transformer_equations import activate, dense, normalise, reference
from tests.modules.models.retrievers.random_retrievers import CONTEXT, make_retriever

ITEMS = tf.constant([[1, 2, 3, 4, 5, 6], [0, 0, 0, 7, 8, 9], [0, 0, 0, 0, 0, 10]], tf.int64)
MASKED = tf.constant([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]]) > 0


def fill_by_hand(retriever: BERT4Rec, items: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """One sequence at a time: embeddings or the mask, blocks that see all but padding, GELU, norm."""
    weights = tiny.weights_by_name(retriever)
    filled = []
    for row, gaps in zip(items, masked, strict=True):
        embedded = np.where(gaps[:, np.newaxis], weights["mask_embedding"], weights["item_embeddings"][row])
        hidden = embedded + weights["position_embeddings"]
        attendable = np.tile((row > 0) | gaps, [len(row), 1])
        for block in retriever._encoder.blocks:
            hidden = reference(block, hidden, attendable, "gelu")
        filled.append(normalise(retriever._head_norm, activate("gelu", dense(retriever._head, hidden))))
    return np.array(filled)


@pytest.mark.parametrize("blocks", [1, 2])
def test_gaps_are_filled_by_the_published_form(blocks: int) -> None:
    retriever = make_retriever("bert4rec", blocks=blocks)
    expected = fill_by_hand(retriever, ITEMS.numpy(), MASKED.numpy())
    np.testing.assert_allclose(retriever.fill(ITEMS, MASKED), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_query_fills_a_gap_behind_the_history(blocks: int) -> None:
    retriever = make_retriever("bert4rec", blocks=blocks)
    # Whatever item stands in the gap, it is not seen.
    items = tf.concat([CONTEXT.history, tf.constant([[3], [4], [5], [6], [7]], tf.int64)], axis=1)
    behind = tf.constant([[False] * 5 + [True]])
    filled = retriever.fill(items, behind)
    np.testing.assert_allclose(retriever.query(CONTEXT), filled[:, -1], rtol=1e-4, atol=1e-5)


def test_what_a_gap_hides_is_seen_nowhere_and_what_surrounds_it_on_both_sides() -> None:
    retriever = make_retriever("bert4rec")
    filled = retriever.fill(ITEMS, MASKED).numpy()
    hidden = tf.where(MASKED, ITEMS + 10, ITEMS)
    np.testing.assert_array_equal(retriever.fill(hidden, MASKED), filled)
    for place in (0, 5):
        other = tf.tensor_scatter_nd_update(ITEMS, [[0, place]], [15])
        assert np.abs(retriever.fill(other, MASKED)[0, 1] - filled[0, 1]).max() > 1e-3


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`retriever.heads` must divide `embedding_dim`. Received: heads=3, .*=8"):
        BERT4Rec(tiny.make_corpus(), tiny.make_config(), BERT4Rec.Options(heads=3), seed=1)
