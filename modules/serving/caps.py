"""At most so many items of one value in an answer, such as `genres <= 2 and artist <= 1`."""

import numpy as np
import tensorflow as tf

from modules.serving.item_facts import ItemFacts
from modules.serving.rule_text import read_rule


class Caps(tf.Module):
    """The items' categories in one table, and the caps that a request puts on them.

    Args:
      facts: the items' features.
    """

    def __init__(self, facts: ItemFacts) -> None:
        super().__init__()
        self._names = ", ".join(sorted(facts.categories)) or "nothing, as the model has no categories"
        tables, columns, first = [np.zeros([facts.num_items + 1, 0], np.int64)], [], 0
        for name, category in facts.categories.items():
            # Values of two features are never the same.
            tables.append(np.where(category.table > 0, category.table + first, 0))
            columns += [name.encode()] * category.table.shape[1]
            first += len(category.values)
        self._values = tf.Variable(np.concatenate(tables, axis=1), trainable=False, dtype=tf.int64, name="values")
        self._columns = tf.constant(columns, tf.string, [len(columns)])

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None], tf.int64, "ids")])
    def values(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns int64 `[B, C, W]`, the values of all categories of items `[B, C]`, 0 for none."""
        return tf.gather(self._values, ids)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, "caps")])
    def limits(self, caps: tf.Tensor) -> tf.Tensor:
        """Returns int32 `[B, W]`, how many items of one value each row's `caps` `[B]` allow, for each column.

        Raises:
          InvalidArgumentError: where caps are not comparisons of categories by <= with whole numbers, joined by `and`.
        """
        spec = tf.TensorSpec(self._columns.shape, tf.int32)
        return tf.map_fn(self._limits, caps, parallel_iterations=1, fn_output_signature=spec)

    def _limits(self, caps: tf.Tensor) -> tf.Tensor:
        return tf.cond(caps == "", lambda: tf.fill(self._columns.shape, tf.int32.max), lambda: self._read(caps))

    def _read(self, caps: tf.Tensor) -> tf.Tensor:
        terms = read_rule(caps)
        of_term = tf.equal(terms.name[:, tf.newaxis], self._columns)
        whole = tf.strings.regex_full_match(terms.value, r"\d{1,9}")
        sound = (terms.operator == "<=") & whole & ~terms.negated & (terms.alternative == 0)
        sound &= tf.reduce_any(of_term, axis=1)
        check = tf.debugging.Assert(
            tf.reduce_all(sound),
            [f"`caps` must be such as genres <= 2, joined by `and`, of some of: {self._names}. Received:", caps],
        )
        with tf.control_dependencies([check]):
            numbers = tf.strings.to_number(terms.value, tf.int32)
        return tf.reduce_min(tf.where(of_term, numbers[:, tf.newaxis], tf.int32.max), axis=0)
