"""Fits on validation how much each part of a trained model's answer weighs."""

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize
from scipy.special import log_softmax

from modules.metrics import ranking
from modules.models.algorithms.base import TwoStageModel
from modules.models.blend import Blend, Setting
from modules.models.evidence import Evidence
from modules.training.inputs import EvaluationUsers

_CUTOFF = 10
_USERS = 10_000
_MOST_FEATURES = 1 << 28
"""Of all users' candidates together, 1 GB."""
_LEAST_POPULARITY = 0.01
"""Of an empty history nothing but popularity is left, which must not count against an item."""


class _Pool(NamedTuple):
    """Candidates of the validation users.

    Attributes:
      listed: bool `[U, P]`, which are items.
      hits: bool `[U, P]`.
      num_targets: int64 `[U]`.
      features: float32 `[U, P, F]`.
    """

    listed: np.ndarray
    hits: np.ndarray
    num_targets: np.ndarray
    features: np.ndarray


def calibrate(model: TwoStageModel, evidence: Evidence, users: tf.data.Dataset, candidates: int) -> Blend | None:
    """Returns the blend of the weights that make the validation users' targets most likely among their candidates.

    A regression of the softmax over each user's candidates, convex and of a dozen numbers; its prior is that of one
    user in which nothing counts. None where the trained model's own answer has the better validation NDCG@10: neither
    evidence nor ranker stays where it does not help.

    Args:
      model: a trained model.
      evidence: of the training split.
      users: batches of validation users, of which the first 10,000 are asked, or as many as there is room for.
      candidates: how many items the first stage hands to the second.
    """
    most = min(_USERS, _MOST_FEATURES // (2 * candidates * (2 + evidence.size)))
    even = tf.constant([1.0] * (evidence.size - 1) + [0.0])
    pool = _collect(users, most, lambda batch: _neighbours(evidence, even, batch, candidates))
    alone = _fit(pool, pool.listed, least_last=_LEAST_POPULARITY)
    pool = _collect(users, most, lambda batch: _both_channels(model, evidence, tf.constant(alone), batch, candidates))
    # Columns: M, f, the evidence.
    first = _fit(pool._replace(features=np.delete(pool.features, 1, axis=2)), pool.listed)
    ranker_out = np.insert(first, 1, 0)
    handed_on = _best(np.where(pool.listed, pool.features @ ranker_out, -np.inf), candidates)
    both = _fit(pool, handed_on)
    trained = np.zeros_like(both)
    trained[:2] = float(model.options.residual), 1
    retrieved = pool.listed & (np.arange(pool.listed.shape[1]) < candidates)
    values = {
        name: _ndcg(pool, pool.features @ weights, listed)
        for name, weights, listed in (
            ("trained", trained, retrieved),
            ("without the ranker", ranker_out, handed_on),
            ("both", both, handed_on),
        )
    }
    best = max(values, key=lambda name: values[name])
    told = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    logging.info("Blend: %s, of validation NDCG@10 %s.", best, told)
    if best == "trained":
        return None
    return Blend(evidence, Setting(alone, first, both if best == "both" else ranker_out))


def _neighbours(evidence: Evidence, weights: tf.Tensor, users: EvaluationUsers, count: int) -> _Pool:
    context = users.context
    ids = evidence.best(context.exclude, context.exclude, weights, count)
    return _pool(users, ids, evidence.features(context.exclude, ids))


def _both_channels(
    model: TwoStageModel, evidence: Evidence, alone: tf.Tensor, users: EvaluationUsers, count: int
) -> _Pool:
    context = users.context
    retrieved, _ = model.retrieve(context, count)
    found = evidence.best(context.exclude, tf.concat([context.exclude, retrieved], axis=1), alone, count)
    ids = tf.concat([retrieved, found], axis=1)
    stages = tf.stack(model.stage_scores(context, ids), axis=-1)
    return _pool(users, ids, tf.concat([stages, evidence.features(context.exclude, ids)], axis=-1))


def _pool(users: EvaluationUsers, ids: tf.Tensor, features: tf.Tensor) -> _Pool:
    hits = ranking.find_hits(ids, users.targets, padding=0)
    return _Pool(ids > 0, hits, tf.math.count_nonzero(users.targets, axis=1), features)


def _collect(users: Iterable[EvaluationUsers], most: int, collect: Callable[[EvaluationUsers], _Pool]) -> _Pool:
    function = tf.function(collect, reduce_retracing=True, autograph=False)
    parts, asked = [], 0
    for batch in users:
        parts.append([values.numpy() for values in function(batch)])
        asked += len(batch.targets)
        if asked >= most:
            break
    return _Pool(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _fit(pool: _Pool, listed: np.ndarray, least_last: float | None = None) -> np.ndarray:
    """Returns float32 `[F]`, the weights of the largest posterior; the last no less than `least_last`, if given."""
    known = (pool.hits & listed).any(axis=1)
    listed, features = listed[known], pool.features[known]
    hits = pool.hits[known] & listed
    scale = features[listed].std(axis=0) if known.any() else np.ones(features.shape[2])
    scale[scale == 0] = 1
    scaled = features / scale
    shares = hits / hits.sum(axis=1, keepdims=True)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log_probabilities = log_softmax(np.where(listed, scaled @ weights, -1e30), axis=1)
        value = -np.sum(shares * np.where(hits, log_probabilities, 0)) + weights @ weights / 2
        gradient = np.einsum("upf,up->f", scaled, np.exp(log_probabilities) - shares) + weights
        return float(value), gradient

    start = np.zeros(features.shape[2])
    bounds = [(None, None)] * (len(start) - 1) + [(least_last, None)]
    return (minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x / scale).astype(np.float32)


def _best(scores: np.ndarray, count: int) -> np.ndarray:
    """Returns bool `[U, P]`, the `count` best of each row that are above -inf."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    best = np.zeros(scores.shape, bool)
    np.put_along_axis(best, order, True, axis=1)
    return best & np.isfinite(scores)


def _ndcg(pool: _Pool, scores: np.ndarray, listed: np.ndarray) -> float:
    order = np.argsort(-np.where(listed, scores, -np.inf), axis=1, kind="stable")[:, :_CUTOFF]
    hits = tf.constant(np.take_along_axis(pool.hits & listed, order, axis=1), tf.float32)
    return float(tf.reduce_mean(ranking.ndcg_at_k(hits, tf.constant(pool.num_targets), _CUTOFF)))
