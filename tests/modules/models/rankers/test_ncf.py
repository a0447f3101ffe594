"""NCF against NeuMF written out pair by pair."""

import numpy as np
import tensorflow as tf

from modules.models.rankers.ncf import NCF
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, make_corpus, make_ranker, score


def neural_matrix_factorisation(ranker: NCF, user: int, item: int) -> float:
    """h^T [p * q, MLP([p', q'])], the network with one kernel over both embeddings."""
    weights = tiny.weights_by_name(ranker)
    products = weights["user_factors"][user] * weights["item_factors"][item]
    kernel = np.concatenate([ranker._user_kernel.kernel.numpy(), ranker._item_kernel.kernel.numpy()])
    hidden = np.concatenate([weights["user_embeddings"][user], weights["item_embeddings"][item]]) @ kernel
    hidden = np.maximum(hidden + ranker._user_kernel.bias.numpy(), 0)
    for layer in ranker._hidden.dense:
        hidden = np.maximum(hidden @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    output, bias = (weight.numpy() for weight in ranker._output.weights)
    return (np.concatenate([products, hidden]) @ output + bias)[0]


def test_scores_are_those_of_the_published_form() -> None:
    ranker = make_ranker("ncf")
    expected = [
        [neural_matrix_factorisation(ranker, user, item) for item in row]
        for user, row in zip(CONTEXT.user.numpy(), CANDIDATES.numpy(), strict=True)
    ]
    np.testing.assert_allclose(score(ranker, CONTEXT, CANDIDATES), expected, rtol=1e-4, atol=1e-5)


def test_either_half_has_embeddings_of_its_own() -> None:
    shapes = [tuple(variable.shape) for variable in make_ranker("ncf").trainable_variables]
    assert shapes.count((7, tiny.WIDTH)) == shapes.count((21, tiny.WIDTH)) == 2


def test_an_untrained_ranker_has_no_opinion() -> None:
    ranker = NCF(make_corpus(), tiny.make_config(), NCF.Options(), seed=1)
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), np.zeros([3, 4]))


def test_the_history_does_not_matter() -> None:
    ranker = make_ranker("ncf")
    other = CONTEXT._replace(history=tf.ones_like(CONTEXT.history))
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), score(ranker, other, CANDIDATES))
