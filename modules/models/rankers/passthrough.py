"""No second stage: the first stage's order stands."""

from typing import Any

import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.rankers.base import Ranker
from modules.section import Section


class Passthrough(Ranker):
    """f(i, c) = 0, so that a residual ranker equals its retriever: the single-model baselines."""

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """No settings."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="passthrough")
        del corpus, config, options, seed

    def encode(self, context: Context, training: bool = False) -> Any:
        """See base class."""
        return ()

    def score(self, encoded: Any, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        return tf.zeros(tf.shape(candidates), tf.float32)
