"""Reads the items' features out of the catalog, for the rules of served requests."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from modules import names
from modules.data.config import SideFeature
from modules.serving.item_facts import Category, ItemFacts
from modules.training.inputs import read_columns


def read_item_facts(
    patterns: Sequence[str], features: Mapping[str, SideFeature], vocabularies: Mapping[str, Sequence[bytes]]
) -> ItemFacts:
    """Returns what the catalog says of every item.

    Args:
      patterns: transformed examples of the `catalog` split, one an item.
      features: the item features by name.
      vocabularies: the values of each categorical one, by index from 1 on, and under "items" the items.
    """
    num_items = len(vocabularies[names.ITEM_VOCABULARY])
    numeric = [name for name, feature in features.items() if feature.kind == "numeric"]
    columns = [names.item_column(name) for name in vocabularies if name != names.ITEM_VOCABULARY]
    catalog = read_columns(patterns, ["item", *columns])
    numbers = read_columns(patterns, [names.item_number(name) for name in numeric], tf.float32) if numeric else {}
    items = catalog["item"].flat_values.numpy()

    def by_id(values: tf.RaggedTensor, nothing: float) -> np.ndarray:
        rows = values.to_tensor(nothing).numpy()
        table = np.full([num_items + 1, max(1, rows.shape[1])], nothing, rows.dtype)
        table[items, : rows.shape[1]] = rows
        table[0] = nothing
        return table

    return ItemFacts(
        num_items,
        {
            name: Category(values, by_id(catalog[names.item_column(name)], 0))
            for name, values in vocabularies.items()
            if name != names.ITEM_VOCABULARY
        },
        {name: by_id(numbers[names.item_number(name)], np.nan)[:, 0] for name in numeric},
    )
