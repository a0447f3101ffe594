"""No training: the first stage is computed from the training split at once."""

import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.context import Context


class ClosedFormOnly(TwoStageModel):
    """The baselines that count or solve: one step that changes nothing; judged and exported as any model."""

    LOGGED = ()
    LEARNS = False

    class Options(AlgorithmOptions):
        """No settings of its own."""

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        return StageLosses(tf.zeros(tf.shape(positives), tf.float32), {})
