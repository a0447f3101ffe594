"""A model that begins with another's weights: which rows go where, and what that is worth."""

import json
import shutil
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules import names
from modules.export.exported_weights import ExportedWeights
from modules.export.training_record import TrainingRecord, read_training_record
from modules.models.algorithms.base import TwoStageModel
from modules.models.corpus import FeatureTable
from modules.models.rankers import RANKERS
from modules.models.retrievers import RETRIEVERS
from modules.training.fit import FitResult, fit
from modules.training.vocabulary_rows import previous_rows
from modules.training.warm_start import (
    WarmStart,
    build_weights,
    find_base,
    named_weights,
    vocabulary_of_tables,
)
from tests.modules import tiny
from tests.modules.training import runs

# The rows are primes, one more each: no two tables share their number, and no kernel has it.
ITEMS, USERS, GENRES, TOWNS, BUCKETS = 36, 22, 12, 10, 18
SIZES = {"items": ITEMS, "users": USERS, "item_genres": GENRES, "user_town": TOWNS}
SEQUENTIAL = {"retriever": tiny.SASREC, "ranker": tiny.DIN}
STAGES = ("retriever", "ranker")

Keys = Mapping[str, Sequence[str]]


def keys_of(sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Returns so many keys of each vocabulary; they hold spaces, quotes and letters beyond ASCII."""
    return {name: [f'{name} "{n}", №' for n in range(size)] for name, size in sizes.items()}


OLD_KEYS = keys_of(SIZES)
# Other orders; two keys of each are gone, three have come.
NEW_KEYS = {name: [f"new {n}" for n in range(3)] + keys[:1:-1] for name, keys in OLD_KEYS.items()}


def make_model(keys: Keys, seed: int, **stages: Any) -> TwoStageModel:
    """Returns a model over a vocabulary of `keys`, with every weight at random."""
    rng = np.random.default_rng(0)

    def table(rows: int, size: int) -> FeatureTable:
        return FeatureTable(rng.integers(0, size + 1, [rows + 1, 1]), size + 1)

    items, users = len(keys["items"]), len(keys["users"])
    features = {
        "item_features": {"item_genres": table(items, len(keys["item_genres"])), "item_price": table(items, BUCKETS)},
        "user_features": {"user_town": table(users, len(keys["user_town"]))},
    }
    model = tiny.make_model(tiny.make_corpus(items, users, **features), **{**SEQUENTIAL, **stages})
    build_weights(model)
    for stage in STAGES:
        tiny.randomise(getattr(model, stage), seed)
    return model


def write_vocabularies(folder: Path, keys: Keys) -> dict[str, str]:
    """Writes the text files that Transform makes of vocabularies; returns name -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in keys.items():
        (folder / name).write_text("".join(f"{value}\n" for value in values), encoding="utf-8")
    return {name: str(folder / name) for name in keys}


def save_base(folder: Path, model: TwoStageModel, keys: Keys) -> str:
    """Saves what a warm start reads of an export, as a SavedModel of the same layout, and the record beside it."""
    exported = tf.Module()
    exported.towers = tf.Module()
    exported.towers._retriever, exported.towers._ranker = model.retriever, model.ranker
    # As in an export, the candidates are the retriever's own table, and the checkpoint's name for it.
    exported.towers.candidates = model.retriever.all_candidates()
    files = write_vocabularies(folder / "vocabularies", keys)
    exported.vocabularies = [tf.saved_model.Asset(path) for path in files.values()]
    path = str(folder / "Format-Serving")
    tf.saved_model.save(exported, path)
    config = model.config
    TrainingRecord("digest", config.retriever.name, config.ranker.name, []).write(path)
    shutil.rmtree(folder / "vocabularies")
    return path


def carry_over(folder: Path, old: TwoStageModel, new: TwoStageModel, keys: Keys = NEW_KEYS) -> dict[str, Any]:
    """Exports the old model over `OLD_KEYS`, begins the new one with it, and returns the summary."""
    base = find_base(save_base(folder / "base", old, OLD_KEYS))
    warm_start = WarmStart(base, write_vocabularies(folder / "new", keys))
    warm_start(new)
    return json.loads(json.dumps(warm_start.summary))


def values(model: TwoStageModel) -> dict[str, np.ndarray]:
    """Returns each trained weight by its path, the stage first."""
    return {
        "/".join((stage, *path)): weight.numpy()
        for stage in STAGES
        for path, weight in named_weights(getattr(model, stage))
    }


def vocabularies(model: TwoStageModel) -> dict[str, str]:
    """Returns the vocabulary of each table by its path."""
    found = {}
    for stage in STAGES:
        declared = vocabulary_of_tables(getattr(model, stage))
        for path, weight in named_weights(getattr(model, stage)):
            if id(weight) in declared:
                found["/".join((stage, *path))] = declared[id(weight)]
    return found


def old_row(vocabulary: str, row: int) -> int | None:
    """Where a row of a table over `NEW_KEYS` stood over `OLD_KEYS`, by looking its key up."""
    if row == 0:
        return 0
    key = NEW_KEYS[vocabulary][row - 1]
    return OLD_KEYS[vocabulary].index(key) + 1 if key in OLD_KEYS[vocabulary] else None


@pytest.mark.parametrize("name", sorted(RETRIEVERS))
def test_every_table_of_every_retriever_is_declared(name: str) -> None:
    assert_declared(make_model(OLD_KEYS, 1, retriever={"name": name}, ranker={"name": "none"}))


@pytest.mark.parametrize("name", sorted(set(RANKERS) - {"none"}))
def test_every_table_of_every_ranker_is_declared(name: str) -> None:
    assert_declared(make_model(OLD_KEYS, 1, retriever=tiny.MF, ranker={"name": name}))


def assert_declared(model: TwoStageModel) -> None:
    rows = {size + 1: name for name, size in {**SIZES, "item_price": BUCKETS}.items()}
    expected = {
        path: rows[weight.shape[0]]
        for path, weight in values(model).items()
        if weight.shape and weight.shape[0] in rows
    }
    assert vocabularies(model) == expected
    tracked = {id(weight) for stage in STAGES for _, weight in named_weights(getattr(model, stage))}
    assert tracked == {id(weight) for weight in model.trainable_variables}


@pytest.mark.parametrize(
    "stages",
    [
        SEQUENTIAL,
        {"retriever": {"name": "dssm"}, "ranker": {"name": "deepfm"}},
        {"retriever": {"name": "caser"}, "ranker": {"name": "bst"}},
        {"retriever": tiny.MF, "ranker": {"name": "ncf"}},
    ],
    ids=["sasrec-din", "dssm-deepfm", "caser-bst", "mf-ncf"],
)
def test_rows_follow_their_keys_and_the_rest_is_copied(tmp_path: Path, stages: dict[str, Any]) -> None:
    old, new = make_model(OLD_KEYS, 1, **stages), make_model(NEW_KEYS, 2, **stages)
    before, fresh = values(old), values(new)
    summary = carry_over(tmp_path, old, new)
    after, tables = values(new), vocabularies(new)
    for path, weight in after.items():
        vocabulary = tables.get(path)
        if vocabulary in (None, "item_price"):
            # A number's buckets keep their places.
            np.testing.assert_array_equal(weight, before[path], err_msg=path)
            continue
        for row in range(len(weight)):
            place = old_row(vocabulary, row)
            expected = fresh[path][row] if place is None else before[path][place]
            np.testing.assert_array_equal(weight[row], expected, err_msg=f"{path}, row {row}")
        expected = {"vocabulary": vocabulary, "carried": SIZES[vocabulary] - 2, "new": 3, "dropped": 2}
        assert summary["tables"][path] == expected
    assert summary["initialised"] == {}
    assert sorted(summary["copied"]) == sorted(after.keys() - summary["tables"].keys())


def test_the_same_vocabulary_gives_exactly_the_same_scores(tmp_path: Path) -> None:
    old, new = make_model(OLD_KEYS, 1), make_model(OLD_KEYS, 2)
    context = tiny.make_context([1, 5], [[1, 2, 3], [30, 4]])
    candidates = tf.constant([[7, 8, 36], [1, 35, 2]], tf.int64)
    assert np.any(np.asarray(new.rank(context, candidates)) != np.asarray(old.rank(context, candidates)))
    carry_over(tmp_path, old, new, OLD_KEYS)
    np.testing.assert_array_equal(new.rank(context, candidates), old.rank(context, candidates))
    np.testing.assert_array_equal(new.retrieve(context, 10)[0], old.retrieve(context, 10)[0])


def test_known_items_keep_their_scores_under_another_order(tmp_path: Path) -> None:
    # No side features of items: theirs are the new data's, and so another input.
    stages = {"retriever": tiny.SASREC, "ranker": {"name": "none"}}
    old, new = make_model(OLD_KEYS, 1, **stages), make_model(NEW_KEYS, 2, **stages)
    carry_over(tmp_path, old, new)
    history, candidates = [5, 6, 7], [4, 9, 33]
    renumbered = [NEW_KEYS["items"].index(OLD_KEYS["items"][item - 1]) + 1 for item in history + candidates]
    expected = old.rank(tiny.make_context([1], [history]), tf.constant([candidates], tf.int64))
    found = new.rank(tiny.make_context([1], [renumbered[:3]]), tf.constant([renumbered[3:]], tf.int64))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_another_stage_begins_anew_and_the_other_goes_on(tmp_path: Path) -> None:
    old = make_model(OLD_KEYS, 1)
    # GRU4Rec's item table has the name and the shape of SASRec's.
    new = make_model(NEW_KEYS, 2, retriever={"name": "gru4rec"})
    fresh, before = values(new), values(old)
    summary = carry_over(tmp_path, old, new)
    after = values(new)
    first_stage = {path for path in after if path.startswith("retriever/")}
    for path in first_stage:
        np.testing.assert_array_equal(after[path], fresh[path])
    assert summary["initialised"] == dict.fromkeys(first_stage, "the base's retriever is sasrec")
    np.testing.assert_array_equal(after["ranker/_output/kernel"], before["ranker/_output/kernel"])


def test_what_has_another_width_begins_anew(tmp_path: Path) -> None:
    old = make_model(OLD_KEYS, 1)
    new = make_model(NEW_KEYS, 2, embedding_dim=16, ranker={**tiny.DIN, "attention_units": 3})
    fresh = values(new)
    summary = carry_over(tmp_path, old, new)
    table = "retriever/item_embeddings"
    assert summary["initialised"][table] == "the base's rows are of shape [8], this one's of [16]"
    np.testing.assert_array_equal(values(new)[table], fresh[table])
    # The bias behind the scoring network is of no width.
    assert "ranker/_output/bias" in summary["copied"]


def test_more_positions_begin_anew_though_their_number_is_that_of_a_table(tmp_path: Path) -> None:
    old, new = make_model(OLD_KEYS, 1), make_model(NEW_KEYS, 2, history_length=len(NEW_KEYS["items"]) + 1)
    summary = carry_over(tmp_path, old, new)
    path = "retriever/_encoder/position_embeddings"
    assert summary["initialised"][path] == "the base's is of shape [5, 8], this one of [38, 8]"
    assert summary["tables"]["retriever/item_embeddings"]["carried"] == ITEMS - 2


def test_a_feature_that_became_numeric_shares_no_rows(tmp_path: Path) -> None:
    old, new = make_model(OLD_KEYS, 1), make_model(NEW_KEYS, 2)
    keys = {name: values for name, values in NEW_KEYS.items() if name != "item_genres"}
    summary = carry_over(tmp_path, old, new, keys)
    (reason,) = (why for path, why in summary["initialised"].items() if "item_genres" in path)
    assert reason == "`item_genres` was numeric or is: categories and numbers share no rows"


def test_a_vocabulary_that_does_not_fit_its_table_is_not_used(tmp_path: Path) -> None:
    old, new = make_model(OLD_KEYS, 1), make_model(NEW_KEYS, 2)
    fresh = values(new)
    summary = carry_over(tmp_path, old, new, {**NEW_KEYS, "items": NEW_KEYS["items"][:-1]})
    path = "retriever/item_embeddings"
    assert summary["initialised"][path] == "the vocabulary `items` does not have as many keys as the table has rows"
    np.testing.assert_array_equal(values(new)[path], fresh[path])


def test_what_the_data_decides_is_never_carried_over(tmp_path: Path) -> None:
    old, new = make_model(OLD_KEYS, 1), make_model(NEW_KEYS, 2)
    kept = [weight.numpy() for weight in new.non_trainable_variables]
    carry_over(tmp_path, old, new)
    for before, after in zip(kept, new.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(before, after)


def test_without_a_blessed_model_or_its_record_training_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert find_base(None) is None
        assert find_base(str(tmp_path / "Format-Serving")) is None
    assert "no model has been blessed yet" in caplog.text
    assert "has no training record" in caplog.text


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = TrainingRecord("0123", "mf", "deepfm", [{"epoch": 1, "loss": 2.5}])
    path = str(tmp_path / "Format-Serving")
    record.write(path)
    record.write(path)
    assert read_training_record(path) == record
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["record.json"]


def test_a_base_whose_files_are_gone_is_an_error(tmp_path: Path) -> None:
    path = save_base(tmp_path, make_model(OLD_KEYS, 1), OLD_KEYS)
    shutil.rmtree(Path(path) / "variables")
    with pytest.raises(Exception, match="variables"):
        WarmStart(find_base(path), {})(make_model(NEW_KEYS, 2))


def test_paths_that_lead_nowhere_have_no_weight(tmp_path: Path) -> None:
    exported = ExportedWeights(save_base(tmp_path, make_model(OLD_KEYS, 1), OLD_KEYS))
    assert exported.shape("towers", "_retriever", "item_embeddings") == (ITEMS + 1, tiny.WIDTH)
    assert exported.shape("towers", "_retriever", "nothing") is None
    # A layer is no weight.
    assert exported.shape("towers", "_retriever") is None
    with pytest.raises(KeyError, match="towers/_retriever"):
        exported.read("towers", "_retriever")


def test_ten_times_last_weeks_items_are_looked_up_in_bounded_memory(tmp_path: Path) -> None:
    old_count, new_count = 20_000, 200_000
    with (tmp_path / "old").open("w") as file:
        file.writelines(f"item {n}\n" for n in range(old_count))
    # One key is long: memory must not go by the longest.
    with (tmp_path / "new").open("w") as file:
        file.write("x" * 1_000_000 + "\n")
        file.writelines(f"item {n}\n" for n in reversed(range(new_count - 1)))
    tracemalloc.start()
    rows = previous_rows(str(tmp_path / "old"), str(tmp_path / "new"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Row r of the new table is item `new_count - r`, and item n stood in row n + 1.
    items = new_count - np.arange(2, new_count + 1)
    np.testing.assert_array_equal(rows[:2], [0, -1])
    np.testing.assert_array_equal(rows[2:], np.where(items < old_count, items + 1, -1))
    assert peak < 120 * new_count


def test_ten_times_last_weeks_items_get_their_rows(tmp_path: Path) -> None:
    old_count, new_count = 7_000, 70_000
    keys = [
        {**OLD_KEYS, "items": [f"item {n}" for n in places]}
        for places in (range(old_count), reversed(range(new_count)))
    ]
    stages = {"retriever": tiny.MF, "ranker": {"name": "none"}}
    old, new = make_model(keys[0], 1, **stages), make_model(keys[1], 2, **stages)
    fresh, before = new.retriever._items.numpy(), old.retriever._items.numpy()
    base = find_base(save_base(tmp_path / "base", old, keys[0]))
    warm_start = WarmStart(base, write_vocabularies(tmp_path / "new", keys[1]))
    warm_start(new)
    after = new.retriever._items.numpy()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1 : 1 + new_count - old_count], fresh[1 : 1 + new_count - old_count])
    np.testing.assert_array_equal(after[-old_count:], before[:0:-1])
    counts = {"vocabulary": "items", "carried": old_count, "new": new_count - old_count, "dropped": 0}
    assert warm_start.summary["tables"]["retriever/item_embeddings"] == counts


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], ["a"], [0, -1]),
        (["a"], [], [0]),
        (["a", "b"], ["b", "c", "a"], [0, 2, -1, 1]),
        ([" a", "a", "A"], ["a", "A ", " a"], [0, 2, -1, 1]),
        (["é", "日本"], ["日本", "e"], [0, 2, -1]),
    ],
)
def test_keys_are_found_by_all_of_their_bytes(
    tmp_path: Path, old: list[str], new: list[str], expected: list[int]
) -> None:
    files = [write_vocabularies(tmp_path / str(n), {"keys": keys})["keys"] for n, keys in enumerate((old, new))]
    np.testing.assert_array_equal(previous_rows(*files), expected)


