"""What every sampler promises, and the schedule of refreshes."""

from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from modules.models.corpus import Corpus
from modules.models.samplers import SAMPLERS
from modules.models.samplers.base import Draws, Sampler, gather_columns
from modules.models.samplers.mixture import UniformMixture
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square, stated_probabilities

ITEMS, WIDTH = 30, 8
SEED = tf.constant([11, 3], tf.int64)
WITH_A_DENSITY = ["uniform", "popularity", "exact", "midx", "midx by popularity", "mixture", "top_and_rand"]
NAMES = [*WITH_A_DENSITY, "toprand"]


def normals(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def make_sampler(name: str, corpus: Corpus | None = None) -> Sampler:
    """Returns a refreshed sampler; "mixture" is three parts MIDX, one part uniform. Pools hold half of the items."""
    corpus = corpus or tiny.make_corpus(ITEMS)
    registered = "midx" if name == "mixture" else name.split()[0]
    options = {}
    if registered == "midx":
        options = {"codewords": 4, "within_cell": "popularity" if "popularity" in name else "uniform"}
    if "rand" in name:
        options = {"pool_size": (corpus.num_items + 1) // 2}
    sampler = SAMPLERS[registered](corpus, WIDTH, SAMPLERS.options(registered, options), seed=1)
    if name == "mixture":
        sampler = UniformMixture(sampler, corpus.num_items, 0.25)
    sampler.refresh([normals(corpus.num_items + 1, WIDTH)])
    return sampler


@pytest.mark.parametrize("name", WITH_A_DENSITY)
def test_draws_fit_the_stated_probabilities(name: str) -> None:
    sampler, query = make_sampler(name), normals(2, WIDTH, seed=1)
    draws = sampler.sample(query, 20_000, SEED)
    probabilities = stated_probabilities(sampler, query, ITEMS)
    for ids, stated in zip(draws.ids.numpy(), probabilities, strict=True):
        assert chi_square(ids, stated) > SIGNIFICANCE


@pytest.mark.parametrize("name", WITH_A_DENSITY)
def test_probabilities_are_normalised(name: str) -> None:
    log_q = make_sampler(name).log_prob(normals(3, WIDTH, seed=1), tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis])
    np.testing.assert_allclose(logsumexp(log_q.numpy().astype(np.float64), axis=1), np.zeros(3), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_items_under_their_own_log_q(name: str) -> None:
    sampler, query = make_sampler(name), normals(3, WIDTH, seed=1)
    draws = sampler.sample(query, 500, SEED)
    assert draws.ids.shape == draws.log_q.shape == (3, 500)
    assert draws.ids.dtype == tf.int64
    assert draws.log_q.dtype == tf.float32
    assert tf.reduce_min(draws.ids) >= 1
    assert tf.reduce_max(draws.ids) <= ITEMS
    np.testing.assert_allclose(draws.log_q, sampler.log_prob(query, draws.ids), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ids_shared_by_all_rows_are_worth_what_each_row_gives_them(name: str) -> None:
    sampler, query = make_sampler(name), normals(3, WIDTH, seed=1)
    shared = tf.constant([[4, 1, 30, 4]], tf.int64)
    each = sampler.log_prob(query, tf.tile(shared, [3, 1]))
    found = sampler.log_prob(query, shared)
    assert found.shape == (3, 4)
    np.testing.assert_array_equal(found, each)


@pytest.mark.parametrize("name", NAMES)
def test_the_batchs_probability_is_the_mean_of_its_contexts(name: str) -> None:
    sampler = make_sampler(name)
    query = normals(5, WIDTH, seed=4)
    ids = tf.constant([3, 30, 3, 1, 17], tf.int64)
    expected = np.log(np.mean(np.exp(sampler.log_prob(query, ids[tf.newaxis])), axis=0))
    np.testing.assert_allclose(sampler.batch_log_prob(query, ids), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_draws_and_others_give_others(name: str) -> None:
    sampler, query = make_sampler(name), normals(2, WIDTH, seed=1)
    first, again = (sampler.sample(query, 50, SEED) for _ in range(2))
    np.testing.assert_array_equal(first.ids, again.ids)
    np.testing.assert_array_equal(first.log_q, again.log_q)
    other = sampler.sample(query, 50, SEED + tf.constant([0, 1], tf.int64))
    assert np.any(first.ids != other.ids)
    assert np.any(first.ids[0] != first.ids[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_for_any_batch_gives_what_is_given_outside(name: str) -> None:
    sampler, query = make_sampler(name), normals(3, WIDTH, seed=1)
    shared = tf.constant([[4, 1, 30, 4]], tf.int64)

    def traced(queries: tf.Tensor) -> tuple[Draws, tf.Tensor]:
        return sampler.sample(queries, 5, SEED), sampler.log_prob(queries, shared)

    graph = tf.function(traced, input_signature=[tf.TensorSpec([None, WIDTH])], autograph=False)
    for rows in (3, 1):
        found, expected = (tf.nest.flatten(function(query[:rows])) for function in (graph, traced))
        for in_graph, outside in zip(found, expected, strict=True):
            np.testing.assert_allclose(in_graph, outside, rtol=1e-5)


@pytest.mark.parametrize("name", WITH_A_DENSITY)
@pytest.mark.parametrize("num_items", [1, 2, 3])
def test_tiny_corpora_can_be_drawn_from(name: str, num_items: int) -> None:
    sampler, query = make_sampler(name, tiny.make_corpus(num_items)), normals(2, WIDTH, seed=1)
    draws = sampler.sample(query, 200, SEED)
    assert set(draws.ids.numpy().ravel()) == set(range(1, num_items + 1))
    assert np.all(np.isfinite(draws.log_q))
    np.testing.assert_allclose(stated_probabilities(sampler, query, num_items).sum(axis=1), [1, 1], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_reaches_the_draws_state(name: str) -> None:
    assert make_sampler(name).trainable_variables == []


@pytest.mark.parametrize("shared", [True, False])
def test_gather_columns_takes_own_or_shared_columns(shared: bool) -> None:
    values = np.arange(12.0).reshape(3, 4)
    ids = np.array([[3, 0]]) if shared else np.array([[3, 0], [1, 1], [0, 2]])
    expected = [[values[b, ids[0 if shared else b, m]] for m in range(2)] for b in range(3)]
    np.testing.assert_array_equal(gather_columns(tf.constant(values), tf.constant(ids)), expected)


class CountingSampler(Sampler):
    """Remembers the sums of what it was refreshed from."""

    refresh_steps = 3

    def __init__(self) -> None:
        super().__init__()
        self.refreshes = tf.Variable(0)
        self.latest = tf.Variable(0.0)

    def refresh(self, candidates: Sequence[tf.Tensor]) -> None:
        self.refreshes.assign_add(1)
        self.latest.assign(tf.reduce_sum(candidates[0]))

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        raise AssertionError("nothing is drawn here")

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        raise AssertionError("nothing is asked here")


@pytest.mark.parametrize("in_graph", [True, False])
def test_refreshes_are_due_at_multiples_of_the_schedule_only(in_graph: bool) -> None:
    sampler, embedded = CountingSampler(), tf.Variable(0)

    def when_due(candidates: tf.Tensor, step: tf.Tensor) -> None:
        def embed() -> list[tf.Tensor]:
            embedded.assign_add(1)
            return [candidates]

        sampler.refresh_when_due(embed, step)

    if in_graph:
        when_due = tf.function(when_due, autograph=False)
    sums = []
    for step in range(8):
        when_due(tf.fill([2, 2], float(step)), tf.constant(step, tf.int64))
        sums.append(float(sampler.latest))
    assert int(sampler.refreshes) == int(embedded) == 3
    assert sums == [0.0] * 3 + [12.0] * 3 + [24.0] * 2


def test_a_proposal_that_never_changes_is_never_refreshed() -> None:
    sampler = CountingSampler()
    sampler.refresh_steps = None
    sampler.refresh_when_due(lambda: pytest.fail("nothing is to be embedded"), tf.constant(0, tf.int64))
    assert int(sampler.refreshes) == 0


@pytest.mark.parametrize("name", ["exact", "midx", "midx by popularity", "mixture", "top_and_rand"])
def test_between_refreshes_log_q_is_that_of_the_index_that_draws(name: str) -> None:
    sampler, query = make_sampler(name), normals(2, WIDTH, seed=1)
    sampler.refresh_steps = 5
    ids = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]
    old, moved = sampler.log_prob(query, ids), normals(ITEMS + 1, WIDTH, seed=2)
    for step in range(1, 5):
        sampler.refresh_when_due(lambda: [moved], tf.constant(step, tf.int64))
    draws = sampler.sample(query, 20_000, SEED)
    np.testing.assert_allclose(draws.log_q, gather_columns(old, draws.ids - 1), rtol=1e-4, atol=1e-5)
    for row, stated in zip(draws.ids.numpy(), np.exp(old.numpy()), strict=True):
        assert chi_square(row, np.append(0, stated)) > SIGNIFICANCE
    sampler.refresh_when_due(lambda: [moved], tf.constant(5, tf.int64))
    assert np.abs(sampler.log_prob(query, ids) - old).max() > 0.1
