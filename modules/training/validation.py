"""Whole-corpus validation of both stages after every epoch."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from modules.metrics import ranking
from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from modules.models.global_batch import split
from modules.models.retrieval import in_chunks
from modules.models.tiles import in_tiles
from modules.training.distributed.cluster import Cluster
from modules.training.inputs import EvaluationUsers

CUTOFF = 10


class Validation(tf.keras.callbacks.Callback):
    """Adds the metrics of the two-stage answer and of the retriever alone to the epoch's logs.

    The protocol is that of the test: retrieve `candidates` items from the whole corpus with the user's earlier items
    masked, rank them, cut at 10, average over users.

    Args:
      users: batches of validation users.
      candidates: how many items the first stage hands to the second.
      cluster: the processes that train together: each evaluates its part of every batch, and all get the same means.
    """

    def __init__(self, users: tf.data.Dataset, candidates: int, cluster: Cluster | None = None) -> None:
        super().__init__()
        self._cluster = cluster or Cluster()
        self._users = users if self._cluster.workers == 1 else users.map(self._own_part)
        self._candidates = candidates

    def _own_part(self, users: EvaluationUsers) -> EvaluationUsers:
        rows = tf.shape(users.targets, tf.int64)[0]
        start, end = split(rows, self._cluster.worker, self._cluster.workers)
        return EvaluationUsers(Context(*(values[start:end] for values in users.context)), users.targets[start:end])

    def set_model(self, model: TwoStageModel) -> None:
        """Traces the evaluation once for all epochs."""
        super().set_model(model)
        self._evaluate_batch = tf.function(
            lambda users, parts: evaluate_batch(model, users, self._candidates, parts), reduce_retracing=True
        )
        self._read_candidates = tf.function(lambda: _read_candidates(model))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Evaluates and writes `val_*` entries into `logs`, which the callbacks after this one see."""
        parts = self._read_candidates()
        values = mean_over_users((self._evaluate_batch(users, parts) for users in self._users), self._cluster)
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in values.items()})


def _read_candidates(model: TwoStageModel) -> list[tf.Tensor] | None:
    """Returns the vectors of all items, to be read once for all users; None where they lie in shards."""
    parts = model.retriever.candidate_parts()
    return [tf.identity(parts[0])] if len(parts) == 1 else None


def evaluate_batch(
    model: TwoStageModel, users: EvaluationUsers, candidates: int, parts: Sequence[tf.Tensor] | None = None
) -> dict[str, tf.Tensor]:
    """Returns metric name -> float32 `[B]`, one value a user; `parts` are those of `model.retrieve`."""
    parts = model.retriever.candidate_parts() if parts is None else parts
    retrieved, retriever_scores = model.retrieve(users.context, candidates, parts)
    pool, products = model.pool(users.context, retrieved, retriever_scores)

    def rank(context: Context, pool: tf.Tensor, products: tf.Tensor) -> tf.Tensor:
        return in_chunks(lambda *columns: model.ranker_scores(context, *columns), pool, products)

    inputs = users.context, pool, products
    # A loop would gather all of a table in shards in one place.
    ranker_scores = in_tiles(rank, *inputs) if len(parts) == 1 else rank(*inputs)
    # Where fewer items than asked for are left, the rest are padding and must stay behind.
    ranker_scores = tf.where(pool > 0, ranker_scores, float("-inf"))
    order = tf.math.top_k(ranker_scores, min(CUTOFF, candidates)).indices
    ranked = tf.gather(pool, order, batch_dims=1)

    num_targets = tf.math.count_nonzero(users.targets, axis=1)
    retrieved_hits = ranking.find_hits(retrieved, users.targets, padding=0)
    pool_hits = ranking.find_hits(pool, users.targets, padding=0)
    values = {
        f"{stage}_recall@{candidates}": ranking.recall_at_k(hits, num_targets, candidates)
        for stage, hits in (("retriever", retrieved_hits), ("pool", pool_hits))
    }
    for stage, hits in (
        ("two_stage", ranking.find_hits(ranked, users.targets, padding=0)),
        ("retriever", retrieved_hits),
    ):
        for name, metric in (
            ("recall", ranking.recall_at_k),
            ("ndcg", ranking.ndcg_at_k),
            ("mrr", ranking.mrr_at_k),
        ):
            values[f"{stage}_{name}@{CUTOFF}"] = metric(hits, num_targets, CUTOFF)
    return values


def mean_over_users(batches: Iterable[Mapping[str, tf.Tensor]], cluster: Cluster | None = None) -> dict[str, float]:
    """Returns metric name -> mean over all users of all batches of metric name -> `[B]`, of all processes of a cluster.

    Raises:
      ValueError: where there is no user.
    """
    totals: dict[str, float] = {}
    count = 0
    for values in batches:
        for name, per_user in values.items():
            totals[name] = totals.get(name, 0.0) + float(tf.reduce_sum(per_user))
        count += int(tf.shape(next(iter(values.values())))[0])
    if cluster is not None:
        count, *sums = cluster.add_up(np.array([count, *totals.values()], np.float64)).tolist()
        totals = dict(zip(totals, sums, strict=True))
    if count == 0:
        raise ValueError(
            "The validation split must hold at least one user with a known target. Received: none. "
            "Lower `data.min_user_interactions` or check the data report."
        )
    return {name: total / count for name, total in totals.items()}
