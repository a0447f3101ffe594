"""First-stage indexes that an export can be built on."""

import abc
import math

import tensorflow as tf

from modules.models.exact_search import exact_top_k
from modules.models.retrieval import NO_ITEM


class Index(tf.Module, abc.ABC):
    """Finds the best candidates of a query in the whole corpus."""

    @abc.abstractmethod
    def search(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ids int64 `[B, k]` and inner products float32 `[B, k]`, best first, none of them excluded.

        Args:
          query: float32 `[B, d]`.
          exclude: int64 `[B, E]`, items never to return; 0 is padding.
          k: how many; where fewer are found, the rest is `NO_ITEM` with score -inf.
        """


class ExactIndex(Index):
    """Scores every item, in stock TensorFlow operations: any server loads it.

    Args:
      candidates: float32 `[N + 1, d]` variable, which is copied; row 0 is padding.
    """

    def __init__(self, candidates: tf.Variable) -> None:
        super().__init__()
        # A variable that anything gathers rows from, as encoders do, would be copied whole at every search.
        self._candidates = tf.Variable(candidates, trainable=False)

    def search(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """See base class."""
        return exact_top_k(query, self._candidates, exclude, k)


class ScannIndex(Index):
    """Searches a ScaNN tree, through the TFRS layer; servers that link ScaNN's operations load it.

    Parameters follow the corpus: sqrt(N) leaves, of which a tenth (at least 10) are searched, or all of them below
    `SEARCH_ALL_BELOW` items; codes of one dimension each; four times the neighbours asked for are scored exactly.

    ScaNN has no filter, so more neighbours than asked for are fetched; a query whose exclusions crowd out all but fewer
    than k of them is searched exactly instead.

    Args:
      candidates: float32 `[N + 1, d]` variable; row 0 is padding.
      k: the most neighbours that will be asked for.
      max_excluded: how many more are fetched.
    """

    SEARCH_ALL_BELOW = 20_000
    FEWEST_ITEMS = 16

    def __init__(self, candidates: tf.Variable, k: int, max_excluded: int = 100) -> None:
        super().__init__()
        import tensorflow_recommenders as tfrs

        self._candidates = candidates
        num_items = candidates.shape[0] - 1
        if num_items < self.FEWEST_ITEMS:
            raise ValueError(
                f"`candidates` must hold at least {self.FEWEST_ITEMS} items for ScaNN. Received: {num_items}."
            )
        self._max_excluded = max_excluded
        self._fetched = min(num_items, k + max_excluded)
        self._reordered = min(num_items, 4 * self._fetched)
        # One leaf alone makes ScaNN answer with a repeated id.
        leaves = max(2, round(math.sqrt(num_items)))
        searched = leaves if num_items < self.SEARCH_ALL_BELOW else max(10, leaves // 10)
        self._layer = tfrs.layers.factorized_top_k.ScaNN(
            k=self._fetched,
            num_leaves=leaves,
            num_leaves_to_search=searched,
            num_reordering_candidates=self._reordered,
            dimensions_per_block=1,
            parallelize_batch_searches=False,
        )
        self._layer.index(candidates[1:], tf.range(1, num_items + 1, dtype=tf.int64))

    def search(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """See base class."""
        # A search for more than usual reaches as far as what ScaNN scores exactly.
        fetched = max(self._fetched, min(k + self._max_excluded, self._reordered))
        scores, ids = self._layer(query, k=fetched)
        # Where the searched leaves hold too few items, ScaNN fills up with a repeated id and a NaN score.
        valid = tf.logical_not(tf.math.is_nan(scores))
        unwanted = tf.reduce_any(tf.equal(ids[:, :, tf.newaxis], exclude[:, tf.newaxis]), axis=2)
        scores = tf.where(valid & ~unwanted, scores, float("-inf"))
        missing = tf.maximum(0, k - tf.shape(scores)[1])
        scores = tf.pad(scores, [[0, 0], [0, missing]], constant_values=float("-inf"))
        ids = tf.pad(ids, [[0, 0], [0, missing]])
        best, columns = tf.math.top_k(scores, k)
        found = tf.where(tf.math.is_inf(best), tf.cast(NO_ITEM, tf.int64), tf.gather(ids, columns, batch_dims=1))
        return search_short_rows_exactly(found, best, query, exclude, self._candidates)


def search_short_rows_exactly(
    ids: tf.Tensor, scores: tf.Tensor, query: tf.Tensor, exclude: tf.Tensor, candidates: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what an approximate search found, its rows of fewer than k items replaced by those of an exact search.

    Args:
      ids: int64 `[B, k]`.
      scores: float32 `[B, k]`, best first; -inf where nothing was found.
      query: float32 `[B, d]`.
      exclude: int64 `[B, E]`, items never to return; 0 is padding.
      candidates: float32 `[N + 1, d]`; row 0 is padding.
    """
    k = ids.shape[1]
    short = tf.where(tf.math.is_inf(scores[:, -1]))

    def search() -> tuple[tf.Tensor, tf.Tensor]:
        queries, excluded = (tf.gather(values, short[:, 0]) for values in (query, exclude))
        exact_ids, exact_scores = exact_top_k(queries, candidates, excluded, k)
        return (
            tf.tensor_scatter_nd_update(ids, short, exact_ids),
            tf.tensor_scatter_nd_update(scores, short, exact_scores),
        )

    return tf.cond(tf.size(short) > 0, search, lambda: (ids, scores))
