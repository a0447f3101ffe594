"""Linear regression of every item on all others, in closed form."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from modules.models.neighbours.base import MOST_DENSE_ITEMS, NeighbourKind, Neighbours, Sequences, strongest

REGULARISATION = 100.0
"""lambda, where nobody says otherwise: the more, the less rare pairs count."""


class EaseWeights(NeighbourKind):
    """The weights that predict each item from the rest of a user's, whatever their order."""

    MOST_ITEMS: ClassVar[int | None] = MOST_DENSE_ITEMS

    @classmethod
    def find(cls, sequences: Iterable[Sequences], item_counts: np.ndarray, most: int) -> Neighbours:
        """See base class."""
        return strongest(ease_weights(count_together(sequences, len(item_counts) - 1), REGULARISATION), most)


def count_together(sequences: Iterable[Sequences], num_items: int) -> np.ndarray:
    """Returns float32 `[N + 1, N + 1]`, how many users have both items, or on the diagonal one; 0 is none."""
    together = np.zeros([num_items + 1, num_items + 1], np.float32)
    for items, users, _ in sequences:
        pairs = np.unique(np.stack([users, items])[:, items > 0], axis=1)
        table = sparse.csr_matrix(
            (np.ones(pairs.shape[1], np.float32), pairs), [int(users.max(initial=0)) + 1, num_items + 1]
        )
        both = (table.T @ table).tocoo()
        together[both.row, both.col] += both.data
    return together


def ease_weights(together: np.ndarray, regularisation: float) -> np.ndarray:
    """Returns W = I - P / diag(P) with P = (X'X + lambda I)^-1 (Steck, WWW 2019, arXiv 1905.03375), diagonal 0.

    Args:
      together: X'X, float32 `[n, n]`; overwritten.
      regularisation: lambda, above 0.
    """
    together[np.diag_indices_from(together)] += regularisation
    factor, _ = lapack.spotrf(together, overwrite_a=True)
    # Of the inverse of a symmetric matrix one triangle is computed, in half the time.
    inverse, _ = lapack.spotri(factor, overwrite_c=True)
    inverse = np.triu(inverse)
    inverse += np.triu(inverse, 1).T
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights
