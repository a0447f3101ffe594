"""StatisticsGen's sketches: exact where values are few, near where they are many, and of one size whatever the data."""

import collections
import pickle
import re
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from tests.modules.data.beam_runs import BEAM_ARGS
from tests.tfx_pipeline.spans.day_runs import day_config
from tfx_pipeline.pipeline import create_data_pipeline
from tfx_pipeline.statistics import COUNTED_VALUES, statistics_options

USERS, TARGETS, ITEMS = 2_000, 5, 900
COMPARED = """
feature { name: "user_id" type: BYTES }
feature { name: "target" type: BYTES drift_comparator { infinity_norm { threshold: 0.001 } } }
feature { name: "target_kind" type: BYTES drift_comparator { jensen_shannon_divergence { threshold: 0.0001 } } }
"""


def day(seed: int) -> pa.RecordBatch:
    """Users with a few targets each, by a popularity that the seed shifts, and the kinds of those."""
    random = np.random.default_rng(seed)
    items = (ITEMS * random.random((USERS, TARGETS)) ** (2 + 0.1 * seed)).astype(int)
    columns = {
        "user_id": [[f"user {number}"] for number in range(USERS)],
        "target": [[f"item {item}" for item in row] for row in items],
        "target_kind": [[f"kind {item % 7}" for item in row] for row in items],
    }
    return pa.RecordBatch.from_pydict({name: pa.array(_bytes(rows)) for name, rows in columns.items()})


def _bytes(rows: list[list[str]]) -> list[list[bytes]]:
    return [[value.encode() for value in row] for row in rows]


def statistics(
    batch: pa.RecordBatch, options: tfdv.StatsOptions, path: Path
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns what a Beam run counts, as StatisticsGen makes it."""
    batches = [batch.slice(start, 100) for start in range(0, batch.num_rows, 100)]
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        counted = pipeline | beam.Create(batches) | tfdv.GenerateStatistics(options)
        _ = counted | tfdv.WriteStatisticsToBinaryFile(str(path))
    return tfdv.load_stats_binary(str(path))


def strings(found: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, statistics_pb2.StringStatistics]:
    return {feature.path.step[0]: feature.string_stats for feature in found.datasets[0].features}


def histogram(of_feature: statistics_pb2.StringStatistics) -> dict[str, float]:
    return {bucket.label: bucket.sample_count for bucket in of_feature.rank_histogram.buckets}


def distances(
    new: statistics_pb2.DatasetFeatureStatisticsList, old: statistics_pb2.DatasetFeatureStatisticsList
) -> dict[str, list[str]]:
    schema = text_format.Parse(COMPARED, schema_pb2.Schema())
    found: anomalies_pb2.Anomalies = tfdv.validate_statistics(new, schema, previous_statistics=old)
    return {name: [reason.description for reason in info.reason] for name, info in found.anomaly_info.items()}


def test_the_pipeline_counts_by_these_options() -> None:
    config = day_config(Path("nowhere"))
    (component,) = [c for c in create_data_pipeline(config).components if c.id == "StatisticsGen"]
    assert component.exec_properties["stats_options_json"] == statistics_options().to_json()


def test_few_values_are_counted_exactly_and_lie_as_far_apart_as_by_the_default(tmp_path: Path) -> None:
    batches = [day(seed) for seed in (0, 1)]
    sketched = [statistics(batch, statistics_options(), tmp_path / "sketched") for batch in batches]
    exact = [statistics(batch, tfdv.StatsOptions(), tmp_path / "exact") for batch in batches]
    for batch, ours, default in zip(batches, sketched, exact, strict=True):
        assert strings(ours).keys() == strings(default).keys() == {"user_id", "target", "target_kind"}
        for name, of_feature in strings(ours).items():
            theirs = strings(default)[name]
            values = [value.decode() for row in batch.column(name).to_pylist() for value in row]
            assert histogram(of_feature) == collections.Counter(values)
            assert of_feature.unique == theirs.unique
            assert of_feature.common_stats == theirs.common_stats
            # Which of equally frequent values come last is anybody's.
            assert [v.frequency for v in of_feature.top_values] == [v.frequency for v in theirs.top_values]
    found = distances(sketched[1], sketched[0])
    assert found == distances(exact[1], exact[0])
    assert found.keys() == {"target", "target_kind"}


def test_what_more_values_share_is_off_by_less_than_one_counted_value(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = (3 * COUNTED_VALUES * random.random(200_000) ** 4).astype(int)
    rows = [[str(value).encode()] for value in values]
    found = strings(
        statistics(pa.RecordBatch.from_pydict({"target": rows}), statistics_options(), tmp_path / "statistics")
    )["target"]
    counts = collections.Counter(str(value) for value in values)
    assert len(counts) > COUNTED_VALUES
    assert found.unique == pytest.approx(len(counts), rel=0.03)
    shares = histogram(found)
    assert len(shares) <= COUNTED_VALUES
    most = counts.most_common(500)
    error = len(values) / COUNTED_VALUES
    assert [shares[value] for value, _ in most] == pytest.approx([count for _, count in most], abs=error)


def test_two_days_of_one_law_over_many_kinds_lie_near_each_other() -> None:
    def divergence(options: tfdv.StatsOptions) -> float:
        days = []
        for seed in (0, 1):
            kinds = (5_000 * np.random.default_rng(seed).random(100_000) ** 2).astype(int)
            rows = [[f"kind {kind}".encode()] for kind in kinds]
            batch = pa.RecordBatch.from_pydict({"target_kind": rows})
            days.append(stats_impl.generate_statistics_in_memory(batch, options))
        (description,) = distances(days[1], days[0])["target_kind"]
        return float(re.search(r"is ([\d.]+) \(up to six", description)[1])

    # By chance K / (3 n), see docs/continuous.md, is 0.017.
    assert divergence(statistics_options()) < 0.03
    # Sketches of TFDV's own size keep other kinds of the tail each day: the schema's 0.1 would stop the second.
    assert divergence(tfdv.StatsOptions(use_sketch_based_topk_uniques=True)) > 0.1


def test_what_a_worker_holds_does_not_grow_with_the_number_of_values() -> None:
    generators = stats_impl.get_generators(statistics_options())

    def held(users: int) -> int:
        states = [generator.create_accumulator() for generator in generators]
        for start in range(0, users, 10_000):
            ids = [[f"{number:09}".encode()] for number in range(start, start + 10_000)]
            batch = pa.RecordBatch.from_pydict({"user_id": ids})
            states = [generator.add_input(state, batch) for generator, state in zip(generators, states, strict=True)]
        return len(pickle.dumps(states))

    # Of values that come once, a sketch holds anything between none and all of its size.
    assert held(160_000) < 1.5 * held(40_000)
