"""What is known of the items of a corpus, for the rules and options of requests."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Category:
    """One feature of the items by its values.

    Attributes:
      values: the values by index, from 1 on.
      table: int64 `[N + 1, W]`, the indices of each item, padded with 0; row 0 is padding.
    """

    values: Sequence[bytes]
    table: np.ndarray


@dataclasses.dataclass(frozen=True)
class ItemFacts:
    """The features of all items, those of the model and others.

    Attributes:
      num_items: N.
      categories: by name.
      numbers: name -> float32 `[N + 1]`; NaN where an item has none.
    """

    num_items: int
    categories: Mapping[str, Category] = dataclasses.field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
