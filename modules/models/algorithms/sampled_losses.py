"""The losses of one stage over the draws of a proposal, by their names in the configuration."""

from typing import Literal

import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.base import Proposals

SampledLoss = Literal["sampled_softmax", "bpr", "binary_cross_entropy"]


def sampled_loss(name: SampledLoss, scores: tf.Tensor, proposals: Proposals) -> tf.Tensor:
    """Returns a loss of each context float32 `[B]`; draws equal to the positive do not count.

    Args:
      name: which loss; the sampled softmax alone corrects for the proposal.
      scores: float32 `[B, 1 + L]`, a stage's scores of `proposals.ids`.
      proposals: the positives and the draws.
    """
    positive, negative = scores[:, 0], scores[:, 1:]
    if name == "sampled_softmax":
        log_q = proposals.positive_log_q, proposals.negative_log_q
        return losses.sampled_log_softmax(positive, negative, *log_q, proposals.negatives)
    uncorrected = {
        "bpr": losses.bayesian_personalized_ranking,
        "binary_cross_entropy": losses.binary_cross_entropy,
    }
    return uncorrected[name](positive, negative, proposals.negatives)
