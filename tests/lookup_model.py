"""A SavedModel that looks its answers up, so that every metric is known, and examples for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import tensorflow as tf

OUTPUTS = ("ranked", "retrieved", "exhaustive", "pool", "popular")

Fault = Literal["seen", "twice", "nan", "ascending", "unknown_user", "scann"]
"""A way to break the promises of `serving_default`."""


def save_lookup_model(
    path: Path,
    answers: Mapping[str, Mapping[str, Sequence[str]]],
    catalog: Sequence[str] = ("a", "b", "c", "d", "e", "f"),
    top_k: int = 3,
    fault: Fault | None = None,
) -> str:
    """Saves a model with the signatures `evaluate` and `serving_default`.

    Args:
      path: folder of the SavedModel.
      answers: user -> output of `evaluate` -> item ids, best first; "" where there is none.
      catalog: what `serving_default` recommends, the most popular first, leaving out the history.
      top_k: how many items it recommends.
      fault: what is wrong with `serving_default`.

    Returns:
      The folder.
    """
    module = tf.Module()
    users = sorted(answers)
    module.rows = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(users, tf.range(1, len(users) + 1)), default_value=0
    )
    lists = {}
    for name in OUTPUTS:
        rows = [list(answers[user].get(name, ())) for user in users]
        width = max(1, *(len(row) for row in rows))
        lists[name] = tf.constant([[""] * width] + [row + [""] * (width - len(row)) for row in rows])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(examples):
        parsed = tf.io.parse_example(examples, {"user_id": tf.io.FixedLenFeature([], tf.string)})
        rows = module.rows.lookup(parsed["user_id"])
        return {name: tf.gather(lists[name], rows) for name in OUTPUTS}

    items = tf.constant(list(catalog))
    popularity = tf.range(len(catalog), 0, -1, dtype=tf.float32)
    if fault == "scann":
        module.index = _scann_index()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="user_id"),
            tf.TensorSpec([None, None], tf.string, name="history"),
        ]
    )
    def serving_default(user_id, history):
        seen = tf.reduce_any(history[:, :, tf.newaxis] == items, axis=1)
        scores = popularity + tf.where(seen & (fault != "seen"), -1e9, 0.0)
        best = tf.math.top_k(scores, top_k)
        item_id, score = tf.gather(items, best.indices), best.values
        if fault == "twice":
            item_id = tf.repeat(item_id[:, :1], top_k, axis=1)
        if fault == "nan":
            score = score * float("nan")
        if fault == "ascending":
            score = -score
        if fault == "unknown_user":
            known = tf.debugging.Assert(tf.reduce_all(module.rows.lookup(user_id) > 0), ["no row for", user_id])
            with tf.control_dependencies([known]):
                score = tf.identity(score)
        if fault == "scann":
            score += 0.0 * _scann_distances(module.index, tf.shape(history)[0])
        return {"item_id": item_id, "score": score}

    tf.saved_model.save(
        module,
        str(path),
        signatures={"evaluate": evaluate, "serving_default": serving_default},
        options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
    )
    return str(path)


def write_examples(folder: Path, rows: Sequence[Mapping[str, object]]) -> str:
    """Writes one tf.Example a row, bytes lists from strings and int64 lists from ints.

    Args:
      folder: of the split, made where it is missing.
      rows: feature name -> a value or a list of values.

    Returns:
      The pattern of the written files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for row in rows:
            features = {name: _feature(value) for name, value in row.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString(deterministic=True))
    return str(folder / "*")


def _feature(value: object) -> tf.train.Feature:
    values = value if isinstance(value, list | tuple) else [value]
    if values and isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(v).encode() for v in values]))


def _scann_index() -> tf.Module:
    import scann

    points = tf.random.stateless_normal([32, 4], seed=[1, 2])
    return scann.scann_ops.builder(points, 3, "dot_product").score_brute_force().build().serialize_to_module()


def _scann_distances(index: tf.Module, batch: tf.Tensor) -> tf.Tensor:
    import scann

    searcher = scann.scann_ops.searcher_from_module(index)
    return searcher.search_batched(tf.zeros([batch, 4]))[1]
