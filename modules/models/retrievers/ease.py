"""Linear regression of every item on all others, in closed form."""

from collections.abc import Iterable

import numpy as np
import pydantic

from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.models.neighbours.base import Sequences
from modules.models.neighbours.ease import REGULARISATION, count_together, ease_weights
from modules.models.retrievers.closed_form import ItemToItem
from modules.section import Section


class EASE(ItemToItem):
    """W = I - P / diag(P), see `modules.models.neighbours.ease.ease_weights`."""

    class Options(Section):
        """Settings of EASE."""

        regularisation: float = pydantic.Field(REGULARISATION, gt=0)
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
        return ease_weights(count_together(sequences, self._num_items), self._regularisation)
