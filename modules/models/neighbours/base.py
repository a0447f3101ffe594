"""The contract of an item-to-item table."""

import abc
import dataclasses
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np

MOST_DENSE_ITEMS = 20_000
"""Beyond it a matrix of item by item takes more than 1.6 GB."""


class Sequences(NamedTuple):
    """Some users' items, user after user.

    Attributes:
      items: integer `[n]`, each user's oldest first; 0 is an unknown one.
      users: integer `[n]`, whose each is.
      starts: integer `[n]`, for each the place among the `n` of its basket's first; its own where it came alone.
    """

    items: np.ndarray
    users: np.ndarray
    starts: np.ndarray


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The items that each item points to. Ids are 1..N.

    Attributes:
      ids: int32 `[N + 1, M]`; 0 fills up the rows. Row 0 has none.
      weights: float32 `[N + 1, M]`, above 0; 0 where `ids` is filled up.
    """

    ids: np.ndarray
    weights: np.ndarray

    def as_matrix(self) -> np.ndarray:
        """Returns the weights as float32 `[N + 1, N + 1]`, 0 where a pair is not in the table."""
        matrix = np.zeros([len(self.ids), len(self.ids)], np.float32)
        np.put_along_axis(matrix, self.ids.astype(np.int64), self.weights, axis=1)
        return matrix


class NeighbourKind(abc.ABC):
    """How the weight of a pair comes out of the training sequences, without a gradient."""

    MOST_ITEMS: ClassVar[int | None] = None
    """The largest corpus the kind can be computed for; None: any."""

    @classmethod
    @abc.abstractmethod
    def find(cls, sequences: Iterable[Sequences], item_counts: np.ndarray, most: int) -> Neighbours:
        """Returns the table.

        Args:
          sequences: the training split in parts.
          item_counts: float32 `[N + 1]`, how many users have each item.
          most: M, how many neighbours an item keeps; of equals those of lower ids.
        """


def strongest(weights: np.ndarray, most: int) -> Neighbours:
    """Returns the `most` largest weights above 0 of each row of float32 `[N + 1, N + 1]`, without row and column 0."""
    most = min(most, len(weights) - 1)
    # Stable, so that of equals the lower id is kept.
    columns = 1 + np.argsort(-weights[:, 1:], axis=1, kind="stable")[:, :most]
    kept = np.maximum(np.take_along_axis(weights, columns, axis=1), 0).astype(np.float32)
    kept[0] = 0
    return Neighbours(np.where(kept > 0, columns, 0).astype(np.int32), kept)
