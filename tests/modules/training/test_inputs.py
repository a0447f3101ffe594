"""The input pipeline against plain Python: windows, epochs, evaluation users, the corpus."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules.training import inputs
from modules.training.inputs import TrainingExamples, evaluation_users, expand_windows, find_files, read_corpus
from tests.modules import tiny

Window = tuple[int, tuple[int, ...], int]
"""(user, history, positive)."""


def slow_windows(users: list[int], rows: list[list[int]], task: str, length: int) -> list[Window]:
    """Expands one positive at a time, as the protocol words it."""
    windows = []
    for user, row in zip(users, rows, strict=True):
        for place, positive in enumerate(row):
            if positive == 0 or (task == "sequential" and place == 0):
                continue
            before = row[max(0, place - length) : place] if task == "sequential" else []
            windows.append((user, tuple([0] * (length - len(before)) + before), positive))
    return windows


def as_windows(batch: tuple[Any, tf.Tensor]) -> list[Window]:
    context, positives = batch
    return windows_of(context.user, context.history, positives)


def windows_of(users: tf.Tensor, histories: tf.Tensor, positives: tf.Tensor) -> list[Window]:
    columns = (users.numpy(), histories.numpy(), positives.numpy())
    return [(int(u), tuple(h.tolist()), int(p)) for u, h, p in zip(*columns, strict=True)]


def random_rows(number: int, seed: int) -> list[list[int]]:
    """Returns rows of 0 to 11 ids, of which some are unknown."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 9, rng.integers(0, 12)).tolist() for _ in range(number)]


# Windows.


@pytest.mark.parametrize("task", ["sequential", "general"])
@pytest.mark.parametrize("length", [1, 4, 20])
def test_windows_are_those_of_the_protocol(task: str, length: int) -> None:
    rows = random_rows(30, seed=length)
    users = np.random.default_rng(1).integers(0, 50, 30).tolist()
    items = tf.ragged.constant(rows, tf.int64, row_splits_dtype=tf.int64)
    found = expand_windows(items, task, length)
    owners = tf.gather(tf.constant(users, tf.int64), found.rows)
    assert windows_of(owners, found.history, found.positives) == slow_windows(users, rows, task, length)
    assert found.history.shape[1] == length
    assert {tensor.dtype for tensor in tf.nest.flatten(found)} == {tf.int64}


@pytest.mark.parametrize("task", ["sequential", "general"])
@pytest.mark.parametrize("rows", [[[]], [[], []], [[0]], [[5]]])
def test_users_with_next_to_nothing_have_next_to_no_windows(task: str, rows: list[list[int]]) -> None:
    items = tf.RaggedTensor.from_row_lengths(
        tf.constant([item for row in rows for item in row], tf.int64), tf.constant([len(row) for row in rows], tf.int64)
    )
    found = windows_of(*expand_windows(items, task, 3))
    assert found == slow_windows(list(range(len(rows))), rows, task, 3)
    assert len(found) == (task == "general" and rows == [[5]])


