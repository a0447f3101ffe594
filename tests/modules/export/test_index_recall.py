"""Recall by hand."""

import numpy as np
import pytest

from modules.export.index_recall import recall


def test_recall_is_the_mean_share_found() -> None:
    expected = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 0, 0]])
    found = np.array([[4, 9, 1, 2], [6, 7, 0, 0], [1, 2, 3, 4]])
    # 3 of 4, 1 of 2; the last query has no answer to be found.
    assert recall(found, expected) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_no_query_is_no_recall() -> None:
    with pytest.raises(ValueError, match="`expected` must hold at least one item"):
        recall(np.zeros([0, 4]), np.zeros([0, 4]))
