"""Where a replica's examples stand in a step's batch: draws and means are those of one replica that has them all.

Outside of `part_of`, as without distribution, a batch is whole and every function here is the plain TensorFlow call.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

REPLICA_STATE = {
    "synchronization": tf.VariableSynchronization.ON_READ,
    "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
}
"""For the creation of a variable to which all replicas assign the same, each in a copy of its own.

Such an assignment may stand anywhere in a step, within `tf.cond` too, where replicas cannot wait for each other.
"""

_replica = threading.local()


class Part(NamedTuple):
    """The consecutive rows of a step's batch that one replica has; it may be none.

    Attributes:
      first: int64 scalar, the place of its first row in the whole batch.
      total: int64 scalar, the rows of the whole batch.
    """

    first: tf.Tensor
    total: tf.Tensor


@contextlib.contextmanager
def part_of(part: Part | None) -> Iterator[None]:
    """Makes the functions of this module see `part`, within this replica's thread; None leaves the batch whole."""
    _replica.part = part
    try:
        yield
    finally:
        _replica.part = None


def _part() -> Part | None:
    return getattr(_replica, "part", None)


def split(total: tf.Tensor, index: int | tf.Tensor, parts: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where the rows of part `index` of `parts` begin and end, out of `total`, an int64 scalar."""
    return total * index // parts, total * (index + 1) // parts


def stateless_uniform(
    shape: tf.Tensor | Sequence[int | tf.Tensor],
    seed: tf.Tensor,
    minval: int = 0,
    maxval: int | None = None,
    dtype: tf.DType = tf.float32,
) -> tf.Tensor:
    """`tf.random.stateless_uniform` of `shape` `[B, ...]`: the replica's rows of what the whole batch would draw."""
    return _rows_of_whole(
        lambda whole: tf.random.stateless_uniform(whole, seed, minval, maxval, dtype), tf.convert_to_tensor(shape)
    )


def stateless_categorical(logits: tf.Tensor, num_draws: int, seed: tf.Tensor) -> tf.Tensor:
    """`tf.random.stateless_categorical` of logits `[B, K]`: int64 `[B, num_draws]`, as the whole batch would draw."""
    part = _part()
    if part is None:
        return tf.random.stateless_categorical(logits, num_draws, seed)
    rows = tf.shape(logits, tf.int64)[0]
    # What a row draws depends on its place and its logits, not on those of others.
    whole = tf.pad(logits, [[part.first, part.total - part.first - rows], [0, 0]])
    return tf.random.stateless_categorical(whole, num_draws, seed)[part.first : part.first + rows]


def stateless_dropout(values: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
    """`tf.nn.experimental.stateless_dropout` of `[B, ...]`: the replica's rows of what the whole batch would drop."""
    if _part() is None:
        return tf.nn.experimental.stateless_dropout(values, rate=rate, seed=seed)
    kept = stateless_uniform(tf.shape(values), seed, dtype=values.dtype) >= rate
    return tf.where(kept, values * (1 / (1 - rate)), 0.0)


def _rows_of_whole(draw: Callable[[tf.Tensor], tf.Tensor], shape: tf.Tensor) -> tf.Tensor:
    part = _part()
    if part is None:
        return draw(shape)
    whole = tf.concat([tf.cast(part.total, shape.dtype)[tf.newaxis], shape[1:]], axis=0)
    return draw(whole)[part.first : part.first + tf.cast(shape[0], tf.int64)]


def mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the replica's share of the mean of float32 `[B]` over the whole batch: replicas add up to it.

    Args:
      values: float32 `[B]`.
      weights: float32 `[B]`, how much each counts; None: all the same.
    """
    part = _part()
    if weights is not None:
        return tf.math.divide_no_nan(tf.reduce_sum(values * weights), add_up(tf.reduce_sum(weights)))
    if part is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values) / tf.cast(part.total, values.dtype)


def once(value: tf.Tensor | float) -> tf.Tensor | float:
    """Returns the replica's share of what all replicas have alike: shares add up to `value`."""
    if _part() is None:
        return value
    return value / tf.cast(tf.distribute.get_replica_context().num_replicas_in_sync, tf.float32)


def add_up(values: Any) -> Any:
    """Returns the sums over all replicas of a nest of tensors or `tf.IndexedSlices`."""
    if _part() is None:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gather_rows(values: tf.Tensor) -> tf.Tensor:
    """Returns the rows `[B, ...]` of all replicas in order; a row's gradient is what all replicas have for it."""
    if _part() is None:
        return values

    @tf.custom_gradient
    def gather(own: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        rows = tf.distribute.get_replica_context().all_gather(own, axis=0)
        return rows, lambda upstream: own_rows(add_up(upstream), like=own)

    return tf.ensure_shape(gather(values), [None, *values.shape[1:]])


def own_rows(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns this replica's rows out of those of all, `[B, ...]`: as many as `like` has."""
    part = _part()
    return values if part is None else values[part.first : part.first + tf.shape(like, tf.int64)[0]]


def log_mean_exp(values: tf.Tensor) -> tf.Tensor:
    """Returns log(mean over the rows of the whole batch of exp) of `[B, M]`, the columns being the same everywhere.

    In parts there is no gradient.
    """
    part = _part()
    if part is None:
        batch = tf.cast(tf.shape(values)[0], tf.float32)
        return tf.reduce_logsumexp(values, axis=0) - tf.math.log(batch)
    sums = gather_rows(tf.stop_gradient(tf.reduce_logsumexp(values, axis=0, keepdims=True)))
    return tf.reduce_logsumexp(sums, axis=0) - tf.math.log(tf.cast(part.total, tf.float32))
