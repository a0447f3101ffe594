"""Adam over the rows that a step touches."""

from collections.abc import Iterable

import tensorflow as tf

from modules.training.optimizers.rows import RowOptimizer

CATCH_UP_STEPS = 32
"""No row is further behind: every step a part of each table, one of so many, catches up with the steps so far."""


class LazyAdam(RowOptimizer):
    """Adam or AdamW (Kingma and Ba, ICLR 2015; Loshchilov and Hutter, ICLR 2019), at a cost by rows touched.

    A row without a gradient still moves under Adam, by its decaying momentum: what one gradient brings is mostly
    brought by the ten steps that follow, and an optimiser that leaves such rows alone learns several times slower on
    rare keys. Here a row catches up when it is touched next, and at latest after `CATCH_UP_STEPS`. With
    r = beta_1 / sqrt(beta_2), q = 1 - learning rate * decay, and m, v as they were left at step s, k skipped steps are
        m <- beta_1^k m,    v <- beta_2^k v,
        w <- q^k w - alpha m / (sqrt(v) + epsilon) * sum over j = 1 .. k of r^j q^(k - j),
    where alpha is the bias-corrected step size of step s + 1. This is Adam, but that alpha moves within the k steps
    early in a training, and that epsilon does not decay with v. A row in every step is Adam's exactly.
    """

    def _build_rows(self, tables: Iterable[tf.Variable]) -> None:
        self._row_momentums = [self.add_variable_from_reference(table, "row_m") for table in tables]
        self._row_velocities = [self.add_variable_from_reference(table, "row_v") for table in tables]
        # The step a row was last brought up to. A float, as all of Keras's state is: exact to 16 million steps.
        self._row_steps = [self._row_state(table, "row_step") for table in tables]

    def _update_rows(self, place: int, table: tf.Variable, indices: tf.Tensor, gradients: tf.Tensor) -> None:
        rows = tf.shape(table, indices.dtype)[0]
        part = tf.cast(self.iterations % CATCH_UP_STEPS, indices.dtype)
        self._move(place, table, tf.range(rows * part // CATCH_UP_STEPS, rows * (part + 1) // CATCH_UP_STEPS))
        self._move(place, table, indices, gradients)

    def _move(self, place: int, table: tf.Variable, indices: tf.Tensor, gradients: tf.Tensor | None = None) -> None:
        """Brings rows up to the steps before this one, and with gradients through this one."""
        momentums, velocities, steps = (
            state[place] for state in (self._row_momentums, self._row_velocities, self._row_steps)
        )
        per_row = [-1, *[1] * (table.shape.rank - 1)]
        done = tf.cast(self.iterations, table.dtype)
        before = tf.reshape(tf.gather(steps, indices), per_row)
        # Another worker may have brought a row further than this one has counted.
        skipped = tf.maximum(done - before, 0.0)
        kept = 1.0 - self._decay()
        m, v = tf.gather(momentums, indices), tf.gather(velocities, indices)
        ratio = self.beta_1 / self.beta_2**0.5
        total = ratio * (kept**skipped - ratio**skipped) / (kept - ratio)
        way = self._step_size(before + 1.0) * total * m / (tf.sqrt(v) + self.epsilon)
        m, v = self.beta_1**skipped * m, self.beta_2**skipped * v
        if gradients is not None:
            m += (gradients - m) * (1 - self.beta_1)
            v += (tf.square(gradients) - v) * (1 - self.beta_2)
            done += 1.0
            way = kept * way + self._step_size(done) * m / (tf.sqrt(v) + self.epsilon)
        if self.weight_decay is not None:
            way += (1.0 - kept ** (done - before)) * tf.gather(table, indices)
        momentums.scatter_update(tf.IndexedSlices(m, indices))
        velocities.scatter_update(tf.IndexedSlices(v, indices))
        steps.scatter_update(tf.IndexedSlices(tf.fill(tf.shape(indices), done), indices))
        table.scatter_sub(tf.IndexedSlices(way, indices))

    def _decay(self) -> tf.Tensor:
        return tf.cast(self.learning_rate, tf.float32) * (self.weight_decay or 0.0)

    def _step_size(self, step: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.learning_rate, tf.float32) * tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
