"""Transform for real: ExampleGen, statistics, validation and Transform over a tiny table."""

import collections
import functools
import glob
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import v1 as tfx

from modules import names, preprocessing
from modules.data import locating, schema
from modules.data.config import DataConfig
from modules.training.item_facts import read_item_facts
from tests.modules.data.beam_runs import BEAM_ARGS, Parsed, read_splits
from tests.paths import ROOT
from tfx_pipeline.components.example_gen import interaction_example_gen

SCHEMA = ROOT / "schemas" / "generic" / "schema.pbtxt"
ITEMS = ["plain", "two words", ' "quoted" ', "tab\there", "日本", "comma, too", "-1", "né"]
USERS = [f"user {n}" for n in range(6)] + ["ü", 'u"q']


class Run(NamedTuple):
    """The artifacts of one run."""

    raw: dict[str, list[Parsed]]
    transformed: dict[str, list[Parsed]]
    output: tft.TFTransformOutput
    catalog: str
    data: DataConfig
    anomalies: list[anomalies_pb2.Anomalies]


def write_table(folder: Path) -> DataConfig:
    """Every user takes all items up to one, so that popularity follows the order of ITEMS."""
    path = folder / "rows.tsv"
    quoted = [item.replace('"', '""') for item in ITEMS]
    lines = ["who\twhat\twhen\tkinds\tprice\ttown\tnothing"]
    for place, user in enumerate(USERS):
        who = user.replace('"', '""')
        for n, item in enumerate(quoted[: max(3, len(ITEMS) - place)]):
            kinds = ["", "a", "a|b", "c|a"][n % 4]
            price = "" if n == 2 else str(10.0 * n)
            town = "" if place == 1 else f"town {place % 2}"
            lines.append(f'"{who}"\t"{item}"\t{n}\t{kinds}\t{price}\t{town}\t')
    path.write_text("\n".join(lines), encoding="utf-8")
    return DataConfig(
        source="csv",
        path=str(path),
        delimiter="\t",
        columns={"user": "who", "item": "what", "timestamp": "when"},
        item_features={
            "kinds": {"column": "kinds", "separator": "|"},
            "price": {"column": "price", "kind": "numeric"},
        },
        user_features={
            "town": {"column": "town"},
            "nothing": {"column": "nothing", "kind": "numeric"},
        },
        min_user_interactions=1,
        min_item_interactions=1,
        numeric_buckets=4,
    )


@functools.cache
def run() -> Run:
    """Runs the pipeline once for all tests."""
    folder = Path(tempfile.mkdtemp())
    data = write_table(folder)
    base, pattern = locating.locate(data, str(folder))
    schema_path = str(folder / "schema.pbtxt")
    schema.write_schema(schema.schema_for(data, schema.read_schema(str(SCHEMA))), schema_path)
    example_gen = interaction_example_gen(data, base, pattern, "a")
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples, exclude_splits=[names.CATALOG])
    schema_gen = tfx.components.ImportSchemaGen(schema_file=schema_path)
    validator = tfx.components.ExampleValidator(statistics_gen.outputs["statistics"], schema_gen.outputs["schema"])
    transform = tfx.components.Transform(
        examples,
        schema_gen.outputs["schema"],
        preprocessing_fn="modules.preprocessing.preprocessing_fn",
        custom_config=preprocessing.custom_config(data, "a"),
        splits_config=tfx.proto.SplitsConfig(analyze=[names.TRAIN, names.CATALOG], transform=list(names.SPLITS)),
        disable_statistics=True,
    )
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="transform",
        pipeline_root=str(folder / "root"),
        components=[example_gen, statistics_gen, schema_gen, validator, transform],
        metadata_connection_config=(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "m.sqlite"))
        ),
        beam_pipeline_args=BEAM_ARGS,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)

    def output(component: str, key: str) -> str:
        (found,) = glob.glob(str(folder / "root" / component / key / "*"))
        return found

    found = []
    for path in glob.glob(os.path.join(output("ExampleValidator", "anomalies"), "*", "*.pb")):
        found.append(anomalies_pb2.Anomalies.FromString(Path(path).read_bytes()))
    return Run(
        read_splits(output("InteractionExampleGen", "examples")),
        read_splits(output("Transform", "transformed_examples")),
        tft.TFTransformOutput(output("Transform", "transform_graph")),
        os.path.join(output("Transform", "transformed_examples"), "Split-catalog", "*"),
        data,
        found,
    )


def vocabulary(name: str) -> list[str]:
    return [entry.decode() for entry in run().output.vocabulary_by_name(name)]


def index(name: str) -> dict[bytes, int]:
    """Returns the index of each entry of a vocabulary; 0 is left for the unknown."""
    return {entry: n for n, entry in enumerate(run().output.vocabulary_by_name(name), start=1)}


def by_user(examples: list[Parsed]) -> dict[int, Parsed]:
    return {example["user"][0]: example for example in examples}


def test_the_validator_finds_no_anomaly() -> None:
    assert len(run().anomalies) == 3
    assert not any(found.anomaly_info for found in run().anomalies)


