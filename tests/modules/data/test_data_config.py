"""What the data section of a configuration refuses."""

import datetime
import json
from typing import Any

import pydantic
import pytest

from modules.data.config import DataConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"source": "movielens"},
            "`source` must be one of .*'movielens-1m'.*Received: 'movielens'",
        ),
        ({"delimiter": ""}, "`delimiter` must be"),
        ({"source": "taobao", "behaviours": ["pv", "view"]}, "'pv', 'cart', 'fav' or 'buy'"),
        ({"source": "taobao", "behaviours": []}, "at least 1 item"),
        ({"source": "csv", "behaviours": ["pv"]}, "`behaviours` must be left out unless `source` is 'taobao'"),
        ({"source": "csv", "dataset": "a/b"}, "`dataset` must be left out unless `source` is 'tfds'"),
        ({"delimiter": '"'}, "`delimiter` must be"),
        ({"item_features": {"Genres": {"column": "g"}}}, "Received: 'Genres'"),
        ({"item_features": {"count": {"column": "c"}}}, "Received: 'count'"),
        ({"user_features": {"history": {"column": "h"}}}, "Received: 'history'"),
        ({"item_features": {"popularity": {"column": "p"}}}, "Received: 'popularity'"),
        (
            {
                "item_features": {"genres": {"column": "g"}},
                "user_features": {"target_genres": {"column": "g"}},
            },
            "Received: 'target_genres'",
        ),
        (
            {"item_features": {"a": {"column": "x"}}, "user_features": {"a": {"column": "y"}}},
            r"Received twice: \['a'\]",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        DataConfig(**settings)


def test_the_configuration_survives_json() -> None:
    data = DataConfig(source="csv", path="x", item_features={"a": {"column": "A"}})
    assert DataConfig.model_validate_json(data.model_dump_json()) == data


def test_a_sequence_needs_an_order() -> None:
    no_time = {"source": "csv", "columns": {"timestamp": None}}
    with pytest.raises(ValueError, match=r"`order` must be 'file' for the sequential task .* Received: 'time'"):
        DataConfig(**no_time)
    assert DataConfig(**no_time, task="general").order == "time"
    assert DataConfig(**no_time, order="file").task == "sequential"
    with pytest.raises(ValueError, match=r"`order` must be 'time' unless `columns.timestamp` is null"):
        DataConfig(source="csv", order="file")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "date"}, "`valid_from` must be a date before `test_from`"),
        ({"split": "date", "valid_from": "2024-02-01", "test_from": "2024-02-01"}, "a date before `test_from`"),
        ({"valid_from": "2024-02-01"}, "must be left out unless `split` is 'date'. Received: 2024-02-01"),
        ({"split": "random"}, "`split` must not be 'random' for the sequential task"),
        (
            {
                "split": "date",
                "valid_from": "2024-01-01",
                "test_from": "2024-02-01",
                "columns": {"timestamp": None},
                "order": "file",
            },
            "`split` must not be 'date' where `columns.timestamp` is null",
        ),
    ],
)
def test_splits_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        DataConfig(**settings)


def test_dates_are_in_utc_and_survive_json() -> None:
    data = DataConfig(split="date", valid_from=datetime.date(2024, 5, 1), test_from="2024-05-01T06:00:00+02:00")
    assert data.valid_from.timestamp() == 1714521600
    assert data.test_from.timestamp() == 1714521600 + 4 * 3600
    assert DataConfig.model_validate_json(data.model_dump_json()) == data
    assert json.loads(json.dumps(data.model_dump())) == data.model_dump(mode="json")
