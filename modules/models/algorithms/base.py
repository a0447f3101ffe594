"""The two-stage model and the training step its algorithms share."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf
import tensorflow_recommenders as tfrs

from modules.models import global_batch
from modules.models.blend import Blend
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import CorpusAccess
from modules.models.exact_search import exact_top_k_of_parts
from modules.models.rankers.base import Ranker
from modules.models.retrieval import in_chunks
from modules.models.retrievers.base import Retriever, inner_products
from modules.models.samplers.base import Sampler
from modules.section import Section


class AlgorithmOptions(Section):
    """Settings every algorithm has."""

    residual: bool = True
    """R = stop_gradient(M) + f: the second stage starts from the first stage's order. False: R = f."""


class StageLosses(NamedTuple):
    """What one step minimises, an example at a time: the base takes the means, over all replicas' examples together.

    Attributes:
      total: float32 `[B]`, the sum of all losses, the only one that is differentiated.
      logged: name of `LOGGED` -> float32 `[B]`; means over the epoch are reported.
      weights: float32 `[B]`, how much each example counts in the means; None: all the same.
    """

    total: tf.Tensor
    logged: dict[str, tf.Tensor]
    weights: tf.Tensor | None = None


class BatchLosses(NamedTuple):
    """The means of `StageLosses`: a replica's shares (`modules.models.global_batch`), which add up to those of all.

    Attributes:
      total: float32 scalar.
      logged: name -> float32 scalar; `loss` is the total.
    """

    total: tf.Tensor
    logged: dict[str, tf.Tensor]


class Proposals(NamedTuple):
    """The positives and draws of one batch, and what the retriever and the proposal say of them.

    Attributes:
      query: float32 `[B, d]`, with dropout.
      ids: int64 `[B, 1 + L]`, the positive in column 0, the draws behind it.
      positive_log_q: float32 `[B]`.
      negative_log_q: float32 `[B, L]`.
      negatives: bool `[B, L]`, False where a draw is the positive itself, or one that the context excludes.
      retriever_scores: float32 `[B, 1 + L]`, M.
    """

    query: tf.Tensor
    ids: tf.Tensor
    positive_log_q: tf.Tensor
    negative_log_q: tf.Tensor
    negatives: tf.Tensor
    retriever_scores: tf.Tensor


class _EpochMean(tf.keras.metrics.Mean):
    """The mean over the steps of an epoch, of values that all replicas have alike."""

    def add_weight(self, name: str, **kwargs) -> tf.Variable:
        """As in the base class, but not summed over the replicas."""
        return super().add_weight(name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA, **kwargs)


