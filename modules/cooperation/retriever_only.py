"""A retriever trained alone: the single-model baselines."""

from typing import Literal

import tensorflow as tf

from modules import losses
from modules.context import Context
from modules.cooperation.base import AlgorithmOptions, Proposals, StageLosses, TwoStageModel


class RetrieverOnly(TwoStageModel):
    """One loss on M; with the ranker `none` the two-stage answer is the retriever's own.

    MF with `bpr` is BPR; SASRec with `full_softmax` is the strong plain baseline (arXiv 2309.07602).
    """

    LOGGED = ("loss",)

    class Options(AlgorithmOptions):
        """Settings of a retriever trained alone."""

        loss: Literal["full_softmax", "sampled_softmax", "bpr", "binary_cross_entropy"] = "full_softmax"
        """Which loss; all but the full softmax use the sampler's draws."""

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        if self.options.loss == "full_softmax":
            query = self.retriever.query(context, training=True)
            scores = tf.matmul(query, self.retriever.all_candidates(), transpose_b=True)
            values = losses.full_log_softmax(scores, positives)
        else:
            values = self._sampled_loss(self.propose(context, positives, seed))
        total = tf.reduce_mean(values)
        return StageLosses(total, {"loss": total})

    def _sampled_loss(self, proposals: Proposals) -> tf.Tensor:
        positive, negative = proposals.retriever_scores[:, 0], proposals.retriever_scores[:, 1:]
        if self.options.loss == "sampled_softmax":
            return losses.sampled_log_softmax(
                positive,
                negative,
                proposals.positive_log_q,
                proposals.negative_log_q,
                proposals.negatives,
            )
        pointwise = {
            "bpr": losses.bayesian_personalized_ranking,
            "binary_cross_entropy": losses.binary_cross_entropy,
        }
        return pointwise[self.options.loss](positive, negative, proposals.negatives)
