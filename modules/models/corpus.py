"""What a model knows of the items and users before it is trained: how many, how popular, with which features."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

CorpusAccess = Literal["rows", "tables", "scores"]
"""What of the corpus a step of training reads.

`rows`: rows of tables, which may lie in shards; `tables`: tables in one piece; `scores`: the score of every item in
every context of a batch, which large corpora have no room for.
"""


@dataclasses.dataclass(frozen=True)
class FeatureTable:
    """One categorical side feature of every item or user.

    Attributes:
      values: int64 `[rows, width]`; row i holds the feature indices of id i, from 1, padded with 0.
      size: number of distinct indices including 0.
    """

    values: np.ndarray
    size: int


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The fixed facts a retriever, ranker or sampler is built from. Ids are 1..N; 0 is padding or unknown.

    Attributes:
      item_counts: float32 `[num_items + 1]`, training interactions of each item; entry 0 is 0.
      num_users: number of known users; user index 0 is every unknown one.
      item_features: name -> table of `num_items + 1` rows.
      user_features: name -> table of `num_users + 1` rows.
    """

    item_counts: np.ndarray
    num_users: int
    item_features: Mapping[str, FeatureTable] = dataclasses.field(default_factory=dict)
    user_features: Mapping[str, FeatureTable] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.item_counts.ndim != 1 or len(self.item_counts) < 2:
            raise ValueError(
                "`item_counts` must be of shape [num_items + 1] with at least one item. "
                f"Received: shape {self.item_counts.shape}."
            )
        for kind, tables, rows in (
            ("item", self.item_features, self.num_items + 1),
            ("user", self.user_features, self.num_users + 1),
        ):
            for name, table in tables.items():
                if len(table.values) != rows:
                    raise ValueError(f"{kind} feature `{name}` must have {rows} rows. Received: {len(table.values)}.")

    @property
    def num_items(self) -> int:
        """N, the size of the corpus."""
        return len(self.item_counts) - 1
