"""A few test users: what they did, what came next, and what the served model recommends them."""

import os
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from modules import evaluator, names
from tfx_pipeline.report.contents import Item, UserExample

_HISTORY_SHOWN = 8
_CANDIDATES = 200
"""Users looked at to pick from."""


def user_examples(model_path: str, examples_uri: str, count: int) -> list[UserExample]:
    """Asks a model's `serving_default` for recommendations to some test users.

    Args:
      model_path: folder of the SavedModel.
      examples_uri: Examples artifact with the splits `test` and `catalog`.
      count: how many users, from short histories to long ones.

    Returns:
      The users with their latest history, targets and recommendations, items with titles where the
      catalog has some.
    """
    users = _pick(_read_users(examples_uri), count)
    if not users:
        return []
    recommended = _recommend(model_path, users)
    histories = [user[names.HISTORY] for user in users]
    targets = [user[names.TARGET] for user in users]
    shown = {item for lists in (recommended, histories, targets) for items in lists for item in items}
    titles = _titles(examples_uri, shown)

    def items(ids: Iterable[bytes], hits: Sequence[bytes] = ()) -> list[Item]:
        return [Item(_text(i), _text(titles.get(i, i)), hit=i in hits) for i in ids]

    return [
        UserExample(
            user=_text(user[names.USER_ID][0]),
            history=items(history[-_HISTORY_SHOWN:]),
            history_length=len(history),
            targets=items(wanted, hits=answer),
            recommended=items(answer, hits=wanted),
        )
        for user, history, wanted, answer in zip(users, histories, targets, recommended, strict=True)
    ]


def _read_users(examples_uri: str) -> list[dict[str, list[bytes]]]:
    users = []
    for record in _records(examples_uri, names.TEST).take(_CANDIDATES).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        keys = (names.USER_ID, names.HISTORY, names.TARGET)
        users.append({key: list(feature[key].bytes_list.value) for key in keys})
    return users


def _pick(users: list[dict[str, list[bytes]]], count: int) -> list[dict[str, list[bytes]]]:
    """Spreads the picks evenly over the users ordered by the length of their history."""
    ordered = sorted(users, key=lambda user: (len(user[names.HISTORY]), user[names.USER_ID]))
    count = min(count, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]


def _recommend(model_path: str, users: list[dict[str, list[bytes]]]) -> list[list[bytes]]:
    serve = evaluator.load_model(model_path).signatures["serving_default"]
    histories = tf.ragged.constant([user[names.HISTORY] for user in users], ragged_rank=1, dtype=tf.string)
    answer = serve(
        user_id=tf.constant([user[names.USER_ID][0] for user in users]),
        history=histories.to_tensor(""),
    )
    return [[item for item in row if item] for row in answer["item_id"].numpy().tolist()]


def _titles(examples_uri: str, wanted: set[bytes]) -> Mapping[bytes, bytes]:
    """Returns the titles of the `wanted` items; parsed in batches, for catalogs are large."""
    keys = (names.ITEM_ID, names.ITEM_TITLE)
    spec = {key: tf.io.FixedLenFeature([], tf.string, "") for key in keys}
    titles: dict[bytes, bytes] = {}
    for batch in _records(examples_uri, names.CATALOG).batch(4096):
        parsed = tf.io.parse_example(batch, spec)
        pairs = zip(parsed[names.ITEM_ID].numpy(), parsed[names.ITEM_TITLE].numpy(), strict=True)
        titles.update((item, title) for item, title in pairs if title and item in wanted)
    return titles


def _records(examples_uri: str, split: str) -> tf.data.TFRecordDataset:
    files = sorted(tf.io.gfile.glob(os.path.join(examples_uri, f"Split-{split}", "*")))
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
