"""Chooses on validation how much each part of a trained model's answer weighs."""

import itertools
import logging
from typing import NamedTuple

import tensorflow as tf

from modules.metrics import ranking
from modules.models.algorithms.base import TwoStageModel
from modules.models.blend import Setting, blended
from modules.models.retrieval import in_chunks
from modules.training.inputs import EvaluationUsers

_CUTOFF = 10
_USERS = 10_000
_STAGES = ((1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
_NEIGHBOURS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_THRESHOLDS = (0.001, 0.01, 0.1)
_DECAYS = (0.4, 0.6, 0.8, 0.9)


class _Parts(NamedTuple):
    """What is known of the validation users' candidates `[B, C]`: M, f, s for each decay; and of targets `[B]`."""

    listed: tf.Tensor
    retriever: tf.Tensor
    ranker: tf.Tensor
    pointing: tuple[tf.Tensor, ...]
    hits: tf.Tensor
    num_targets: tf.Tensor


def calibrate(model: TwoStageModel, users: tf.data.Dataset, candidates: int) -> Setting:
    """Sets the model's blend to the setting of the best validation NDCG@10, and returns it.

    Of equals the first wins, and the trained model's own answer comes first: neither the network nor the counts stay
    where they do not help.

    Args:
      model: a trained model with a blend.
      users: batches of validation users, of which the first 10,000 are asked.
      candidates: how many items the first stage hands to the second.
    """
    collect = tf.function(lambda batch: _collect(model, batch, candidates), reduce_retracing=True, autograph=False)
    batches, asked = [], 0
    for batch in users:
        batches.append(collect(batch))
        asked += len(batch.targets)
        if asked >= _USERS:
            break
    parts = tf.nest.map_structure(lambda *values: tf.concat(values, axis=0), *batches)
    best, best_value = model.blend.trained, -1.0
    for setting in _settings(model.blend.trained):
        value = _ndcg(setting, parts)
        if value > best_value:
            best, best_value = setting, value
    model.blend.choose(best)
    logging.info("Blend: %s, validation NDCG@10 %.4f.", best, best_value)
    return best


def _settings(trained: Setting) -> list[Setting]:
    stages = [Setting(*factors) for factors in _STAGES]
    grid = itertools.product(_STAGES, _NEIGHBOURS, _THRESHOLDS, _DECAYS)
    return [trained, *stages, *(Setting(*factors, *rest) for factors, *rest in grid)]


def _collect(model: TwoStageModel, users: EvaluationUsers, candidates: int) -> _Parts:
    context = users.context
    ids, retriever_scores = model.retrieve(context, candidates)
    encoded = model.ranker.encode(context)
    pointing = [
        in_chunks(lambda part, decay=decay: model.blend.pointing(context.history, part, decay), ids)
        for decay in _DECAYS
    ]
    hits = ranking.find_hits(ids, users.targets, padding=0)
    return _Parts(
        ids > 0,
        retriever_scores,
        in_chunks(lambda part: model.ranker.score(encoded, part), ids),
        tuple(pointing),
        hits,
        tf.math.count_nonzero(users.targets, axis=1),
    )


def _ndcg(setting: Setting, parts: _Parts) -> float:
    pointing = parts.pointing[_DECAYS.index(setting.decay)]
    scores = tf.where(parts.listed, blended(setting, parts.retriever, parts.ranker, pointing), float("-inf"))
    order = tf.math.top_k(scores, min(_CUTOFF, scores.shape[1])).indices
    hits = tf.gather(parts.hits, order, batch_dims=1)
    return float(tf.reduce_mean(ranking.ndcg_at_k(hits, parts.num_targets, _CUTOFF)))
