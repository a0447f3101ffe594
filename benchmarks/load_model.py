"""A model to put a server under load with: exact search over a corpus."""

import tensorflow as tf


def save_search(path: str, version: int, items: int, dim: int, k: int) -> None:
    """Writes a SavedModel whose `serving_default` finds the best items for a history.

    Args:
      path: of the SavedModel.
      version: what the answers say that they come from.
      items: size of the corpus; its ids are "0" to "items - 1".
      dim: size of the random item vectors.
      k: how many items are found.
    """
    vectors = tf.random.stateless_normal([items, dim], seed=[1, 2])

    class Search(tf.Module):
        """Scores every item by its inner product with the mean of the history's vectors."""

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="history")])
        def serve(self, history: tf.Tensor) -> dict[str, tf.Tensor]:
            """Returns ids and scores `[B, k]`, and the version `[B]`, for ids `[B, H]`."""
            query = tf.reduce_mean(tf.gather(vectors, tf.strings.to_number(history, tf.int32)), axis=1)
            score, index = tf.math.top_k(tf.matmul(query, vectors, transpose_b=True), k)
            return {
                "item_id": tf.strings.as_string(index),
                "score": score,
                "version": tf.fill([tf.shape(history)[0]], version),
            }

    module = Search()
    tf.saved_model.save(module, path, signatures={"serving_default": module.serve})
