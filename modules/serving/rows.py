"""Inputs of one request have as many rows as another, or the request is refused by name."""

import tensorflow as tf


def same_rows(**inputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the inputs, once each is known to have as many rows as the first.

    TensorFlow would repeat a single row here, and fail in the middle of the model there.

    Raises:
      InvalidArgumentError: where one has not, with both numbers.
    """
    (first, values), *others = inputs.items()
    rows = tf.shape(values)[0]
    checks = [
        tf.debugging.Assert(
            tf.equal(tf.shape(other)[0], rows),
            [f"`{name}` must have as many rows as `{first}`. Received:", tf.shape(other)[0], rows],
        )
        for name, other in others
    ]
    with tf.control_dependencies(checks):
        return tuple(tf.identity(given) for given in inputs.values())
