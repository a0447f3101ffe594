"""DeepFM: the factorisation machine pair by pair, the deep network on the whole input."""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from modules.models.rankers.deepfm import DeepFM
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, make_corpus, make_ranker, score


def fields(ranker: DeepFM, user: int, item: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the embeddings of the user's fields and of the item's."""
    of_user = [field.numpy()[0] for field in ranker._user_fields(tf.constant([user]))]
    of_item = [field.numpy()[0] for field in ranker._item_fields(tf.constant([item]))]
    return of_user, of_item


def factorisation_machine(ranker: DeepFM, user: int, item: int) -> float:
    """First order of the item, and every pair of fields."""
    of_user, of_item = fields(ranker, user, item)
    pairs = sum(a @ b for a, b in itertools.combinations([*of_user, *of_item], 2))
    return ranker._item_bias.numpy()[item] + pairs


def among_user(ranker: DeepFM, user: int) -> float:
    """The part that the ranker documents to leave out: pairs of the user's own fields."""
    of_user, _ = fields(ranker, user, 1)
    return sum(a @ b for a, b in itertools.combinations(of_user, 2))


def deep_network(ranker: DeepFM, user: int, item: int) -> float:
    """The published network: one kernel over all fields' embeddings side by side."""
    of_user, of_item = fields(ranker, user, item)
    kernel = np.concatenate([ranker._user_kernel.kernel.numpy(), ranker._item_kernel.kernel.numpy()])
    hidden = np.concatenate([*of_user, *of_item]) @ kernel + ranker._user_kernel.bias.numpy()
    for layer in ranker._hidden.dense:
        hidden = np.maximum(hidden, 0) @ layer.kernel.numpy() + layer.bias.numpy()
    return (np.maximum(hidden, 0) @ ranker._output.kernel.numpy() + ranker._output.bias.numpy())[0]


def each_pair(function: Callable[[DeepFM, int, int], float], ranker: DeepFM) -> np.ndarray:
    users, candidates = CONTEXT.user.numpy(), CANDIDATES.numpy()
    return np.array([[function(ranker, u, i) for i in row] for u, row in zip(users, candidates, strict=True)])


def test_without_the_network_it_is_a_factorisation_machine_up_to_the_users_own_pairs() -> None:
    ranker = make_ranker("deepfm")
    for weight in ranker._output.weights:
        weight.assign(tf.zeros_like(weight))
    missing = np.array([[among_user(ranker, user)] for user in CONTEXT.user.numpy()])
    assert np.abs(missing[:2]).min() > 1e-2
    found = score(ranker, CONTEXT, CANDIDATES)
    np.testing.assert_allclose(found + missing, each_pair(factorisation_machine, ranker), rtol=1e-4, atol=1e-5)


def test_with_the_network_its_output_is_added() -> None:
    ranker = make_ranker("deepfm")
    missing = np.array([[among_user(ranker, user)] for user in CONTEXT.user.numpy()])
    expected = each_pair(factorisation_machine, ranker) - missing + each_pair(deep_network, ranker)
    np.testing.assert_allclose(score(ranker, CONTEXT, CANDIDATES), expected, rtol=1e-4, atol=1e-5)


def test_an_untrained_network_has_no_opinion() -> None:
    ranker = DeepFM(make_corpus(), tiny.make_config(), DeepFM.Options(), seed=1)
    found = score(ranker, CONTEXT, CANDIDATES)
    missing = np.array([[among_user(ranker, user)] for user in CONTEXT.user.numpy()])
    np.testing.assert_allclose(found, each_pair(factorisation_machine, ranker) - missing, rtol=1e-4, atol=1e-6)


def test_the_history_does_not_matter() -> None:
    ranker = make_ranker("deepfm")
    other = CONTEXT._replace(history=tf.ones_like(CONTEXT.history))
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), score(ranker, other, CANDIDATES))
