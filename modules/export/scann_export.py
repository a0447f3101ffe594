"""Rebuilds an exported model around a ScaNN index."""

import logging

import tensorflow as tf

from modules.export.config import ExportOptions
from modules.export.indexes import ExactIndex, Index, ScannIndex
from modules.export.server_model import ServerModel


def export_scann(portable_path: str, path: str, options: ExportOptions) -> None:
    """Loads the portable export, indexes its candidates with ScaNN, and saves both under the same signatures.

    A corpus of fewer than 16 items, too few for ScaNN, is searched exactly.

    Args:
      portable_path: folder of the portable SavedModel.
      path: folder to write.
      options: fixed sizes, the portable export's own.
    """
    portable = tf.saved_model.load(portable_path)
    candidates = portable.towers.candidates
    index: Index
    if candidates.shape[0] > ScannIndex.FEWEST_ITEMS:
        index = ScannIndex(candidates, options.candidates)
    else:
        logging.warning("%d items are too few for ScaNN: they are searched exactly.", candidates.shape[0] - 1)
        index = ExactIndex(candidates)
    ServerModel(portable.towers, index, options).save(path)
