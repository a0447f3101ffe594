"""The replicas that train one model together, as one of their processes sees them."""

import contextlib
import dataclasses
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.training.inputs import TrainingExamples
from modules.training.warm_start import build_weights

Batches: TypeAlias = tf.data.Dataset | tf.keras.utils.experimental.DatasetCreator
"""What Keras trains on: a data set, or how each worker makes its own."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One process alone, or several that step together.

    Attributes:
      strategy: of `tf.distribute`; None trains one replica without.
      worker: which of the processes this is, from 0; the first one writes checkpoints.
      workers: how many processes there are.
    """

    strategy: tf.distribute.Strategy | None = None
    worker: int = 0
    workers: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all have in common."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns where the model and its optimisers are to be created."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def batches(self, examples: TrainingExamples, seed: int, first_epoch: int) -> Batches:
        """Returns what `TwoStageModel.fit` reads: whole batches, or each replica's part of them."""
        if self.strategy is None:
            return examples.epochs(seed, first_epoch)
        replicas = self.strategy.num_replicas_in_sync
        local = replicas // self.workers

        def of_this_process(_: tf.distribute.InputContext) -> tf.data.Dataset:
            return examples.replica_parts(seed, first_epoch, self.worker * local, local, replicas)

        return self.strategy.distribute_datasets_from_function(of_this_process)

    def prepare(self, model: TwoStageModel) -> None:
        """Readies a new model of the cluster's scope for `fit`."""
        if self.strategy is None:
            return
        # Not within a step, which replicas take in threads of their own.
        with self.scope():
            build_weights(model)
        # All replicas return the same means; by default Keras would add them up.
        model.distribute_reduction_method = "first"

    def add_up(self, values: np.ndarray) -> np.ndarray:
        """Returns the sums float64 `[M]` over the processes of each one's `values` float64 `[M]`; all must call it."""
        if self.workers == 1:
            return values
        local = self.strategy.num_replicas_in_sync // self.workers

        @tf.function
        def total(own: tf.Tensor) -> tf.Tensor:
            def contribute() -> tf.Tensor:
                replica = tf.distribute.get_replica_context()
                is_first = tf.equal(replica.replica_id_in_sync_group % local, 0)
                return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(is_first, own, tf.zeros_like(own)))

            return self.strategy.run(contribute)

        return self.strategy.experimental_local_results(total(tf.constant(values, tf.float64)))[0].numpy()

    def value_of_first(self, value: int) -> int:
        """Returns the first process's `value` to all of them; all must call it."""
        return int(self.add_up(np.array([value if self.is_first else 0], np.float64))[0])
