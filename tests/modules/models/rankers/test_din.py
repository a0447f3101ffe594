"""DIN against the published form, and its padding."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import Context
from modules.models.rankers.din import DIN
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, HISTORIES, make_ranker, score


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


def published_form(ranker: DIN, context: Context, candidates: np.ndarray) -> np.ndarray:
    """Scores `[B, C]` one candidate at a time, with attention over the explicit [q, k, q - k, q * k].

    The layer keeps Q = W_q + W_d, K = W_k - W_d and P = W_p; every W_d gives a published kernel that has them.
    """
    weights = tiny.weights_by_name(ranker)
    keep_query, keep_key, w_p = (weights[f"attention_{part}_kernel"] for part in ("query", "key", "product"))
    w_d = np.random.default_rng(8).normal(size=w_p.shape)
    kernel = np.concatenate([keep_query - w_d, keep_key + w_d, w_d, w_p])
    attention_kernel, attention_bias = (w.numpy() for w in ranker._attention_output.weights)
    items = tf.add_n(ranker._item_fields(tf.range(21))).numpy()

    scores = np.zeros(candidates.shape)
    for b, history in enumerate(context.history.numpy()):
        keys = items[history] + weights["position_embeddings"]
        for c, candidate in enumerate(candidates[b]):
            q = items[candidate]
            logits = [
                relu(np.concatenate([q, k, q - k, q * k]) @ kernel + weights["attention_bias"]) @ attention_kernel
                + attention_bias
                for k, item in zip(keys, history, strict=True)
                if item > 0
            ]
            interest = np.zeros_like(q)
            if logits:
                exponentials = np.exp(np.array(logits)[:, 0])
                interest = (exponentials / exponentials.sum()) @ keys[history > 0]
            hidden = np.concatenate([q, interest, q * interest])
            for layer in ranker._hidden.dense:
                hidden = relu(hidden @ layer.kernel.numpy() + layer.bias.numpy())
            scores[b, c] = (hidden @ ranker._output.kernel.numpy() + ranker._output.bias.numpy())[0]
    return scores


def test_scores_are_those_of_the_published_form() -> None:
    ranker = make_ranker("din", attention_units=6)
    found = score(ranker, CONTEXT, CANDIDATES)
    np.testing.assert_allclose(found, published_form(ranker, CONTEXT, CANDIDATES.numpy()), rtol=1e-4, atol=1e-5)


def test_many_candidates_are_scored_as_few_are_and_as_in_training() -> None:
    ranker = make_ranker("din", attention_units=6, dropout=0.0)
    many = tf.tile(CANDIDATES, [1, 2])
    found = score(ranker, CONTEXT, many)
    np.testing.assert_allclose(found, np.tile(score(ranker, CONTEXT, CANDIDATES), [1, 2]), rtol=1e-5, atol=1e-6)
    trained = ranker.score(ranker.encode(CONTEXT, training=True), many, training=True)
    np.testing.assert_allclose(found, trained, rtol=1e-5, atol=1e-6)


def test_the_padding_items_embedding_and_positions_are_never_seen() -> None:
    ranker = make_ranker("din")
    before = score(ranker, CONTEXT, CANDIDATES)
    items, positions = ranker._item_fields._ids, ranker._positions
    items.assign(tf.concat([tf.fill([1, tiny.WIDTH], 1e3), items[1:]], axis=0))
    np.testing.assert_allclose(score(ranker, CONTEXT, CANDIDATES), before, rtol=1e-5, atol=1e-6)
    positions.assign(tf.concat([tf.fill([3, tiny.WIDTH], 1e3), positions[3:]], axis=0))
    after = score(ranker, CONTEXT, CANDIDATES)
    # The second history is two items long, the third empty; the first fills all five places.
    np.testing.assert_allclose(after[1:], before[1:], rtol=1e-5, atol=1e-6)
    assert np.abs(after[0] - before[0]).max() > 1e-3


def test_longer_padding_on_the_left_changes_nothing() -> None:
    short, long = make_ranker("din"), make_ranker("din", length=9)
    for ours, theirs in zip(long.trainable_variables, short.trainable_variables, strict=True):
        ours.assign(theirs if ours.shape == theirs.shape else tf.concat([ours[:4], theirs], axis=0))
    padded = tiny.make_context([1, 2, 0], HISTORIES, 9)
    np.testing.assert_allclose(score(long, padded, CANDIDATES), score(short, CONTEXT, CANDIDATES), rtol=1e-4, atol=1e-5)


def test_without_a_history_there_is_no_interest_and_no_infinity() -> None:
    ranker = make_ranker("din")
    empty = tiny.make_context([1], [[]])
    with tf.GradientTape() as tape:
        found = score(ranker, empty, CANDIDATES[:1])
        total = tf.reduce_sum(found)
    assert np.all(np.isfinite(found))
    gradients = tape.gradient(total, ranker.trainable_variables)
    assert all(np.all(np.isfinite(tf.convert_to_tensor(g))) for g in gradients if g is not None)


def test_attention_is_a_distribution_over_the_history() -> None:
    ranker = make_ranker("din")
    attention = ranker._attention(ranker.encode(CONTEXT), ranker._embed(CANDIDATES)).numpy()
    np.testing.assert_allclose(attention.sum(axis=2), [[1] * 4, [1] * 4, [0] * 4], rtol=1e-5)
    np.testing.assert_array_equal(attention[1, :, :3], np.zeros([4, 3]))
    assert np.all(attention[0] > 0)


@pytest.mark.parametrize("scale", [1e2, 1e3])
def test_huge_attention_logits_stay_finite(scale: float) -> None:
    ranker = make_ranker("din")
    ranker._attention_output.kernel.assign(ranker._attention_output.kernel * scale**2)
    assert np.all(np.isfinite(score(ranker, CONTEXT, CANDIDATES)))


def test_an_untrained_ranker_has_no_opinion() -> None:
    ranker = DIN(tiny.make_corpus(), tiny.make_config(), DIN.Options(), seed=1)
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), np.zeros([3, 4]))
