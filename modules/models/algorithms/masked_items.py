"""A sequential retriever trained alone, on gaps anywhere in the sequence."""

import pydantic
import tensorflow as tf

from modules.models import global_batch, losses
from modules.models.algorithms.base import AlgorithmOptions, StageLosses, TwoStageModel
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import CorpusAccess
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.base import Retriever
from modules.models.retrievers.masked_items import MaskedItemRetriever


class MaskedItems(TwoStageModel):
    """The cloze task over a history and its positive: BERT4Rec (Sun et al., CIKM 2019, section 3.6).

    Items are hidden at random, and the full softmax over the corpus at each of the gaps is minimised, averaged over the
    gaps of the batch. A share of the examples hides the positive alone: that is what the model is asked for, and what
    the paper adds to its training data to this end. An example of which nothing was hidden becomes one of these.

    The sampler is not used; with the ranker `none` the two-stage answer is the retriever's own.
    """

    LOGGED = ()

    class Options(AlgorithmOptions):
        """Settings of the training on masked items."""

        mask_share: float = pydantic.Field(0.2, gt=0, lt=1)
        """Probability that an item of the sequence is hidden."""
        last_only_share: float = pydantic.Field(0.1, ge=0, le=1)
        """Share of the examples in which the last item alone is hidden."""

    @classmethod
    def check(cls, retriever: Retriever, config: ModelConfig, options: Options) -> None:
        """See base class."""
        if not isinstance(retriever, MaskedItemRetriever):
            able = sorted(name for name in RETRIEVERS if issubclass(RETRIEVERS[name], MaskedItemRetriever))
            raise ValueError(
                "`model.retriever.name` must be one that is made to fill gaps for the algorithm `masked_items`: one of "
                f"{able}. Received: {config.retriever.name!r}."
            )

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "scores"

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        """See base class."""
        items = tf.concat([context.history, positives[:, tf.newaxis]], axis=1)
        masked = self.mask(items, seed)
        queries = tf.boolean_mask(self.retriever.fill(items, masked, training=True), masked)
        scores = tf.matmul(queries, self.retriever.all_candidates(), transpose_b=True)
        gap_losses = losses.full_log_softmax(scores, tf.boolean_mask(items, masked))
        gaps = tf.math.count_nonzero(masked, axis=1)
        own_mean = tf.reduce_mean(tf.RaggedTensor.from_row_lengths(gap_losses, gaps), axis=1)
        return StageLosses(own_mean, {}, weights=tf.cast(gaps, own_mean.dtype))

    def mask(self, items: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns which positions of int64 `[B, H + 1]` are hidden: at least one a row, never padding."""
        chosen = global_batch.stateless_uniform(tf.shape(items), seed) < self.options.mask_share
        chosen &= tf.not_equal(items, 0)
        last_only = global_batch.stateless_uniform([tf.shape(items)[0], 1], seed + 1) < self.options.last_only_share
        last_only |= tf.logical_not(tf.reduce_any(chosen, axis=1, keepdims=True))
        length = items.shape[1]
        return tf.where(last_only, tf.one_hot([length - 1], length, on_value=True, off_value=False), chosen)
