"""Replicas read consecutive parts of the batches that one replica would read."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.training.inputs import TrainingExamples, find_files
from tests.modules.training import runs


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> TrainingExamples:
    """120 examples in batches of 119: the second one is shorter than there are replicas."""
    folder = tmp_path_factory.mktemp("examples")
    runs.write_data(folder)
    data = runs.training_data(Path(folder))
    return TrainingExamples(find_files(data.train), data.task, 5, runs.STEPS * runs.BATCH - 1, 5, known_items=4)


@pytest.mark.parametrize("local_replicas", [1, 2], ids=["processes", "devices"])
def test_the_parts_of_a_step_are_its_batch(examples: TrainingExamples, local_replicas: int) -> None:
    replicas, steps = 4, 4
    readers = [
        iter(examples.replica_parts(3, 0, first, local_replicas, replicas))
        for first in range(0, replicas, local_replicas)
    ]
    sizes = []
    for context, positives in itertools.islice(examples.epochs(3), steps):
        parts = [next(reader) for reader in readers for _ in range(local_replicas)]
        ours = [tf.concat(values, axis=0) for values in zip(*(part[0] for part in parts), strict=True)]
        for whole, put_together in zip(context, ours, strict=True):
            np.testing.assert_array_equal(put_together, whole)
        np.testing.assert_array_equal(tf.concat([part[1] for part in parts], axis=0), positives)
        sizes.append([len(part[1]) for part in parts])
        firsts = np.cumsum([0, *sizes[-1][:-1]])
        for part, first in zip(parts, firsts, strict=True):
            np.testing.assert_array_equal(part[2], [first, len(positives)])
    assert sizes == [[29, 30, 30, 30], [0, 0, 0, 1]] * 2


def test_parts_begin_at_any_epoch(examples: TrainingExamples) -> None:
    resumed = next(iter(examples.replica_parts(3, 1, 0, 1, 1)))
    *_, third = itertools.islice(examples.epochs(3), 3)
    np.testing.assert_array_equal(resumed[1], third[1])


def test_a_step_needs_no_agreement_on_whether_there_is_another_one(examples: TrainingExamples) -> None:
    assert examples.replica_parts(3, 0, 0, 1, 2).cardinality() == tf.data.INFINITE_CARDINALITY
