"""No training: the first stage is computed from the training split at once."""

import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.retrievers.base import Retriever
from modules.models.retrievers.closed_form import ClosedForm


class ClosedFormOnly(TwoStageModel):
    """The baselines that count or solve: one step that changes nothing; judged and exported as any model."""

    LOGGED = ()
    LEARNS = False

    class Options(AlgorithmOptions):
        """No settings of its own."""

    @classmethod
    def check(cls, retriever: Retriever, config: ModelConfig, options: Options) -> None:
        """See base class."""
        if not isinstance(retriever, ClosedForm) or config.ranker.name != "none":
            raise ValueError(
                "`model.algorithm: closed_form` must have a retriever that is computed and the ranker 'none'. "
                f"Received: {config.retriever.name!r} and {config.ranker.name!r}."
            )

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        return StageLosses(tf.zeros(tf.shape(positives), tf.float32), {})