def train(
    data: Path, directory: Path, initialise: Callable[[TwoStageModel], None] | None = None, **training: Any
) -> FitResult:
    """Trains MF under DeepFM on the examples."""
    config = runs.training_config(**training)
    return fit(tiny.make_config(), config, runs.training_data(data), str(directory), initialise=initialise)


def test_a_warm_training_begins_where_a_cold_one_ended(tmp_path: Path, data: Path) -> None:
    cold = train(data, tmp_path / "cold", epochs=3)
    keys = {
        names.ITEM_VOCABULARY: [f"i{n}" for n in range(runs.ITEMS)],
        names.USER_VOCABULARY: [f"u{n}" for n in range(runs.USERS)],
    }
    base = find_base(save_base(tmp_path / "base", cold.model, keys))
    losses = {}
    for strategy in ("none", "mirrored"):
        warm_start = WarmStart(base, write_vocabularies(tmp_path / "new", keys))
        warm = train(data, tmp_path / strategy, warm_start, epochs=1, distribution={"strategy": strategy})
        losses[strategy] = warm.history[0]["loss"]
        assert warm_start.summary["initialised"] == {}
    # Same examples in the same order: the first epoch from trained weights loses less than the first from none.
    assert losses["none"] < cold.history[0]["loss"]
    assert losses["mirrored"] == pytest.approx(losses["none"], rel=1e-5)


def test_a_resumed_warm_training_takes_its_checkpoint(tmp_path: Path, data: Path) -> None:
    first = train(data, tmp_path, epochs=1)

    def forget(model: TwoStageModel) -> None:
        build_weights(model)
        tiny.randomise(model.retriever)

    again = train(data, tmp_path, forget, epochs=1)
    for ours, theirs in zip(values(again.model).values(), values(first.model).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
