"""Reads the training split for what is computed from it without a gradient."""

from collections.abc import Iterator, Sequence

from modules.models.neighbours import Sequences
from modules.training.inputs import find_files, read_records

_USERS = 4096


def read_sequences(train: Sequence[str]) -> Iterator[Sequences]:
    """Yields the users' items from the file patterns of the training split, some users at a time."""
    for record in read_records(find_files(train), ["target"], _USERS):
        items = record["target"]
        yield items.flat_values.numpy(), items.value_rowids().numpy()
