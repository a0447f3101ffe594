"""What came next in other users' sequences."""

from collections.abc import Iterable

import numpy as np
import pydantic

from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.models.neighbours.base import Sequences
from modules.models.neighbours.directed import Directed
from modules.models.retrievers.closed_form import ItemToItem
from modules.section import Section


class DirectedCounts(ItemToItem):
    """W, the weights of `modules.models.neighbours.directed.Directed`."""

    class Options(Section):
        """Settings of the directed counts."""

        neighbours: int = pydantic.Field(500, ge=1)
        """How many neighbours an item keeps."""
        decay: float = pydantic.Field(0.6, gt=0, le=1)
        """What an item of the history weighs against the one after it."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(corpus, config, options.decay, name="directed_counts")
        del seed
        self._item_counts = corpus.item_counts
        self._neighbours = options.neighbours

    def compute(self, sequences: Iterable[Sequences]) -> np.ndarray:
        """See base class."""
        return Directed.find(sequences, self._item_counts, self._neighbours).as_matrix()
