"""Two stages that do not know of each other."""

from typing import Literal

import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.algorithms.sampled_losses import sampled_loss
from modules.models.context import Context
from modules.models.corpus import CorpusAccess


class Independent(TwoStageModel):
    """Retriever and ranker, each with its own loss over the same draws; no teaching, by default no residual.

    With the uniform sampler this is the usual industrial cascade, and the paper's "Independent" (section 5.1).
    """

    LOGGED = ("ranker_loss", "retriever_loss")

    class Options(AlgorithmOptions):
        """Settings of Independent."""

        residual: bool = False
        """See base class; apart means that the ranker learns its order alone."""
        loss: Literal["sampled_softmax", "binary_cross_entropy"] = "sampled_softmax"
        """Loss of both stages."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "rows"

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        proposals = self.propose(context, positives, seed)
        retriever_scores = proposals.retriever_scores
        ranker_scores = self.ranker_scores(context, proposals.ids, retriever_scores, training=True)
        retriever_loss, ranker_loss = (
            sampled_loss(self.options.loss, scores, proposals) for scores in (retriever_scores, ranker_scores)
        )
        logged = {"ranker_loss": ranker_loss, "retriever_loss": retriever_loss}
        return StageLosses(retriever_loss + ranker_loss, logged)
