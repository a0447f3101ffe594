"""Builds a two-stage model from its configuration."""

from typing import Literal

import tensorflow as tf

from modules.config import ModelConfig
from modules.cooperation import ALGORITHMS
from modules.cooperation.base import TwoStageModel
from modules.corpus import Corpus
from modules.rankers import RANKERS
from modules.retrievers import RETRIEVERS
from modules.samplers import SAMPLERS
from modules.samplers.mixture import UniformMixture


def check_tasks(config: ModelConfig, task: Literal["sequential", "general"]) -> None:
    """Raises ValueError where the retriever or the ranker cannot read the task's contexts."""
    for stage, registry, name in (
        ("retriever", RETRIEVERS, config.retriever.name),
        ("ranker", RANKERS, config.ranker.name),
    ):
        if task not in registry[name].TASKS:
            able = sorted(other for other in registry if task in registry[other].TASKS)
            raise ValueError(
                f"`model.{stage}.name` must be one of {able} for the {task} task (`data.task`). Received: {name!r}."
            )


def check_corpus(config: ModelConfig, corpus: Corpus) -> None:
    """Raises ValueError where the corpus is smaller than what is to be drawn or retrieved from it."""
    for key, needed in (
        ("model.candidates", config.candidate_count(corpus.num_items)),
        ("model.num_negatives", config.num_negatives),
    ):
        if corpus.num_items < needed:
            raise ValueError(
                f"`{key}` must be at most the number of items left after filtering ({corpus.num_items}). "
                f"Received: {needed}. Lower it, or lower `data.min_item_interactions`."
            )


def build_model(config: ModelConfig, corpus: Corpus, seed: int) -> TwoStageModel:
    """Returns the untrained model; equal arguments give equal weights.

    Raises:
      ValueError: on sizes that do not fit each other or the corpus.
    """
    check_corpus(config, corpus)
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
