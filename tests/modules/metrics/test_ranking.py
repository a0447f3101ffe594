"""Recall, NDCG and MRR against hand-worked cases and the definitions taken literally."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modules.metrics import ranking, user_values

METRICS = [ranking.recall_at_k, ranking.ndcg_at_k, ranking.mrr_at_k]


def test_one_target_at_rank_two():
    hits, targets = tf.constant([[False, True, False]]), tf.constant([1])
    np.testing.assert_allclose(ranking.recall_at_k(hits, targets, 3), [1.0])
    np.testing.assert_allclose(ranking.ndcg_at_k(hits, targets, 3), [1 / math.log2(3)])
    np.testing.assert_allclose(ranking.mrr_at_k(hits, targets, 3), [1 / 2])


def test_beyond_the_cutoff_is_a_miss():
    hits, targets = tf.constant([[False, True, False]]), tf.constant([1])
    for metric in METRICS:
        np.testing.assert_array_equal(metric(hits, targets, 1), [0.0])


def test_more_targets_than_positions_cut_the_ideal_but_not_the_recall():
    hits, targets = tf.constant([[True, True]]), tf.constant([5])
    np.testing.assert_allclose(ranking.recall_at_k(hits, targets, 2), [2 / 5])
    np.testing.assert_allclose(ranking.ndcg_at_k(hits, targets, 2), [1.0])


def test_several_targets():
    hits, targets = tf.constant([[0.0, 1.0, 0.0, 1.0]]), tf.constant([3])
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    np.testing.assert_allclose(ranking.recall_at_k(hits, targets, 4), [2 / 3])
    np.testing.assert_allclose(ranking.ndcg_at_k(hits, targets, 4), [gain / ideal])
    np.testing.assert_allclose(ranking.mrr_at_k(hits, targets, 4), [1 / 2])


@pytest.mark.parametrize("metric", METRICS)
def test_no_targets_no_hits_and_no_items_are_zero(metric):
    nothing = tf.zeros([2, 3], tf.bool)
    np.testing.assert_array_equal(metric(nothing, tf.constant([0, 2]), 3), [0.0, 0.0])
    np.testing.assert_array_equal(metric(nothing[:, :0], tf.constant([0, 2]), 3), [0.0, 0.0])


@pytest.mark.parametrize("metric", METRICS)
def test_cutoff_must_be_positive(metric):
    with pytest.raises(ValueError, match="`k` must be a positive integer. Received: k=0."):
        metric(tf.ones([1, 1]), tf.constant([1]), 0)


def test_find_hits_counts_an_item_once_and_padding_never():
    ranked = tf.constant([["a", "b", "a", ""], ["c", "", "", ""]])
    targets = tf.constant([["a", ""], ["d", "c"]])
    expected = [[True, False, False, False], [True, False, False, False]]
    np.testing.assert_array_equal(ranking.find_hits(ranked, targets, padding=""), expected)


def _reference(ranked: list[int], targets: set[int], k: int) -> tuple[float, float, float]:
    """Recall, NDCG and MRR straight from their definitions."""
    head = ranked[:k]
    gain = sum(1 / math.log2(position + 2) for position, item in enumerate(head) if item in targets)
    ideal = sum(1 / math.log2(position + 2) for position in range(min(k, len(targets))))
    first = [position for position, item in enumerate(head) if item in targets][:1]
    return (
        len(targets & set(head)) / len(targets),
        gain / ideal,
        1 / (first[0] + 1) if first else 0.0,
    )


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_tensors_and_lists_agree_with_the_definitions(k):
    rng = np.random.default_rng(5)
    users, items, length = 200, 30, 12
    ranked = np.stack([rng.permutation(items)[:length] + 1 for _ in range(users)])
    targets = [set((rng.permutation(items)[: rng.integers(1, 6)] + 1).tolist()) for _ in range(users)]
    expected = np.array([_reference(r.tolist(), t, k) for r, t in zip(ranked, targets, strict=True)])

    padded = tf.keras.utils.pad_sequences([sorted(t) for t in targets], padding="post")
    hits = ranking.find_hits(tf.constant(ranked), tf.constant(padded, tf.int64), padding=0)
    sizes = tf.constant([len(t) for t in targets])
    traced = tf.function(lambda h, n: tf.stack([metric(h, n, k) for metric in METRICS], axis=-1))
    np.testing.assert_allclose(traced(hits, sizes), expected, rtol=1e-5)

    for row, wanted, values in zip(ranked, targets, expected, strict=True):
        ranks = user_values.hit_ranks(row.tolist(), wanted)
        of_lists = [f(ranks, len(wanted), k) for f in (user_values.recall, user_values.ndcg, user_values.mrr)]
        np.testing.assert_allclose(of_lists, values)
