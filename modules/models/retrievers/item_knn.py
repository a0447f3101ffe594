"""Items that the same users have."""

from collections.abc import Iterable

import numpy as np
import pydantic

from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.models.neighbours.base import Sequences, strongest
from modules.models.neighbours.ease import count_together
from modules.models.retrievers.closed_form import ItemToItem
from modules.section import Section


class ItemKNN(ItemToItem):
    """W(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage), of each item's best neighbours (Sarwar et al., WWW 2001)."""

    class Options(Section):
        """Settings of ItemKNN."""

        neighbours: int = pydantic.Field(100, ge=1)
        """How many neighbours an item keeps."""
        shrinkage: float = pydantic.Field(0.0, ge=0)
        """Takes from the similarity of rare items."""
        decay: float = pydantic.Field(1.0, gt=0, le=1)
        """What an item of the history weighs against the one after it; 1 is the published form."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(corpus, config, options.decay, name="item_knn")
        del seed
        self._num_items = corpus.num_items
        self._options = options

    def compute(self, sequences: Iterable[Sequences]) -> np.ndarray:
        """See base class."""
        together = count_together(sequences, self._num_items)
        counts = np.diag(together)
        norms = np.sqrt(np.outer(counts, counts)) + self._options.shrinkage
        weights = np.divide(together, norms, out=np.zeros_like(together), where=norms > 0)
        np.fill_diagonal(weights, 0)
        return strongest(weights, self._options.neighbours).as_matrix()
