"""Builds a two-stage model from its configuration."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import tensorflow as tf

from modules.models.algorithms import ALGORITHMS
from modules.models.algorithms.base import TwoStageModel
from modules.models.choices import CHOICES
from modules.models.config import ModelConfig
from modules.models.corpus import Corpus, CorpusAccess
from modules.models.rankers import RANKERS
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.closed_form import ClosedForm
from modules.models.samplers import SAMPLERS
from modules.models.samplers.mixture import UniformMixture

_MAX_SCORES = 1 << 28
"""Scores of a batch over the corpus that a step may hold, 1 GB of them."""


def check_parts(config: ModelConfig, task: Literal["sequential", "general"]) -> None:
    """Raises ValueError where the retriever or the ranker cannot read the task's contexts, or cannot be trained so."""
    for stage, registry, name in (
        ("retriever", RETRIEVERS, config.retriever.name),
        ("ranker", RANKERS, config.ranker.name),
    ):
        if task not in registry[name].TASKS:
            able = sorted(other for other in registry if task in registry[other].TASKS)
            raise ValueError(
                f"`model.{stage}.name` must be one of {able} for the {task} task (`data.task`). Received: {name!r}."
            )
    computed = issubclass(RETRIEVERS[config.retriever.name], ClosedForm)
    learns = ALGORITHMS[config.algorithm.name].LEARNS
    if computed == learns or (computed and config.ranker.name != "none"):
        raise ValueError(
            "`model.algorithm.name` must be 'closed_form', and `model.ranker.name` 'none', where the retriever is "
            f"computed and not trained, and there only. Received: {config.algorithm.name!r} and "
            f"{config.ranker.name!r} with the retriever {config.retriever.name!r}."
        )


def _check_access(config: ModelConfig, allowed: Sequence[CorpusAccess], reason: str) -> None:
    """Raises ValueError where a part of the model reads more of the corpus than is allowed.

    Args:
      config: the model.
      allowed: what may be read.
      reason: why no more, for the message.
    """
    for key in ("retriever", "sampler", "algorithm"):
        component = getattr(config, key)
        if _access(key, component.name, component.options) not in allowed:
            able = sorted(name for name in CHOICES[key] if _access(key, name, {}) in allowed)
            raise ValueError(
                f"`model.{key}` must be one of {able} {reason}. Received: {component.name!r} with {component.options}."
            )
    if config.candidates == "all" and "scores" not in allowed:
        raise ValueError(f"`model.candidates` must be a number {reason}. Received: 'all'.")


def _access(key: str, name: str, options: Mapping[str, Any]) -> CorpusAccess:
    registry = CHOICES[key]
    return registry[name].corpus_access(registry.options(name, options))


def check_shards(config: ModelConfig) -> None:
    """Raises ValueError where a part of the model needs tables in one piece."""
    reason = "where tables lie in shards (`training.distribution.strategy: parameter_server`)"
    _check_access(config, ["rows"], reason)


def check_scores(config: ModelConfig, batch_size: int, num_items: int) -> None:
    """Raises ValueError where a batch would be scored against a corpus too large for it."""
    if batch_size * num_items > _MAX_SCORES:
        _check_access(
            config,
            ["rows", "tables"],
            f"for a corpus of {num_items} items and batches of {batch_size} (`training.batch_size`): their matrix of "
            f"scores would have more than {_MAX_SCORES} entries, 1 GB, which a step holds several times over",
        )


def build_model(config: ModelConfig, corpus: Corpus, seed: int) -> TwoStageModel:
    """Returns the untrained model; equal arguments give equal weights.

    Raises:
      ValueError: on sizes that do not fit each other.
    """
    tf.keras.utils.set_random_seed(seed)
    retriever = RETRIEVERS[config.retriever.name](
        corpus,
        config,
        RETRIEVERS.options(config.retriever.name, config.retriever.options),
        seed=seed + 1000,
    )
    ranker = RANKERS[config.ranker.name](
        corpus, config, RANKERS.options(config.ranker.name, config.ranker.options), seed=seed + 2000
    )
    sampler = SAMPLERS[config.sampler.name](
        corpus,
        config.embedding_dim,
        SAMPLERS.options(config.sampler.name, config.sampler.options),
        seed=seed + 3000,
    )
    if config.uniform_share:
        sampler = UniformMixture(sampler, corpus.num_items, config.uniform_share)
    algorithm = ALGORITHMS[config.algorithm.name]
    options = ALGORITHMS.options(config.algorithm.name, config.algorithm.options)
    return algorithm(retriever, ranker, sampler, config, options, seed=seed + 4000)
