"""tf.Examples of the four splits."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import tensorflow as tf

from modules import names
from modules.data.examples.side_features import Values
from modules.data.examples.slices import length_band
from modules.data.examples.splitting import Split


def make_example(features: Mapping[str, Values | list[int]]) -> bytes:
    """Returns a serialized tf.Example; a feature without values is left out.

    Args:
      features: lists of bytes, of float or of int, by name.
    """
    example = tf.train.Example()
    for name, values in features.items():
        if not values:
            continue
        feature = example.features.feature[name]
        if isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif isinstance(values[0], float):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(values)
    return example.SerializeToString(deterministic=True)


def encode(texts: Iterable[str]) -> list[bytes]:
    """Returns the texts as UTF-8."""
    return [text.encode() for text in texts]


def user_examples(
    user: str,
    split: Split,
    user_features: Mapping[str, Values],
    targets: Mapping[str, Mapping[str, list[bytes]]],
    placed: Mapping[str, list[int]] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Returns one user's serialized examples by split; a split without targets has none.

    Args:
      user: id.
      split: the user's items.
      user_features: values of the user's side features.
      targets: item -> slice feature -> the item's values.
      placed: features of the train split's example that hold a number for each of its targets.
    """
    common = {
        names.USER_ID: encode([user]),
        names.USER_ACTIVITY: encode([length_band(len(split.train))]),
        **user_features,
    }
    examples = {}
    if split.train:
        examples[names.TRAIN] = make_example({**common, names.TARGET: encode(split.train), **placed})
    held_out = {
        names.VALID: (split.train, split.valid),
        names.TEST: (split.train + split.valid, split.test),
    }
    for name, (history, items) in held_out.items():
        if items:
            examples[name] = make_example(
                {
                    **common,
                    names.HISTORY: encode(history),
                    names.TARGET: encode(items),
                    names.HISTORY_LENGTH: encode([length_band(len(history))]),
                    **_distinct(targets[item] for item in items),
                }
            )
    return examples


def item_example(item: str, count: int, title: str, features: Mapping[str, Values]) -> bytes:
    """Returns the serialized catalog example of an item.

    Args:
      item: id.
      count: interactions with it in the train split.
      title: name, or "" where it is not known.
      features: values of its side features.
    """
    return make_example(
        {
            names.ITEM_ID: encode([item]),
            names.ITEM_TITLE: encode([title] if title else []),
            names.ITEM_COUNT: [count],
            **features,
        }
    )


def _distinct(facts: Iterable[Mapping[str, list[bytes]]]) -> dict[str, list[bytes]]:
    merged: dict[str, dict[bytes, None]] = {}
    for fact in facts:
        for name, values in fact.items():
            merged.setdefault(name, {}).update(dict.fromkeys(values))
    return {name: sorted(values) for name, values in merged.items()}
