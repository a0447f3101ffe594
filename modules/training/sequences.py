"""Reads the training split for what is computed from it without a gradient."""

import logging
from collections.abc import Iterator, Mapping

import numpy as np

from modules import names
from modules.models.config import ModelConfig
from modules.models.neighbours import NEIGHBOURS
from modules.models.neighbours.base import Neighbours, Sequences
from modules.training.data import TrainingData
from modules.training.inputs import find_files, read_records

_USERS = 4096


def read_sequences(data: TrainingData) -> Iterator[Sequences]:
    """Yields the training users' items, some users at a time."""
    features = ["target", *([names.BASKET_START] if data.baskets else [])]
    for record in read_records(find_files(data.train), features, _USERS):
        items = record["target"]
        users = items.value_rowids().numpy()
        if data.baskets:
            starts = items.row_starts().numpy()[users] + record[names.BASKET_START].flat_values.numpy()
        else:
            starts = np.arange(len(users))
        yield Sequences(items.flat_values.numpy(), users, starts)


def find_neighbours(data: TrainingData, config: ModelConfig) -> Mapping[str, Neighbours]:
    """Returns kind -> the table of each item's neighbours in the training split.

    Raises:
      ValueError: where a kind that the configuration asks for cannot be computed.
    """
    num_items = data.corpus.num_items
    tables = {}
    for name in config.kinds_of_neighbours():
        limit = NEIGHBOURS[name].MOST_ITEMS
        if limit is not None and num_items > limit:
            reason = f"{name!r} for a corpus of more than {limit} items ({num_items})"
            if config.neighbour_kinds:
                raise ValueError(f"`model.neighbour_kinds` must not have {reason}. Received: {config.neighbour_kinds}.")
            logging.info("No neighbours of kind %s.", reason)
            continue
        tables[name] = NEIGHBOURS[name].find(read_sequences(data), data.corpus.item_counts, config.neighbours)
    return tables
