"""What is counted is read as it was written, baskets too."""

from pathlib import Path

import numpy as np

from modules import names
from modules.training.data import TrainingData
from modules.training.sequences import read_sequences
from tests.modules import tiny


def test_a_basket_starts_at_its_first_item_and_an_item_alone_at_itself(tmp_path: Path) -> None:
    rows = [
        {"target": [5, 2, 3], names.BASKET_START: [0, 1, 1]},
        {"target": [4, 0, 1], names.BASKET_START: [0, 0, 2]},
    ]
    pattern = tiny.write_records(tmp_path / "train", rows)
    corpus = tiny.make_corpus(5, 2)
    for baskets, starts in ((True, [0, 1, 1, 3, 3, 5]), (False, range(6))):
        (part,) = read_sequences(TrainingData([pattern], [], corpus, "sequential", baskets))
        np.testing.assert_array_equal(part.items, [5, 2, 3, 4, 0, 1])
        np.testing.assert_array_equal(part.users, [0, 0, 0, 1, 1, 1])
        np.testing.assert_array_equal(part.starts, list(starts))
