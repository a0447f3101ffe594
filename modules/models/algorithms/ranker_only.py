"""A second stage trained alone: single-model baselines that are no inner product, and a look at a ranker by itself."""

import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.algorithms.sampled_losses import SampledLoss, sampled_loss
from modules.models.context import Context
from modules.models.corpus import CorpusAccess


class RankerOnly(TwoStageModel):
    """One loss on R; the retriever keeps the weights it started with.

    NCF with `binary_cross_entropy` is the baseline of that name (He et al., WWW 2017, section 3.1.1). An untrained
    retriever chooses at random, so the ranker is to be judged over the whole corpus: `model.candidates: all`.
    """

    LOGGED = ()

    class Options(AlgorithmOptions):
        """Settings of a ranker trained alone."""

        residual: bool = False
        """See base class; the scores of an untrained retriever are noise."""
        loss: SampledLoss = "binary_cross_entropy"
        """Which loss, over the sampler's draws."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "rows"

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        proposals = self.propose(context, positives, seed)
        scores = self.ranker_scores(context, proposals.ids, proposals.retriever_scores, training=True)
        return StageLosses(sampled_loss(self.options.loss, scores, proposals), {})
