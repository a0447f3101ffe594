"""Picks an answer item by item: not too many of a kind, not too alike, and not always the same."""

from typing import Any, NamedTuple

import tensorflow as tf

from modules.serving.answers import LAST
from modules.serving.chances import chances, draws_of, pick

INPUTS = {
    "caps": tf.TensorSpec([None], tf.string, "caps"),
    "diversity": tf.TensorSpec(None, tf.float32, "diversity"),
    "epsilon": tf.TensorSpec(None, tf.float32, "epsilon"),
    "temperature": tf.TensorSpec(None, tf.float32, "temperature"),
    "seed": tf.TensorSpec(None, tf.int64, "seed"),
}
"""What a request says of it; numbers are one for all rows, or one each."""


class Wishes(NamedTuple):
    """What each row asks for.

    Attributes:
      caps: string `[B]`, see `modules.serving.caps`; "" is none.
      diversity: float32 `[B]`, lambda of MMR, 0 <= lambda < 1.
      epsilon: float32 `[B]`, 0 <= epsilon <= 1, the share of uniform picks.
      temperature: float32 `[B]`, of softmax sampling; 0 picks the best.
      seed: int64 `[B]`, of the draws; 0 takes a new one.
    """

    caps: tf.Tensor
    diversity: tf.Tensor
    epsilon: tf.Tensor
    temperature: tf.Tensor
    seed: tf.Tensor


class Picked(NamedTuple):
    """The answer, in the order of picking.

    Attributes:
      ids: int64 `[B, K]`; 0 where nothing was left to pick.
      scores: float32 `[B, K]`, the items' own.
      propensity: float32 `[B, K]`, the probability with which the item was picked at its place after those before it;
        0 where nothing was.
    """

    ids: tf.Tensor
    scores: tf.Tensor
    propensity: tf.Tensor


def wishes(batch: tf.Tensor, **inputs: tf.Tensor) -> Wishes:
    """Returns what a request of B rows asks for; `inputs` are those of `INPUTS`.

    Raises:
      InvalidArgumentError: where a number is out of its range, or not as many as there are rows.
    """
    bounds = {
        "diversity": ((inputs["diversity"] >= 0) & (inputs["diversity"] < 1), "at least 0 and below 1"),
        "epsilon": ((inputs["epsilon"] >= 0) & (inputs["epsilon"] <= 1), "from 0 to 1"),
        "temperature": (
            (inputs["temperature"] >= 0) & (inputs["temperature"] < float("inf")),
            "a number that is not negative",
        ),
    }
    numbers = [name for name in INPUTS if name != "caps"]
    checks = [
        tf.debugging.Assert(tf.reduce_all(holds), [f"`{name}` must be {bound}. Received:", inputs[name]])
        for name, (holds, bound) in bounds.items()
    ]
    checks += [
        tf.debugging.Assert(
            (tf.equal(tf.rank(inputs[name]), 0) | tf.equal(tf.size(inputs[name]), batch)),
            [f"`{name}` must be one number, or one each row. Received:", inputs[name]],
        )
        for name in numbers
    ]
    with tf.control_dependencies(checks):
        rows = {name: tf.broadcast_to(tf.reshape(inputs[name], [-1]), [batch]) for name in numbers}
    return Wishes(inputs["caps"], **rows)


def vary(towers: Any, ids: tf.Tensor, scores: tf.Tensor, wished: Wishes, count: tf.Tensor) -> Picked:
    """Returns the first `count` of the ranked items, or as many as can be picked, as each row wishes.

    One after the other is picked, by the probabilities of `modules.serving.chances`, of what the caps leave, with

        u(i) = s(i) - lambda / (1 - lambda) (max s - min s) max over the picked j of cos(i, j)

    which orders as maximal marginal relevance does, (1 - lambda) s - lambda cos, of scores scaled to [0, 1] (Carbonell
    and Goldstein, SIGIR 1998), and is the score itself at lambda = 0.

    Args:
      towers: a `modules.export.towers.Towers`, or one loaded from another export.
      ids: int64 `[B, C]`, best first; 0 is none.
      scores: float32 `[B, C]`.
      wished: what is asked for; where no row asks for anything, nothing of this is computed.
      count: int32 scalar, at most C.
    """
    idle = Picked(ids[:, :count], scores[:, :count], tf.cast(ids[:, :count] > 0, tf.float32))
    numbers = wished.diversity + wished.epsilon + wished.temperature
    wanted = tf.reduce_any(wished.caps != "") | tf.reduce_any(numbers > 0)
    return tf.cond(wanted, lambda: _pick_all(towers, ids, scores, wished, count), lambda: idle)


