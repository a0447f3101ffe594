"""What the data section of a configuration refuses."""

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
