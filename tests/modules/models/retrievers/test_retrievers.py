"""What every retriever promises, whatever its towers."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import Context
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.closed_form import ClosedForm
from tests.modules import tiny
from tests.modules.models.retrievers.random_retrievers import CONTEXT, HISTORIES, ITEMS, USERS, known, make_retriever

NAMES = sorted(name for name in RETRIEVERS if not issubclass(RETRIEVERS[name], ClosedForm))
READ_THE_USER = ["caser", "dssm", "mf"]
READ_THE_HISTORY = sorted(set(NAMES) - {"dssm", "mf"})
HAVE_DROPOUT = sorted(set(NAMES) - {"mf"})


@pytest.mark.parametrize("name", NAMES)
def test_queries_and_candidates_are_finite_and_as_wide_as_the_embeddings(name: str) -> None:
    retriever = make_retriever(name)
    query, candidates = retriever.query(CONTEXT), tf.convert_to_tensor(retriever.all_candidates())
    assert query.shape == (5, tiny.WIDTH)
    assert candidates.shape == (ITEMS + 1, tiny.WIDTH)
    for values in (query, candidates):
        assert values.dtype == tf.float32
        assert np.all(np.isfinite(values))


@pytest.mark.parametrize("name", NAMES)
def test_a_context_is_encoded_alike_alone_and_among_others(name: str) -> None:
    retriever = make_retriever(name)
    together = retriever.query(CONTEXT).numpy()
    for row in range(5):
        one = tf.nest.map_structure(lambda values, row=row: values[row : row + 1], CONTEXT)
        np.testing.assert_allclose(retriever.query(one)[0], together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_rows_of_all_of_them(name: str) -> None:
    retriever = make_retriever(name)
    table = tf.convert_to_tensor(retriever.all_candidates()).numpy()
    assert len(np.unique(table, axis=0)) == ITEMS + 1
    for ids in (np.array([[2, 3, 20], [4, 4, 0]]), np.array([7]), np.zeros([3, 0], np.int64)):
        found = retriever.candidates(tf.constant(ids))
        assert found.shape == (*ids.shape, tiny.WIDTH)
        np.testing.assert_allclose(found, table[ids], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_contexts_are_answered(name: str) -> None:
    nobody = tf.nest.map_structure(lambda values: values[:0], CONTEXT)
    retriever = make_retriever(name)
    assert retriever.query(nobody).shape == (0, tiny.WIDTH)
    assert retriever.is_cold(nobody).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_padding_and_of_the_unknown_user_are_never_seen(name: str) -> None:
    retriever = make_retriever(name)
    rows = known(retriever)
    query, candidates = retriever.query(CONTEXT), tf.convert_to_tensor(retriever.all_candidates())
    tables = [weight for weight in retriever.trainable_variables if weight.shape[0] in (ITEMS + 1, USERS + 1)]
    assert tables
    for table in tables:
        table.assign(tf.concat([tf.fill([1, tiny.WIDTH], 50.0), table[1:]], axis=0))
    np.testing.assert_allclose(retriever.query(CONTEXT)[rows], query[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(retriever.all_candidates()[1:], candidates[1:], rtol=1e-5, atol=1e-6)
    assert np.all(np.isfinite(retriever.query(CONTEXT)))


@pytest.mark.parametrize("name", NAMES)
def test_longer_padding_on_the_left_changes_nothing(name: str) -> None:
    short, long = make_retriever(name), make_retriever(name, length=9)
    for ours, theirs in zip(long.trainable_variables, short.trainable_variables, strict=True):
        # Weights by position have the latest in their last row.
        ours.assign(theirs if ours.shape == theirs.shape else tf.concat([ours[:4], theirs], axis=0))
    padded = tiny.make_context(CONTEXT.user.numpy().tolist(), HISTORIES, 9)
    rows = known(short)
    np.testing.assert_array_equal(known(long, padded), rows)
    np.testing.assert_allclose(long.query(padded)[rows], short.query(CONTEXT)[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_queries_depend_on_what_the_retriever_reads_and_on_nothing_else(name: str) -> None:
    retriever = make_retriever(name)
    histories = [[1, 2, 3], [9, 2, 3], [2, 1, 3], [1, 2, 4], [1, 2]]
    for reads, contexts in (
        (name in READ_THE_HISTORY, tiny.make_context([1] * 5, histories)),
        (name in READ_THE_USER, tiny.make_context([1, 2, 3, 12], [[1, 2]] * 4)),
    ):
        queries = retriever.query(contexts).numpy()
        distances = np.abs(queries[:, np.newaxis] - queries[np.newaxis]).max(axis=2)
        assert np.all((distances > 1e-3) == (reads & ~np.eye(len(queries), dtype=bool)))


@pytest.mark.parametrize("name", NAMES)
def test_contexts_of_which_nothing_is_known_are_cold(name: str) -> None:
    by_user, by_history = np.array([1, 2, 12, 0, 0]) > 0, np.array([5, 2, 1, 2, 0]) > 0
    expected = np.zeros(5, bool)
    if name in READ_THE_USER:
        expected |= by_user
    if name in READ_THE_HISTORY:
        expected |= by_history
    np.testing.assert_array_equal(known(make_retriever(name)), expected)


@pytest.mark.parametrize("name", HAVE_DROPOUT)
def test_dropout_works_in_training_alone_and_never_on_candidates(name: str) -> None:
    retriever = make_retriever(name, dropout=0.5)
    calm, again = (retriever.query(CONTEXT) for _ in range(2))
    np.testing.assert_array_equal(calm, again)
    first, second = (retriever.query(CONTEXT, training=True) for _ in range(2))
    assert np.abs(first - calm).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(retriever.all_candidates(), retriever.all_candidates())


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name: str) -> None:
    retriever = make_retriever(name)
    with tf.GradientTape() as tape:
        candidates = retriever.candidates(tf.range(ITEMS + 1, dtype=tf.int64))
        total = tf.reduce_sum(tf.matmul(retriever.query(CONTEXT), candidates, transpose_b=True) ** 2)
    gradients = tape.gradient(total, retriever.trainable_variables)
    for variable, gradient in zip(retriever.trainable_variables, gradients, strict=True):
        values = tf.convert_to_tensor(gradient)
        assert np.all(np.isfinite(values)), variable.name
        # A softmax does not feel a constant added to all its keys.
        assert np.abs(values).max() > 0 or "key/bias" in variable.name, variable.name


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_retriever_answers_alike(name: str, tmp_path: Path) -> None:
    retriever = make_retriever(name)
    context = [tf.TensorSpec(shape, tf.int64) for shape in ([None], [None, tiny.HISTORY], [None, None])]
    module = tf.Module()
    module.retriever = retriever
    module.query = tf.function(lambda *parts: retriever.query(Context(*parts)), context, autograph=False)
    module.candidates = tf.function(retriever.candidates, [tf.TensorSpec([None, None], tf.int64)], autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    ids = tf.constant([[1, 20], [3, 3]], tf.int64)
    np.testing.assert_allclose(loaded.query(*CONTEXT), retriever.query(CONTEXT), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded.candidates(ids), retriever.candidates(ids), rtol=1e-5, atol=1e-6)