class TwoStageModel(tfrs.Model, abc.ABC):
    """A retriever M, a ranker R and a proposal Q, trained jointly with one optimiser a stage.

    Args:
      retriever: the first stage.
      ranker: the second stage's network f.
      sampler: the proposal.
      config: sizes and counts.
      options: the algorithm's own settings.
      seed: of all draws; together with the optimiser's step it determines them.

    Attributes:
      blend: what further candidates and evidence come from, once trained; None where both stages have the last word.
      epoch: int64 scalar variable, the epoch under way, from 0; set by `modules.training.progress.Progress`.
    """

    Options: ClassVar[type[AlgorithmOptions]]
    """The algorithm's own settings."""
    LEARNS: ClassVar[bool] = True
    """False where the retriever computes its weights by itself: then one step of one epoch is enough."""
    LOGGED: ClassVar[tuple[str, ...]]
    """The names `stage_losses` logs, beside the `loss`."""

    def __init__(
        self,
        retriever: Retriever,
        ranker: Ranker,
        sampler: Sampler,
        config: ModelConfig,
        options: AlgorithmOptions,
        seed: int,
    ) -> None:
        self.check(retriever, config, options)
        super().__init__()
        self.retriever = retriever
        self.ranker = ranker
        self.blend: Blend | None = None
        self.sampler = sampler
        self.config = config
        # Of the class `Options` of the algorithm at hand.
        self.options: Any = options
        self._seed = seed
        self.epoch = tf.Variable(0, trainable=False, dtype=tf.int64, name="epoch")
        names = ["loss", *self.LOGGED, "retriever_gradient_norm", "ranker_gradient_norm"]
        self._means = {name: _EpochMean(name=name) for name in names}

    @classmethod
    def corpus_access(cls, options: Any) -> CorpusAccess:
        """Returns what of the corpus a step reads, the sampler's part aside."""
        return "tables"

    @classmethod
    def check(cls, retriever: Retriever, config: ModelConfig, options: Any) -> None:
        """Raises ValueError where the algorithm cannot train what it is given; by default it can."""

    def compile(
        self,
        retriever_optimizer: tf.keras.optimizers.Optimizer,
        ranker_optimizer: tf.keras.optimizers.Optimizer,
        gradient_clip_norm: float | None = None,
        **kwargs,
    ) -> None:
        """Sets one optimiser a stage and the global norm each stage's gradients are clipped to."""
        super().compile(optimizer=retriever_optimizer, **kwargs)
        self.ranker_optimizer = ranker_optimizer
        self._clip_norm = gradient_clip_norm

    @abc.abstractmethod
    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """Returns the losses of each example of a batch: `positives` int64 `[B]`, `seed` int64 `[2]`."""

    def batch_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> BatchLosses:
        """Returns the means of `stage_losses`."""
        losses = self.stage_losses(context, positives, seed)
        total = global_batch.mean(losses.total, losses.weights)
        logged = {name: global_batch.mean(values, losses.weights) for name, values in losses.logged.items()}
        return BatchLosses(total, {"loss": total, **logged})

    def propose(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> Proposals:
        """Draws `num_negatives` items for each context; no gradient flows into the proposal."""
        query = self.retriever.query(context, training=True)
        proposal_query = tf.stop_gradient(query)
        draws = self.sampler.sample(proposal_query, self.config.num_negatives, seed)
        positives = positives[:, tf.newaxis]
        ids = tf.concat([positives, draws.ids], axis=1)
        return Proposals(
            query=query,
            ids=ids,
            positive_log_q=self.sampler.log_prob(proposal_query, positives)[:, 0],
            negative_log_q=draws.log_q,
            negatives=tf.not_equal(draws.ids, positives) & ~context.excludes(draws.ids),
            retriever_scores=inner_products(query, self.retriever.candidates(ids)),
        )

    def train_step(
        self, batch: tuple[Context, tf.Tensor] | tuple[Context, tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """One joint step: refresh the proposal where due, draw, differentiate once, apply both optimisers.

        Where replicas step together the replica's batch ends in where it stands in the whole one, the values of a
        `global_batch.Part`, int64 `[2]`.
        """
        context, positives, *place = batch
        with global_batch.part_of(global_batch.Part(*tf.unstack(place[0])) if place else None):
            step = self.optimizer.iterations
            self.sampler.refresh_when_due(self.retriever.candidate_parts, step)
            return self.joint_step(context, positives, step)

    def joint_step(self, context: Context, positives: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Draws, differentiates once and applies both optimisers; the proposal is as it was last refreshed.

        Args:
          context: of the batch.
          positives: int64 `[B]`.
          step: integer scalar, the number of the step, which the draws depend on.

        Returns:
          name -> scalar: means over the epoch so far, and the proposal's diagnostics.
        """
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(step, tf.int64)])
        with tf.GradientTape() as tape:
            losses = self.batch_losses(context, positives, seed)
            total = losses.total + global_batch.once(tf.reduce_sum(self.losses))
        retriever_weights = self.retriever.trainable_variables
        ranker_weights = self.ranker.trainable_variables
        gradients = tape.gradient(total, [retriever_weights, ranker_weights])
        # Summed before the norm is taken, over replicas and over the lookups of a row, so that the clipping is that of
        # the whole batch's gradient, however it was cut.
        gradients = [[_merged(g) for g in _add_up_known(stage_gradients)] for stage_gradients in gradients]
        logged = global_batch.add_up(dict(losses.logged))
        for stage, optimizer, weights, stage_gradients in (
            ("retriever", self.optimizer, retriever_weights, gradients[0]),
            ("ranker", self.ranker_optimizer, ranker_weights, gradients[1]),
        ):
            pairs = [(g, w) for g, w in zip(stage_gradients, weights, strict=True) if g is not None]
            clipped, norm = self._clip([gradient for gradient, _ in pairs])
            optimizer.apply_gradients(
                zip(clipped, (weight for _, weight in pairs), strict=True), skip_gradients_aggregation=True
            )
            if not pairs:
                # An optimiser without gradients does not count the step, which the draws are seeded by.
                optimizer.iterations.assign_add(1)
            logged[f"{stage}_gradient_norm"] = norm
        for name, value in logged.items():
            self._means[name].update_state(value)
        results = {name: mean.result() for name, mean in self._means.items()}
        return results | self.sampler.diagnostics()

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns what a step returns, as of now; Keras asks for it when an epoch is over."""
        diagnostics = {name: tf.convert_to_tensor(value) for name, value in self.sampler.diagnostics().items()}
        return super().get_metrics_result() | diagnostics

    def _clip(self, gradients: list) -> tuple[list, tf.Tensor]:
        if not gradients:
            return [], tf.constant(0.0)
        norm = tf.linalg.global_norm(gradients)
        if self._clip_norm is None:
            return gradients, norm
        return tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)[0], norm

    def ranker_scores(
        self,
        context: Context,
        candidates: tf.Tensor,
        retriever_scores: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns R float32 `[B, C]` of candidates `[B, C]`, whose M is `retriever_scores`; no gradient into M.

        At inference the context's `exclude` are all earlier items, oldest first: the evidence.
        """
        encoded = self.ranker.encode(context, training=training)
        scores = self.ranker.score(encoded, candidates, training=training)
        if self.blend is not None and not training:
            return self.blend(context.exclude, self.retriever.is_cold(context), candidates, retriever_scores, scores)
        return scores + tf.stop_gradient(retriever_scores) if self.options.residual else scores

    def rank(self, context: Context, candidates: tf.Tensor) -> tf.Tensor:
        """Returns R float32 `[B, C]` of int64 candidates `[B, C]`, at inference."""
        return self.ranker_scores(context, candidates, self._products(context, candidates))

    def stage_scores(self, context: Context, candidates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns M and f, float32 `[B, C]`, of int64 candidates `[B, C]`, at inference."""
        encoded = self.ranker.encode(context)
        scores = in_chunks(lambda ids: self.ranker.score(encoded, ids), candidates)
        return self._products(context, candidates), scores

    def _products(self, context: Context, candidates: tf.Tensor) -> tf.Tensor:
        return inner_products(self.retriever.query(context), self.retriever.candidates(candidates))

    def retrieve(
        self, context: Context, k: int, parts: Sequence[tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the ids and M of the exact first stage; see `modules.models.exact_search.exact_top_k_of_parts`.

        Args:
          context: of the batch.
          k: how many.
          parts: the retriever's `candidate_parts`, where they were read before; a search reads a table that training
            updates by copying it whole.
        """
        parts = self.retriever.candidate_parts() if parts is None else parts
        return exact_top_k_of_parts(self.retriever.query(context), parts, context.exclude, k)

    def pool(self, context: Context, retrieved: tf.Tensor, products: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the second stage's candidates and their M, each `[B, C]`: those retrieved, or of both channels."""
        if self.blend is None:
            return retrieved, products
        cold = self.retriever.is_cold(context)
        return self.blend.pool(
            context.exclude, context.exclude, cold, retrieved, products, lambda ids: self._products(context, ids)
        )


def _add_up_known(gradients: list) -> list:
    """Returns the sums over the replicas of those `gradients` that are not None."""
    known = [gradient for gradient in gradients if gradient is not None]
    sums = iter(global_batch.add_up(known) if known else known)
    return [None if gradient is None else next(sums) for gradient in gradients]


def _merged(gradient: tf.Tensor | tf.IndexedSlices | None) -> tf.Tensor | tf.IndexedSlices | None:
    """Returns the gradient with each row of a table once: the sum of what its lookups have for it."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)