def _pick_all(towers: Any, ids: tf.Tensor, scores: tf.Tensor, wished: Wishes, count: tf.Tensor) -> Picked:
    batch, width = tf.shape(ids)[0], ids.shape[1]
    draws = draws_of(wished.seed, count)
    values, limits = _capped(towers, ids, wished.caps)
    alike = _alike(towers, ids, wished.diversity)
    known = ids > 0
    highest = tf.reduce_max(tf.where(known, scores, LAST), axis=1)
    lowest = tf.reduce_min(tf.where(known, scores, tf.float32.max), axis=1)
    penalty = wished.diversity / (1 - wished.diversity) * tf.maximum(highest - lowest, 0)

    def pick_next(place: tf.Tensor, left: tf.Tensor, likeness: tf.Tensor, seen: tf.Tensor, picked: tuple):
        full = tf.reduce_any((seen >= limits[:, tf.newaxis]) & (values > 0), axis=2)
        probabilities = chances(
            scores - penalty[:, tf.newaxis] * likeness, left & ~full, wished.epsilon, wished.temperature
        )
        column = pick(probabilities, draws[:, place])
        propensity = tf.gather(probabilities, column, batch_dims=1)
        found = propensity > 0
        left &= ~(tf.one_hot(column, width, True, False) & found[:, tf.newaxis])
        likeness = tf.maximum(likeness, tf.gather(alike, column, batch_dims=1))
        its = tf.gather(values, column, batch_dims=1)
        same = tf.reduce_any(tf.equal(values[..., tf.newaxis], its[:, tf.newaxis, tf.newaxis]), axis=3)
        columns, propensities = picked
        written = columns.write(place, tf.where(found, column, -1)), propensities.write(place, propensity)
        return place + 1, left, likeness, seen + tf.cast(same, tf.int32), written

    arrays = tf.TensorArray(tf.int64, count), tf.TensorArray(tf.float32, count)
    start = (0, known, tf.fill([batch, width], 0.0), tf.zeros_like(values, tf.int32), arrays)
    *_, (columns, propensities) = tf.while_loop(
        lambda place, *_: place < count, pick_next, start, parallel_iterations=1
    )
    places = tf.reshape(tf.transpose(columns.stack()), [batch, -1])
    propensity = tf.reshape(tf.transpose(propensities.stack()), [batch, -1])
    found, at = places >= 0, tf.maximum(places, 0)
    return Picked(tf.where(found, tf.gather(ids, at, batch_dims=1), 0), tf.gather(scores, at, batch_dims=1), propensity)


def _capped(towers: Any, ids: tf.Tensor, caps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the values int64 `[B, C, W]` of the items and the limits int32 `[B, W]`; W is 0 without any caps."""
    shape = tf.shape(ids)
    none = tf.zeros([shape[0], shape[1], 0], tf.int64), tf.zeros([shape[0], 0], tf.int32)
    return tf.cond(
        tf.reduce_any(caps != ""), lambda: (towers.category_values(ids), towers.cap_limits(caps)), lambda: none
    )


def _alike(towers: Any, ids: tf.Tensor, diversity: tf.Tensor) -> tf.Tensor:
    """Returns the cosines float32 `[B, C, C]` of the items' vectors, at least 0; all 0 where no row asks for them."""
    shape = tf.shape(ids)

    def cosines() -> tf.Tensor:
        directions = tf.math.l2_normalize(tf.gather(towers.candidates, ids), axis=2)
        return tf.maximum(tf.matmul(directions, directions, transpose_b=True), 0)

    return tf.cond(tf.reduce_any(diversity > 0), cosines, lambda: tf.zeros([shape[0], shape[1], shape[1]]))
