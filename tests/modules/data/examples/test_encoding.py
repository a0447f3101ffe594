"""The tf.Examples of users and items."""

import tensorflow as tf

from modules.data.examples.encoding import item_example, make_example, user_examples
from modules.data.examples.splitting import Split


def parsed(example: bytes) -> dict[str, list]:
    features = tf.train.Example.FromString(example).features.feature
    return {name: list(getattr(feature, feature.WhichOneof("kind")).value) for name, feature in features.items()}


def test_values_choose_the_kind_and_empty_ones_are_left_out() -> None:
    example = make_example({"a": [b"x"], "b": [1.5], "c": [2], "d": []})
    assert parsed(example) == {"a": [b"x"], "b": [1.5], "c": [2]}


def test_histories_hold_the_items_of_earlier_splits() -> None:
    split = Split(["i1", "i2"], ["i3"], ["i4", "i5"])
    targets = {
        item: {"target_popularity": [b"head" if item < "i5" else b"tail"], "target_tag": [tag]}
        for item, tag in [("i3", b"x"), ("i4", b"y"), ("i5", b"y")]
    }
    examples = user_examples("ü 1", split, {"age": [33.0]}, targets)
    common = {"user_id": ["ü 1".encode()], "user_activity": [b"1-4"], "age": [33.0]}
    assert parsed(examples["train"]) == {**common, "target": [b"i1", b"i2"]}
    assert parsed(examples["valid"]) == {
        **common,
        "history": [b"i1", b"i2"],
        "target": [b"i3"],
        "history_length": [b"1-4"],
        "target_popularity": [b"head"],
        "target_tag": [b"x"],
    }
    assert parsed(examples["test"]) == {
        **common,
        "history": [b"i1", b"i2", b"i3"],
        "target": [b"i4", b"i5"],
        "history_length": [b"1-4"],
        "target_popularity": [b"head", b"tail"],
        "target_tag": [b"y"],
    }


def test_a_user_without_held_out_items_only_trains() -> None:
    assert user_examples("u", Split(["i"], [], []), {}, {}).keys() == {"train"}


def test_items_keep_a_count_of_zero_and_lose_an_unknown_title() -> None:
    assert parsed(item_example("i", 0, "", {"tag": []})) == {"item_id": [b"i"], "item_count": [0]}
    assert parsed(item_example("i", 3, "T", {"tag": [b"x"]})) == {
        "item_id": [b"i"],
        "item_count": [3],
        "item_title": [b"T"],
        "tag": [b"x"],
    }
