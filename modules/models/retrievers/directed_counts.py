"""What came next in other users' sequences."""

from collections.abc import Iterable

import numpy as np
import pydantic

from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.models.neighbours import Sequences, count_directed
from modules.models.retrievers.closed_form import ItemToItem
from modules.section import Section


class DirectedCounts(ItemToItem):
    """W(i, j) = count(i, j) / sqrt(n_i n_j), the counts of `modules.models.neighbours.count_directed`."""

    class Options(Section):
        """Settings of the directed counts."""

        neighbours: int = pydantic.Field(500, ge=1)
        """How many neighbours an item keeps."""
        decay: float = pydantic.Field(0.6, gt=0, le=1)
        """What an item of the history weighs against the one after it."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(corpus, config, options.decay, name="directed_counts")
        del seed
        self._item_counts = np.maximum(corpus.item_counts, 1)
        self._neighbours = options.neighbours

    def compute(self, sequences: Iterable[Sequences]) -> np.ndarray:
        """See base class."""
        rows = len(self._item_counts)
        found = count_directed(sequences, rows - 1, self._neighbours)
        # One column more for what fills up the rows.
        counts = np.zeros([rows, rows + 1], np.float32)
        np.put_along_axis(counts, found.ids, found.counts, axis=1)
        return counts[:, :-1] / np.sqrt(np.outer(self._item_counts, self._item_counts))
