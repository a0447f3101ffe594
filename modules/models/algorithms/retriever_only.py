"""A retriever trained alone: the single-model baselines."""

from typing import Literal

import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.algorithms.sampled_losses import SampledLoss, sampled_loss
from modules.models.context import Context
from modules.models.corpus import CorpusAccess
from modules.models.retrieval import mask_columns


class RetrieverOnly(TwoStageModel):
    """One loss on M; with the ranker `none` the two-stage answer is the retriever's own.

    MF with `bpr` is BPR (Rendle et al., UAI 2009); SASRec with `full_softmax` is the strong plain baseline
    (arXiv 2309.07602). MF with `binary_cross_entropy` over uniform draws is LogisticMF (Johnson, 2014): the likelihood
    alpha sum_observed log p + sum_others log(1 - p) in its sampled form, alpha such that a user's positives weigh as
    much as the items drawn against them. Its biases are what two coordinates of MF can hold, (.., b_u, 1) and
    (.., 1, b_i); its prior is `training.weight_decay`.
    """

    LOGGED = ()

    class Options(AlgorithmOptions):
        """Settings of a retriever trained alone."""

        loss: Literal["full_softmax", SampledLoss] = "full_softmax"
        """Which loss; all but the full softmax use the sampler's draws; none counts what the context excludes."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "scores" if options.loss == "full_softmax" else "rows"

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        if self.options.loss == "full_softmax":
            query = self.retriever.query(context, training=True)
            scores = tf.matmul(query, self.retriever.all_candidates(), transpose_b=True)
            # The positive is among the user's items, and must stay; column 0 takes no part.
            others = context.exclude * tf.cast(tf.not_equal(context.exclude, positives[:, tf.newaxis]), tf.int64)
            values = losses.full_log_softmax(mask_columns(scores, others), positives)
        else:
            proposals = self.propose(context, positives, seed)
            values = sampled_loss(self.options.loss, proposals.retriever_scores, proposals)
        return StageLosses(values, {})