# Epochs.


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three files of 4, 4 and 2 users; among them users without windows."""
    folder = tmp_path_factory.mktemp("shards")
    rows = [*random_rows(6, seed=3), [], [4], *random_rows(2, seed=4)]
    records = [{"user": [n + 1], "target": row} for n, row in enumerate(rows)]
    return [tiny.write_records(folder / f"part-{i}.gz", records[4 * i : 4 * i + 4]) for i in range(3)]


def make_examples(
    shards: list[str], batch_size: int = 6, shuffle_users: int = 2, known_items: int = 4
) -> TrainingExamples:
    return TrainingExamples(shards, "sequential", 3, batch_size, shuffle_users, known_items)


def all_windows(shards: list[str]) -> list[Window]:
    users, rows = [], []
    for batch in inputs.read_records(shards, ["user", "target"], 3):
        users += batch["user"].flat_values.numpy().tolist()
        rows += batch["target"].to_list()
    return slow_windows(users, rows, "sequential", 3)


def take_epochs(examples: TrainingExamples, seed: int, epochs: int, first: int = 0) -> list[list[list[Window]]]:
    """Returns epochs of batches of windows."""
    steps = -(-examples.count() // examples.batch_size)
    batches = [as_windows(batch) for batch in examples.epochs(seed, first).take(epochs * steps)]
    return [batches[i * steps : (i + 1) * steps] for i in range(epochs)]


@pytest.mark.parametrize(("batch_size", "shuffle_users"), [(6, 2), (1, 1), (4, 3), (100, 100)])
def test_every_example_comes_exactly_once_an_epoch(shards: list[str], batch_size: int, shuffle_users: int) -> None:
    examples = make_examples(shards, batch_size, shuffle_users)
    expected = sorted(all_windows(shards))
    assert examples.count() == len(expected)
    for batches in take_epochs(examples, seed=5, epochs=3):
        assert sorted(window for batch in batches for window in batch) == expected
        sizes = [len(batch) for batch in batches]
        rest = len(expected) % batch_size
        assert sizes == [batch_size] * (len(expected) // batch_size) + ([rest] if rest else [])


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_every_example_is_in_one_share_of_an_epoch(shards: list[str], shares: int) -> None:
    # An epoch of a share is one batch.
    examples = make_examples(shards, batch_size=100)
    by_share = [list(examples.epochs(5, share=(tf.constant(n, tf.int64), shares)).take(2)) for n in range(shares)]
    for epoch in zip(*by_share, strict=True):
        assert sorted(window for batch in epoch for window in as_windows(batch)) == sorted(all_windows(shards))


def test_order_depends_on_seed_and_epoch_alone(shards: list[str]) -> None:
    examples = make_examples(shards)
    first, again, other = (take_epochs(examples, seed, 3) for seed in (5, 5, 6))
    assert first == again
    orders = [*first, *other]
    assert all(a != b for n, a in enumerate(orders) for b in orders[:n])


@pytest.mark.parametrize("done", [1, 2])
def test_a_resumed_run_sees_what_it_would_have_seen(shards: list[str], done: int) -> None:
    examples = make_examples(shards)
    assert take_epochs(examples, 5, 3 - done, first=done) == take_epochs(examples, 5, 3)[done:]


def test_users_shuffled_together_mix(shards: list[str]) -> None:
    (batches,) = take_epochs(make_examples(shards, shuffle_users=100), seed=5, epochs=1)
    users = [window[0] for batch in batches for window in batch]
    changes = sum(a != b for a, b in zip(users, users[1:], strict=False))
    assert changes > len(set(users)) + 5


def test_the_general_task_has_every_item_and_no_history(shards: list[str]) -> None:
    examples = TrainingExamples(shards, "general", 3, 8, 4, 0)
    (batches,) = take_epochs(examples, seed=5, epochs=1)
    histories = {history for batch in batches for _, history, _ in batch}
    assert histories == {(0, 0, 0)}
    # A user's first item is a positive too.
    assert (8, (0, 0, 0), 4) in [window for batch in batches for window in batch]


@pytest.mark.parametrize("known_items", [0, 1, 4, 50])
def test_contexts_exclude_their_users_latest_known_items(shards: list[str], known_items: int) -> None:
    rows: dict[int, list[int]] = {}
    for batch in inputs.read_records(shards, ["user", "target"], 3):
        rows |= dict(zip(batch["user"].flat_values.numpy().tolist(), batch["target"].to_list(), strict=True))
    examples = make_examples(shards, known_items=known_items)
    seen = 0
    for context, _ in examples.epochs(5).take(-(-examples.count() // examples.batch_size)):
        assert context.exclude.shape[1] == known_items
        for user, excluded in zip(context.user.numpy(), context.exclude.numpy(), strict=True):
            known = sorted([item for item in rows[user] if item][::-1][:known_items])
            np.testing.assert_array_equal(excluded, [0] * (known_items - len(known)) + known)
            seen += 1
    assert seen == examples.count()


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    file = tiny.write_records(tmp_path / "a.gz", [{"user": [1], "target": [4]}, {"user": [2], "target": []}])
    with pytest.raises(ValueError, match="The training split must hold at least one example .* Received: none"):
        make_examples([file]).count()


# Files.


def test_files_are_found_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b-1", "a-2", "a-1"):
        (tmp_path / name).touch()
    patterns = [str(tmp_path / "b*"), str(tmp_path / "a*")]
    assert [Path(file).name for file in find_files(patterns)] == ["a-1", "a-2", "b-1"]


def test_patterns_without_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`patterns` must match at least one file. Received: .*nothing-here"):
        find_files([str(tmp_path / "nothing-here*")])


# Evaluation.


def test_evaluation_users_have_their_history_cut_for_the_encoder_and_whole_for_the_mask(tmp_path: Path) -> None:
    rows = [
        {"user": [3], "history": [1, 0, 2, 5, 4], "target": [7]},
        {"user": [1], "history": [6], "target": [0]},
        {"user": [0], "history": [], "target": [0, 8, 9]},
    ]
    file = tiny.write_records(tmp_path / "valid.gz", rows)
    (found,) = evaluation_users([file], 3, batch_size=10)
    # The second user's only target is unknown to the model.
    np.testing.assert_array_equal(found.context.user, [3, 0])
    np.testing.assert_array_equal(found.context.history, [[2, 5, 4], [0, 0, 0]])
    np.testing.assert_array_equal(found.context.exclude, [[1, 0, 2, 5, 4], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(found.targets, [[7, 0, 0], [0, 8, 9]])


def test_evaluation_users_read_repeatedly_are_kept(tmp_path: Path) -> None:
    file = tiny.write_records(tmp_path / "valid.gz", [{"user": [1], "history": [5, 6], "target": [7]}])
    users = evaluation_users([file], 3, batch_size=10, repeatedly=True)
    (first,) = users
    Path(file).unlink()
    (second,) = users
    np.testing.assert_array_equal(first.targets, second.targets)


def test_evaluation_users_come_in_batches_in_the_order_of_the_files(tmp_path: Path) -> None:
    rows = [{"user": [n], "history": [1], "target": [2]} for n in range(1, 8)]
    for part in range(2):
        tiny.write_records(tmp_path / f"valid-{part}.gz", rows[4 * part : 4 * part + 4])
    batches = list(evaluation_users([str(tmp_path / "valid-*")], 3, batch_size=3))
    assert [batch.context.user.numpy().tolist() for batch in batches] == [[1, 2, 3], [4, 5, 6], [7]]


# The corpus.


def test_the_corpus_has_popularity_and_side_features_by_id(tmp_path: Path) -> None:
    catalog = [
        {"user": [0], "item": [3], "item_count": [5], "item_genres": [2, 1], "item_year": [4]},
        {"user": [0], "item": [1], "item_count": [9], "item_genres": [3]},
        {"user": [0], "item": [2], "item_count": [0], "item_year": [1]},
    ]
    train = [{"user": [2], "target": [1, 3], "user_town": [1]}, {"user": [1], "target": [3]}]
    sizes = {"items": 3, "users": 2, "item_genres": 3, "item_year": 4, "user_town": 1}
    # Catalogs come in several files.
    files = [tiny.write_records(tmp_path / f"catalog-{n}.gz", [row]) for n, row in enumerate(catalog)]
    corpus = read_corpus(files, [tiny.write_records(tmp_path / "train.gz", train)], sizes)
    assert (corpus.num_items, corpus.num_users) == (3, 2)
    np.testing.assert_array_equal(corpus.item_counts, [0, 9, 0, 5])
    assert corpus.item_counts.dtype == np.float32
    assert set(corpus.item_features) == {"item_genres", "item_year"}
    np.testing.assert_array_equal(corpus.item_features["item_genres"].values, [[0, 0], [3, 0], [0, 0], [2, 1]])
    np.testing.assert_array_equal(corpus.item_features["item_year"].values, [[0], [0], [1], [4]])
    np.testing.assert_array_equal(corpus.user_features["user_town"].values, [[0], [0], [1]])
    tables = {**corpus.item_features, **corpus.user_features}
    assert {name: table.size for name, table in tables.items()} == {"item_genres": 4, "item_year": 5, "user_town": 2}


def test_a_feature_nobody_has_is_a_table_of_nothing(tmp_path: Path) -> None:
    catalog = tiny.write_records(tmp_path / "catalog.gz", [{"item": [1], "item_count": [2]}])
    train = tiny.write_records(tmp_path / "train.gz", [{"user": [1], "target": [1]}])
    corpus = read_corpus([catalog], [train], {"items": 1, "users": 1, "item_colour": 0})
    np.testing.assert_array_equal(corpus.item_features["item_colour"].values, [[0], [0]])


def test_items_of_a_basket_are_no_history_of_each_other() -> None:
    items = tf.ragged.constant([[1, 2, 3, 4, 5], [6, 7]], dtype=tf.int64)
    starts = tf.ragged.constant([[0, 0, 2, 2, 4], [0, 0]], dtype=tf.int64)
    windows = expand_windows(items, "sequential", 3, starts)
    assert windows.positives.numpy().tolist() == [3, 4, 5]
    assert windows.history.numpy().tolist() == [[0, 1, 2], [0, 1, 2], [2, 3, 4]]
    assert windows.rows.numpy().tolist() == [0, 0, 0]
