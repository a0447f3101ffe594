"""Every user gets a row, once, of items that are new to them, the same in Parquet and TFRecord."""

from collections.abc import Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from modules.recommend_all import SCHEMA, known_user, recommend_all
from tests.lookup_model import write_examples
from tests.tfx_pipeline.popular_model import save_popular_model

CATALOG = ("a", "b", "c", "d", "e", "f")
SPLITS = {
    "train": [
        *({"user_id": f"u{n}", "target": ["a", "b"]} for n in range(300)),
        {"user_id": "short", "target": ["b", "a"]},
        {"user_id": "done", "target": [*"abcd"]},
        {"user_id": "käse \"1\"", "target": ["c"]},
    ],
    "valid": [
        *({"user_id": f"u{n}", "history": ["a", "b"], "target": ["c"]} for n in range(300)),
        {"user_id": "done", "history": [*"abcd"], "target": ["e"]},
    ],
    "test": [
        *({"user_id": f"u{n}", "history": ["a", "b", "c"], "target": [CATALOG[3 + n % 3]]} for n in range(300)),
        {"user_id": "done", "history": [*"abcde"], "target": ["f"]},
    ],
}  # fmt: skip
KNOWN = {
    **{f"u{n}": ["a", "b", "c", CATALOG[3 + n % 3]] for n in range(300)},
    "short": ["b", "a"],
    "done": [*"abcdef"],
    "käse \"1\"": ["c"],
}  # fmt: skip


def _write(folder: Path, top_k: int = 3, shards: int = 0, model_top_k: int = 3) -> None:
    model = save_popular_model(folder / "model", CATALOG, model_top_k)
    patterns = {split: write_examples(folder / split, rows) for split, rows in SPLITS.items()}
    options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    with beam.Pipeline(options=options) as pipeline:
        recommend_all(pipeline, patterns, model, str(folder / "out"), top_k, shards)


def _expected(user: str, top_k: int = 3) -> list[str]:
    return [item for item in CATALOG if item not in KNOWN[user]][:top_k]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recommend_all")
    _write(folder, shards=2)
    return folder / "out"


def _examples(folder: Path) -> list[tf.train.Example]:
    files = sorted(str(path) for path in (folder / "tfrecord").iterdir())
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    return [tf.train.Example.FromString(record) for record in records]


def _texts(values: Sequence[bytes]) -> list[str]:
    return [value.decode() for value in values]


def test_parquet_has_every_user_once_with_the_best_new_items(written: Path) -> None:
    table = pq.read_table(written / "parquet")
    assert table.schema.equals(SCHEMA)
    rows = {row["user_id"]: row for row in table.to_pylist()}
    assert table.num_rows == len(rows) == len(KNOWN)
    assert {user: row["item_id"] for user, row in rows.items()} == {user: _expected(user) for user in KNOWN}
    assert rows["short"]["score"] == [4.0, 3.0, 2.0]
    assert rows["done"] == {"user_id": "done", "item_id": [], "score": []}


def test_tfrecord_says_the_same(written: Path) -> None:
    rows = {row["user_id"]: row for row in pq.read_table(written / "parquet").to_pylist()}
    examples = _examples(written)
    assert len(examples) == len(rows)
    for example in examples:
        features = example.features.feature
        (user,) = _texts(features["user_id"].bytes_list.value)
        row = rows.pop(user)
        assert _texts(features["item_id"].bytes_list.value) == row["item_id"]
        assert list(features["score"].float_list.value) == row["score"]
    assert not rows


def test_both_are_sharded(written: Path) -> None:
    assert len(list((written / "parquet").iterdir())) == 2
    assert len(list((written / "tfrecord").iterdir())) == 2


def test_fewer_may_be_asked_for_than_the_model_answers(tmp_path: Path) -> None:
    _write(tmp_path, top_k=1, model_top_k=4)
    rows = pq.read_table(tmp_path / "out" / "parquet").to_pylist()
    assert {row["user_id"]: row["item_id"] for row in rows} == {user: _expected(user, 1) for user in KNOWN}


def test_a_record_without_a_user_is_refused() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        known_user(tf.train.Example().SerializeToString())
