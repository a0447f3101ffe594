"""Turns transformed examples, one record a user, into training windows, evaluation users, and the corpus."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from modules import names
from modules.models.context import Context, latest
from modules.models.corpus import Corpus, FeatureTable
from modules.models.global_batch import split

_COLUMN_BATCH = 4096

_KEPT_BYTES = 1 << 24
"""Files of evaluation users no larger than this, compressed, stay in memory once they are read and decoded."""


class EvaluationUsers(NamedTuple):
    """A batch of users with what they did before and what they did next.

    Attributes:
      context: what the encoders see, and in `exclude` all earlier items.
      targets: int64 `[B, T]`, the items to find; 0 is padding.
    """

    context: Context
    targets: tf.Tensor


class Windows(NamedTuple):
    """Training examples of some users.

    Attributes:
      rows: int64 `[W]`, the place of the user among them.
      history: int64 `[W, H]`, the items before the positive, left-padded with 0.
      positives: int64 `[W]`.
    """

    rows: tf.Tensor
    history: tf.Tensor
    positives: tf.Tensor


def find_files(patterns: Sequence[str]) -> list[str]:
    """Returns the files that TFX's patterns match, in order of name.

    Raises:
      ValueError: where no file matches.
    """
    files = sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern))
    if not files:
        raise ValueError(f"`patterns` must match at least one file. Received: {list(patterns)}.")
    return files


Share = tuple[int | tf.Tensor, int]
"""Which of how many equal shares, counted from 0."""


def read_records(
    files: Sequence[str] | tf.Tensor,
    features: Sequence[str],
    batch_size: int,
    share: Share = (0, 1),
    dtype: tf.DType = tf.int64,
) -> tf.data.Dataset:
    """Reads gzipped TFRecords of transformed examples in file order.

    Args:
      files: names of files.
      features: names of features.
      batch_size: records to parse at once.
      share: of the records.
      dtype: int64 or float32, which all of them are.

    Returns:
      A dataset of name -> ragged `[B, None]`, the values of each record.
    """
    specification = {name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64) for name in features}
    which, shares = share
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").shard(shares, which)
    return records.batch(batch_size).map(lambda batch: tf.io.parse_example(batch, specification))


def expand_windows(
    items: tf.RaggedTensor,
    task: Literal["sequential", "general"],
    history_length: int,
    basket_starts: tf.RaggedTensor | None = None,
) -> Windows:
    """Expands users' training sequences into training examples, one a positive.

    Sequential task: every item but a user's first is a positive, with up to `history_length` items before it as its
    history; where items come in baskets, every item but those of the first basket, with the items before its basket.
    General task: every item is a positive and the history is empty. Unknown items are never positives.

    Args:
      items: int64 ragged `[U, None]`, each user's, oldest first.
      task: the protocol.
      history_length: H.
      basket_starts: int64 ragged `[U, None]`, of each item the place among the user's of its basket's first; None: each
        item is a basket.
    """
    positives = items.flat_values
    rows = items.value_rowids()
    starts = tf.gather(items.row_starts(), rows)
    places = tf.range(tf.size(positives, tf.int64), dtype=tf.int64)
    chosen = positives > 0
    if task == "sequential":
        ends = places if basket_starts is None else starts + basket_starts.flat_values
        chosen &= ends > starts
        before = ends[:, tf.newaxis] + tf.range(-history_length, 0, dtype=tf.int64)
        histories = tf.gather(positives, tf.maximum(before, 0))
        histories *= tf.cast(before >= starts[:, tf.newaxis], tf.int64)
    else:
        histories = tf.zeros([tf.size(positives), history_length], tf.int64)
    kept = tf.where(chosen)[:, 0]
    return Windows(*(tf.gather(values, kept) for values in (rows, histories, positives)))


@dataclasses.dataclass(frozen=True)
class TrainingExamples:
    """The training split, read anew each epoch; only `shuffle_users` users' windows are ever in memory.

    Attributes:
      files: transformed examples, one record a user.
      task: the protocol.
      history_length: H.
      batch_size: examples a step.
      shuffle_users: users whose windows are expanded and shuffled together.
      known_items: E, how many of a user's items, the latest, their contexts exclude.
      baskets: whether the records say which items came together.
    """

    files: Sequence[str]
    task: Literal["sequential", "general"]
    history_length: int
    batch_size: int
    shuffle_users: int
    known_items: int
    baskets: bool = False

    def _users(self, files: Sequence[str] | tf.Tensor, share: Share = (0, 1)) -> tf.data.Dataset:
        features = ["user", "target", *([names.BASKET_START] if self.baskets else [])]
        return read_records(files, features, self.shuffle_users, share)

    def _windows(self, record: Mapping[str, tf.RaggedTensor]) -> Windows:
        return expand_windows(record["target"], self.task, self.history_length, record.get(names.BASKET_START))

    def _known(self, items: tf.RaggedTensor) -> tf.Tensor:
        if not self.known_items:
            return tf.zeros([items.nrows(), 0], tf.int64)
        return tf.sort(latest(items, self.known_items), axis=1)

    def epochs(self, seed: int, first_epoch: int = 0, share: Share = (0, 1)) -> tf.data.Dataset:
        """Returns endless batches `(Context, positives [B])`, of one share of each epoch's users.

        Epoch e's order depends on (seed, e) alone, so a resumed run sees what it would have seen. The last batch of an
        epoch is short where the examples do not divide evenly.
        """

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            epoch_seed = tf.stack([tf.constant(seed, tf.int64), number])
            files = tf.random.experimental.stateless_shuffle(tf.constant(self.files), epoch_seed)

            def batches(index: tf.Tensor, record: Mapping[str, tf.RaggedTensor]) -> tf.data.Dataset:
                windows, known = self._windows(record), self._known(record["target"])
                count = tf.size(windows.positives, tf.int64)
                order = tf.random.experimental.stateless_shuffle(tf.range(count), epoch_seed + tf.stack([index + 1, 0]))

                def batch(places: tf.Tensor) -> tuple[Context, tf.Tensor]:
                    rows, history, positives = (tf.gather(values, places) for values in windows)
                    user = tf.gather(record["user"].flat_values, rows)
                    return Context(user, history, tf.gather(known, rows)), positives

                # What is wide is put together a batch at a time.
                return tf.data.Dataset.from_tensor_slices(order).batch(self.batch_size).map(batch)

            batched = self._users(files, share).enumerate().flat_map(batches)
            return batched.rebatch(self.batch_size, drop_remainder=False)

        return tf.data.Dataset.counter(first_epoch).flat_map(epoch).prefetch(4)

    def replica_parts(
        self, seed: int, first_epoch: int, first_replica: int, local_replicas: int, replicas: int
    ) -> tf.data.Dataset:
        """Returns the parts of every batch that belong to the replicas of one process, in turn, endlessly.

        Args:
          seed: as in `epochs`.
          first_epoch: as in `epochs`.
          first_replica: the first of the process's replicas, from 0.
          local_replicas: how many it has.
          replicas: how many there are in all.

        Returns:
          `(Context, positives [P], place)` with the batch cut into `replicas` consecutive parts of near equal size, and
          int64 `[2]` the part's first row and the rows of the whole batch. A part of a short batch may have no rows.
        """

        def part(context: Context, positives: tf.Tensor, replica: tf.Tensor) -> tuple[Context, tf.Tensor, tf.Tensor]:
            total = tf.size(positives, tf.int64)
            start, end = split(total, replica, replicas)
            rows = Context(*(values[start:end] for values in context))
            return rows, positives[start:end], tf.stack([start, total])

        def parts(context: Context, positives: tf.Tensor) -> tf.data.Dataset:
            local = tf.data.Dataset.range(first_replica, first_replica + local_replicas)
            return local.map(lambda replica: part(context, positives, replica))

        cut = self.epochs(seed, first_epoch).flat_map(parts).prefetch(4 * local_replicas)
        # Known to be endless, a step needs no agreement on whether there is another one.
        return cut.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    def count(self) -> int:
        """Returns the number of examples in an epoch.

        Raises:
          ValueError: where there is none.
        """
        windows = self._users(self.files).map(lambda record: self._windows(record).positives)
        count = int(windows.reduce(np.int64(0), lambda total, positives: total + tf.size(positives, tf.int64)))
        if count == 0:
            raise ValueError(
                "The training split must hold at least one example (sequential task: a user with two training "
                "items). Received: none. Lower `data.min_user_interactions` or check the data report."
            )
        return count


def evaluation_users(
    patterns: Sequence[str], history_length: int, batch_size: int, repeatedly: bool = False
) -> tf.data.Dataset:
    """Returns batches of `EvaluationUsers`, in the order of the files, users without a known target left out.

    Args:
      patterns: transformed examples of a split, one record a user.
      history_length: H.
      batch_size: users a batch.
      repeatedly: whether the data set is read to its end more than once; where users are few, later passes find them
        decoded.
    """
    files = find_files(patterns)

    def to_users(record: Mapping[str, tf.RaggedTensor]) -> EvaluationUsers:
        kept = tf.reduce_any(record["target"] > 0, axis=1)
        user, history, targets = (tf.ragged.boolean_mask(record[name], kept) for name in ("user", "history", "target"))
        return EvaluationUsers(
            Context(user.flat_values, latest(history, history_length), exclude=history.to_tensor(0)),
            targets=targets.to_tensor(0),
        )

    users = read_records(files, ["user", "history", "target"], batch_size).map(to_users)
    few = sum(tf.io.gfile.stat(file).length for file in files) <= _KEPT_BYTES
    return users.cache() if repeatedly and few else users.prefetch(2)


def read_corpus(
    catalog_patterns: Sequence[str],
    train_patterns: Sequence[str],
    vocabulary_sizes: Mapping[str, int],
) -> Corpus:
    """Reads the catalog's popularity and side features, and the users' side features, into arrays by id.

    Args:
      catalog_patterns: transformed examples of the `catalog` split, one an item.
      train_patterns: transformed examples of the `train` split, one a user.
      vocabulary_sizes: number of known values of "items", "users" and of each `item_*` and `user_*` feature.
    """
    item_names = sorted(name for name in vocabulary_sizes if name.startswith("item_"))
    user_names = sorted(name for name in vocabulary_sizes if name.startswith("user_"))
    num_items, num_users = vocabulary_sizes["items"], vocabulary_sizes["users"]

    catalog = read_columns(catalog_patterns, ["item", "item_count", *item_names])
    counts = np.zeros(num_items + 1, np.float32)
    counts[catalog["item"].flat_values] = catalog["item_count"].flat_values
    counts[0] = 0
    users = read_columns(train_patterns, ["user", *user_names]) if user_names else {}
    return Corpus(
        item_counts=counts,
        num_users=num_users,
        item_features={
            name: _feature_table(catalog["item"], catalog[name], num_items, vocabulary_sizes[name])
            for name in item_names
        },
        user_features={
            name: _feature_table(users["user"], users[name], num_users, vocabulary_sizes[name]) for name in user_names
        },
    )


def read_columns(
    patterns: Sequence[str], features: Sequence[str], dtype: tf.DType = tf.int64
) -> dict[str, tf.RaggedTensor]:
    """Returns features of all records, in the order of the files, as `read_records` does of some."""
    batches = list(read_records(find_files(patterns), features, _COLUMN_BATCH, dtype=dtype))
    return {name: tf.concat([batch[name] for batch in batches], axis=0) for name in features}


def _feature_table(ids: tf.RaggedTensor, values: tf.RaggedTensor, num_ids: int, size: int) -> FeatureTable:
    rows = values.to_tensor(0).numpy()
    table = np.zeros([num_ids + 1, max(1, rows.shape[1])], np.int64)
    table[ids.flat_values.numpy(), : rows.shape[1]] = rows
    table[0] = 0
    return FeatureTable(table, size + 1)
