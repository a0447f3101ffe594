"""Rebuilds an exported model around a ScaNN index."""

import tensorflow as tf

from modules.export.indexes import ScannIndex
from modules.export.server_model import ExportOptions, ServerModel


def export_scann(portable_path: str, path: str, options: ExportOptions) -> None:
    """Loads the portable export, indexes its candidates with ScaNN, and saves both under the same signatures.

    Args:
      portable_path: folder of the portable SavedModel.
      path: folder to write.
      options: fixed sizes, the portable export's own.

    Raises:
      ValueError: where the corpus is too small for ScaNN.
    """
    portable = tf.saved_model.load(portable_path)
    index = ScannIndex(portable.towers.candidates, options.candidates)
    ServerModel(portable.towers, index, options).save(path)
