"""Stages that learn on what the stage before hands them, and teach it in turn."""

from typing import Literal

import pydantic
import tensorflow as tf

from modules.models import global_batch, losses
from modules.models.algorithms.base import AlgorithmOptions, Proposals, StageLosses, TwoStageModel
from modules.models.algorithms.sampled_losses import sampled_loss
from modules.models.context import Context
from modules.models.exact_search import exact_top_k
from modules.models.retrieval import NO_ITEM

WARM_UP, SELF_LEARNING, TUTOR_LEARNING = range(3)
"""The phases an epoch can belong to."""


class RankFlow(TwoStageModel):
    """Warm-up, then self-learning and tutor-learning in turns, an epoch each ("RankFlow", Qin et al., SIGIR 2022).

    - warm-up: both stages learn apart, each by its own loss on the sampler's draws, as in `independent`;
    - self-learning: the retriever as before; the ranker by the same loss on draws, uniform and with replacement, from
      the retriever's current top K of the context, which is what it will be asked to order;
    - tutor-learning: the retriever alone, on the whole top K, by the ranker's scores of it:
      mse_weight * `tutor_mse` + ranking_weight * `tutor_ranking`. No gradient flows into the ranker.

    The form of the tutor's losses is that of the baseline the authors of CoRR published: both are of probabilities,
    sigmoid(score). Scores trained by the sampled softmax are known up to a constant of the context, so they are centred
    on the list first.

    Departures: one optimiser a stage throughout, where the paper takes a slower one after the warm-up (the momentum
    left in the ranker's moves it in the first few steps of a tutor epoch); the retriever's list leaves out what the
    context excludes, but for the positive, as the served one does; the ranker always sees the positive in
    self-learning, also where the retriever misses it, and as many other items as in the other algorithms.
    """

    LOGGED = ("ranker_loss", "retriever_loss", "tutor_mse", "tutor_ranking", "phase")

    class Options(AlgorithmOptions):
        """Settings of RankFlow."""

        residual: bool = False
        """See base class; apart means that the ranker learns its order alone."""
        loss: Literal["sampled_softmax", "binary_cross_entropy"] = "sampled_softmax"
        """Loss of both stages in warm-up and self-learning."""
        warmup_epochs: int = pydantic.Field(5, ge=0)
        """Epochs before the two kinds of learning alternate."""
        top_k: int = pydantic.Field(100, ge=2)
        """K, the length of the list the retriever hands on in training."""
        tutor_top: int = pydantic.Field(10, ge=1)
        """How many of the list, the ranker's best, are to stand above the rest; fewer than `top_k`."""
        mse_weight: float = pydantic.Field(0.5, ge=0)
        """Weight of the squared error in tutor-learning."""
        ranking_weight: float = pydantic.Field(0.5, ge=0)
        """Weight of the ranking loss in tutor-learning."""

        @pydantic.model_validator(mode="after")
        def _tutor_top_leaves_a_rest(self) -> "RankFlow.Options":
            if self.tutor_top >= self.top_k:
                raise ValueError(f"`tutor_top` must be less than `top_k` ({self.top_k}). Received: {self.tutor_top}.")
            return self

    def phase(self) -> tf.Tensor:
        """Returns the phase of the epoch under way, an int32 scalar."""
        alternating = self.epoch - self.options.warmup_epochs
        return tf.where(alternating < 0, WARM_UP, SELF_LEARNING + tf.cast(alternating % 2, tf.int32))

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        phase = self.phase()
        proposals = self.propose(context, positives, seed)
        handed = self._handed_to_ranker(phase, context, proposals, seed)
        ranker_scores = self.ranker_scores(context, handed.ids, handed.retriever_scores, training=True)
        name = self.options.loss
        retriever_loss = sampled_loss(name, proposals.retriever_scores, proposals)
        ranker_loss = sampled_loss(name, ranker_scores, handed)

        listed = tf.not_equal(handed.ids[:, 1:], NO_ITEM)
        teacher = self._probabilities(tf.stop_gradient(ranker_scores[:, 1:]), listed)
        student = self._probabilities(handed.retriever_scores[:, 1:], listed)
        mse = tutor_mse(teacher, student, listed)
        ranking = tutor_ranking(teacher, student, listed, self.options.tutor_top)
        tutor_loss = self.options.mse_weight * mse + self.options.ranking_weight * ranking

        # Weights instead of branches: every weight has a gradient in every phase, and optimisers need just that.
        tutoring = tf.cast(tf.equal(phase, TUTOR_LEARNING), tf.float32)
        return StageLosses(
            (1 - tutoring) * (retriever_loss + ranker_loss) + tutoring * tutor_loss,
            {
                "ranker_loss": ranker_loss,
                "retriever_loss": retriever_loss,
                "tutor_mse": mse,
                "tutor_ranking": ranking,
                "phase": tf.fill(tf.shape(positives), tf.cast(phase, tf.float32)),
            },
        )

    def _handed_to_ranker(self, phase: tf.Tensor, context: Context, proposals: Proposals, seed: tf.Tensor) -> Proposals:
        """Returns the positives with the phase's other items: the sampler's draws, draws from the top K, or all of it.

        How many there are depends on the phase; where the list is short, the rest is `NO_ITEM`, no negative.
        """
        positives = proposals.ids[:, :1]

        def drawn() -> tuple[tf.Tensor, ...]:
            return proposals.ids[:, 1:], proposals.positive_log_q, proposals.negative_log_q, proposals.negatives

        def retrieved(num_draws: int | None) -> tuple[tf.Tensor, ...]:
            # The positive is among the excluded, but no list is served without what the user is about to choose.
            others = context.exclude * tf.cast(tf.not_equal(context.exclude, positives), tf.int64)
            query, items = self.retriever.query(context), self.retriever.all_candidates()
            ids, _ = exact_top_k(query, items, others, self.options.top_k)
            if num_draws is not None:
                ids = draw_from_lists(ids, num_draws, seed)
            # Uniform over the list: a constant, which cancels.
            zeros = tf.zeros(tf.shape(ids), tf.float32)
            negatives = tf.not_equal(ids, NO_ITEM) & tf.not_equal(ids, positives)
            return ids, tf.zeros_like(proposals.positive_log_q), zeros, negatives

        branches = {
            WARM_UP: drawn,
            SELF_LEARNING: lambda: retrieved(self.config.num_negatives),
            TUTOR_LEARNING: lambda: retrieved(None),
        }
        others, positive_log_q, negative_log_q, negatives = tf.switch_case(phase, branches)
        ids = tf.concat([positives, others], axis=1)
        scores = tf.linalg.matvec(self.retriever.candidates(ids), proposals.query)
        return Proposals(proposals.query, ids, positive_log_q, negative_log_q, negatives, scores)

    def _probabilities(self, scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        if self.options.loss == "sampled_softmax":
            scores -= losses.masked_mean(scores, mask)[:, tf.newaxis]
        return tf.sigmoid(scores)


def draw_from_lists(ids: tf.Tensor, num_draws: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns int64 `[B, num_draws]`, uniform draws with replacement from each row's items.

    Args:
      ids: int64 `[B, K]`, in each row items and behind them `NO_ITEM`; a row of these alone yields them.
      num_draws: how many.
      seed: integer `[2]`, stateless; other draws of the step are of other seeds.
    """
    counts = tf.math.count_nonzero(ids, axis=1, keepdims=True, dtype=tf.float32)
    # The samplers derive theirs from the same one, a mixture within a mixture up to `seed + 8`.
    uniform = global_batch.stateless_uniform([tf.shape(ids)[0], num_draws], seed + 9)
    # A product rounded up to the count would be one place behind the last.
    places = tf.minimum(tf.floor(uniform * counts), tf.maximum(counts - 1, 0))
    return tf.gather(ids, tf.cast(places, tf.int32), batch_dims=1)


def tutor_mse(teacher: tf.Tensor, student: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean of (teacher - student)^2 over each list, float32 `[B]`; 0 where it is empty.

    Args:
      teacher: float32 `[B, K]`, probabilities by the ranker.
      student: float32 `[B, K]`, probabilities by the retriever.
      mask: bool `[B, K]`, False where the list has no item.
    """
    return losses.masked_mean(tf.math.squared_difference(teacher, student), mask)


def tutor_ranking(teacher: tf.Tensor, student: tf.Tensor, mask: tf.Tensor, top: int) -> tf.Tensor:
    """The student's mean over the teacher's best against its mean over the rest.

        - log sigmoid( mean over i in the teacher's top of student(i) - mean over the rest of student(i) )

    Args:
      teacher: float32 `[B, K]`, probabilities by the ranker.
      student: float32 `[B, K]`, probabilities by the retriever.
      mask: bool `[B, K]`, False where the list has no item.
      top: how many are the best.

    Returns:
      float32 `[B]`; 0 where a list has no more than `top` items, and so no rest.
    """
    # Ranks by two sorts: equal scores get different ranks, so that exactly `top` are the best.
    order = tf.argsort(tf.where(mask, teacher, -1.0), axis=1, direction="DESCENDING", stable=True)
    best = tf.argsort(order, axis=1) < top
    difference = losses.masked_mean(student, mask & best) - losses.masked_mean(student, mask & ~best)
    has_rest = tf.reduce_any(mask & ~best, axis=1)
    return tf.where(has_rest, tf.nn.softplus(-difference), 0.0)
