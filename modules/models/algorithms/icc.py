"""One likelihood of the cascade: what passes the first stage and pleases the second."""

from typing import Literal

import pydantic
import tensorflow as tf

from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.algorithms.sampled_losses import sampled_loss
from modules.models.context import Context
from modules.models.corpus import CorpusAccess


class ICC(TwoStageModel):
    """Both stages minimise the loss of one score, that of the cascade with a soft cut between its stages.

    The hard cut of "Joint Optimization of Cascade Ranking Models" (Gallagher et al., WSDM 2019), the baseline "ICC" of
    CoRR, becomes a logistic indicator of the distance to a cut-off, and stages are chained by the product of theirs:

        pass(i) = sigmoid((M(i,c) - threshold) / softness)

        sampled_softmax       P(k|c) = pass(k) exp(R(k,c)) / sum_i pass(i) exp(R(i,c)), estimated over S + {k}
        binary_cross_entropy  p(i|c) = pass(i) sigmoid(R(i,c)), against 1 for the positive and 0 for the draws

    Where the first stage passes everything, either is the ranker's own likelihood. Where the second tells nothing
    apart (softmax: R constant) or accepts whatever it gets (cross-entropy: R large), it is that of pass, the
    retriever's. Gradients reach both stages through the one loss; the retriever's part fades for what surely passes.

    Departures: the paper's cut-off is the score at the stage's list length, which a few draws do not tell, so it is an
    option; an item rejected by the first stage scores by its M there, and has probability 0 here; the paper's loss is
    one of learning to rank by graded labels, here it is the other algorithms' over as many draws as theirs.
    """

    LOGGED = ("passed_positives", "passed_negatives")

    class Options(AlgorithmOptions):
        """Settings of ICC."""

        residual: bool = False
        """See base class; M has its part in the likelihood already."""
        loss: Literal["sampled_softmax", "binary_cross_entropy"] = "sampled_softmax"
        """Loss of the cascade's score."""
        threshold: float = 0.0
        """M at which a candidate passes the first stage with probability 1/2."""
        softness: float = pydantic.Field(1.0, gt=0)
        """How far around the threshold the passing is uncertain; towards 0 the cut is hard and teaches nothing."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "rows"

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        proposals = self.propose(context, positives, seed)
        ranker_scores = self.ranker_scores(context, proposals.ids, proposals.retriever_scores, training=True)
        pass_logits = (proposals.retriever_scores - self.options.threshold) / self.options.softness
        cascade_score = joint_log_weight if self.options.loss == "sampled_softmax" else joint_logit
        scores = cascade_score(pass_logits, ranker_scores)
        passed = tf.sigmoid(pass_logits)
        return StageLosses(
            sampled_loss(self.options.loss, scores, proposals),
            {"passed_positives": passed[:, 0], "passed_negatives": tf.reduce_mean(passed[:, 1:], axis=1)},
        )


def joint_log_weight(pass_logits: tf.Tensor, ranker_scores: tf.Tensor) -> tf.Tensor:
    """Returns log(sigmoid(a) exp(R)) of `a` and `R`, float32 of one shape: the cascade's logit in a softmax."""
    return ranker_scores - tf.nn.softplus(-pass_logits)


def joint_logit(pass_logits: tf.Tensor, ranker_scores: tf.Tensor) -> tf.Tensor:
    """Returns the logit of sigmoid(a) sigmoid(R) of `a` and `R`, float32 of one shape.

    From 1 / p = (1 + exp(-a)) (1 + exp(-R)) the odds against are exp(-a) + exp(-R) + exp(-a - R): nothing is rounded
    to a probability of 0 or 1 on the way.
    """
    against = tf.stack([-pass_logits, -ranker_scores, -pass_logits - ranker_scores])
    return -tf.reduce_logsumexp(against, axis=0)
