"""What optimisers that step by row have in common."""

import abc
from collections.abc import Callable, Iterable

import tensorflow as tf


class RowOptimizer(tf.keras.optimizers.Adam, abc.ABC):
    """Adam, but for some tables, of which it touches the rows that have a gradient.

    Keras's Adam takes a sparse gradient and still decays both moments of every row and moves every row: its cost grows
    with the table.

    Args:
      learning_rate: Adam's step size.
      tables: called when the weights are there, returns those that are updated by row, or their shards.
      weight_decay: decoupled weight decay (AdamW); the tables' is the subclass's to apply.
    """

    def __init__(
        self, learning_rate: float, tables: Callable[[], Iterable[tf.Variable]], weight_decay: float = 0.0
    ) -> None:
        # Rows are made unique, and how many there are then is not known to a compiler.
        super().__init__(learning_rate, weight_decay=weight_decay or None, jit_compile=False)
        self._tables = tables
        self._places = self._no_dependency({})

    def build(self, var_list: Iterable[tf.Variable]) -> None:
        """Makes Adam's moments for all weights but the tables, and the subclass's state for these."""
        if getattr(self, "_built", False):
            return
        keys = {self._var_key(table) for table in self._tables()}
        by_row = [variable for variable in var_list if self._var_key(variable) in keys]
        super().build([variable for variable in var_list if self._var_key(variable) not in keys])
        for place, table in enumerate(by_row):
            self._places[self._var_key(table)] = place
            # Keras refuses weights that it has not numbered.
            self._index_dict[self._var_key(table)] = len(self._index_dict)
        self._build_rows(by_row)

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates a weight; the indices of a sparse gradient differ from each other."""
        place = self._places.get(self._var_key(variable))
        if place is None:
            super().update_step(gradient, variable)
            return
        if not isinstance(gradient, tf.IndexedSlices):
            gradient = tf.IndexedSlices(gradient, tf.range(tf.shape(gradient, tf.int64)[0]))
        self._update_rows(place, variable, gradient.indices, gradient.values)

    def _apply_weight_decay(self, variables: Iterable[tf.Variable]) -> None:
        super()._apply_weight_decay([v for v in variables if self._var_key(v) not in self._places])

    @abc.abstractmethod
    def _build_rows(self, tables: Iterable[tf.Variable]) -> None:
        """Makes the state of the tables, in lists in their order."""

    @abc.abstractmethod
    def _update_rows(self, place: int, table: tf.Variable, indices: tf.Tensor, gradients: tf.Tensor) -> None:
        """Updates rows of a table: its place in the lists, the rows `[n]`, and their gradients `[n, ...]`."""

    def _row_state(self, table: tf.Variable, name: str) -> tf.Variable:
        """Returns a new variable `[rows]` of zeros, which lies where the table does."""
        return self.add_variable_from_reference(table, name, shape=table.shape[:1])
