"""The curated schemas under TFDV: silent on good examples, loud on bad ones."""

import functools
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from modules import names
from modules.data import schema
from modules.data.config import DataConfig
from modules.data.examples import slices
from modules.data.examples.encoding import make_example
from tests.modules.data.beam_runs import Parsed, Result, run
from tests.paths import ROOT

SCHEMAS = ROOT / "schemas"
MOVIELENS = DataConfig(
    item_features={
        "genres": {"column": "genres", "separator": "|"},
        "year": {"column": "year", "kind": "numeric"},
    }
)
SPLITS = (names.TRAIN, names.VALID, names.TEST)


def curated(name: str) -> schema_pb2.Schema:
    return schema.read_schema(str(SCHEMAS / name / "schema.pbtxt"))


@functools.cache
def movielens() -> Result:
    """The default data, read and split for real."""
    return run(MOVIELENS, Path(tempfile.mkdtemp()))


@functools.cache
def plain() -> Result:
    """A plain CSV without ratings, titles or side features."""
    folder = Path(tempfile.mkdtemp())
    rows = [f"u{u},i{(u + n) % 9},{n}" for u in range(30) for n in range(3 + u % 6)]
    (folder / "rows.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    data = DataConfig(source="csv", path=str(folder / "rows.csv"), min_user_interactions=3)
    return run(data, folder / "out")


def statistics(examples: list[Parsed]) -> statistics_pb2.DatasetFeatureStatisticsList:
    records = [make_example(example) for example in examples]
    batch = ExamplesToRecordBatchDecoder().DecodeBatch(records)
    return generate_statistics_in_memory(batch)


def anomalies(
    examples: list[Parsed], described: schema_pb2.Schema, environment: str | None = None
) -> anomalies_pb2.Anomalies:
    return tfdv.validate_statistics(statistics(examples), described, environment=environment)


def test_the_default_data_have_the_published_size() -> None:
    corpus = movielens().report["corpus"]
    assert (corpus["users"], corpus["items"], corpus["interactions"]) == (660, 1_862, 66_021)
    assert movielens().report["rows"]["read"] == 100_004


@pytest.mark.parametrize("split", SPLITS)
def test_the_default_data_have_no_anomaly(split: str) -> None:
    found = anomalies(movielens().examples[split], curated("movielens"))
    assert not found.anomaly_info, found


@pytest.mark.parametrize("split", SPLITS)
def test_a_plain_table_has_no_anomaly(split: str) -> None:
    found = anomalies(plain().examples[split], curated("generic"))
    assert not found.anomaly_info, found


def without(example: Parsed, name: str) -> Parsed:
    return {key: values for key, values in example.items() if key != name}


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("user_id", None),
        ("target", None),
        ("user_activity", None),
        ("user_id", [7]),
        ("history", [1.5]),
        ("target_genres", [3]),
        ("user_id", [b"a", b"b"]),
        ("user_activity", [b"busy"]),
        ("target_popularity", [b"viral"]),
        ("surprise", [b"x"]),
    ],
)
def test_examples_that_break_the_schema_are_anomalies(feature: str, values: list | None) -> None:
    good = movielens().examples[names.TEST]
    broken = [without(example, feature) for example in good]
    if values is not None:
        broken = [{**example, feature: values} for example in broken]
    assert feature in anomalies(broken, curated("movielens")).anomaly_info


def test_a_single_example_without_a_user_is_an_anomaly() -> None:
    good = movielens().examples[names.TRAIN]
    broken = [without(good[0], "user_id"), *good[1:]]
    assert "user_id" in anomalies(broken, curated("movielens")).anomaly_info


def test_a_request_needs_neither_target_nor_slices() -> None:
    request = [{"user_id": [b"u"], "history": [b"i"]}, {"user_id": [b"v"]}]
    for name in ("movielens", "generic"):
        assert not anomalies(request, curated(name), environment=schema.SERVING).anomaly_info
        assert "target" in anomalies(request, curated(name)).anomaly_info


def test_drift_of_the_slices_is_an_anomaly() -> None:
    good = movielens().examples[names.TEST]
    drifted = [{**example, "user_activity": [b"5-9"]} for example in good]
    described = curated("movielens")
    same = tfdv.validate_statistics(statistics(good), described, previous_statistics=statistics(good))
    moved = tfdv.validate_statistics(statistics(drifted), described, previous_statistics=statistics(good))
    assert not same.anomaly_info
    assert set(moved.anomaly_info) == {"user_activity"}


@pytest.mark.parametrize("name", ["generic", "movielens"])
def test_the_domains_are_the_bands(name: str) -> None:
    domains = {domain.name: tuple(domain.value) for domain in curated(name).string_domain}
    assert domains == {
        "length_band": slices.LENGTH_BANDS,
        "popularity_band": slices.POPULARITY_BANDS,
    }


def test_side_features_are_added_to_the_generic_schema() -> None:
    added = schema.schema_for(MOVIELENS, curated("generic"))
    by_hand = curated("movielens")
    assert types(added) == types(by_hand)
    assert tensors(added) == tensors(by_hand)
    for split in SPLITS:
        assert not anomalies(movielens().examples[split], added).anomaly_info


def test_a_curated_schema_stands_as_it_is() -> None:
    assert schema.schema_for(MOVIELENS, curated("movielens")) == curated("movielens")


def test_a_schema_of_another_type_is_refused() -> None:
    data = DataConfig(item_features={"year": {"column": "year"}})
    with pytest.raises(ValueError, match="'year' must be of type BYTES.*Received: FLOAT"):
        schema.schema_for(data, curated("movielens"))


def test_a_schema_survives_writing(tmp_path: Path) -> None:
    path = str(tmp_path / "schema.pbtxt")
    schema.write_schema(curated("movielens"), path)
    assert schema.read_schema(path) == curated("movielens")


def test_what_is_no_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text("feature: 3")
    with pytest.raises(ValueError, match="schema.pbtxt must be a text proto of a schema"):
        schema.read_schema(str(tmp_path / "schema.pbtxt"))


def types(described: schema_pb2.Schema) -> dict[str, int]:
    return {feature.name: feature.type for feature in described.feature}


def tensors(described: schema_pb2.Schema) -> dict[str, bytes]:
    group = described.tensor_representation_group[""].tensor_representation
    return {name: group[name].SerializeToString() for name in group}


def test_every_feature_has_a_tensor() -> None:
    for name in ("generic", "movielens"):
        assert tensors(curated(name)).keys() == types(curated(name)).keys()
        user = curated(name).tensor_representation_group[""].tensor_representation["user_id"]
        assert user.dense_tensor.default_value.bytes_value == b""
        assert tf.TensorShape([d.size for d in user.dense_tensor.shape.dim]) == [1]