def test_every_item_is_known_and_the_popular_ones_come_first() -> None:
    counts = {e["item_id"][0].decode(): e["item_count"][0] for e in run().raw["catalog"]}
    assert sorted(vocabulary("items")) == sorted(ITEMS)
    ordered = [counts[item] for item in vocabulary("items")]
    assert ordered == sorted(ordered, reverse=True)
    assert len(set(ordered)) > 2


def test_users_are_those_that_train() -> None:
    assert sorted(vocabulary("users")) == sorted(USERS)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_ids_become_indices_that_lead_back(split: str) -> None:
    items, users = index("items"), index("users")
    transformed = by_user(run().transformed[split])
    assert len(transformed) == len(run().raw[split])
    for example in run().raw[split]:
        found = transformed[users[example["user_id"][0]]]
        assert found["target"] == [items[item] for item in example["target"]]
        assert found["history"] == [items[item] for item in example.get("history", [])]
        assert found["item"] == found["item_count"] == []


def test_the_catalog_keeps_its_counts() -> None:
    items = index("items")
    counts = {items[e["item_id"][0]]: e["item_count"] for e in run().raw["catalog"]}
    assert {e["item"][0]: e["item_count"] for e in run().transformed["catalog"]} == counts
    assert all(example["user"] == [0] for example in run().transformed["catalog"])


def test_categories_become_indices() -> None:
    items, kinds = index("items"), index("item_kinds")
    assert sorted(kinds) == [b"a", b"b", b"c"]
    assert kinds[b"a"] == 1
    expected = {
        items[example["item_id"][0]]: [kinds[kind] for kind in example.get("kinds", [])]
        for example in run().raw["catalog"]
    }
    assert {e["item"][0]: e["item_kinds"] for e in run().transformed["catalog"]} == expected
    towns = index("user_town")
    expected = {
        index("users")[example["user_id"][0]]: [towns[town] for town in example.get("town", [])]
        for example in run().raw["train"]
    }
    assert {e["user"][0]: e["user_town"] for e in run().transformed["train"]} == expected


def test_numbers_become_buckets_of_about_the_same_size() -> None:
    items = index("items")
    prices = {items[e["item_id"][0]]: e.get("price") for e in run().raw["catalog"]}
    buckets = {e["item"][0]: e["item_price"] for e in run().transformed["catalog"]}
    assert [item for item, bucket in buckets.items() if not bucket] == [items[ITEMS[2].encode()]]
    known = sorted((prices[item], bucket[0]) for item, bucket in buckets.items() if bucket)
    ordered = [bucket for _, bucket in known]
    assert ordered == sorted(ordered)
    assert set(ordered) == {1, 2, 3, 4}
    assert max(collections.Counter(ordered).values()) <= 3


def test_a_number_that_nobody_has_leaves_no_value() -> None:
    assert all(example["user_nothing"] == [] for example in run().transformed["train"])


def test_served_rules_find_the_categories_and_numbers_of_every_item() -> None:
    items = run().output.vocabulary_by_name("items")
    features = run().data.item_features
    kinds = run().output.vocabulary_by_name("item_kinds")
    facts = read_item_facts([run().catalog], features, {"items": items, "kinds": kinds})
    raw = {example["item_id"][0]: example for example in run().raw["catalog"]}
    for number, item in enumerate(items, start=1):
        found = [kinds[index - 1] for index in facts.categories["kinds"].table[number] if index]
        assert sorted(found) == sorted(raw[item].get("kinds", []))
        np.testing.assert_equal(facts.numbers["price"][number], raw[item].get("price", [np.nan])[0])
    assert np.isnan(facts.numbers["price"][0])


def test_outputs_are_int64_of_variable_length() -> None:
    spec = run().output.transformed_feature_spec()
    columns = ["user", "history", "target", "item", "item_count", "item_kinds", "item_price"]
    columns += ["user_town", "user_nothing"]
    numbers = {"item_price_number": tf.io.VarLenFeature(tf.float32)}
    assert spec == {column: tf.io.VarLenFeature(tf.int64) for column in columns} | numbers


def test_a_request_brings_only_a_user_and_a_history() -> None:
    raw = run().output.raw_feature_spec()
    request = {name: raw[name] for name in ("user_id", "history")}
    assert request["user_id"] == tf.io.FixedLenFeature([1], tf.string, "")
    layer = run().output.transform_features_layer()

    # AutoGraph would convert all of Keras first.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def serve(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        found = layer(tf.io.parse_example(serialized, request))
        return {name: tf.sparse.to_dense(found[name]) for name in ("user", "history")}

    items, users = index("items"), index("users")
    found = serve(
        [
            example(user_id=["ü"], history=["日本", "never seen", ' "quoted" ']),
            example(user_id=["nobody"]),
            example(),
        ]
    )
    known = [items["日本".encode()], 0, items[b' "quoted" ']]
    assert found["user"].numpy().tolist() == [[users["ü".encode()]], [0], [0]]
    assert found["history"].numpy().tolist() == [known, [0, 0, 0], [0, 0, 0]]


def example(**features: list[str]) -> bytes:
    message = tf.train.Example()
    for name, values in features.items():
        message.features.feature[name].bytes_list.value.extend(v.encode() for v in values)
    return message.SerializeToString()


def test_a_change_of_the_code_misses_the_cache() -> None:
    data = DataConfig()
    assert preprocessing.custom_config(data, "a") != preprocessing.custom_config(data, "b")
