"""BST against a transformer over the history and one target, written out in numpy without any padding."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.layers.transformer import TransformerBlock
from modules.models.rankers.bst import BST
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, HISTORIES, make_corpus, make_ranker, score

FORMS = [True, False]


def leaky_relu(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 0.2 * values)


def normalised(layer: tf.keras.layers.LayerNormalization, states: np.ndarray) -> np.ndarray:
    gain, offset = layer.get_weights()
    centred = states - states.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) + offset


def transformed(block: TransformerBlock, states: np.ndarray, sees: np.ndarray) -> np.ndarray:
    """Returns the states `[T, d]` behind a block, where position i looks at j if `sees[i, j]`."""
    w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o = block._attention.get_weights()
    inputs = normalised(block._norm, states)
    attended = np.zeros_like(states) + b_o
    for head in range(w_q.shape[1]):
        queries, keys, values = (inputs @ w[:, head] + b[head] for w, b in ((w_q, b_q), (w_k, b_k), (w_v, b_v)))
        weights = np.where(sees, np.exp(queries @ keys.T / np.sqrt(w_q.shape[2])), 0)
        attended += weights / weights.sum(axis=1, keepdims=True) @ values @ w_o[head]
    hidden = states + attended
    inner, outer = block._hidden, block._output
    update = leaky_relu(normalised(block._feed_forward_norm, hidden) @ inner.kernel.numpy() + inner.bias.numpy())
    return hidden + update @ outer.kernel.numpy() + outer.bias.numpy()


def reference(ranker: BST, user: int, history: list[int], target: int, history_sees_target: bool) -> float:
    """The score of one target in one context."""
    items = tf.add_n(ranker._item_fields(tf.range(21))).numpy()
    states = items[[*history, target]] + ranker._positions.numpy()[-len(history) - 1 :]
    sees = np.ones([len(states), len(states)], bool)
    sees[:-1, -1] = history_sees_target
    for block in ranker._blocks:
        states = transformed(block, states, sees)
    states = normalised(ranker._output_norm, states)

    slots = np.zeros([ranker._history_length, tiny.WIDTH])
    slots[ranker._history_length - len(history) :] = states[:-1]
    other = np.concatenate(ranker._user_fields(tf.constant([user])), axis=-1)[0]
    kernels = [layer.kernel.numpy() for layer in (ranker._history_kernel, ranker._target_kernel, ranker._user_kernel)]
    hidden = np.concatenate([slots.ravel(), states[-1], other]) @ np.concatenate(kernels)
    hidden = leaky_relu(hidden + ranker._user_kernel.bias.numpy())
    for layer in ranker._hidden.dense:
        hidden = leaky_relu(hidden @ layer.kernel.numpy() + layer.bias.numpy())
    return (hidden @ ranker._output.kernel.numpy() + ranker._output.bias.numpy())[0]


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("history_sees_target", FORMS)
def test_scores_are_those_of_the_target_inside_the_sequence(history_sees_target: bool, blocks: int) -> None:
    ranker = make_ranker("bst", history_sees_target=history_sees_target, blocks=blocks)
    contexts = list(zip(CONTEXT.user.numpy(), HISTORIES, CANDIDATES.numpy(), strict=True))

    def scores(form: bool) -> np.ndarray:
        return np.array([[reference(ranker, user, history, i, form) for i in row] for user, history, row in contexts])

    expected, other = scores(history_sees_target), scores(not history_sees_target)
    assert np.abs(expected - other)[:2].max(axis=1).min() > 1e-2
    np.testing.assert_allclose(score(ranker, CONTEXT, CANDIDATES), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("history_sees_target", FORMS)
def test_candidates_beyond_one_group_are_scored_alike(history_sees_target: bool) -> None:
    ranker = make_ranker("bst", history_sees_target=history_sees_target)
    few = tf.tile(tf.range(1, 21, dtype=tf.int64)[tf.newaxis], [3, 1])
    # Three groups, the last of which is filled up.
    many = tf.tile(few, [1, 4])[:, :70]
    expected = tf.tile(score(ranker, CONTEXT, few), [1, 4])[:, :70]
    np.testing.assert_allclose(score(ranker, CONTEXT, many), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("history_sees_target", FORMS)
def test_longer_padding_on_the_left_changes_nothing(history_sees_target: bool) -> None:
    short, long = (make_ranker("bst", length, history_sees_target=history_sees_target) for length in (5, 9))
    for ours, theirs in zip(long.trainable_variables, short.trainable_variables, strict=True):
        # Positions, and the rows of the scoring network's kernel that belong to them, are counted from the target.
        ours.assign(tf.concat([ours[: ours.shape[0] - theirs.shape[0]], theirs], axis=0))
    padded = tiny.make_context([1, 2, 0], HISTORIES, 9)
    np.testing.assert_allclose(score(long, padded, CANDIDATES), score(short, CONTEXT, CANDIDATES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("history_sees_target", FORMS)
def test_gradients_without_a_history_are_finite(history_sees_target: bool) -> None:
    ranker = make_ranker("bst", history_sees_target=history_sees_target)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(score(ranker, tiny.make_context([1], [[]]), CANDIDATES[:1]))
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(total, ranker.trainable_variables)]
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_the_history_is_encoded_once_and_the_candidates_alone_are_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = make_ranker("bst", blocks=2)
    updated, call = [], TransformerBlock.call

    def listen(block: TransformerBlock, inputs: tf.Tensor, attendable: tf.Tensor, **kwargs) -> tf.Tensor:
        states = call(block, inputs, attendable, **kwargs)
        updated.append(tuple(states.shape))
        return states

    monkeypatch.setattr(TransformerBlock, "call", listen)
    encoded = ranker.encode(CONTEXT)
    assert updated == [(3, tiny.HISTORY, tiny.WIDTH)] * 2
    updated.clear()
    ranker.score(encoded, CANDIDATES)
    assert updated == [(3, 4, tiny.WIDTH)] * 2


def test_an_untrained_ranker_has_no_opinion() -> None:
    ranker = BST(make_corpus(), tiny.make_config(), BST.Options(), seed=1)
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), np.zeros([3, 4]))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`ranker.heads` must divide `embedding_dim`. Received: heads=3, .*=8"):
        BST(make_corpus(), tiny.make_config(), BST.Options(heads=3), seed=1)
