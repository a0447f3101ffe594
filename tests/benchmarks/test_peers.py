"""The peers compute what this package computes, so that only speed is compared."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.peers import ConcatenatedDIN, OnePassExactSampler, RepeatedContextDIN
from modules.models.rankers.din import DIN
from modules.models.samplers.exact import ExactSampler
from tests.modules import tiny

SEED = tf.constant([11, 3], tf.int64)


@pytest.mark.parametrize("peer_class", [ConcatenatedDIN, RepeatedContextDIN])
def test_plain_din_scores_as_din_does(peer_class: type[DIN]) -> None:
    corpus, config = tiny.make_corpus(), tiny.make_config()
    options = DIN.Options(attention_units=4, hidden_units=[8])
    context = tiny.make_context([1, 2, 3], [[3, 4, 5, 6, 7], [2, 9], []])
    candidates = tf.constant([[1, 2], [9, 4], [20, 1]], tf.int64)
    din, peer = (ranker(corpus, config, options, seed=1) for ranker in (DIN, peer_class))
    for ranker in (din, peer):
        ranker.score(ranker.encode(context), candidates)
    tiny.randomise(din)
    kernels = tiny.weights_by_name(din)
    own = [weight for weight in peer.trainable_variables if weight is not peer.attention_kernel]
    for weight, value in zip(own, din.trainable_variables, strict=True):
        weight.assign(value)
    query, key, product = (kernels[f"attention_{part}_kernel"] for part in ("query", "key", "product"))
    # q W_q + k W_k + (q - k) W_d + (q * k) W_p, with a W_d that the other kernels make up for.
    difference = np.full_like(query, 0.25)
    peer.attention_kernel.assign(np.concatenate([query - difference, key + difference, difference, product]))

    expected = din.score(din.encode(context), candidates)
    np.testing.assert_allclose(peer.score(peer.encode(context), candidates), expected, rtol=1e-4, atol=1e-5)


def test_one_pass_exact_sampler_has_the_exact_probabilities() -> None:
    corpus = tiny.make_corpus(num_items=10)
    rng = np.random.default_rng(0)
    candidates, query = (tf.constant(rng.normal(size=(rows, 4)), tf.float32) for rows in (11, 3))
    exact, one_pass = (
        sampler(corpus, 4, sampler.Options(temperature=0.5), seed=1) for sampler in (ExactSampler, OnePassExactSampler)
    )
    for sampler in (exact, one_pass):
        sampler.refresh([candidates])

    @tf.function
    def draw(query: tf.Tensor) -> tuple[tf.Tensor, ...]:
        draws = one_pass.sample(tf.stop_gradient(query), 50, SEED)
        shared = tf.range(1, 11, dtype=tf.int64)[tf.newaxis]
        return *draws, one_pass.log_prob(tf.stop_gradient(query), shared)

    ids, log_q, log_prob = draw(query)
    np.testing.assert_allclose(log_q, exact.log_prob(query, ids), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_prob, exact.log_prob(query, tf.range(1, 11, dtype=tf.int64)[tf.newaxis]), rtol=1e-4)
    assert tf.reduce_min(ids) >= 1
    assert tf.reduce_max(ids) <= 10
