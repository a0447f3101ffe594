"""Matrix factorisation."""

import numpy as np
import tensorflow as tf

from modules.models.retrievers.base import inner_products
from modules.models.retrievers.mf import MatrixFactorization
from tests.modules import tiny


def make_retriever() -> MatrixFactorization:
    return MatrixFactorization(tiny.make_corpus(), tiny.make_config(), MatrixFactorization.Options(), seed=1)


def test_the_score_is_the_product_of_the_users_and_the_items_vector() -> None:
    retriever = make_retriever()
    users, items = (weight.numpy() for weight in retriever.trainable_variables)
    assert (users.shape, items.shape) == ((7, 8), (21, 8))
    context = tiny.make_context([3, 0], [[1, 2], []])
    ids = tf.constant([[4, 9, 20], [1, 1, 0]], tf.int64)
    found = inner_products(retriever.query(context), retriever.candidates(ids))
    expected = [[items[i] @ users[u] for i in row] for u, row in zip([3, 0], ids.numpy(), strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_candidates_are_rows_of_the_table_of_all() -> None:
    retriever = make_retriever()
    assert isinstance(retriever.all_candidates(), tf.Variable)
    ids = np.array([[2, 3], [4, 0]])
    np.testing.assert_array_equal(retriever.candidates(tf.constant(ids)), retriever.all_candidates().numpy()[ids])
