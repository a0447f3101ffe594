"""Reads users, histories and titles from the examples of the pipeline's ExampleGen."""

import logging
import os
from collections.abc import Iterator, Sequence

import tensorflow as tf
from google.protobuf.message import DecodeError

from model_server.demo.store import Store

_logger = logging.getLogger(__name__)

_TEST, _CATALOG = "test", "catalog"
_USER_ID, _HISTORY, _TARGET = "user_id", "history", "target"
_ITEM_ID, _ITEM_TITLE, _ITEM_COUNT = "item_id", "item_title", "item_count"


def read_examples(folder: str) -> Store:
    """Returns the users of the split `test` and the items of `catalog`; reads record by record.

    Args:
      folder: an Examples artifact, with `Split-test` and `Split-catalog` of gzipped TFRecords in it.

    Raises:
      ValueError: where the folder is not one, or its records cannot be read or are others.
    """
    store = Store()
    try:
        store.add_items(_items(_records(folder, _CATALOG)))
        store.add_users(_users(_records(folder, _TEST)))
    except (tf.errors.OpError, DecodeError, UnicodeDecodeError, _MissingId) as error:
        message = getattr(error, "message", str(error))
        raise ValueError(
            "`demo_examples` must hold the examples of the pipeline's ExampleGen, as it wrote them. "
            f"Received: {folder}: {message}."
        ) from None
    _logger.info("%d users and %d items of %s on the page /demo", *store.counts(), folder)
    return store


class _MissingId(Exception):
    """A record without the feature that every record of its split has."""


def _items(records: Iterator[tf.train.Example]) -> Iterator[tuple[str, str, int]]:
    for example in records:
        titles = _texts(example, _ITEM_TITLE)
        counts = example.features.feature[_ITEM_COUNT].int64_list.value
        yield _id(example, _ITEM_ID), titles[0] if titles else "", counts[0] if counts else 0


def _users(records: Iterator[tf.train.Example]) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    for example in records:
        yield _id(example, _USER_ID), _texts(example, _HISTORY), _texts(example, _TARGET)


def _records(folder: str, split: str) -> Iterator[tf.train.Example]:
    pattern = os.path.join(folder, f"Split-{split}", "*")
    files = sorted(tf.io.gfile.glob(pattern))
    if not files:
        raise ValueError(
            "`demo_examples` must be a folder of examples that the pipeline's ExampleGen wrote, with files "
            f"Split-{split}/*. Received: {folder}."
        )
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)


def _id(example: tf.train.Example, name: str) -> str:
    texts = _texts(example, name)
    if not texts:
        raise _MissingId(f"a record without {name}")
    return texts[0]


def _texts(example: tf.train.Example, name: str) -> list[str]:
    return [value.decode() for value in example.features.feature[name].bytes_list.value]
