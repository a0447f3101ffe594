"""Adagrad with one accumulator a row."""

from collections.abc import Callable, Iterable

import tensorflow as tf

from modules.training.optimizers.rows import RowOptimizer

_EPSILON = 1e-10


class RowAdagrad(RowOptimizer):
    """Adagrad whose step is one for all of a row (Duchi, Hazan, Singer, JMLR 2011; by row as in arXiv 1906.00091).

    With the mean taken over the columns of row i, of width d,
        a_i <- a_i + mean(g_i^2),    w_i <- w_i - learning rate g_i / sqrt(a_i).
    A row without a gradient stays as it is, which is Adagrad without an approximation, and its state is one number in
    place of Adam's 2 d. Weights other than the tables are trained by Adam.

    Args:
      learning_rate: Adam's step size.
      tables: see base class.
      table_learning_rate: Adagrad's.
    """

    def __init__(
        self, learning_rate: float, tables: Callable[[], Iterable[tf.Variable]], table_learning_rate: float
    ) -> None:
        super().__init__(learning_rate, tables)
        self._table_learning_rate = table_learning_rate

    def _build_rows(self, tables: Iterable[tf.Variable]) -> None:
        self._row_accumulators = [self._row_state(table, "row_accumulator") for table in tables]

    def _update_rows(self, place: int, table: tf.Variable, indices: tf.Tensor, gradients: tf.Tensor) -> None:
        accumulators = self._row_accumulators[place]
        columns = list(range(1, table.shape.rank))
        accumulators.scatter_add(tf.IndexedSlices(tf.reduce_mean(tf.square(gradients), axis=columns), indices))
        reached = tf.reshape(tf.gather(accumulators, indices), [-1, *[1] * len(columns)])
        way = self._table_learning_rate * gradients / (tf.sqrt(reached) + _EPSILON)
        table.scatter_sub(tf.IndexedSlices(way, indices))
