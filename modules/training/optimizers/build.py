"""Makes the optimiser that the settings ask for."""

import tensorflow as tf

from modules.models.layers.embeddings import shards
from modules.models.layers.vocabulary_tables import tables_below
from modules.training.optimizers.config import OptimizerConfig
from modules.training.optimizers.lazy_adam import LazyAdam
from modules.training.optimizers.row_adagrad import RowAdagrad


def build_optimizer(
    config: OptimizerConfig, learning_rate: float, weight_decay: float, stage: tf.keras.layers.Layer
) -> tf.keras.optimizers.Optimizer:
    """Returns the optimiser of a stage, whose weights need not be there yet."""

    def tables() -> list[tf.Variable]:
        return [shard for table, _ in tables_below(stage) for shard in shards(table)]

    if config.name == "lazy_adam":
        return LazyAdam(learning_rate, tables, weight_decay)
    if config.name == "row_adagrad":
        return RowAdagrad(learning_rate, tables, config.table_learning_rate)
    return tf.keras.optimizers.Adam(learning_rate, weight_decay=weight_decay or None)
