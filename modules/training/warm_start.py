"""Begins a training with the weights of an earlier model, whose vocabularies may have been others."""

import dataclasses
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from modules.export.exported_weights import ExportedWeights
from modules.export.training_record import TrainingRecord, read_training_record
from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from modules.models.layers.vocabulary_tables import tables_below
from modules.training.vocabulary_rows import previous_rows

_CHUNK = 65_536
_STAGES = {"retriever": ("towers", "_retriever"), "ranker": ("towers", "_ranker")}
"""Stage -> the path to it in a portable export."""
_FATES = ("carried", "new", "dropped")


@dataclasses.dataclass(frozen=True)
class BaseModel:
    """The model a training begins from.

    Attributes:
      path: folder of its portable SavedModel.
      record: how it was trained.
    """

    path: str
    record: TrainingRecord


def find_base(path: str | None) -> BaseModel | None:
    """Returns the model to begin from; None, with a line in the log, where there is none that could serve as one.

    Args:
      path: folder of a portable SavedModel; None where no model has been blessed yet.
    """
    if path is None:
        logging.info("Training begins anew: no model has been blessed yet.")
        return None
    record = read_training_record(path)
    if record is None:
        logging.warning("Training begins anew: %s has no training record; an earlier release exported it.", path)
        return None
    return BaseModel(path, record)


class WarmStart:
    """Puts a base model's weights into a new model; what cannot be carried over keeps its initial values.

    Only what is trained is carried over, and stage by stage: where the configuration names another retriever, all of
    the first stage begins anew, and likewise the second. Within a stage,
      * tables by vocabulary (`VocabularyTables`) are carried over by key: row 0 to row 0, new keys keep their initial
        values, and rows of keys that are gone are gone;
      * a numeric side feature's bucket embeddings are carried over by position, which is the rank among the quantiles;
      * every other weight is copied where the base has one of its shape at the same place in the stage.
    Optimisers, dropout's counters and the sampler's index start as in any training; popularity and side features are
    the new data's.

    Args:
      base: what to begin from.
      vocabularies: name -> text file, a key a line, of the new model's vocabularies: items, users, and each categorical
        side feature.

    Attributes:
      summary: what became of each weight, for JSON; empty until the model was initialised.
    """

    def __init__(self, base: BaseModel, vocabularies: Mapping[str, str]) -> None:
        self._base = base
        self._vocabularies = vocabularies
        self._rows: dict[str, np.ndarray] = {}
        self.summary: dict[str, Any] = {}

    def __call__(self, model: TwoStageModel) -> None:
        """Overwrites the weights of a new model, one after the other.

        Raises:
          OpError: the base's files cannot be read.
        """
        build_weights(model)
        exported = ExportedWeights(self._base.path)
        self.summary = {"base": self._base.path, "tables": {}, "copied": [], "initialised": {}}
        for stage in _STAGES:
            name, earlier = getattr(model.config, stage).name, getattr(self._base.record, stage)
            tables = vocabulary_of_tables(getattr(model, stage))
            for path, weight in named_weights(getattr(model, stage)):
                shown = "/".join((stage, *path))
                if name != earlier:
                    self.summary["initialised"][shown] = f"the base's {stage} is {earlier}"
                    continue
                self._carry(exported, (*_STAGES[stage], *path), shown, weight, tables.get(id(weight)))
        self._log()

    def _carry(
        self, exported: ExportedWeights, path: tuple[str, ...], shown: str, weight: tf.Variable, vocabulary: str | None
    ) -> None:
        before, now = exported.shape(*path), tuple(weight.shape)
        rows = None
        if before is None:
            reason = "the base has no such weight"
        elif vocabulary is None or self._is_bucketed(exported, vocabulary):
            reason = "" if before == now else f"the base's is of shape {list(before)}, this one of {list(now)}"
        else:
            rows, reason = self._previous_rows(exported, vocabulary, before, now)
        if reason:
            self.summary["initialised"][shown] = reason
        elif rows is None:
            weight.assign(exported.read(*path))
            self.summary["copied"].append(shown)
        else:
            _assign_rows(weight, exported.read(*path), rows)
            carried = int((rows > 0).sum())
            counts = zip(_FATES, (carried, now[0] - 1 - carried, before[0] - 1 - carried), strict=True)
            self.summary["tables"][shown] = {"vocabulary": vocabulary, **dict(counts)}

    def _is_bucketed(self, exported: ExportedWeights, vocabulary: str) -> bool:
        return vocabulary not in self._vocabularies and exported.vocabulary(vocabulary) is None

    def _previous_rows(
        self, exported: ExportedWeights, vocabulary: str, before: tuple[int, ...], now: tuple[int, ...]
    ) -> tuple[np.ndarray | None, str]:
        """Returns the rows and "", or None and why there are none."""
        previous, current = exported.vocabulary(vocabulary), self._vocabularies.get(vocabulary)
        if previous is None or current is None:
            return None, f"`{vocabulary}` was numeric or is: categories and numbers share no rows"
        if before[1:] != now[1:]:
            return None, f"the base's rows are of shape {list(before[1:])}, this one's of {list(now[1:])}"
        if vocabulary not in self._rows:
            self._rows[vocabulary] = previous_rows(previous, current)
        rows = self._rows[vocabulary]
        if len(rows) != now[0] or rows.max() >= before[0]:
            return None, f"the vocabulary `{vocabulary}` does not have as many keys as the table has rows"
        return rows, ""

    def _log(self) -> None:
        logging.info("Training begins from %s.", self._base.path)
        for table, counts in self.summary["tables"].items():
            logging.info("%s: rows %s.", table, ", ".join(f"{counts[fate]} {fate}" for fate in _FATES))
        logging.info("%d other weights copied.", len(self.summary["copied"]))
        for weight, reason in self.summary["initialised"].items():
            logging.warning("%s begins anew: %s.", weight, reason)


def build_weights(model: TwoStageModel) -> None:
    """Makes the weights of both stages, which layers else make when they are first called, in a training step's order.

    Seeds are counted by thread: made in this order, they are those a process alone would have begun with.
    """
    if model.sampler.refresh_steps is not None:
        model.retriever.candidates(tf.zeros([1], tf.int64))
    nothing = tf.zeros([1, model.config.history_length], tf.int64)
    model.rank(Context(tf.zeros([1], tf.int64), nothing, nothing), nothing[:, :1])


def named_weights(stage: tf.keras.layers.Layer) -> Iterator[tuple[tuple[str, ...], tf.Variable]]:
    """Yields each trainable weight of a stage with the attributes that lead to it, the fewest there are.

    They are those of the stage's checkpoints, and unlike Keras's names the same in every process.
    """
    view = tf.train.TrackableView(stage)
    seen = {id(stage)}
    queue: deque[tuple[tuple[str, ...], Any]] = deque([((), stage)])
    while queue:
        path, node = queue.popleft()
        if isinstance(node, tf.Variable) and node.trainable:
            yield path, node
        for name, child in view.children(node).items():
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(((*path, name), child))


def vocabulary_of_tables(stage: tf.keras.layers.Layer) -> dict[int, str]:
    """Returns the vocabulary of each weight of a stage that has rows by key, by the `id` of the weight."""
    return {id(table): vocabulary for table, vocabulary in tables_below(stage)}


def _assign_rows(weight: tf.Variable, previous: np.ndarray, rows: np.ndarray) -> None:
    # A copy: what TensorFlow hands out may be the variable's own memory.
    values = np.array(weight.numpy())
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        known = chunk >= 0
        values[first : first + _CHUNK][known] = previous[chunk[known]]
    weight.assign(values)
