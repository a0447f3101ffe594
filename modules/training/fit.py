"""Trains a two-stage model: the one loop that the pipeline's Trainer and the experiments share."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.build import build_model, check_parts, check_scores, check_shards
from modules.models.config import ModelConfig
from modules.models.evidence import Evidence
from modules.models.retrievers.closed_form import ClosedForm
from modules.training import inputs
from modules.training.calibration import calibrate
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.distributed.cluster import Cluster
from modules.training.distributed.processes import train_in_processes
from modules.training.job import Job
from modules.training.optimizers.build import build_optimizer
from modules.training.progress import Progress, StopOnNonFiniteLoss
from modules.training.sequences import find_neighbours, read_sequences
from modules.training.validation import Validation
from modules.training.warm_start import build_weights

_VALIDATION_BATCH = 256


@dataclasses.dataclass(frozen=True)
class FitResult:
    """A trained model with the weights of its best epoch.

    Attributes:
      model: the model.
      history: one dict an epoch: losses, diagnostics, `val_*` metrics, `epoch`, and what it
        took: `seconds` on the clock, `cpu_seconds` of all threads.
      best_epoch: the epoch, from 1, whose weights the model has.
    """

    model: TwoStageModel
    history: list[dict[str, float]]
    best_epoch: int


def fit(
    model_config: ModelConfig,
    training: TrainingConfig,
    data: TrainingData,
    directory: str,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    initialise: Callable[[TwoStageModel], None] | None = None,
) -> FitResult:
    """Trains until the epochs are over or validation stops improving, and returns the best epoch's model.

    Args:
      model_config: what is trained.
      training: how.
      data: on what.
      directory: of checkpoints and `history.json`; a killed run that is started again with the same directory and
        arguments ends where an unbroken one would have.
      callbacks: further Keras callbacks; they see the `val_*` metrics in the logs. Where other processes train, all
        they see are the epochs, as they end.
      initialise: gives the new model other weights to begin with; a run that resumes takes those of its checkpoint.

    Raises:
      ValueError: on a configuration that does not fit the data, no training examples, or a loss that is not finite.
      RuntimeError: where a process that trains ended and `training.distribution.restarts` did not help.
    """
    keep_autograph_away()
    check_parts(model_config, data.task)
    check_scores(model_config, training.batch_size, data.corpus.num_items)
    strategy = training.distribution.strategy
    if strategy == "parameter_server":
        check_shards(model_config)
    if training.distribution.in_processes:
        start = _write_start(model_config, training, data, directory, initialise)
        # Of plain variables: what it gets to read is the same, however it was trained.
        model = _new_model(model_config, training, data)
        train_in_processes(Job(model_config, training, data, start), directory, callbacks, model)
    elif strategy == "mirrored":
        cluster = Cluster(tf.distribute.MirroredStrategy())
        train(model_config, training, data, directory, cluster, callbacks, initialise)
        model = _new_model(model_config, training, data)
    else:
        model, progress = train(model_config, training, data, directory, Cluster(), callbacks, initialise)
        progress.restore_best()
        return _calibrated(model, progress, data)
    build_weights(model)
    progress = Progress(model, directory, training.patience)
    progress.read_best()
    return _calibrated(model, progress, data)


def _calibrated(model: TwoStageModel, progress: Progress, data: TrainingData) -> FitResult:
    """Returns the trained model, with a blend where it asks for neighbours and they help on validation."""
    config, corpus = model.config, data.corpus
    if config.neighbours:
        tables = find_neighbours(data, config)
        evidence = Evidence(tables, corpus.item_counts)
        users = inputs.evaluation_users(data.valid, config.history_length, _VALIDATION_BATCH)
        model.blend = calibrate(model, evidence, users, config.candidate_count(corpus.num_items))
    return FitResult(model, progress.history, progress.best_epoch)


def train(
    model_config: ModelConfig,
    training: TrainingConfig,
    data: TrainingData,
    directory: str,
    cluster: Cluster,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    initialise: Callable[[TwoStageModel], None] | None = None,
) -> tuple[TwoStageModel, Progress]:
    """Trains in this process, one of a cluster's or alone; `fit` tells what of the arguments is not said here.

    Args:
      cluster: the replicas that train together; every process of it calls this function.

    Returns:
      The model as of its last epoch, and how the training went.
    """
    with cluster.scope():
        model = _new_model(model_config, training, data)
        progress = Progress(model, directory, training.patience, cluster)
    cluster.prepare(model)
    examples = inputs.TrainingExamples(
        inputs.find_files(data.train),
        data.task,
        model_config.history_length,
        training.batch_size,
        training.shuffle_users,
        training.known_items,
        data.baskets,
    )
    steps = math.ceil(examples.count() / training.batch_size) if model.LEARNS else 1
    epochs = training.epochs if model.LEARNS else 1
    if isinstance(model.retriever, ClosedForm):
        model.retriever.fit(read_sequences(data))
    if initialise is not None:
        with cluster.scope():
            initialise(model)
    done = progress.resume()
    if done < epochs and not progress.finished:
        users = inputs.evaluation_users(data.valid, model_config.history_length, _VALIDATION_BATCH, repeatedly=True)
        model.fit(
            cluster.batches(examples, training.seed, done),
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[
                StopOnNonFiniteLoss(),
                Validation(users, model_config.candidate_count(data.corpus.num_items), cluster),
                *callbacks,
                progress,
            ],
            verbose=0,
        )
    return model, progress


def _new_model(model_config: ModelConfig, training: TrainingConfig, data: TrainingData) -> TwoStageModel:
    model = build_model(model_config, data.corpus, training.seed)
    model.compile(
        retriever_optimizer=build_optimizer(
            training.optimizer, training.retriever_learning_rate, training.weight_decay, model.retriever
        ),
        ranker_optimizer=build_optimizer(
            training.optimizer, training.ranker_learning_rate, training.weight_decay, model.ranker
        ),
        gradient_clip_norm=training.gradient_clip_norm,
    )
    return model


def _write_start(
    model_config: ModelConfig,
    training: TrainingConfig,
    data: TrainingData,
    directory: str,
    initialise: Callable[[TwoStageModel], None] | None,
) -> str | None:
    """Writes the weights the workers are to begin with, where they are not those of any new model."""
    if initialise is None:
        return None
    model = build_model(model_config, data.corpus, training.seed)
    build_weights(model)
    initialise(model)
    return tf.train.Checkpoint(model=model).write(os.path.join(directory, "start"))


def keep_autograph_away() -> None:
    """Keeps AutoGraph from rewriting Keras and this package, which costs the first step some 20 seconds.

    TensorFlow's own list of modules to leave alone names `keras` but not `tf_keras`; this package has no Python control
    flow over tensors. Private API: where it has moved, the first step is slow and nothing else changes.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from tensorflow.python.autograph.core import config

        known = {getattr(rule, "_prefix", None) for rule in config.CONVERSION_RULES}
        fresh = [name for name in ("tf_keras", "modules") if name not in known]
        rules = tuple(config.DoNotConvert(name) for name in fresh)
        config.CONVERSION_RULES = (*rules, *config.CONVERSION_RULES)
