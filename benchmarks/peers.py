"""The plain formulations that this package's are measured against; the same mathematics, written out."""

import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.rankers.din import DIN
from modules.models.samplers.base import Draws, gather_columns
from modules.models.samplers.exact import ExactSampler


class ConcatenatedDIN(DIN):
    """DIN whose first attention layer reads copies of [q, k, q - k, q * k] for every pair, as it was published."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: DIN.Options, seed: int) -> None:
        super().__init__(corpus, config, options, seed)
        self.attention_kernel = self.add_weight(
            name="attention_kernel", shape=[4 * config.embedding_dim, options.attention_units]
        )

    def _attention(self, encoded, queries: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        del training
        keys = encoded.keys[:, tf.newaxis]
        queries = queries[:, :, tf.newaxis]
        products = queries * keys
        pairs = [tf.broadcast_to(queries, tf.shape(products)), tf.broadcast_to(keys, tf.shape(products))]
        inputs = tf.concat([*pairs, queries - keys, products], axis=-1)
        # tensordot flattens the pairs into one matrix product, as a Dense layer does.
        hidden = tf.nn.relu(tf.tensordot(inputs, self.attention_kernel, axes=1) + self._attention_bias)
        logits = tf.squeeze(self._attention_output(hidden), axis=-1)
        present = encoded.present[:, tf.newaxis, :]
        return tf.nn.softmax(tf.where(present, logits, tf.float32.min)) * tf.cast(present, tf.float32)


class RepeatedContextDIN(ConcatenatedDIN):
    """DIN fed with one (context, item) row a candidate: the history is repeated, and encoded, once for each."""

    def encode(self, context: Context, training: bool = False) -> Context:
        """See base class; nothing is shared between candidates."""
        del training
        return context

    def score(self, encoded: Context, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        repeats = tf.shape(candidates)[1]
        repeated = Context(*(tf.repeat(values, repeats, axis=0) for values in encoded))
        rows = super().encode(repeated, training=training)
        scores = super().score(rows, tf.reshape(candidates, [-1, 1]), training=training)
        return tf.reshape(scores, tf.shape(candidates))


class OnePassExactSampler(ExactSampler):
    """The exact softmax at its cheapest: a step's logits are computed once, and never copied or normalised in place.

    `modules.models.samplers.exact` asks for them anew at each call, which would count against it two to four times.
    """

    def __init__(self, corpus: Corpus, embedding_dim: int, options: ExactSampler.Options, seed: int) -> None:
        super().__init__(corpus, embedding_dim, options, seed)
        self._last = None

    def _logits(self, query: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the logits `[B, N]` of items 1..N and their log-sum-exp `[B, 1]`."""
        # A training step puts a stop_gradient of its own around the query for each loss.
        source = query.op.inputs[0] if query.op.type == "StopGradient" else query
        if self._last is None or self._last[0] is not source:
            logits = tf.matmul(query / self._temperature, self._candidates[1:], transpose_b=True)
            self._last = source, (logits, tf.reduce_logsumexp(logits, axis=1, keepdims=True))
        return self._last[1]

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class; inside a `tf.function` only."""
        logits, log_normaliser = self._logits(query)
        columns = tf.random.stateless_categorical(logits, num_draws, seed)
        return Draws(columns + 1, tf.gather(logits, columns, batch_dims=1) - log_normaliser)

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class; inside a `tf.function` only."""
        logits, log_normaliser = self._logits(query)
        return gather_columns(logits, ids - 1) - log_normaliser
