"""A SavedModel that the Evaluator and the batch recommendations can ask, of any corpus, without training."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

_BUCKETS = 1 << 20


def save_hash_model(path: Path, items: Sequence[str], top_k: int, candidates: int) -> str:
    """Saves a model whose scores are hashes of (user, item); what a user knows is not recommended.

    Args:
      path: folder of the SavedModel.
      items: the corpus.
      top_k: items of `ranked`, `popular`, `exhaustive` and `serve_tf_examples`.
      candidates: items of `retrieved` and `pool`.

    Returns:
      The folder; signatures `evaluate` and `serve_tf_examples`, as those of an export.
    """
    corpus = tf.constant([*items, *[""] * candidates])

    def best(examples: tf.Tensor, salt: str, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        spec = {"user_id": tf.io.FixedLenFeature([], tf.string), "history": tf.io.RaggedFeature(tf.string)}
        parsed = tf.io.parse_example(examples, spec)
        scores = tf.strings.to_hash_bucket_fast(parsed["user_id"][:, tf.newaxis] + salt + corpus, _BUCKETS)
        known = tf.reduce_any(parsed["history"].to_tensor("")[:, :, tf.newaxis] == corpus, axis=1)
        found = tf.math.top_k(tf.where(known | (corpus == ""), tf.constant(-1, tf.int64), scores), k)
        return tf.where(found.values >= 0, tf.gather(corpus, found.indices), ""), tf.cast(found.values, tf.float32)

    serialized = [tf.TensorSpec([None], tf.string, "examples")]

    @tf.function(autograph=False, input_signature=serialized)
    def evaluate(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        ranked = best(examples, "ranked", top_k)[0]
        return {
            "ranked": ranked,
            "retrieved": best(examples, "retrieved", candidates)[0],
            "pool": best(examples, "pool", candidates)[0],
            "popular": best(examples, "popular", top_k)[0],
            "exhaustive": best(examples, "exhaustive", top_k)[0],
        }

    @tf.function(autograph=False, input_signature=serialized)
    def serve_tf_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        item_id, score = best(examples, "ranked", top_k)
        return {"item_id": item_id, "score": score}

    signatures = {"evaluate": evaluate, "serve_tf_examples": serve_tf_examples}
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
    return str(path)
