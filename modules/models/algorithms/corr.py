"""Cooperative retriever and ranker."""

from typing import Literal

import pydantic
import tensorflow as tf

from modules.models import global_batch, losses
from modules.models.algorithms.base import AlgorithmOptions, Proposals, StageLosses, TwoStageModel
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import CorpusAccess
from modules.models.retrievers.base import Retriever
from modules.models.samplers import SAMPLERS


class CoRR(TwoStageModel):
    """Both stages learn from the draws the retriever proposes, and the ranker teaches the retriever (section 4).

        L = L_rank + L_retr + lambda * KL(P_R^S || P_M^S)

    with one sample S a context: `losses.sampled_log_softmax` of R and of M, `losses.sampled_kl` between them.
    """

    LOGGED = (
        "ranker_loss",
        "retriever_loss",
        "kl",
        "effective_sample_size",
        "accidental_hits",
    )

    class Options(AlgorithmOptions):
        """Settings of CoRR."""

        kl_weight: float = pydantic.Field(1.0, ge=0)
        """lambda; 0 is the ablation without distillation."""
        distillation: Literal["kl", "entropy"] = "kl"
        """`entropy`: log n - H(softmax(R - M)) in place of the KL, for draws from softmax(M) itself alone."""
        mask_accidental_hits: bool = True
        """Draws equal to the positive, or excluded by the context, do not count as negatives. False: all count."""
        shared_draws: int = pydantic.Field(16, ge=0)
        """How many of each context's draws all contexts of the batch share in the retriever's loss; 0: none."""
        mask_shared_draws: bool = True
        """Whether shared draws that a context excludes do not count for it; False: M learns the whole corpus' order."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "rows"

    @classmethod
    def check(cls, retriever: Retriever, config: ModelConfig, options: Options) -> None:
        """See base class."""
        if options.distillation == "entropy":
            _check_draws_from_the_retriever(config)

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        proposals = self.propose(context, positives, seed)
        mask = proposals.negatives if self.options.mask_accidental_hits else None
        retriever_scores = proposals.retriever_scores
        ranker_scores = self.ranker_scores(context, proposals.ids, retriever_scores, training=True)
        log_q = proposals.positive_log_q, proposals.negative_log_q
        ranker_loss = losses.sampled_log_softmax(ranker_scores[:, 0], ranker_scores[:, 1:], *log_q, mask)
        if self.options.shared_draws:
            retriever_loss = self._shared_retriever_loss(context, proposals)
        else:
            retriever_loss = losses.sampled_log_softmax(retriever_scores[:, 0], retriever_scores[:, 1:], *log_q, mask)
        if self.options.distillation == "entropy":
            kl = _log_count_less_entropy(ranker_scores[:, 1:], retriever_scores[:, 1:], mask)
        else:
            kl = losses.sampled_kl(ranker_scores[:, 1:], retriever_scores[:, 1:], proposals.negative_log_q, mask)
        weights = tf.nn.softmax(losses.corrected_logits(ranker_scores[:, 1:], proposals.negative_log_q, mask))
        return StageLosses(
            ranker_loss + retriever_loss + self.options.kl_weight * kl,
            {
                "ranker_loss": ranker_loss,
                "retriever_loss": retriever_loss,
                "kl": kl,
                # Kish: (sum w)^2 / sum w^2 of the importance weights, between 1 and L.
                "effective_sample_size": 1 / tf.reduce_sum(tf.square(weights), axis=1),
                "accidental_hits": 1 - tf.reduce_mean(tf.cast(proposals.negatives, tf.float32), axis=1),
            },
        )

    def _shared_retriever_loss(self, context: Context, proposals: Proposals) -> tf.Tensor:
        """The retriever's loss over draws of the whole batch; each has q = mean over b of Q(.|c_b).

        An item that was drawn n times stands in the loss once, with log q less log n: the same sum at the cost of the
        items there are, not of the draws.
        """
        positives = proposals.ids[:, 0]
        everyones = global_batch.gather_rows(proposals.ids[:, : 1 + self.options.shared_draws])
        items, _, counts = tf.unique_with_counts(tf.reshape(everyones[:, 1:], [-1]))
        # All of the batch's positives: under replicas the columns of a mixture must be the same everywhere.
        columns = tf.concat([everyones[:, 0], items], axis=0)
        log_q = self.sampler.batch_log_prob(tf.stop_gradient(proposals.query), columns)
        positive_log_q, item_log_q = tf.split(log_q, [tf.shape(everyones)[0], tf.size(items)])
        scores = tf.matmul(proposals.query, self.retriever.candidates(items), transpose_b=True)
        negatives = tf.not_equal(items, positives[:, tf.newaxis])
        if self.options.mask_shared_draws:
            negatives &= ~context.excludes_distinct(items)
        return losses.sampled_log_softmax(
            proposals.retriever_scores[:, 0],
            scores,
            global_batch.own_rows(positive_log_q, like=positives),
            tf.broadcast_to(item_log_q - tf.math.log(tf.cast(counts, item_log_q.dtype)), tf.shape(scores)),
            negatives if self.options.mask_accidental_hits else None,
        )


def _log_count_less_entropy(teacher: tf.Tensor, student: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """The value of the KL where the student is the proposal; of the two terms only the entropy has a gradient."""
    counted = tf.ones_like(student) if mask is None else tf.cast(mask, student.dtype)
    log_count = tf.math.log(tf.maximum(tf.reduce_sum(counted, axis=1), 1.0))
    return log_count - losses.sampled_entropy(teacher, student, mask)


def _check_draws_from_the_retriever(config: ModelConfig) -> None:
    """Raises ValueError unless Q = softmax(M) at every step."""
    received = {
        "name": config.sampler.name,
        **SAMPLERS.options(config.sampler.name, config.sampler.options).model_dump(),
    }
    exact = {"name": "exact", "temperature": 1.0, "refresh_steps": 1}
    if received != exact or config.uniform_share:
        raise ValueError(
            f"`model.sampler` must be {exact} and `model.uniform_share` 0 for `model.algorithm.distillation: entropy`, "
            f"which holds for draws from softmax(M) alone. Received: {received}, {config.uniform_share}."
        )
