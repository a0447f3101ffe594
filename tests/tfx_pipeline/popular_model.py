"""A SavedModel with the signatures of an export that recommends the most popular items the history lacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tensorflow as tf

Fault = Literal["empty_history", "user u3"]
"""What makes the model fail: `retrieve` of an empty history, or any request of the user u3."""


def save_popular_model(
    path: Path, catalog: Sequence[str] = ("a", "b", "c", "d", "e", "f"), top_k: int = 3, fault: Fault | None = None
) -> str:
    """Saves the signatures `serving_default`, `retrieve` and `serve_tf_examples`; returns the folder.

    Args:
      path: folder of the SavedModel.
      catalog: the items, the most popular first; padding is "".
      top_k: how many items are recommended, and all items retrieved.
      fault: what it fails at.
    """
    items = tf.constant([*catalog, *[""] * top_k])
    popularity = tf.constant([*range(len(catalog), 0, -1), *[-1.0] * top_k], tf.float32)

    def best(user_id: tf.Tensor, history: tf.Tensor, k: int) -> dict[str, tf.Tensor]:
        if fault == "user u3":
            expected = tf.debugging.Assert(tf.reduce_all(user_id != "u3"), ["no answer for", user_id])
            with tf.control_dependencies([expected]):
                history = tf.identity(history)
        seen = tf.reduce_any((history[:, :, tf.newaxis] == items) & (items != ""), axis=1)
        found = tf.math.top_k(tf.where(seen, -2.0, popularity), k)
        item_id = tf.where(found.values > 0, tf.gather(items, found.indices), "")
        return {"item_id": item_id, "score": found.values}

    users, histories = tf.TensorSpec([None], tf.string, "user_id"), tf.TensorSpec([None, None], tf.string, "history")

    @tf.function(autograph=False, input_signature=[users, histories])
    def serving_default(user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        return best(user_id, history, top_k)

    @tf.function(autograph=False, input_signature=[users, histories])
    def retrieve(user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        if fault == "empty_history":
            expected = tf.debugging.Assert(tf.shape(history)[1] > 0, ["a history is needed"])
            with tf.control_dependencies([expected]):
                history = tf.identity(history)
        return best(user_id, history, len(catalog))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serve_tf_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(
            examples, {"user_id": tf.io.FixedLenFeature([], tf.string), "history": tf.io.RaggedFeature(tf.string)}
        )
        return best(parsed["user_id"], parsed["history"].to_tensor(""), top_k)

    tf.saved_model.save(
        tf.Module(),
        str(path),
        signatures={"serving_default": serving_default, "retrieve": retrieve, "serve_tf_examples": serve_tf_examples},
    )
    return str(path)
