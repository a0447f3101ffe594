"""What Transform does to the examples: ids and categories to indices, numbers to buckets.

Index 0 is padding, or a value that was not there when the vocabulary was made; known ones begin at
1. Outputs are int64 and of variable length, so that one function serves training (a user's whole
sequence), the catalog (no user at all) and a request (no target).
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from modules import names
from modules.data.config import DataConfig, SideFeature

Inputs = dict[str, tf.Tensor | tf.SparseTensor]
Outputs = dict[str, tf.SparseTensor]


def custom_config(data: DataConfig, code_digest: str) -> dict[str, str]:
    """Returns the `custom_config` of the Transform component.

    Args:
      data: the settings; the side features are read from them.
      code_digest: of the sources of `modules`, so that a change of them misses the cache.
    """
    return {"data": data.model_dump_json(), "code": code_digest}


def preprocessing_fn(inputs: Inputs, custom_config: dict[str, Any]) -> Outputs:
    """Maps raw features to indices.

    The vocabularies count what the analysed splits (train and catalog) hold. There an item occurs
    once for each user that trains on it and once in the catalog, so indices are in order of
    training popularity, the most popular item being 1, and no item of the corpus is unknown.

    Args:
      inputs: `user_id` [batch, 1], the rest sparse [batch, any], as the schema describes them.
      custom_config: see the function of that name.

    Returns:
      Sparse int64 [batch, any]: `user`, `history`, `target`, `item`, `item_count`, and for each
      side feature `item_<name>` or `user_<name>`; float32 `item_<name>_number` for each number of
      the items, which served rules compare.
    """
    data = DataConfig.model_validate_json(custom_config["data"])
    target, item = inputs[names.TARGET], inputs[names.ITEM_ID]
    items = tft.vocabulary(tf.concat([target.values, item.values], axis=0), vocab_filename=names.ITEM_VOCABULARY)
    user = tf.sparse.from_dense(inputs[names.USER_ID])
    users = tft.vocabulary(user.values, vocab_filename=names.USER_VOCABULARY)
    outputs = {
        "user": _indices(_every_row(inputs[names.USER_ID]), users),
        "history": _indices(inputs[names.HISTORY], items),
        "target": _indices(target, items),
        "item": _indices(item, items),
        "item_count": inputs[names.ITEM_COUNT],
    }
    if data.ties == "basket":
        outputs[names.BASKET_START] = inputs[names.BASKET_START]
    for name, feature in data.item_features.items():
        column = names.item_column(name)
        outputs[column] = _side_feature(inputs[name], feature, column, data.numeric_buckets)
        if feature.kind == "numeric":
            outputs[names.item_number(name)] = inputs[name]
    for name, feature in data.user_features.items():
        column = names.user_column(name)
        outputs[column] = _side_feature(inputs[name], feature, column, data.numeric_buckets)
    return outputs


def _every_row(dense: tf.Tensor) -> tf.SparseTensor:
    """Returns [batch, 1] as a sparse tensor that holds "" too: an unknown user is still a user."""
    shape = tf.shape(dense, out_type=tf.int64)
    rows = tf.range(shape[0])
    indices = tf.stack([rows, tf.zeros_like(rows)], axis=1)
    return tf.SparseTensor(indices, tf.reshape(dense, [-1]), shape)


def _indices(texts: tf.SparseTensor, vocabulary: Any) -> tf.SparseTensor:
    found = tft.apply_vocabulary(texts, vocabulary, default_value=-1)
    return found.with_values(found.values + 1)


def _side_feature(values: tf.SparseTensor, feature: SideFeature, column: str, buckets: int) -> tf.SparseTensor:
    if feature.kind == "categorical":
        vocabulary = tft.vocabulary(values.values, vocab_filename=column)
        return _indices(values, vocabulary)
    found = tft.bucketize(values, num_buckets=buckets)
    return found.with_values(found.values + 1)
