"""What a corpus refuses."""

import numpy as np
import pytest

from modules.models.corpus import Corpus, FeatureTable


def test_the_padding_is_no_item() -> None:
    assert Corpus(np.array([0.0, 3.0, 1.0]), num_users=4).num_items == 2


@pytest.mark.parametrize("counts", [np.array([0.0]), np.zeros([3, 2])])
def test_there_must_be_an_item(counts: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"`item_counts` must be of shape \[num_items \+ 1\] .* Received: shape \("):
        Corpus(counts, num_users=4)


@pytest.mark.parametrize(("kind", "rows"), [("item", 3), ("user", 5)])
def test_features_must_have_a_row_an_id(kind: str, rows: int) -> None:
    counts = np.array([0.0, 3.0, 1.0])
    table = {f"{kind}_features": {"colour": FeatureTable(np.zeros([rows, 1], np.int64), 2)}}
    assert Corpus(counts, 4, **table)
    table = {f"{kind}_features": {"colour": FeatureTable(np.zeros([rows - 1, 1], np.int64), 2)}}
    with pytest.raises(ValueError, match=f"{kind} feature `colour` must have {rows} rows. Received: {rows - 1}"):
        Corpus(counts, 4, **table)
