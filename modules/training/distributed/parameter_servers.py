"""Training with the large tables in shards on parameter servers, by workers that step each for itself."""

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.training.distributed.cluster import Batches, Cluster
from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.rendezvous import meet
from modules.training.distributed.tf_config import TaskConfig
from modules.training.inputs import TrainingExamples
from modules.training.job import job_text

_POLL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class ParameterServers(Cluster):
    """The cluster as its chief sees it, which alone validates and writes checkpoints.

    The chief hands out steps, one at a time to each worker that is free, with the numbers the draws are seeded by.
    Where the proposal is due for a refresh it waits for the steps under way, moves the codebooks after the shards where
    these lie, and goes on: no worker draws from an index that is being rebuilt, and all draw from the same one.

    Attributes:
      trainers: how many workers take steps.
    """

    trainers: int = 1

    def batches(self, examples: TrainingExamples, seed: int, first_epoch: int) -> Batches:
        """See base class; every worker reads the examples of its share of each epoch's users."""

        def of_worker(_: tf.distribute.InputContext) -> tf.data.Dataset:
            worker = tf.distribute.coordinator.experimental_get_current_worker_index()
            return examples.epochs(seed, first_epoch, (worker, self.trainers))

        return tf.keras.utils.experimental.DatasetCreator(of_worker)

    def prepare(self, model: TwoStageModel) -> None:
        """See base class."""
        super().prepare(model)
        with self.scope():
            model.optimizer.build(model.retriever.trainable_variables)
            model.ranker_optimizer.build(model.ranker.trainable_variables)
        coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)
        model.train_function = _Steps(model, self.strategy, coordinator)


class _Steps:
    """What `Model.fit` calls for every step: refreshes the proposal where due, and schedules the step."""

    def __init__(
        self,
        model: TwoStageModel,
        strategy: tf.distribute.Strategy,
        coordinator: tf.distribute.coordinator.ClusterCoordinator,
    ) -> None:
        self._model = model
        self._coordinator = coordinator
        self._number: int | None = None

        @tf.function(autograph=False, reduce_retracing=True)
        def step(iterator: tf.data.Iterator, number: tf.Tensor) -> dict[str, tf.Tensor]:
            context, positives = next(iterator)
            return strategy.run(model.joint_step, args=(context, positives, number))

        self._step: Callable[..., Any] = step

    def __call__(self, iterator: Any) -> Any:
        if self._number is None:
            # A training that resumes has restored it by now.
            self._number = int(self._model.optimizer.iterations)
        sampler = self._model.sampler
        if sampler.refresh_steps is not None and self._number % sampler.refresh_steps == 0:
            self._coordinator.join()
            # Eagerly: a graph's loops and conditions would gather the shards they read in one place.
            sampler.refresh(self._model.retriever.candidate_parts())
        number = tf.constant(self._number, tf.int64)
        self._number += 1
        return self._coordinator.schedule(self._step, args=(iterator, number))


def connect_as_chief(task: TaskConfig, distribution: DistributionConfig) -> ParameterServers:
    """Meets workers and servers and returns the cluster; must come before anything else that TensorFlow does.

    Raises:
      TimeoutError: names the tasks that did not come.
      ValueError: where the chief's own port is taken.
    """
    # A server that is gone is to be an error at once, not something to wait for.
    os.environ["GRPC_FAIL_FAST"] = "use_caller"
    meet(task, distribution.start_timeout_seconds)
    servers = len(task.cluster["ps"])
    strategy = tf.distribute.ParameterServerStrategy(
        tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(task.cluster), task_type="chief", task_id=0, rpc_layer="grpc"
        ),
        tf.distribute.experimental.partitioners.MinSizePartitioner(distribution.min_shard_bytes, max_shards=servers),
    )
    return ParameterServers(strategy, trainers=len(task.cluster["worker"]))


def serve(task: TaskConfig, directory: str) -> None:
    """Does as a worker or a parameter server what the chief asks for, until the job in `directory` is taken back.

    Raises:
      ValueError: where this task's own port is taken.
    """
    # Without a meeting: the chief is the one who waits, for servers that answer.
    try:
        server = tf.distribute.Server(
            tf.train.ClusterSpec(task.cluster), job_name=task.task.type, task_index=task.task.index, protocol="grpc"
        )
    except tf.errors.UnknownError as error:
        raise ValueError(
            f"The port of {task.name(task.worker)} in `TF_CONFIG` must be free on its machine. Received: {error}. "
            "An earlier process may still be running."
        ) from error
    logging.info("%s serves at %s.", task.name(task.worker), server.target)
    # The Trainer may take it back at any moment.
    with contextlib.suppress(tf.errors.NotFoundError):
        text = job_text(directory)
        while job_text(directory) == text:
            time.sleep(_POLL_SECONDS)
