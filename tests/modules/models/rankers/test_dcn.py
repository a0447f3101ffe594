"""DCN against the published formulas on the whole input, and against TFRS's own layers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from modules.models.rankers.dcn import DCN
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, make_corpus, make_ranker, score

RANKS = [None, 3]


def whole_input(ranker: DCN) -> np.ndarray:
    """Returns x_0 `[B, C, D]`: user, town, item, genres."""
    users = np.concatenate(ranker._user_fields(tf.range(7)), axis=-1)
    items = np.concatenate(ranker._item_fields(tf.range(21)), axis=-1)
    of_users = np.repeat(users[CONTEXT.user.numpy()][:, np.newaxis], CANDIDATES.shape[1], axis=1)
    return np.concatenate([of_users, items[CANDIDATES.numpy()]], axis=-1)


def cross_network(ranker: DCN, fields: np.ndarray) -> np.ndarray:
    """x_(l+1) = x_0 * (x_l W + b) + x_l, W the product of the factors of a layer of low rank."""
    crossed = fields
    for layer in ranker._cross:
        *factors, bias = layer.get_weights()
        product = crossed
        for factor in factors:
            product = product @ factor
        crossed = fields * (product + bias) + crossed
    return crossed


def deep_network(ranker: DCN, fields: np.ndarray) -> np.ndarray:
    """The published network: one kernel over all fields' embeddings side by side."""
    kernel = np.concatenate([ranker._user_kernel.kernel.numpy(), ranker._item_kernel.kernel.numpy()])
    hidden = np.maximum(fields @ kernel + ranker._user_kernel.bias.numpy(), 0)
    for layer in ranker._hidden.dense:
        hidden = np.maximum(hidden @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return hidden


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("layers", [1, 3])
def test_scores_are_those_of_the_published_form(rank: int | None, layers: int) -> None:
    ranker = make_ranker("dcn", projection_dim=rank, num_cross_layers=layers)
    fields = whole_input(ranker)
    assert fields.shape == (3, 4, 4 * tiny.WIDTH)
    both = np.concatenate([cross_network(ranker, fields), deep_network(ranker, fields)], axis=-1)
    output, bias = ranker._output.get_weights()
    np.testing.assert_allclose(score(ranker, CONTEXT, CANDIDATES), (both @ output + bias)[..., 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rank", RANKS)
def test_the_first_layer_in_two_parts_is_tfrss_own(rank: int | None) -> None:
    ranker = make_ranker("dcn", projection_dim=rank, num_cross_layers=1)
    assert type(ranker._cross[0]) is tfrs.layers.dcn.Cross
    fields = whole_input(ranker)
    found = ranker._cross_fields(ranker.encode(CONTEXT), tf.constant(fields[..., 2 * tiny.WIDTH :]))
    np.testing.assert_allclose(found, ranker._cross[0](tf.constant(fields)), rtol=1e-4, atol=1e-5)


def test_an_untrained_ranker_has_no_opinion() -> None:
    ranker = DCN(make_corpus(), tiny.make_config(), DCN.Options(), seed=1)
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), np.zeros([3, 4]))


def test_the_history_does_not_matter() -> None:
    ranker = make_ranker("dcn")
    other = CONTEXT._replace(history=tf.ones_like(CONTEXT.history))
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), score(ranker, other, CANDIDATES))
