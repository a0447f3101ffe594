"""Trains a two-stage model: the one loop that the pipeline's Trainer and the experiments share."""

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from modules.config import ModelConfig, TrainingConfig
from modules.cooperation.base import TwoStageModel
from modules.corpus import Corpus
from modules.training import inputs
from modules.training.build import build_model, check_tasks
from modules.training.progress import Progress, StopOnNonFiniteLoss
from modules.training.validation import Validation

_VALIDATION_BATCH = 256


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Where the transformed examples lie and what they hold.

    Attributes:
      train: file patterns of the training split.
      valid: file patterns of the validation split.
      corpus: items and users.
      task: which protocol split them.
    """

    train: Sequence[str]
    valid: Sequence[str]
    corpus: Corpus
    task: Literal["sequential", "general"]


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
) -> FitResult:
    """Trains until the epochs are over or validation stops improving, and returns the best epoch's model.

    Args:
      model_config: what is trained.
      training: how.
      data: on what.
      directory: of checkpoints and `history.json`; a killed run that is started again with the same directory and
        arguments ends where an unbroken one would have.
      callbacks: further Keras callbacks; they see the `val_*` metrics in the logs.

    Raises:
      ValueError: on a configuration that does not fit the data, no training examples, or a loss that is not finite.
    """
    keep_autograph_away()
    check_tasks(model_config, data.task)
    model = build_model(model_config, data.corpus, training.seed)
    model.compile(
        retriever_optimizer=_optimizer(training.retriever_learning_rate, training.weight_decay),
        ranker_optimizer=_optimizer(training.ranker_learning_rate, training.weight_decay),
        gradient_clip_norm=training.gradient_clip_norm,
    )
    examples = inputs.TrainingExamples(
        inputs.find_files(data.train),
        data.task,
        model_config.history_length,
        training.batch_size,
        training.shuffle_users,
        training.known_items,
    )
    steps = math.ceil(examples.count() / training.batch_size)
    progress = Progress(model, directory, training.patience)
    done = progress.resume()
    if done < training.epochs and not progress.finished:
        users = inputs.evaluation_users(data.valid, model_config.history_length, _VALIDATION_BATCH)
        model.fit(
            examples.epochs(training.seed, done),
            initial_epoch=done,
            epochs=training.epochs,
            steps_per_epoch=steps,
            callbacks=[
                StopOnNonFiniteLoss(),
                Validation(users, model_config.candidate_count(data.corpus.num_items)),
                *callbacks,
                progress,
            ],
            verbose=0,
        )
    progress.restore_best()
    return FitResult(model, progress.history, progress.best_epoch)


def _optimizer(learning_rate: float, weight_decay: float) -> tf.keras.optimizers.Optimizer:
    if weight_decay:
        return tf.keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    return tf.keras.optimizers.Adam(learning_rate)


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
