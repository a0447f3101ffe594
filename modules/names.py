"""Names of the features in the examples and of the columns Transform makes of them."""

USER_ID = "user_id"
HISTORY = "history"
TARGET = "target"
USER_ACTIVITY = "user_activity"
HISTORY_LENGTH = "history_length"
TARGET_POPULARITY = "target_popularity"
BASKET_START = "basket_start"
"""Of each train target the place among them of the first item of its basket, under `data.ties: basket`."""
ITEM_ID = "item_id"
ITEM_TITLE = "item_title"
ITEM_COUNT = "item_count"

TRAIN, VALID, TEST, CATALOG = "train", "valid", "test", "catalog"
SPLITS = (TRAIN, VALID, TEST, CATALOG)

NEWEST = "newest"
"""The split of the newest span's events, where the data come in spans: for statistics, not for training."""
ITEM_FORMAT = "item_format"
USER_FORMAT = "user_format"

ITEM_VOCABULARY = "items"
USER_VOCABULARY = "users"

REPORT_FILE = "data_report.json"

RESERVED = frozenset(
    {
        USER_ID,
        HISTORY,
        TARGET,
        USER_ACTIVITY,
        HISTORY_LENGTH,
        TARGET_POPULARITY,
        BASKET_START,
        ITEM_ID,
        ITEM_TITLE,
        ITEM_COUNT,
        ITEM_FORMAT,
        USER_FORMAT,
        "user",
        "item",
        "popularity",
    }
)
# `item_<name>` and `user_<name>` are made from a side feature; these would collide with the above.
RESERVED_SUFFIXES = frozenset({"id", "title", "count", "activity", "format"})


def target_feature(name: str) -> str:
    """Returns the slice feature that holds the targets' values of the item feature `name`."""
    return f"target_{name}"


def item_column(name: str) -> str:
    """Returns the transformed column of the item feature `name`; also its vocabulary's name."""
    return f"item_{name}"


def item_number(name: str) -> str:
    """Returns the transformed column of the numeric item feature `name` as it is, without buckets."""
    return f"item_{name}_number"


def user_column(name: str) -> str:
    """Returns the transformed column of the user feature `name`; also its vocabulary's name."""
    return f"user_{name}"
