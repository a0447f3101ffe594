"""Linear regression of every item on all others, in closed form."""

from collections.abc import Iterable

import numpy as np
import pydantic

from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.models.neighbours import Sequences, count_together
from modules.models.retrievers.closed_form import ItemToItem
from modules.section import Section


class EASE(ItemToItem):
    """W = I - P / diag(P) with P = (X'X + lambda I)^-1, whose diagonal is 0 (Steck, WWW 2019, arXiv 1905.03375)."""

    class Options(Section):
        """Settings of EASE."""

        regularisation: float = pydantic.Field(100.0, gt=0)
        """lambda: the more, the less rare pairs count."""
        decay: float = pydantic.Field(1.0, gt=0, le=1)
        """What an item of the history weighs against the one after it; 1 is the published form."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(corpus, config, options.decay, name="ease")
        del seed
        self._num_items = corpus.num_items
        self._regularisation = options.regularisation

    def compute(self, sequences: Iterable[Sequences]) -> np.ndarray:
        """See base class."""
        together = count_together(sequences, self._num_items)
        together[np.diag_indices_from(together)] += self._regularisation
        inverse = np.linalg.inv(together)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return weights
