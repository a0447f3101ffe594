"""Items like those given, asked of exports that were loaded again and of a server."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from tests.modules.export.exports import CANDIDATES, ITEMS
from tests.modules.export.exports import export as export_plain
from tests.modules.serving.served import LAST, counted, numbers, strings

GIVEN = [[3], [150, 2], [9, 0, 9]]


def cosines(model: TwoStageModel, given: list[int]) -> np.ndarray:
    """Returns the mean cosine of every item with those given, by number; -inf for what is no answer."""
    vectors = model.retriever.all_candidates().numpy().astype(np.float64)
    vectors[0] = 1
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.mean([directions @ directions[item] for item in given if item], axis=0)
    scores[[0, *given]] = -np.inf
    return scores


def followed(given: list[int]) -> np.ndarray:
    """Returns the sum of the given items' weights, by number."""
    table = counted()
    scores = np.zeros(ITEMS + 1)
    for item in filter(None, given):
        for other, weight in zip(table.ids[item], table.weights[item], strict=True):
            scores[other] += weight
    scores[[0, *given]] = 0
    return scores


def test_similar_items_are_those_of_the_best_mean_cosine(signatures: dict, model: TwoStageModel) -> None:
    answer = signatures["similar"](item_id=strings(GIVEN), k=tf.constant(7))
    found = numbers(answer["item_id"])
    for row, given in enumerate(GIVEN):
        scores = cosines(model, given)
        np.testing.assert_array_equal(found[row], np.argsort(-scores, kind="stable")[:7])
        np.testing.assert_allclose(answer["score"][row], np.sort(-scores)[:7] * -1, rtol=1e-4, atol=1e-5)


def test_neighbours_are_those_that_followed_most(signatures: dict) -> None:
    answer = signatures["neighbours"](item_id=strings(GIVEN), k=tf.constant(CANDIDATES))
    found, scores = numbers(answer["item_id"]), answer["score"].numpy()
    for row, given in enumerate(GIVEN):
        expected = followed(given)
        count = np.count_nonzero(expected)
        assert 10 <= count < CANDIDATES
        np.testing.assert_allclose(scores[row, :count], np.sort(-expected)[:count] * -1, rtol=1e-5)
        np.testing.assert_allclose(scores[row, :count], expected[found[row, :count]], rtol=1e-5)
        assert len(set(found[row, :count])) == count
        assert np.all(found[row, count:] == 0)
        assert np.all(scores[row, count:] == LAST)


@pytest.mark.parametrize("name", ["similar", "neighbours"])
def test_unknown_items_do_not_count_and_alone_have_no_answer(signatures: dict, name: str) -> None:
    given = tf.constant(
        [["item 3", "", ""], ["item 3", "never heard of", ""], ["never heard of", "", ""], ["", "", ""]]
    )
    answer = signatures[name](item_id=given, k=tf.constant([4, 4, 4, 2]))
    items, scores = answer["item_id"].numpy(), answer["score"].numpy()
    np.testing.assert_array_equal(items[1], items[0])
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)
    assert np.all(items[0] != b"")
    assert np.all(items[2:] == b"")
    assert np.all(scores[2:] == LAST)


def test_a_number_that_cannot_be_had_is_the_callers_error(signatures: dict) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"`k` must be from 1 to {CANDIDATES}. Received:.*31"):
        signatures["similar"](item_id=strings(GIVEN), k=tf.constant(31))


def test_no_rows_are_no_answers(signatures: dict) -> None:
    for name in ("similar", "neighbours"):
        assert signatures[name](item_id=tf.zeros([0, 0], tf.string), k=tf.constant(3))["item_id"].shape[0] == 0


def test_a_model_that_counts_nothing_has_no_neighbours(tmp_path: Path) -> None:
    path = export_plain(tmp_path, "exact")
    assert "similar" in tf.saved_model.load(path).signatures
    assert "neighbours" not in tf.saved_model.load(path).signatures
