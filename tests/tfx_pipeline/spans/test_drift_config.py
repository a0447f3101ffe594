"""Distances that are let through: from the schema, from the configuration, and for features that are not compared."""

from pathlib import Path
from typing import Any

import pytest

from modules.data.schema import read_schema, schema_for
from tfx_pipeline.config import PipelineConfig, load_config
from tfx_pipeline.spans.drift import drift_config, skew_config

BANDS = ["user_activity", "item_format", "user_format"]


def pipeline(drift: dict[str, Any] | None = None, path: str = "days/{SPAN}.csv", **data: Any) -> PipelineConfig:
    return PipelineConfig(data={"source": "csv", "path": path, **data}, drift=drift or {})


def distances(config: PipelineConfig, made: Any = drift_config) -> dict[str, tuple[str, float]]:
    schema = schema_for(config.data, read_schema(config.schema_path))
    found = {}
    for feature in made(config, schema).default_slice_config.feature:
        ((measure, threshold),) = feature.distribution_comparator.ListFields()
        found[feature.path.step[0]] = (measure.name, round(threshold.threshold, 6))
    return found


def test_the_schema_says_what_is_compared_and_how() -> None:
    bands = dict.fromkeys(BANDS, ("jensen_shannon_divergence", 0.1))
    assert distances(pipeline()) == {**bands, "target": ("infinity_norm", 0.2)}
    assert distances(pipeline(), skew_config) == {"target": ("infinity_norm", 0.3)}


def test_side_features_of_items_are_compared_as_those_of_the_targets() -> None:
    features = {"kind": {"column": "kind"}, "price": {"column": "price", "kind": "numeric"}}
    found = distances(pipeline(item_features=features))
    assert found["target_kind"] == ("jensen_shannon_divergence", 0.1)
    assert "target_price" not in found


def test_the_configuration_comes_before_the_schema() -> None:
    drift = {"features": {"target": {"jensen_shannon": 0.5}, "user_activity": None, "town": {"infinity_norm": 0.3}}}
    found = distances(pipeline(drift, user_features={"town": {"column": "town"}}))
    assert found["target"] == ("jensen_shannon_divergence", 0.5)
    assert found["town"] == ("infinity_norm", 0.3)
    assert "user_activity" not in found


def test_the_number_of_users_is_compared_as_a_ratio() -> None:
    config = pipeline({"min_users_ratio": 0.5, "max_users_ratio": 2})
    schema = read_schema(config.schema_path)
    users = drift_config(config, schema).default_slice_config.num_examples_comparator
    assert (users.min_fraction_threshold, users.max_fraction_threshold) == (0.5, 2)
    assert not skew_config(config, schema).default_slice_config.HasField("num_examples_comparator")


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        ({"features": {"kind": None}}, r"`drift.features` must name features out of \['user_activity'.*\['kind'\]"),
        ({"skew_features": {"user_activity": None}}, r"`drift.skew_features` must name features out of \['target'\]"),
        ({"features": {"target": {}}}, "one of `jensen_shannon` and `infinity_norm`. Received: jensen_shannon=None"),
        ({"features": {"target": {"jensen_shannon": 2}}}, "less than or equal to 1"),
        ({"max_users_ratio": 0.5}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(drift: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline(drift)


def test_schemas_of_data_without_spans_stay_as_they_are() -> None:
    config = pipeline(path="days.csv")
    base = read_schema(config.schema_path)
    assert schema_for(config.data, base) == base


def test_a_span_and_what_is_accepted_can_come_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data: {source: csv, path: 'days/{YYYY}/{MM}/{DD}', spans: {window: 7}}\ndrift: {accept_span: 1}\n")
    config = load_config(path, span="2026-01-31", accept_drift="2026-01-31")
    assert (config.data.spans.window, config.data.spans.span, config.drift.accept_span) == (7, 20484, 20484)
    assert load_config(path).drift.accept_span == 1
